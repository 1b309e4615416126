"""`python -m bench.fuzz --seconds 600`: schemas and bodies made up by a seeded generator, as long as one likes.

What `tests/attack/test_poison_fuzz.py` does a little of. Each worker is a process, so that one that dies is seen, with
the seed that it died of. Prints what was tried; exit status 1 where something did not hold.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog

from streams.tagging.decode import isolated
from streams.tagging.decode.isolated import Isolated
from tests.support.poison import Count, Maker, tried

# What a worker may grow by: one event within its bounds, and what tagging takes.
_GROWTH = 700 * 1024 * 1024
_WORKER_SECONDS = 60.0


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.fuzz", description=__doc__)
    wanted.add_argument("--seconds", type=float, default=60.0)
    wanted.add_argument("--seed", type=int, default=0, help="the first one; each schema takes the next")
    wanted.add_argument(
        "--worker", type=Path, help="used by the program itself: where to keep the seed of now"
    )
    given = wanted.parse_args()
    if given.worker:
        print(json.dumps(work(given.seed, given.seconds, given.worker)))
        return 0
    return supervise(given.seed, given.seconds)


def supervise(seed: int, seconds: float) -> int:
    """Workers one after the other; what all of them did, and what did not hold."""
    total: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    faults: list[str] = []
    peak = 0
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "seed"
        while time.monotonic() < end:
            took = min(_WORKER_SECONDS, end - time.monotonic())
            command = [sys.executable, "-m", "bench.fuzz", "--worker", str(place)]
            command += ["--seed", str(seed), "--seconds", str(took)]
            try:
                done = subprocess.run(
                    command, capture_output=True, text=True, timeout=took + 120, check=False
                )
                failed = f"ended with {done.returncode}" if done.returncode else ""
            except subprocess.TimeoutExpired:
                failed = "hung"
            reached = int(place.read_text() or seed)
            seed = reached + 1
            if failed:
                faults.append(f"seed {reached}: the process {failed}")
                continue
            found = json.loads(done.stdout.splitlines()[-1])
            reasons.update(found["count"].pop("reasons"))
            total.update(found["count"])
            faults += found["faults"]
            peak = max(peak, found["grown"])
    if peak > _GROWTH:
        faults.append(f"a worker grew by {peak / 2**20:.0f} MiB")
    print(f"{dict(total)}, next seed {seed}, most growth {peak / 2**20:.0f} MiB")
    print("dead letters:", ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common()))
    for line in faults:
        print(line)
    return 1 if faults else 0


def work(seed: int, seconds: float, place: Path) -> dict[str, Any]:
    """Try schema after schema; the seed of each is in the file before it is tried."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    isolated.ISOLATED = Isolated(memory=48 * 1024 * 1024, processor_seconds=0.3)
    count, faults = Count(), []
    start = _most_memory()
    end = time.monotonic() + seconds
    with place.open("w") as kept:
        while time.monotonic() < end:
            kept.seek(0)
            kept.write(str(seed))
            kept.flush()
            try:
                tried(Maker(random.Random(seed)).made(), count)
            except Exception:  # noqa: BLE001 - that is what is looked for
                faults.append(f"seed {seed}: {traceback.format_exc(limit=-3)}")
            seed += 1
    isolated.ISOLATED.close()
    return {"count": asdict(count), "faults": faults[:20], "grown": _most_memory() - start}


def _most_memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    sys.exit(main())

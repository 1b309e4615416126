"""Runs the mixes of the benchmark and holds each answer against a model; exit status 1 where one is wrong."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

import structlog

from bench.gdprbench.decisions import Decisions
from bench.gdprbench.erasures import Holds, Replays
from bench.gdprbench.installation import Installation
from bench.gdprbench.network import LateIdentity, SharedAddresses
from bench.gdprbench.score import Score, table
from bench.gdprbench.users import MIXES, Users, records_by_consent

ADDITIONS: Mapping[
    str,
    Callable[[Installation, Score, int, int], LateIdentity | SharedAddresses | Holds | Replays | Decisions],
] = {
    "late-identity": LateIdentity,
    "shared-address": SharedAddresses,
    "holds": Holds,
    "replay": Replays,
    "decisions": Decisions,
}
ALL = (*MIXES, *ADDITIONS)


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.gdprbench", description=__doc__)
    wanted.add_argument("--mix", choices=[*ALL, "all"], default="all")
    wanted.add_argument("--users", type=int, default=100)
    wanted.add_argument("--records", type=int, help="before the first operation; default five for each user")
    wanted.add_argument("--operations", type=int, default=200, help="of each of GDPRBench's mixes")
    wanted.add_argument("--on", choices=["memory", "chdb"], default="chdb", help="the index")
    wanted.add_argument("--seed", type=int, default=5)
    wanted.add_argument("--json", action="store_true", help="JSON instead of tables")
    asked = wanted.parse_args()
    structlog.configure(logger_factory=structlog.testing.CapturingLoggerFactory())
    scores = {}
    for mix in ALL if asked.mix == "all" else (asked.mix,):
        records = 5 * asked.users if asked.records is None else asked.records
        scores[mix] = measured(mix, asked.on, asked.users, records, asked.operations, asked.seed)
        if not asked.json:
            print(table(mix, scores[mix]), flush=True)
            for line in scores[mix].wrong[:5]:
                print(f"  wrong: {line}", flush=True)
    if asked.json:
        shown = {mix: {"operations": one.rows(), "wrong": one.wrong[:20]} for mix, one in scores.items()}
        print(json.dumps(shown, indent=1))
    return int(any(score.wrong for score in scores.values()))


def measured(mix: str, on: str, users: int, records: int, operations: int, seed: int = 5) -> Score:
    """One mix on an installation of its own."""
    score = Score()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        schemas = records_by_consent() if mix in MIXES else None
        there = Installation(Path(folder), stack, on, schemas)
        if mix in MIXES:
            Users(there, score, users, mix, seed).run(records, operations)
        else:
            ADDITIONS[mix](there, score, users, seed).run()
    return score


if __name__ == "__main__":
    sys.exit(main())

"""The installed command as its users run it: in a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.time_bounds import HANGING_SECONDS, await_that

COMMAND = Path(sys.executable).parent / "innsyn"


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


def environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The one of this process, without its settings of innsyn; `more` on top."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INNSYN_")}
    ours = {"INNSYN_HOME": str(home), "COLUMNS": "100"}
    # What a killed process leaves in its temporary folder goes with the test's own.
    if (home.parent / "temporary").is_dir():
        ours["TMPDIR"] = str(home.parent / "temporary")
    return kept | ours | dict(more or {})


def innsyn(
    home: Path,
    *arguments: str,
    stdin: str = "",
    cwd: Path | None = None,
    settings: Mapping[str, str] | None = None,
    timeout: float = 60.0,
) -> Ended:
    """Run `innsyn` to its end. `settings`: further environment variables."""
    done = subprocess.run(
        [str(COMMAND), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        cwd=cwd or home.parent,
        env=environment(home, settings),
        timeout=timeout,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


# Tests await a condition by asking again and again.
_IMPATIENT = {"INNSYN_LOOKUPS_PER_SECOND": "1000", "INNSYN_LOOKUPS_BURST": "10000"}


class Up:
    """A running `innsyn up`."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self.home = home
        self.output = home.parent / "up.log"
        with self.output.open("ab") as log:
            self.process = subprocess.Popen(
                [str(COMMAND), "up", "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=home.parent,
                env=environment(home, {**_IMPATIENT, **settings}),
                start_new_session=True,
            )
        await_that(self._announced, "run.json of this process")
        self.http = httpx.Client(
            base_url=self.run["api"],
            headers={"Authorization": f"Bearer {(home / 'token').read_text().strip()}"},
            timeout=HANGING_SECONDS,
            trust_env=False,
        )

    @property
    def run(self) -> dict[str, Any]:
        """What stands in run.json."""
        found = json.loads((self.home / "run.json").read_text())
        assert isinstance(found, dict)
        return found

    def events(self, *people: Mapping[str, str]) -> int:
        """POST /v1/lineage/query: how many events are held of them."""
        answer = self.http.post("/v1/lineage/query", json={"identifiers": list(people)})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["total_events"])

    def end(self, number: int = signal.SIGINT) -> int:
        """Send a signal, wait for the end, give the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(HANGING_SECONDS)
        self.http.close()
        return status

    def _announced(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        file = self.home / "run.json"
        return file.exists() and self.run["pid"] == self.process.pid


@contextmanager
def up(home: Path, settings: Mapping[str, str] | None = None) -> Iterator[Up]:
    """`innsyn up` for the block; killed at its end if the block has not ended it."""
    running = Up(home, settings or {})
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait(HANGING_SECONDS)


def naming(folder: Path) -> list[int]:
    """Processes with that folder on their command line, such as the broker of a home."""
    return [pid for pid, words in _processes() if any(str(folder) in word for word in words)]


def _processes() -> Iterator[tuple[int, Sequence[str]]]:
    shown = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True
    )
    for line in shown.stdout.splitlines():
        pid, _, words = line.strip().partition(" ")
        yield int(pid), words.split()

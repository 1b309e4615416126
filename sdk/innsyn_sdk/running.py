"""How a reference job is started, and how it goes on while its store is away."""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from innsyn_sdk.changing import Changing, Rows
from innsyn_sdk.expiry import Expiry
from innsyn_sdk.job import RightsJob
from innsyn_sdk.keys import KeysUnreadable
from innsyn_sdk.mapping import JobFile, NotAJob, read_job
from innsyn_sdk.outcome import Outcome, StoreUnavailable
from innsyn_sdk.protocol import Command
from innsyn_sdk.state import Restrictions, State

_NEVER = threading.Event()
AWAY_SECONDS = 5.0
"""Between tries while what the job remembers cannot be read."""
_log = logging.getLogger(__name__)


class Remembered(State, Restrictions, Protocol):
    """All that a reference job remembers."""


class Store(Rows, Protocol):
    """What a reference job works on."""

    @property
    def state(self) -> Remembered: ...

    def check(self) -> None:
        """That the store is as the job's file says. Raises NotAJob, StoreUnavailable."""

    def erase(self, command: Command) -> Outcome: ...

    def expire(self, expiry: Expiry) -> Outcome: ...


def main(
    section: str,
    settings: Mapping[str, type],
    store_of: Callable[[JobFile], Store],
    arguments: Sequence[str] | None = None,
) -> int:
    """Run a job by its file until SIGTERM: 0; 2 where the file, the keys or the store are not as they have to be."""
    parser = argparse.ArgumentParser(prog=f"python -m innsyn_sdk.{section}")
    parser.add_argument("file", type=Path, help="the job's file (TOML)")
    parser.add_argument(
        "--check", action="store_true", help="see whether file, keys and store agree, and end"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="open and check commands, erase and answer nothing"
    )
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        file = read_job(chosen.file, section, settings)
        store = store_of(file)
        store.check()
        job = job_of(file, store)
    except (NotAJob, KeysUnreadable, StoreUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    _log.info("job of %s: %d records are mapped", job.system, len(file.records))
    if not chosen.check:
        serve(lambda: job.run(file.kafka, dry_run=chosen.dry_run))
    return 0


def job_of(file: JobFile, store: Store) -> RightsJob:
    """The job that does what the file says of its rights. Raises KeysUnreadable."""
    changing = Changing(store, file.records, store.state)

    def forgotten(outcome: Outcome) -> Outcome:
        if outcome.state != "failed":
            changing.forget()
        return outcome

    does = {*file.rights}
    return RightsJob(
        file.keys,
        (lambda command: forgotten(store.erase(command))) if "erasure" in does else None,
        store.state,
        expire=(lambda expiry: forgotten(store.expire(expiry))) if "erasure" in does else None,
        export=changing.export if "access" in does else None,
        rectify=changing.rectify if "rectification" in does else None,
        restrict=changing.restrict if "restriction" in does else None,
        meanwhile=changing.mark_again if "restriction" in does else None,
        every_seconds=file.mark_again_seconds,
    )


def serve(run: Callable[[], None], wait: Callable[[float], object] = _NEVER.wait) -> None:
    """Run to the end; where the store is away before a command is begun, again: the command was not committed."""
    while True:
        try:
            return run()
        except StoreUnavailable as error:
            _log.warning("%s; the command waits", error)
            wait(AWAY_SECONDS)

"""A retention run whose process is killed at any write, and two processes that carry it out at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sinks.memory.requests import MemoryRequests
from sinks.ports.expiry import Expired, RunOut
from streams.answers.keeping import NOTHING_KEPT
from streams.rights.protocol.request import State
from tests.support.index import memory_index
from tests.support.office import Office
from tests.support.processes import Fate, Killed, Log
from tests.support.suppressing import KARI, OLA
from tests.unit.rights.test_expiry_run import BY, LONG_AGO, OTHER, YESTERDAY, answered, held, view

RUN = "x-20261122-1"


class Killing:
    """An office of which the process may be killed at each write: of the ledger, to Kafka, and of the index."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.fate = Fate()
        self.office = Office(folder, memory_index(), stack)
        view(self.office, KARI, LONG_AGO, LONG_AGO, YESTERDAY)
        view(self.office, OLA, LONG_AGO, YESTERDAY)
        self.office.ledger = Log(self.fate)
        send, expire = self.office._send, self.office.index.expirer.expire
        self.office._send = lambda *said: self.fate.write(lambda: send(*said))  # type: ignore[method-assign]
        self.expire = expire
        self.office.index.expirer.expire = self._expire  # type: ignore[method-assign]
        self.office.serve(NOTHING_KEPT)

    def _expire(self, run_out: Any, kept: Any = (), known_at: Any = None) -> Expired:
        def half(ways: list[RunOut]) -> Expired:
            return self.expire(ways, kept, known_at)

        # Killed in the middle of it, too.
        ways = list(run_out)
        self.fate.write(lambda: half(ways[: len(ways) // 2]))
        found: Expired = self.fate.write(lambda: half(ways))
        return found

    def through(self) -> None:
        """As often as it takes; each process after the first is a new one."""
        office = self.office
        steps: list[Callable[[], object]] = [self._begin, self._approve, self._carry_on, self._answer]
        for _ in range(12):
            try:
                for step in steps:
                    step()
            except Killed:
                office.serve(NOTHING_KEPT)
                continue
            run = office.service._file.find(RUN)
            if run is not None and run.ended:
                return

    def _begin(self) -> None:
        if self.office.service._file.find(RUN) is None:
            self.office.service.run_retention(self.office.now, BY)
        self._carry_on()

    def _approve(self) -> None:
        run = self.office.service.get(RUN)
        if run.awaits_approval:
            self.office.service.approve(RUN, run.digest or "", OTHER)

    def _carry_on(self) -> None:
        self.office.deliver()
        self.office.service.resume()
        self.office.deliver()

    def _answer(self) -> None:
        for command in list(self.office.expiries):
            answered(self.office, command)
        self.office.service.resume()


def ended(killing: Killing) -> tuple[Any, ...]:
    run = killing.office.service.get(RUN)
    return run.state, run.forgotten, held(killing.office), sorted(run.expired_at)


def test_killed_at_every_write_a_run_ends_as_if_it_never_was(tmp_path: Path) -> None:
    """Before the write and after it; what was counted to go stays true."""
    with ExitStack() as stack:
        whole = Killing(tmp_path / "whole", stack)
        whole.through()
        expected, writes = ended(whole), whole.fate.writes
        assert expected[:3] == (State.COMPLETED, {"events_removed": 3, "events_narrowed": 0}, 2)
        assert writes > 10
        for after in (False, True):
            for left in range(writes):
                killing = Killing(tmp_path / f"{left}-{after}", stack)
                killing.fate.left, killing.fate.after = left, after
                killing.through()
                assert ended(killing) == expected, (left, after)
                assert [item.request_id for item in killing.office.service.requests()] == [RUN]


def test_two_processes_carry_one_run_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever writes first: one run is made, each step is recorded once, and what went is counted once."""
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack)
        view(office, KARI, LONG_AGO, LONG_AGO, YESTERDAY)
        first = office.service
        office.serve(NOTHING_KEPT)
        second = office.service
        real = MemoryRequests.store
        busy = False

        def store(self: MemoryRequests, given: Any) -> bool:
            nonlocal busy
            # Whoever is about to write is overtaken by the other one, once for each write.
            if not busy:
                busy = True
                try:
                    other = second if office.service is first else first
                    other.run_retention(office.now, BY)
                    other.resume()
                finally:
                    busy = False
            return bool(real(self, given))

        monkeypatch.setattr(MemoryRequests, "store", store)
        for service in (first, second):
            office.service = service
            service.run_retention(office.now, BY)
            office.deliver()
        runs = [item for item in first.requests() if item.of_everybody]
        assert [item.request_id for item in runs] == [RUN]
        office.service.approve(RUN, runs[0].digest or "", OTHER)
        office.deliver()
        for command in list(office.expiries):
            answered(office, command)
        run = office.service.get(RUN)
        assert (run.state, run.forgotten) == (State.COMPLETED, {"events_removed": 2, "events_narrowed": 0})
        assert held(office) == 1

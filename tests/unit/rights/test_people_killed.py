"""A request that nobody made, whose process is killed at each of its writes: it ends as if nobody had been."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from sinks.memory.identity import RetainedMemoryClaims
from sinks.memory.index import MemoryIndex
from sinks.memory.retained import MemoryRetained
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.unit.rights.test_people_expiry import Expiring

MOST = 60


class Killed(BaseException):
    """The process ends here."""


class Deadly:
    """Kills at its write of that number, before it or after it."""

    def __init__(self, number: int, *, after: bool) -> None:
        self.left = number
        self.after = after

    def __call__(self, write: Callable[..., Any]) -> Callable[..., Any]:
        def deadly(*given: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self.after:
                raise Killed
            done = write(*given, **more)
            if self.left == 0:
                raise Killed
            return done

        return deadly


class Eraser:
    """An `IndexEraserOfMany` of which forgetting is deadly."""

    def __init__(self, eraser: Any, deadly: Deadly) -> None:
        self._eraser = eraser
        self.forget = deadly(eraser.forget)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._eraser, name)


def ended(folder: Path, number: int, *, after: bool) -> bool:
    """Whether the process was killed at that write; whatever comes of the request is held against what has to."""
    with ExitStack() as stack:
        deadly, index = Deadly(number, after=after), memory_index()
        memory = cast("MemoryIndex", index.writer)
        index = replace(index, eraser=cast("Any", Eraser(index.eraser, deadly)))
        office = Expiring(folder, stack, index, RetainedMemoryClaims(memory), MemoryRetained(memory))
        office.left()
        office.ledger.append = deadly(office.ledger.append)  # type: ignore[method-assign]
        office._send = deadly(office._send)  # type: ignore[method-assign]
        office.serve(office.keeping)
        for _ in range(3):
            waiting: deque[Any] = deque()
            try:
                office.service.expire_people(office.now, 10)
                office.service.resume()
                while office.sent:
                    waiting = deque(office.sent)
                    office.deliver()
                office.service.resume()
            except Killed:
                # What was not acknowledged comes again; the rest of the topic as well.
                office.sent = waiting + office.sent
                office.serve(office.keeping)
        (request,) = office.of_people()
        assert (request.state, request.problems) == (State.COMPLETED, ()), number
        assert (request.forgotten or {})["rows_removed"] == 3, number
        assert office.records_of("crm") == 0
        assert office.categories() == {"ContractEvent": {"C-09"}}
        return deadly.left <= 0


@pytest.mark.parametrize("after", [False, True])
def test_it_ends_as_if_nobody_had_killed_it(tmp_path: Path, after: bool) -> None:
    """Told once or twice by the same command, forgotten as it was counted, completed once."""
    killed = 0
    for number in range(1, MOST):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        if not ended(folder, number, after=after):
            break
        killed += 1
    assert 10 < killed < MOST - 1

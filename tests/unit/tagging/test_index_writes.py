"""As of when a tagger's writes are in the index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from prometheus_client import CollectorRegistry

from schemas.errors import IndexUnavailable
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import Clock, LineageBatch
from streams.metrics import TagMetrics
from streams.tagging.index_writes import IndexWrites
from streams.tagging.logs import Logs
from streams.tagging.pairs import NoDeadLetters
from streams.tagging.prepare import Prepared
from streams.tagging.progress import Progress
from tests.support.index import NOW, Row, batch, tags


class NoneReplaced:
    """Logs of topics none of which was replaced."""

    def others(self, topics: Iterable[str]) -> list[tuple[str, int]]:
        return []


@dataclass
class Clocked:
    """A clock that is moved by hand."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


class AwayOnce(MemoryIndex):
    """An index that does not answer the first time, for a minute."""

    def __init__(self, clock: Clocked) -> None:
        super().__init__()
        self.moving = clock

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        if self.moving.at == NOW:
            self.moving.at += timedelta(minutes=1)
            raise IndexUnavailable("away for a moment")
        super().write(batch, clock)


def test_a_batch_is_in_the_ledger_as_of_when_all_of_it_was_stored() -> None:
    """Not as of when its write began, nor when an earlier try did: who looked in between did not find it."""
    clock = Clocked()
    index = AwayOnce(clock)

    def stored_slowly() -> tuple[()]:
        clock.at += timedelta(seconds=30)
        return ()

    writes = IndexWrites(
        index,
        NoDeadLetters(),
        cast("Logs", NoneReplaced()),
        TagMetrics(CollectorRegistry()),
        Progress(),
        clock,
        replay=False,
        retry_seconds=60,
    )
    writes.store(Prepared(replace(batch([Row(1, 0, tags())]), meanwhile=stored_slowly)))
    assert [at - NOW for at, _ in index.written] == [timedelta(seconds=90)]

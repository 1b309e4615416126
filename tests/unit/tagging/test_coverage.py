"""Counting whose the tagged events are, beside the tagger: it is never waited for, and ends when it should."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from schemas.errors import IndexUnavailable
from schemas.patience import check, current
from sinks.ports.identity import ClaimKey
from streams.identity.coverage import Coverage
from streams.identity.identities import Identities
from streams.metrics import TagMetrics
from streams.tagging.coverage import CoverageCounter
from tests.support.said import session
from tests.support.time_bounds import HANGING_SECONDS
from tests.unit.identity.test_coverage import (
    EARLY,
    KARI,
    LATE,
    NO_CLAIMS,
    NO_PREFIXES,
    SOURCES,
    Reader,
    observed,
)

WEB = {"web": observed(("A", 0, 0), ("X", 0, 0))}


class SlowReader(Reader):
    """Answers once it may, as an index that is busy: `asked_now` is set while it waits. It honours the patience."""

    def __init__(self, *said: Any) -> None:
        super().__init__(*said)
        self.asked_now, self.answer, self.left = (threading.Event() for _ in range(3))

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        patience = current()
        assert patience is not None
        with patience.running(self.leave):
            self.asked_now.set()
            assert self.answer.wait(HANGING_SECONDS)
        check()
        return super().claims(keys, known_at, of=of, without=without)

    def leave(self) -> None:
        self.left.set()
        self.answer.set()


class Counted:
    """A counter over claims, with its figures."""

    def __init__(self, reader: Reader) -> None:
        registry = CollectorRegistry()
        self.counter = CoverageCounter(Coverage(Identities(reader, SOURCES)), TagMetrics(registry))
        self._value: Callable[..., float | None] = registry.get_sample_value

    def resolved(self, word: str) -> float | None:
        labels = {"topic": "web", "resolution": word}
        return self._value("innsyn_identifiers_resolved_total", labels)

    @property
    def passed_over(self) -> float | None:
        return self._value("innsyn_batches_not_resolved_total")


def test_what_was_taken_is_counted_before_it_is_closed() -> None:
    """Whoever waits for the end of the topics has the figures of the last batch too."""
    found = Counted(Reader(KARI))
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    found.counter.close()
    assert (found.resolved("unique"), found.resolved("none"), found.passed_over) == (1, 1, 0)


def test_closing_what_never_counted_is_nothing() -> None:
    """A tagger that read nothing has no thread to end."""
    found = Counted(Reader(KARI))
    found.counter.close()
    assert found.counter._thread is None


def test_a_busy_index_holds_nobody_up() -> None:
    """One batch is asked for and one waits; the third is passed over at once, and that is counted."""
    reader = SlowReader(KARI)
    found = Counted(reader)
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    assert reader.asked_now.wait(HANGING_SECONDS)
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    # The index answers only from here on: none of the three waited for it.
    assert found.passed_over == 1
    reader.answer.set()
    found.counter.close()
    assert (found.resolved("unique"), found.passed_over) == (2, 1)


def test_what_a_batch_that_was_passed_over_said_is_not_forgotten() -> None:
    """Its claims make their tokens asked anew, though its own events were not counted."""
    reader = SlowReader(KARI)
    found = Counted(reader)
    reader.answer.set()
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    found.counter._waiting.join()
    assert (found.resolved("unique"), found.resolved("none")) == (1, 1)
    reader.answer.clear()
    reader.asked_now.clear()
    other = {"chat": observed(("Y", 0, 0))}
    found.counter.take(other, NO_CLAIMS, NO_PREFIXES)
    assert reader.asked_now.wait(HANGING_SECONDS)
    found.counter.take(other, NO_CLAIMS, NO_PREFIXES)
    found.counter.take(WEB, reader.learn(session("x", "X", "xenia", EARLY, [0], LATE)), NO_PREFIXES)
    reader.answer.set()
    found.counter._waiting.join()
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    found.counter.close()
    assert (found.resolved("unique"), found.resolved("none"), found.passed_over) == (3, 1, 1)


@pytest.mark.parametrize("error", [IndexUnavailable("no answer"), ValueError("a fault of ours")])
def test_a_fault_loses_a_figure_and_nothing_else(error: Exception) -> None:
    """The next batch is counted again."""

    class Failing(Reader):
        def claims(self, *given: Any, **named: Any) -> pa.Table:
            nonlocal error
            if not self.asked:
                self.asked.append(set())
                raise error
            return super().claims(*given, **named)

    found = Counted(Failing(KARI))
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    found.counter._waiting.join()
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    found.counter.close()
    assert (found.resolved("unique"), found.passed_over) == (1, 1)


def test_it_ends_when_it_is_told_to_whatever_the_index_does() -> None:
    """The question that is being asked is ended in the index; what waits is not begun."""
    reader = SlowReader(KARI)
    found = Counted(reader)
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    assert reader.asked_now.wait(HANGING_SECONDS)
    found.counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    found.counter.close(0.1)
    assert reader.left.is_set()
    assert found.counter._thread is not None
    assert not found.counter._thread.is_alive()
    assert found.resolved("unique") is None


def test_which_events_led_to_whom_is_told_beside_the_figures() -> None:
    """After they were counted, in the counter's thread."""
    told: list[pa.Table] = []
    counter = CoverageCounter(
        Coverage(Identities(Reader(KARI), SOURCES)), TagMetrics(CollectorRegistry()), told.append
    )
    counter.take(WEB, NO_CLAIMS, NO_PREFIXES)
    counter.close()
    (rows,) = told
    assert sorted(rows["found"].to_pylist()) == ["one", "unknown"]

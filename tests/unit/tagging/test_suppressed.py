"""What an erasure had taken away is known again in a batch: the same rows as by looking at each, whatever the key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sinks.memory.sinks import memory_sinks
from sinks.ports.keys import PAIR_SCHEMA
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from sinks.ports.resurrected import Arrival, Resurrected
from sinks.ports.sinks import Sinks
from sinks.ports.suppression import Ending, Suppressed, SuppressionLedger
from streams.tagging.suppressed import Suppression

NOW = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
START = NOW - timedelta(seconds=20)


def token(number: int) -> bytes:
    """Two tokens in three share their first half, as no two real ones do."""
    return bytes([number // 3] * 8) + bytes([number % 3] * 8)


def rows(*given: tuple[int, int, int, int], tag_set: int = 1, topic: str = "orders") -> pa.Table:
    """Each: number of the token, offset, seconds after START, port."""
    found: list[dict[str, Any]] = [
        {
            "token": token(number),
            "topic": topic,
            "partition": offset % 2,
            "offset": offset,
            "role": 1,
            "tag_set": tag_set,
            "event_time": (START + timedelta(seconds=at)).replace(tzinfo=None),
            "port": port,
        }
        for number, offset, at, port in given
    ]
    return pa.Table.from_pylist(found, ROW_SCHEMA)


def entered(sinks: Sinks, request_id: str, *spans: Span, stays: Sequence[int] = ()) -> None:
    sinks.suppression.enter(Suppressed(request_id, spans, stays, NOW, NOW + timedelta(days=9)))


def caught(sinks: Sinks, *tables: pa.Table, arrival: Arrival = Arrival.PRODUCER) -> list[Resurrected]:
    return Suppression(sinks.suppression, arrival).caught(LineageBatch(pa.concat_tables(tables)), NOW)


def at(seconds: int | None) -> datetime | None:
    return None if seconds is None else START + timedelta(seconds=seconds)


MOMENTS = st.none() | st.integers(0, 12)
PORTS = st.integers(0, 4)
SPANS = st.builds(
    lambda number, since, until, low, high: Span(token(number), at(since), at(until), low, high),
    st.integers(0, 8), MOMENTS, MOMENTS, PORTS, PORTS,
)  # fmt: skip
ROWS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 30), st.integers(0, 12), PORTS), max_size=25)


@given(st.lists(st.tuples(st.sampled_from(["r-1", "r-2"]), SPANS), max_size=8), ROWS)
def test_the_same_events_are_caught_as_by_looking_at_each_row(
    spans: list[tuple[str, Span]], found: list[tuple[int, int, int, int]]
) -> None:
    """By token, interval and ports of each span, in chunks of any size; each event counts once for each request."""
    sinks = memory_sinks()
    for name in ("r-1", "r-2"):
        entered(sinks, name, *(span for request_id, span in spans if request_id == name))
    expected = {
        (request_id, offset)
        for request_id, span in spans
        for number, offset, seconds, port in found
        if span.token == token(number)
        and (span.since is None or START + timedelta(seconds=seconds) >= span.since)
        and (span.until is None or START + timedelta(seconds=seconds) < span.until)
        and span.port_from <= port <= span.port_to
    }
    hits = caught(sinks, rows(*found[:7]), rows(*found[7:]).slice(0), rows())
    counted = {(hit.request_id, hit.partition): hit for hit in hits}
    assert len(counted) == len(hits)
    for name in ("r-1", "r-2"):
        for partition in (0, 1):
            offsets = {
                offset for request_id, offset in expected if (request_id, offset % 2) == (name, partition)
            }
            hit = counted.get((name, partition))
            assert (hit is None) == (not offsets)
            if hit is not None:
                assert (hit.first_offset, hit.last_offset, hit.events) == (
                    min(offsets),
                    max(offsets),
                    len(offsets),
                )


def test_a_hit_names_its_topic_way_and_time() -> None:
    sinks = memory_sinks()
    entered(sinks, "r-1", Span(token(1), until=NOW))
    assert caught(sinks, rows((1, 4, 0, 0)), arrival=Arrival.RETRY) == [
        Resurrected("r-1", "orders", 0, 4, 4, 1, Arrival.RETRY, NOW)
    ]


def test_events_that_stayed_are_not_caught() -> None:
    """Of a tag set that the plan left as it was; those beside it are."""
    sinks = memory_sinks()
    entered(sinks, "r-1", Span(token(1), until=NOW), stays=[7])
    hits = caught(sinks, rows((1, 4, 0, 0), tag_set=7), rows((1, 6, 0, 0), tag_set=2**64 - 1))
    assert [hit.first_offset for hit in hits] == [6]


def test_what_is_entered_and_ended_later_is_known_with_the_next_batch() -> None:
    sinks = memory_sinks()
    known = Suppression(sinks.suppression, Arrival.PRODUCER)
    batch = LineageBatch(rows((1, 4, 0, 0)))
    assert known.caught(batch, NOW) == []
    entered(sinks, "r-1", Span(token(1), until=NOW))
    assert len(known.caught(batch, NOW)) == 1
    sinks.suppression.end("r-1", Ending.LIFTED, NOW)
    assert known.caught(batch, NOW) == []


class Asked:
    """The ledger, and how often it was asked whether it has changed."""

    def __init__(self, ledger: SuppressionLedger) -> None:
        self.times, self._ledger = 0, ledger

    def mark(self) -> object:
        self.times += 1
        return self._ledger.mark()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def test_each_batch_asks_the_ledger_once_and_finds_what_was_entered_since_the_last() -> None:
    """Its own rows are written by then, whenever the erasure began."""
    sinks = memory_sinks()
    ledger = Asked(sinks.suppression)
    known, writer = Suppression(cast(SuppressionLedger, ledger), Arrival.PRODUCER), sinks.writer()
    for number, offset in ((2, 4), (1, 6), (1, 8)):
        before = ledger.times
        writer.write(known.watched(LineageBatch(rows((number, offset, 0, 0))), NOW), lambda: NOW)
        # The first one has to read the ledger before.
        assert ledger.times - before == (2 if offset == 4 else 1)
        if offset == 4:
            entered(sinks, "r-1", Span(token(1), until=NOW))
    (origin,) = sinks.suppression.origins()
    assert (origin.first_offset, origin.last_offset, origin.events) == (6, 8, 2)


def pairs(older: int, newer: int) -> pa.Table:
    return pa.Table.from_pylist(
        [{"older": token(older), "newer": token(newer), "key_id": "k-1"}], PAIR_SCHEMA
    )


def test_a_token_of_a_newer_key_is_known_by_the_pair_that_comes_with_it() -> None:
    """And from then on without it: a tagger makes the pair of an identifier once."""
    sinks = memory_sinks()
    entered(sinks, "r-1", Span(token(1), until=NOW))
    known = Suppression(sinks.suppression, Arrival.PRODUCER)
    row = rows((9, 4, 0, 0))
    assert known.caught(LineageBatch(row), NOW) == []
    assert len(known.caught(LineageBatch(row, pairs=pairs(1, 9)), NOW)) == 1
    assert len(known.caught(LineageBatch(row), NOW)) == 1
    entered(sinks, "r-2", Span(token(2), until=NOW))
    assert len(known.caught(LineageBatch(row), NOW)) == 1
    assert known.caught(LineageBatch(rows((10, 4, 0, 0)), pairs=pairs(5, 10)), NOW) == []


class Pairs:
    """As `streams.identity.rekeyed.Same`: tokens 1 and 9 are one identifier's."""

    def every(self, tokens: Iterable[bytes]) -> Mapping[bytes, frozenset[bytes]]:
        both = frozenset({token(1), token(9)})
        return {item: both if item in both else frozenset({item}) for item in tokens}


def test_a_token_of_a_newer_key_is_known_by_the_pairs_of_the_index() -> None:
    """The tagger may have made the pair before the erasure, or have been another process."""
    sinks = memory_sinks()
    entered(sinks, "r-1", Span(token(1), until=NOW))
    known = Suppression(sinks.suppression, Arrival.REPLAY, Pairs())
    hits = known.caught(LineageBatch(rows((9, 4, 0, 0), (1, 6, 0, 0), (8, 8, 0, 0))), NOW)
    assert [(hit.first_offset, hit.last_offset, hit.events) for hit in hits] == [(4, 6, 2)]

"""The store of sealed parts of copies, the same in memory, on the embedded engine and over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from schemas.errors import IndexUnavailable
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.copies import ClickHouseCopies
from sinks.memory.copies import MemoryCopies
from sinks.ports.copies import CopyStore, StoredPart
from tests.support.index import empty

NOON = datetime(2026, 3, 9, 12, 0, 0, 250_000, tzinfo=UTC)
# Every byte, so also what is no text.
SEALED = bytes(range(256))


@pytest.fixture
def store(engine: ClickHouse | None) -> CopyStore:
    return ClickHouseCopies(empty(engine)) if engine else MemoryCopies()


def part(number: int = 1, of: int = 2, request: str = "r-1", message: bytes = SEALED) -> StoredPart:
    return StoredPart(request, f"{request}/crm", "crm", 1, number, of, message, NOON)


def test_parts_come_back_in_order_as_they_went_in(store: CopyStore) -> None:
    """Whatever order they came in; those of another attempt or command are not among them."""
    for number in (10, 2, 1):
        store.keep(part(number, 10))
    store.keep(replace(part(3), attempt=2))
    store.keep(part(4, request="r-2"))
    assert list(store.parts("r-1/crm", 1)) == [part(1, 10), part(2, 10), part(10, 10)]
    assert [store.count("r-1/crm", attempt) for attempt in (1, 2, 3)] == [3, 1, 0]
    assert list(store.parts("r-1/dhcp", 1)) == []


def test_the_last_that_came_to_a_place_stands(store: CopyStore) -> None:
    """A job that died and began anew sealed anew; the same part twice is one."""
    for message in (b"first", b"second", b"third", b"third"):
        store.keep(part(message=message))
    assert [item.message for item in store.parts("r-1/crm", 1)] == [b"third"]
    assert store.count("r-1/crm", 1) == 1


def test_the_largest_part_goes_in(store: CopyStore) -> None:
    """A mebibyte of what does not compress."""
    large = bytes((index * index >> 3) & 255 for index in range(1 << 20))
    store.keep(part(message=large))
    assert [item.message for item in store.parts("r-1/crm", 1)] == [large]


def test_requests_are_known_by_their_newest_part(store: CopyStore) -> None:
    assert store.requests() == {}
    store.keep(part())
    store.keep(replace(part(2), received_at=NOON + timedelta(days=1)))
    store.keep(part(request="r-2"))
    assert dict(store.requests()) == {"r-1": NOON + timedelta(days=1), "r-2": NOON}


def test_what_is_deleted_is_gone_and_the_others_stay(store: CopyStore) -> None:
    """Safe to repeat, for nobody, and for a request without parts; what comes afterwards is there again."""
    for request in ("r-1", "r-2", "r-3"):
        store.keep(part(request=request))
    store.delete([])
    for _ in range(2):
        store.delete(["r-1", "r-3", "r-9"])
        assert set(store.requests()) == {"r-2"}
        assert (store.count("r-1/crm", 1), store.count("r-2/crm", 1)) == (0, 1)
    store.keep(part())
    assert store.count("r-1/crm", 1) == 1


def test_nothing_sealed_is_shown() -> None:
    """A part that is logged by mistake tells nothing of what is in it."""
    assert "secret" not in repr(part(message=b"secret"))


def test_an_index_that_is_away_is_said_to_be() -> None:
    """Nothing is lost in silence where a part cannot be kept."""
    store = ClickHouseCopies(ClickHouse("http://127.0.0.1:9/none"))
    for work in (lambda: store.keep(part()), lambda: store.count("r-1/crm", 1), store.requests):
        with pytest.raises(IndexUnavailable):
            work()

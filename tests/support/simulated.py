"""A small simulated company, and its events as messages."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.codec import encode
from schemas.records import load_records
from streams.simulate.plan import Plan, SimEvent

SMALL = Plan(customers=60, days=6, seed=3)


def encoded(items: Iterable[SimEvent]) -> list[tuple[str, bytes | None, bytes]]:
    """Topic, key and message of each."""
    records = load_records()
    return [(item.topic, item.key, encode(records[item.record], item.value)) for item in items]

"""Fields that no contract names, told of while they keep coming."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from console.health.health import Health
from schemas.contracts import Contract
from schemas.errors import Unavailable
from schemas.paths import covers
from sinks.ports.untagged import UntaggedField, UntaggedFields

_EVERY_SECONDS = 30.0
# A source that no longer sends a field needs no word about it.
_TOLD_FOR = timedelta(days=7)


def untagged_lines(fields: UntaggedFields, contracts: Mapping[str, Contract], now: datetime) -> Sequence[str]:
    """A sentence for each field of the last days that the contract of its topic does not name now.

    Raises IndexUnavailable.
    """
    return [
        _sentence(item)
        for item in fields.seen()
        if item.topic in contracts
        and now - item.last_seen < _TOLD_FOR
        and not covers(contracts[item.topic].tree, item.path)
    ]


def watch_untagged(health: Health, fields: UntaggedFields, contracts: Mapping[str, Contract]) -> None:
    """Tell of them beside the parts: whoever may write to one topic turns nobody away."""

    def lines() -> Sequence[str]:
        try:
            return untagged_lines(fields, contracts, health.clock())
        except Unavailable:
            # The index is a part of its own.
            return ()

    if contracts:
        health.watch("untagged fields", lines, every=_EVERY_SECONDS, notice=True)


def _sentence(item: UntaggedField) -> str:
    return (
        f"field {item.path} on {item.topic} is in no contract, so nobody's data in it are tagged (first seen"
        f" {item.first_seen:%Y-%m-%d %H:%M}, last {item.last_seen:%Y-%m-%d %H:%M} UTC): name it in"
        f" contracts/{item.topic}.yaml, with category none if it is about nobody"
    )

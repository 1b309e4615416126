"""Whether the times of examples are what their contract takes them for, as a tagger reads them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, get_args

from schemas.contract_file import EventTime, Unit
from schemas.contracts import Contract
from schemas.examples import Example, change_of
from schemas.moments import EARLIEST, LATEST, from_iso, in_zone, since_1970

_PER_SECOND: Mapping[Unit, int] = {"seconds": 1, "millis": 10**3, "micros": 10**6, "nanos": 10**9}
_DAY = 86_400


def unread_times(example: Example) -> Iterator[tuple[str, str, str]]:
    """Path, what is wrong and what to do, of times that make an event a dead letter.

    Types are not looked at: a value of another type than its unit has is passed over.
    """
    contract = example.contract
    if example.value is None:
        return
    if contract is None:
        name = example.record.event_time
        at = example.value.get(name)
        if isinstance(at, datetime) and not EARLIEST <= since_1970(at) < LATEST:
            yield name, "is a time before 1990 or after 2099", "write one of today; a tagger takes no other"
        return
    for path, value, time in _times(example, contract):
        if found := _wrong(value, time, early=path == contract.event_time.column):
            yield path, *found


def _times(example: Example, contract: Contract) -> Iterator[tuple[str, Any, EventTime]]:
    time = contract.event_time
    if time.envelope:
        value = change_of(example.value)
        for key in time.envelope.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        yield time.column, value, time
    said = {time.path: time, **contract.since}
    for place in example.places:
        if place.path is not None and place.path in said:
            yield place.path, place.value, said[place.path]


def _wrong(value: Any, time: EventTime, early: bool) -> tuple[str, str] | None:
    """`early`: before 1990 is wrong too; a link may have begun before, which counts as since then."""
    if time.unit == "iso8601":
        if not isinstance(value, str):
            return None
        try:
            at = since_1970(in_zone(value, time.zone))
        except (ValueError, OverflowError):
            return _no_moment(value)
        in_range = (at >= EARLIEST or not early) and at < LATEST
        return None if in_range else ("is a time before 1990 or after 2099", "write one of today")
    if isinstance(value, bool) or not isinstance(value, int | float) or _fits(value, time.unit, early):
        return None
    meant = [
        unit for unit in get_args(Unit) if unit not in ("iso8601", time.unit) and _fits(value, unit, True)
    ]
    mend = f"write unit: {meant[0]} in the contract, as it looks, or mend the example" if meant else "mend it"
    return f"is a time before 1990 or after 2099 where it is read in {time.unit}", mend


def without_offset(value: object) -> bool:
    """Whether it is a time in ISO 8601 of which only a zone says when it was."""
    try:
        return isinstance(value, str) and from_iso(value).tzinfo is None
    except (ValueError, OverflowError):
        return False


def _no_moment(value: str) -> tuple[str, str]:
    if not without_offset(value):
        return "is no time in ISO 8601", "write one such as 2026-03-02T18:05:30Z"
    return (
        "is a time without offset, and the contract names no zone, so that nobody knows when it was",
        "write the zone of whoever writes the events, such as zone: Europe/Oslo",
    )


def _fits(value: int | float, unit: Unit, early: bool) -> bool:
    at = value * _DAY * 1_000 if unit == "days" else value * 1_000 / _PER_SECOND[unit]
    return (at >= EARLIEST or not early) and at < LATEST

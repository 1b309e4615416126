"""What has run out by its retention rule, whoever it is about: a command of its own, which names those who stay. Pure.

It is no `Command`, so that nothing which erases by identifiers can take those whose records stay for those whose go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from innsyn_sdk.keys import Keys
from innsyn_sdk.protocol import (
    KEPT,
    Authentic,
    Command,
    Identifier,
    Refused,
    authentic,
    command_of,
    identifiers_of,
)


@dataclass(frozen=True)
class RunOut:
    """Of one record: `fields` (`Record.field`) have run out of those events whose time is before `before`.

    A record of which all personal fields have run out, by one of these or by several, goes; else they are emptied. One
    without a readable time is not meant. `where`: of these events alone, as in an order. `expected`: how many innsyn's
    index knows there.
    """

    record: str
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    where: Mapping[str, Any] | None
    before: datetime
    rule: str
    citation: str
    expected: int


@dataclass(frozen=True)
class Expiry:
    """What has run out at the system. A record that names one of `kept` in any field, within its limits, stays."""

    command_id: str
    request_id: str
    attempt: int
    issued_at: datetime
    records: tuple[RunOut, ...]
    kept: tuple[Identifier, ...] = field(repr=False)
    deadline: date | None
    value: Mapping[str, Any] = field(repr=False)

    @property
    def kind(self) -> str:
        """Beside the kinds of commands."""
        return "retention"


def received(message: bytes, keys: Keys, now: datetime) -> Command | Expiry:
    """A command of any kind, if innsyn sent it as it is, to this system and not too long ago.

    Raises NotReadable, Refused: `clock_off` also for what runs out later than the command was sent.
    """
    found = authentic(message, keys, now)
    return _expiry(found) if KEPT in found.value else command_of(found)


def _expiry(found: Authentic) -> Expiry:
    value = found.value
    try:
        kept, records = identifiers_of(found.plain), tuple(map(_run_out, value["records"]))
        if not records:
            raise ValueError("nothing has run out")
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Refused("command_not_understood", value) from None
    if any(item.before > value["issued_at"] for item in records):
        raise Refused("clock_off", value)
    names = ("command_id", "request_id", "attempt", "issued_at", "deadline")
    return Expiry(records=records, kept=kept, value=value, **{name: value[name] for name in names})


def _run_out(said: Mapping[str, Any]) -> RunOut:
    """Raises ValueError for one without fields, which must not be taken for all, or with those of another record."""
    if not said["fields"] or any(path.partition(".")[0] != said["record"] for path in said["fields"]):
        raise ValueError("what has run out are fields of the record")
    lists = {name: tuple(said[name]) for name in ("categories", "fields")}
    return RunOut(**{**said, **lists})

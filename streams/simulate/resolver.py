"""The perfect resolver: whose an event is by what stands in its fields, knowing who really held what when.

It reads events by their schemas' annotations, not by what the simulator meant with them, and follows an identifier
only where the feeds say enough: a payer may be anybody, a handle is somebody's only after it was used while logged
in, a cookie only after a log-in, a case only after it was opened, and what is kept for the police alone tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import NamedTuple

from schemas.annotations import SubjectReference
from streams.simulate.model import records
from streams.simulate.plan import SimEvent
from streams.simulate.world import World

_NONE: frozenset[str] = frozenset()
_HANDLES = ("chat_handle", "social_handle", "case_number")
_NOT_FOLLOWED = "account_number"


class Answer(NamedTuple):
    """Customer numbers, each in one of the sets at most; see `Truth` for what they mean."""

    unique: frozenset[str] = _NONE
    gap: frozenset[str] = _NONE
    ambiguous: frozenset[str] = _NONE
    doubtful: frozenset[str] = _NONE
    locked: frozenset[str] = _NONE
    mentioned: frozenset[str] = _NONE

    def __repr__(self) -> str:
        return f"Answer({', '.join(f'{len(numbers)} {name}' for name, numbers in self._asdict().items())})"


class _Place(NamedTuple):
    """Who may be behind an address: by reports that stand, in a gap of theirs, and only by a report never revoked."""

    sure: set[str]
    gap: set[str]
    stale: set[str]


class Resolver:
    """Answers for events in their order: it remembers whose handles it has seen."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._handles: dict[tuple[str, str], str] = {}

    def answer(self, item: SimEvent) -> Answer:
        """Whose the event is. Events of a topic come in the order in which they are sent."""
        references, time = _read(item.record)
        at = item.value[time]
        self._learn(item)
        direct = set(self._named(item, references, at))
        if item.value.get("purpose") == "retention":
            return Answer(locked=frozenset(direct))
        place = self._place(item, references, at)
        holders = place.sure | place.gap
        gap: set[str] = set()
        ambiguous: set[str] = set()
        if len(place.sure) > 1:
            ambiguous = place.sure
        elif place.gap or place.stale - holders:
            gap = holders
        else:
            direct |= holders
        mentioned = {
            self._world.one(mention.customer_number)
            for mention in item.mentioned
            if mention.kind != _NOT_FOLLOWED
        }
        gap -= direct
        ambiguous -= direct
        doubtful = (place.gap | place.stale) - gap - ambiguous - direct
        mentioned -= direct | gap | ambiguous | doubtful
        return Answer(*map(frozenset, (direct, gap, ambiguous, doubtful, _NONE, mentioned)))

    def _learn(self, item: SimEvent) -> None:
        number = item.value.get("customer_number")
        for kind in _HANDLES:
            if number and item.value.get(kind):
                self._handles[kind, item.value[kind]] = number

    def _named(self, item: SimEvent, references: Sequence[SubjectReference], at: datetime) -> Iterable[str]:
        for reference in references:
            value = item.value[reference.field]
            number = None if value is None else self._holder(reference.kind, value, at)
            if number is not None:
                yield self._world.one(number)

    def _holder(self, kind: str, value: str, at: datetime) -> str | None:
        if kind == "customer_number":
            return value if value in self._world.by_number else None
        if kind in _HANDLES:
            return self._handles.get((kind, value))
        return self._world.holder(kind, value, at)

    def _place(self, item: SimEvent, references: Sequence[SubjectReference], at: datetime) -> _Place:
        place = _Place(set(), set(), set())
        for reference in references:
            if reference.kind != "ip" or item.value[reference.field] is None:
                continue
            port = item.value[reference.port_field] if reference.port_field else None
            for lease in self._world.leases.latest(item.value[reference.field], port, at):
                number = self._world.one(lease.customer_number)
                if at < lease.end:
                    (place.sure if at < lease.known_until else place.gap).add(number)
                elif lease.ended == "lost" and lease.port_from is not None and port is None:
                    place.stale.add(number)
        return place


@cache
def _read(record: str) -> tuple[tuple[SubjectReference, ...], str]:
    """Fields of the record that name somebody who is no employee, and the field of the event time."""
    schema = records()[record]
    return tuple(found for found in schema.identifiers if found.role != "agent"), schema.event_time

"""Erasures that were carried out for whom a question is about: what they left may lie where no link leads any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from schemas.policy import MOMENTS
from schemas.times import iso
from streams.answers.clocks import EarlierDays, anchors_of_shown
from streams.answers.restricted import Restricted
from streams.identity.model import Given, ResolvedSubject


@dataclass(frozen=True)
class Erased:
    """An erasure that was completed, and the systems in which something was held or not told to go then.

    `clocks`: from which days its plan counted, as `KnownAnchors.shown` says it; `planned_at`: when. `asked`: whether
    the person asked for it; else something had run out, and the rest is there as before.
    """

    request_id: str
    completed_at: datetime
    left: tuple[str, ...]
    clocks: Sequence[Mapping[str, Any]] = ()
    planned_at: datetime | None = None
    asked: bool = True

    def shown(self) -> dict[str, Any]:
        return {
            "request_id": self.request_id,
            "completed_at": iso(self.completed_at),
            "left": list(self.left),
        }


class Ledger(Protocol):
    """Whoever knows the requests."""

    def erased(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Erased]:
        """The completed erasures of a person, oldest first. Raises IndexUnavailable."""

    def restricted(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Restricted]:
        """The restrictions of a person that stand, oldest first. Raises IndexUnavailable."""


def erased_before(ledger: Ledger, person: ResolvedSubject, given: Sequence[Given]) -> list[Erased]:
    """What has to be said beside an answer about a person; nothing where links lead on: these led to what was left.

    Raises IndexUnavailable.
    """
    return [] if person.links else [item for item in ledger.erased(person, given) if item.asked]


def earlier_days(ledger: Ledger, person: ResolvedSubject, given: Sequence[Given]) -> EarlierDays | None:
    """From which days the newest erasure of the person counted that knew any. Raises IndexUnavailable."""
    known = [item for item in ledger.erased(person, given) if item.clocks and item.planned_at is not None]
    if not known:
        return None
    newest = max(known, key=lambda item: (item.completed_at, item.request_id))
    return days_of_plan(newest.clocks, newest.planned_at or newest.completed_at)


def earlier_states(ledger: Ledger, person: ResolvedSubject, given: Sequence[Given]) -> EarlierDays | None:
    """The same of clocks that stand for a state alone: a day that was typed for a moment is of the things of then.

    Raises IndexUnavailable.
    """
    known = earlier_days(ledger, person, given)
    if known is None:
        return None
    return replace(known, days={name: day for name, day in known.days.items() if name not in MOMENTS})


def days_of_plan(clocks: Sequence[Mapping[str, Any]], planned_at: datetime) -> EarlierDays:
    """From which days a plan counted, out of what it says of clocks."""
    return EarlierDays(anchors_of_shown(clocks).days(), planned_at)


def erased_line(request_id: str, completed_at: str, left: Sequence[str]) -> str:
    """An erasure of the person in one line, with what it left and how to find that."""
    done = f"an erasure of this person was completed on {completed_at[:10]} ({request_id})"
    if not left:
        return f"{done}, and held nothing"
    return (
        f"{done}; what it left in {', '.join(left)} may lie under identifiers to which nothing leads any more; see"
        f" `innsyn requests show {request_id}`, and give every identifier of the person"
    )

"""Of what a request as it stands is made up: its states, what people did to it, and runs of forgetting. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    UNCHECKED = "unchecked"
    RECEIVED = "received"
    PLANNED = "planned"
    COMMANDED = "commanded"
    WAITING = "waiting"
    ATTENTION = "attention"
    FORGETTING = "forgetting"
    ANSWERED = "answered"
    COMPLETED = "completed"
    REOPENED = "reopened"
    CLOSED = "closed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Note:
    """What a person did to a request, and why: `what` is accepted, closed, cancelled, checked, told and the like.

    The reason is `sealed` with the request's key; `reason` is it opened, None where there is none or the key is gone.
    `words`: what may be said in clear, of closed lists.
    """

    what: str
    at: datetime
    system: str | None = None
    sealed: str | None = field(default=None, repr=False)
    reason: str | None = field(default=None, repr=False)
    words: str | None = None


@dataclass(frozen=True)
class Run:
    """A run of forgetting that nobody said was through: what `going` was counted to go, by kind, at `as_of`.

    `replanned`: a new plan was made since. `systems`: of a retention run, at which it was to go.
    """

    going: Mapping[str, int]
    as_of: datetime
    tag_sets: frozenset[int]
    replanned: bool = False
    systems: frozenset[str] = frozenset()

"""What the ledger keeps of a request: one class for each kind of event, and its stored form. Pure.

A new field needs a default, so that events from before it can be read. One that is None by default is left out of the
stored form where it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any, ClassVar

from pydantic import TypeAdapter, ValidationError

from schemas.times import iso
from schemas.vocabulary import CommandKind, Resolution, ToldBy
from sinks.ports.requests import UNREADABLE, RequestEvent
from streams.rights.protocol.answering import Answer, AnswerSetAside, Commanded, Copied, Escalated, ReviewDue
from streams.rights.protocol.came_back import CameBack, SuppressionLifted
from streams.rights.protocol.expiring import Expired, Expiring, KeptSince
from streams.rights.protocol.handling import (
    Accepted,
    Approved,
    Cancelled,
    Checked,
    Closed,
    Closing,
    Extended,
    IdentityAsked,
    Notified,
    Told,
    Waived,
)
from streams.rights.protocol.scope import Scope

Json = Mapping[str, Any]
Spans = tuple[tuple[Any, ...], ...]
"""As `streams.answers.attribution.spans_json` writes them."""


@dataclass(frozen=True)
class Received:
    """A right was exercised. `inherited` and `follows`: of a request that follows late findings of another up.

    `reread`: only the index had it again, from topics that it read anew; `subjects`: tokens of whom it is about, as
    hex, where nobody can read any more what they gave.
    `anchors`: days as they were given; one that is no day stops what needs it, not the list of requests. `unchecked`:
    it waits until somebody has checked who makes it. `by`: the credential by which it was made. `scope`: what it is
    limited to.
    """

    kind: ClassVar[str] = "received"
    type: str
    channel: str
    received_at: datetime
    sealed: str = field(default="", repr=False)
    anchors: Mapping[str, str] = field(default_factory=dict)
    inherited: Spans | None = field(default=None, repr=False)
    follows: str | None = None
    unchecked: bool | None = None
    by: str | None = None
    scope: Scope | None = None
    reread: bool | None = None
    subjects: tuple[str, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class OpenRequest:
    """Another request of the same person that is open."""

    request_id: str
    type: str
    state: str


@dataclass(frozen=True)
class About:
    """Whom the request is about, as hex tokens, and what else is open for them."""

    kind: ClassVar[str] = "about"
    subjects: tuple[str, ...]
    beside: tuple[OpenRequest, ...]


@dataclass(frozen=True)
class Behind:
    """It waits for these requests of the same person. `run`: length of the ledger then, since it may do so again.
    `expiring`: those of them by which systems were told to delete what has run out."""

    kind: ClassVar[str] = "behind"
    behind: tuple[str, ...]
    run: int | None = None
    expiring: tuple[str, ...] | None = None


@dataclass(frozen=True)
class PlannedCommand:
    """What one system is to be told, and what the index counts there; see `CommandState` for each.

    `planned` None: made before anybody counted, or nobody can say how many. `again`: of a new plan, whether the system
    has to be told of it. `by_key`: how many records are told by their own key. `kind` None: an erasure. `by_hand`:
    nothing is sent, its people do it. `reread`: the system erased it before, and only the index has it again.
    """

    command_id: str
    system: str
    planned: int | None = None
    by_link: int = 0
    described: bool = False
    records: Mapping[str, int] = field(default_factory=dict)
    least: Mapping[str, int] | None = None
    again: bool | None = None
    events: int | None = None
    kind: CommandKind | None = None
    by_hand: bool | None = None
    reread: bool | None = None
    by_key: int | None = None


@dataclass(frozen=True)
class Planned:
    """What becomes of everything held. `plan` as `plan_json`, `identity` as `IdentitySnapshot.json`. `approval`: a
    second person has to approve it, by the rules of then; so of a new plan and an answer. `kept`: of a retention run,
    where the data lie of people whose data are kept."""

    kind: ClassVar[str] = "planned"
    plan: Json
    commands: tuple[PlannedCommand, ...]
    identity: Json | None = field(default=None, repr=False)
    resolution: Resolution | None = None
    by_link: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    approval: bool | None = None
    kept: Spans | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Replanned:
    """Planned anew, of the same person, since the index holds more by now. `identity`, `resolution`: as of `Planned`;
    None: of whom it was planned before, as of every erasure."""

    kind: ClassVar[str] = "replanned"
    plan: Json
    commands: tuple[PlannedCommand, ...]
    at: datetime | None = None
    approval: bool | None = None
    identity: Json | None = field(default=None, repr=False)
    resolution: Resolution | None = None


@dataclass(frozen=True)
class Counted:
    """Commands of a plan from before anybody counted, counted."""

    kind: ClassVar[str] = "counted"
    commands: tuple[PlannedCommand, ...]


@dataclass(frozen=True)
class Forgetting:
    """The index begins to forget. `run`: length of the ledger then; `going`: how many entries, by kind.

    `going` None: recorded by a version that did not count beforehand.
    """

    kind: ClassVar[str] = "forgetting"
    run: int = 0
    going: Mapping[str, int] | None = None
    as_of: datetime | None = None
    tag_sets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Forgot:
    """The index is through with a run. `left`: what is still there of it; `counts`: what older versions removed."""

    kind: ClassVar[str] = "forgotten"
    run: int | None = None
    left: Mapping[str, int] | None = None
    counts: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Attention:
    """A person has to look. `broke`: a step failed by a fault of ours, at this length of the ledger (`after`)."""

    kind: ClassVar[str] = "attention"
    reason: str
    resolution: Resolution | None = None
    broke: bool = False
    after: int | None = None
    run: int | None = None


@dataclass(frozen=True)
class Unclear:
    """All is erased that is known to be the person's, and nobody can tell whether more is: so many messages that could
    not be read (`dead_letters`, by topic), so many events of an identifier that others had too. `run`: length of the
    ledger then. `which`: by topic what stands for which messages they are; None of before this was kept."""

    kind: ClassVar[str] = "unclear"
    dead_letters: Mapping[str, int]
    shared_events: int
    run: int
    which: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Answered:
    """The person can be answered: with this report, about this identity. `to_tell`: it is done when it was sent."""

    kind: ClassVar[str] = "answered"
    report: Json
    identity: Json | None = field(default=None, repr=False)
    resolution: Resolution | None = None
    remarks: tuple[str, ...] = ()
    to_tell: bool | None = None
    approval: bool | None = None


@dataclass(frozen=True)
class Completed:
    """Everything is done but what is `held`, as parts of the plan. `run`: length of the ledger then, since a request
    whose hold was reviewed may be completed twice with the same held."""

    kind: ClassVar[str] = "completed"
    held: tuple[Json, ...]
    run: int | None = None


@dataclass(frozen=True)
class Lifting:
    """A restriction ends: the systems that restrict are told so by `commands`. Why is `sealed`; `how` the person was
    told before (GDPR Art. 18(3))."""

    kind: ClassVar[str] = "lifting"
    commands: tuple[PlannedCommand, ...]
    how: ToldBy
    sealed: str = field(repr=False)


@dataclass(frozen=True)
class Widened:
    """A restriction that stands reaches more by now: all that systems are told then (`restricted`, as in the plan), and
    those that are told anew. `run`: length of the ledger then; the others as of `Planned`."""

    kind: ClassVar[str] = "widened"
    restricted: tuple[Json, ...]
    recipients: tuple[str, ...]
    commands: tuple[PlannedCommand, ...]
    identity: Json = field(repr=False)
    remarks: tuple[str, ...] = ()
    run: int | None = None


@dataclass(frozen=True)
class LateFound:
    """What came to light after the answer; see `streams.rights.late_findings.LateFinding`."""

    kind: ClassVar[str] = "late_finding"
    found_at: datetime
    events: int
    no_longer: int
    systems: tuple[str, ...]
    categories: tuple[str, ...]
    because: str


@dataclass(frozen=True)
class FollowedUp:
    """A new request deals with what came to light. `taken`: ids meant for it that another request had."""

    kind: ClassVar[str] = "followed_up"
    follow_up: str
    taken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Looked:
    """Why nobody can tell whether anything came to light, None: it can be told again."""

    kind: ClassVar[str] = "looked"
    failed: str | None
    after: int | None = None


@dataclass(frozen=True)
class KeyDestroyed:
    """Nobody reads any more what the person gave."""

    kind: ClassVar[str] = "key_destroyed"


LedgerEvent = (
    Received
    | About
    | Behind
    | Planned
    | Replanned
    | Counted
    | Commanded
    | Answer
    | Accepted
    | Waived
    | AnswerSetAside
    | Copied
    | Escalated
    | ReviewDue
    | Closing
    | Forgetting
    | Forgot
    | Attention
    | Unclear
    | Answered
    | Completed
    | Closed
    | Cancelled
    | LateFound
    | CameBack
    | SuppressionLifted
    | FollowedUp
    | Looked
    | KeyDestroyed
    | IdentityAsked
    | Checked
    | Extended
    | Told
    | Approved
    | Lifting
    | Widened
    | Notified
    | KeptSince
    | Expiring
    | Expired
)
KINDS: Mapping[str, type[LedgerEvent]] = {item.kind: item for item in LedgerEvent.__args__}
"""Each class by the word it is stored under."""
_ADAPTERS: Mapping[str, TypeAdapter[Any]] = {name: TypeAdapter(kind) for name, kind in KINDS.items()}


def event_of(stored: RequestEvent) -> LedgerEvent | None:
    """The event as its class; None for a kind that this version does not know, which then changes nothing.

    Raises ValueError for one that cannot be read.
    """
    if stored.kind == UNREADABLE:
        raise ValueError(stored.kind)
    if stored.kind not in KINDS:
        return None
    try:
        found: LedgerEvent = _ADAPTERS[stored.kind].validate_python(stored.content)
    except ValidationError:
        # Its text shows what does not fit, which may be anything.
        raise ValueError(f"no content of {stored.kind}") from None
    return found


def content_of(event: object) -> dict[str, Any]:
    """The event (or a part of one) as JSON, as the ledger stores it and the API shows it."""
    said = {}
    for item in fields(event):  # type: ignore[arg-type]
        value = getattr(event, item.name)
        if not (value is None and item.default is None):
            said[item.name] = _plain(value)
    return said


_AS_IT_IS = frozenset({str, int, float, bool, type(None)})


def _plain(value: Any) -> Any:
    if type(value) in _AS_IT_IS:
        return value
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return content_of(value) if hasattr(value, "__dataclass_fields__") else value

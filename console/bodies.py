"""Bodies of questions about a person, as the API and the command line take them.

None shows a personal value in its repr, and none refuses one by quoting it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from schemas.days import FIRST_DAY, LAST_DAY, is_open_end, is_open_moment
from schemas.errors import InputError
from schemas.moments import leap_second
from schemas.policy import RetentionAnchors
from schemas.tokens import IdentifierKinds
from sinks.ports.exposed import Reach
from sinks.ports.lineage import Filter
from streams.answers.by_key import RecordKey
from streams.answers.question import Identifier as AskedIdentifier
from streams.answers.question import Question

Text = Annotated[str, Field(min_length=1, max_length=64)]
Names = Annotated[list[Text], Field(max_length=100)]
AnyMoment = Annotated[AwareDatetime, BeforeValidator(leap_second)]
_EXAMPLE = "such as 2026-03-01T12:00:00Z"
_OWN_WORDS = {
    "timezone_aware": f"has no zone; give a time with one, {_EXAMPLE}",
    "datetime_type": f"is no time; give one with its zone, {_EXAMPLE}",
    "datetime_parsing": f"is no time; give one with its zone, {_EXAMPLE}",
    "datetime_from_date_parsing": f"is no time; give one with its zone, {_EXAMPLE}",
}
_FIRST, _LAST = datetime.combine(FIRST_DAY, time.min, UTC), datetime.combine(LAST_DAY, time.max, UTC)
_BOUND = f"is no day that can be meant; give one from {FIRST_DAY} to {LAST_DAY}, or 9999-12-31 for none"


def _clock_day(day: date) -> date:
    if not (is_open_end(day) or FIRST_DAY <= day <= LAST_DAY):
        raise PydanticCustomError("day", _BOUND)
    return day


def _end(moment: datetime) -> datetime | None:
    if is_open_moment(moment):
        return None
    if not FIRST_DAY <= moment.date() <= LAST_DAY:
        raise PydanticCustomError("day", _BOUND)
    return moment


def _meant(moment: datetime) -> datetime:
    if not _FIRST <= moment <= _LAST:
        raise PydanticCustomError(
            "day", f"is no day that can be meant; give one from {FIRST_DAY} to {LAST_DAY}"
        )
    return moment


def what_is_wrong(error: Mapping[str, Any]) -> str:
    """What pydantic found, in words for whoever gave it; never what was given. `error`: one of its `errors()`."""
    return _OWN_WORDS.get(error["type"]) or str(error["msg"])


Moment = Annotated[AnyMoment, AfterValidator(_meant)]
ClockDay = Annotated[date, AfterValidator(_clock_day)]
"""Placeholders for "no end" as well: see `RetentionAnchors`."""
End = Annotated[AnyMoment, AfterValidator(_end)]
"""The end of a period; None for a placeholder that means none."""


class Body(BaseModel):
    """What every body that comes in has: no other fields, no value in an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


KindName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
"""Which there are, the company says: `schemas.identifiers.IdentifierKinds`."""


class Identifier(Body):
    """One identifier of the person. `at` and `port` limit an address to who used it at that second, on that port."""

    kind: KindName
    value: Annotated[str, Field(min_length=1, max_length=1024, repr=False)]
    at: Moment | None = None
    port: Annotated[int, Field(ge=0, le=65_535)] | None = None

    def asked(self, kinds: IdentifierKinds) -> AskedIdentifier:
        """Raises InvalidIdentifier for a kind that the company does not have."""
        return AskedIdentifier(kinds.parse(self.kind), self.value, self.at, self.port)


KeyPart = Annotated[str, Field(min_length=1, max_length=1024)]
Identifiers = Annotated[list[Identifier], Field(min_length=1, max_length=100)]


class Anchors(Body):
    """Days on which retention clocks started, as far as the case handler knows them; 9999-12-31: not yet."""

    contract_end: ClockDay | None = None
    case_closed: ClockDay | None = None
    need_end: ClockDay | None = None
    invoice_settled: ClockDay | None = None
    session_end: ClockDay | None = None
    communication_end: ClockDay | None = None
    withdrawal: ClockDay | None = None
    delivery: ClockDay | None = None
    order: ClockDay | None = None

    def days(self) -> RetentionAnchors:
        return RetentionAnchors(**dict(self))


class SubjectBody(Body):
    """Whom a question is about."""

    identifiers: Identifiers
    anchors: Anchors = Anchors()

    def question(self, kinds: IdentifierKinds) -> Question:
        """The question itself, for `streams.answers`. Raises InvalidIdentifier."""
        return Question([item.asked(kinds) for item in self.identifiers], self.anchors.days())


class PlanQuery(SubjectBody):
    """Whom an erasure would be about. `received_at`: when the request came in, as `NewRequest` has it; default now."""

    received_at: Moment | None = None

    def question(self, kinds: IdentifierKinds) -> Question:
        return replace(super().question(kinds), received_at=self.received_at)


class AsKnown(Body):
    """`known_at`: answer as the index would have at that moment. `changes`: also say what changed since."""

    known_at: Moment | None = None
    changes: bool = False


class AccessQuery(SubjectBody, AsKnown):
    """Whom an access answer is about."""

    def question(self, kinds: IdentifierKinds) -> Question:
        return replace(super().question(kinds), known_at=self.known_at, changes=self.changes)


class IdentityQuery(AsKnown):
    """Whose an identifier was: at `at`, or ever."""

    identifiers: Identifiers

    def question(self, kinds: IdentifierKinds) -> Question:
        """The question itself, for `streams.answers`. Raises InvalidIdentifier."""
        identifiers = [item.asked(kinds) for item in self.identifiers]
        return Question(identifiers, known_at=self.known_at, changes=self.changes)


class LineageQuery(AccessQuery):
    """`from` and `to` bound the event time, half-open. Empty lists: no limit. `recipients`: what was given to any.
    `restricted`: only what is stored alone by a restriction or objection that stands now, or only the rest."""

    since: Moment | None = Field(None, alias="from")
    until: End | None = Field(None, alias="to")
    categories: Names = []
    purposes: Names = []
    systems: Names = []
    recipients: Names = []
    restricted: bool | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 200
    cursor: Annotated[str, Field(max_length=200)] | None = None

    def question(self, kinds: IdentifierKinds) -> Question:
        limits = Filter(
            self.since,
            self.until,
            self.categories,
            self.purposes,
            self.systems,
            recipients=self.recipients,
        )
        return replace(super().question(kinds), limits=limits, restricted=self.restricted)


class DecisionsQuery(Body):
    """Whose decisions are asked for. `from` and `to` bound the time of the decision, half-open."""

    identifiers: Identifiers
    known_at: Moment | None = None
    since: Moment | None = Field(None, alias="from")
    until: End | None = Field(None, alias="to")

    def question(self, kinds: IdentifierKinds) -> Question:
        """The question itself, for `streams.answers.decisions`. Raises InvalidIdentifier."""
        identifiers = [item.asked(kinds) for item in self.identifiers]
        limits = Filter(self.since, self.until)
        return Question(identifiers, limits=limits, known_at=self.known_at)


class RecordKeyBody(Body):
    """`value`: the record's key as its system writes it; a list where several fields make it up, in schema order."""

    record: Annotated[str, Field(min_length=1, max_length=200)]
    value: KeyPart | Annotated[list[KeyPart], Field(min_length=1, max_length=10)] = Field(repr=False)


class RecordQuery(Body):
    """Which record of a system a question is about."""

    record_key: RecordKeyBody

    def question(self) -> RecordKey:
        """The question itself, for `streams.answers.by_key`."""
        value = self.record_key.value
        return RecordKey(self.record_key.record, [value] if isinstance(value, str) else value)


class EventAt(Body):
    """Where an event lies. Of a topic that was made anew the partition is 100,000 × its history + its number in Kafka;
    views show both."""

    topic: Annotated[str, Field(min_length=1, max_length=249)]
    partition: Annotated[int, Field(ge=0, lt=2**31)]
    offset: Annotated[int, Field(ge=0, lt=2**63)]


class BreachQuery(Body):
    """What a personal data breach may have reached: events of topics or systems in a time, or these events alone.

    `from` and `to` bound the event time, half-open. `named`: with the customer numbers of whom the company can tell;
    for the approver's token alone.
    """

    since: Moment | None = Field(None, alias="from")
    until: End | None = Field(None, alias="to")
    topics: Annotated[list[Annotated[str, Field(min_length=1, max_length=249)]], Field(max_length=200)] = []
    systems: Names = []
    events: Annotated[list[EventAt], Field(max_length=10_000)] = []
    named: bool = False

    @property
    def reach(self) -> Reach:
        """The same, for `streams.answers.breach`. Raises InputError where nothing says which events."""
        if not (self.topics or self.systems or self.events):
            raise InputError("body: says nothing of which events; name topics, systems or events")
        limits = Filter(self.since, self.until, systems=self.systems)
        return Reach(limits, self.topics, [(item.topic, item.partition, item.offset) for item in self.events])

"""Answers about what is held: of a person, and of one record."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from console.api.models import Answer, Identified, UnjudgedHolding
from schemas.vocabulary import Proof, Resolution


class StoredAlone(Answer):
    """A restriction or objection under which something stands, and the purposes for which it may not be used."""

    request_id: str
    type: str
    purposes: list[str]


class LineageItem(Answer):
    """What one system holds with the same tags. `delete_after` None: that clock has not started.

    `locked`: kept for the police alone, so only described: no count, no times. `proofs`: what the links prove by which
    it is the person's; empty for the identifiers themselves. `detected`: those of the categories that only free texts
    reveal. `source_deleted`: when the source last said that it deleted a record of these. `restricted`: by which
    restrictions it is stored alone.
    """

    system: str
    topic: str
    categories: list[str]
    detected: list[str]
    purposes: list[str]
    legal_basis: dict[str, str]
    origin: str
    recipients: list[str]
    retention_rule: str | None
    delete_after: date | None
    events: int | None
    first_seen: datetime | None
    last_seen: datetime | None
    proofs: list[Proof]
    locked: bool
    source_deleted: datetime | None = None
    restricted: list[StoredAlone] = Field([])


class LineageAnswer(Identified):
    """`total_events` counts each event once; it and `resolution` are of the whole answer, whatever the page."""

    total_events: int
    items: list[LineageItem]
    unjudged: list[UnjudgedHolding] = Field([])
    next_cursor: str | None = None


class Decision(Answer):
    """What one event says of a decision. `by`: `automated`, no human took part; `by_people`; or `unknown`, where the
    event says something else. `system` null: of a topic that the company has no more."""

    at: datetime
    by: str
    system: str | None
    topic: str
    partition: int
    offset: int


class DecisionsAnswer(Identified):
    """GDPR Art. 22. `automated_purposes`: those that the catalogue says are decided by machine, with how many events of
    the person serve each; of an event that says nothing of a decision nobody knows how it was taken. `total_events`:
    all of the person's in that time."""

    total_events: int
    automated: int
    by_people: int
    unclear: int
    decisions: list[Decision]
    automated_purposes: dict[str, int]


class RecordAnswer(Answer):
    """What is held about one record of a system. `people`: at least so many stand in its events; of what is only
    described nobody is counted. Clocks that an event of the person starts have not started in `delete_after`.
    `dead_letters`: messages of its system that could not be read; `waiting` as in an answer about a person.
    `key_retired`: a token key was, so that events that were tagged under it are not found by a record's key."""

    record: str
    resolution: Resolution
    people: int
    key_retired: bool
    total_events: int
    items: list[LineageItem]
    unjudged: list[UnjudgedHolding] = Field([])
    dead_letters: dict[str, int] = Field({})
    waiting: dict[str, int] | None = None

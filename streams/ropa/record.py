"""The shape of records of processing activities (GDPR Art. 30(1)); `record.schema.json` says the same for others.

Names are in Norwegian and English. A word of events that the catalogue lacks is called by itself.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from schemas.company import Party
from schemas.entries import MeasureKind, Name

Against = Literal["declared", "month"]
Side = Literal["declared_only", "observed_only", "new", "gone"]
Kind = Literal["purpose", "record", "system", "category", "legal_basis", "recipient", "subject", "origin"]
"""In the order in which differences are told."""


class Shape(BaseModel):
    """A part of the record."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Named(Shape):
    """A word of the catalogue."""

    id: str
    name: Name


class Basis(Named):
    """A legal basis, by its letter in GDPR Art. 6(1)."""

    citation: str | None


class Limit(Shape):
    """Until when data of a category are kept: a rule of the catalogue (Art. 30(1)(f)). `said`: for how long, in words.

    `of_this_purpose`: false where what the rule keeps may serve other purposes alone (`purposes`). A rule that the
    catalogue lacks has neither citation nor period.
    """

    rule: str
    name: Name
    citation: str | None
    period: str | None
    clock: str | None
    effect: str | None
    said: Name
    purposes: list[str]
    of_this_purpose: bool


class CategoryOfData(Named):
    """A category of personal data (Art. 30(1)(c)). `special`: GDPR Art. 9 or 10; `in_texts_alone`: no schema declares
    it for this purpose, free texts revealed it. `sensitivity`: 1 ordinary to 3 high, null where that is unknown."""

    sensitivity: int | None
    special: bool
    national_id: bool
    telecom_secrecy: bool
    children: bool
    in_texts_alone: bool
    events_tagged: int
    people_held: int
    limits: list[Limit]


class DeclaredRecipient(Named):
    """A category of recipients (Art. 30(1)(d)), as the contracts of the events declare it. `records`: of which."""

    party_class: str | None
    instrument: str | None
    citation: str | None
    country: str | None
    records: list[str]


class TransferAbroad(Shape):
    """A transfer out of the European Economic Area (Art. 30(1)(e)): recipient, country (ISO 3166), safeguards."""

    recipient: Named
    country: str
    safeguards: Name


class MeasureInPlace(Named):
    """A measure of security (Art. 30(1)(g), 32(1)). `systems`: in which of those of the activity it is in place."""

    kind: MeasureKind
    citation: str | None
    systems: list[str]


class SystemOfRecord(Named):
    """Where the data rest. `measured`: whether the catalogue says which measures of security it has."""

    erasure: str | None
    events_tagged: int
    people_held: int
    measured: bool


class SourceOfData(Shape):
    """A record on a topic, as it was seen: which system holds it, what is done with the data and whom they come from.
    `subjects`, `categories`, `legal_bases`: ids of those of the activity that it has. `declared`: a contract or schema
    of the company still says so."""

    topic: str
    record: str
    system: str
    operations: list[Named]
    origins: list[Named]
    subjects: list[str]
    categories: list[str]
    legal_bases: list[str]
    events_tagged: int
    people_held: int
    first_day: str
    last_day: str
    declared: bool


class Activity(Named):
    """A processing activity: all that serves one purpose (Art. 30(1)(b)), whichever systems it lies in."""

    citation: str | None
    legal_bases: list[Basis]
    automated_decisions: bool
    subjects: list[Named]
    categories: list[CategoryOfData]
    recipients: list[DeclaredRecipient]
    transfers: list[TransferAbroad]
    measures: list[MeasureInPlace]
    systems: list[SystemOfRecord]
    sources: list[SourceOfData]
    events_tagged: int
    people_held: int
    first_day: str
    last_day: str


class Window(Shape):
    """Days (UTC) on which the events happened: from `since` on, before `until`; null: no bound."""

    since: str | None
    until: str | None


class Controller(Shape):
    """Who answers for it (Art. 30(1)(a)). `contact` null: the profile of the company says none."""

    name: str
    contact: str | None
    joint_controllers: list[Party]
    representative: Party | None
    dpo_contact: str


class Record(Shape):
    """Records of processing activities as generated from what was observed. `known_limits`: what it cannot see."""

    article: Literal["GDPR Art. 30(1)"]
    generated_at: str
    catalogue_version: str
    window: Window
    controller: Controller
    activities: list[Activity]
    known_limits: list[Name]


class Difference(Shape):
    """Something that one side has and the other does not. `kind`: what; `purpose` null where it is of all of them.

    `first_day` and `last_day`: of its events, on the side that has them; null where there are none. `before`: it was
    seen before the two months that are compared (null where months are not).
    """

    side: Side
    kind: Kind
    purpose: Named | None
    value: Named
    first_day: str | None
    last_day: str | None
    before: bool | None


class Differences(Shape):
    """What differs. `window` is that of what was observed, `compared` the month before it where months are compared."""

    against: Against
    generated_at: str
    catalogue_version: str
    window: Window
    compared: Window | None
    items: list[Difference]
    known_limits: list[Name]

"""Questions about many, answered from the views of the index: no token of anybody is in an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Protocol

MOST_ROWS = 10_000
COUNTED = (
    "events_tagged counts what was tagged, erased since or not; people_held whose rows are held now: by the customer"
    " number where an event names one, else once for each identifier"
)


class Dimension(StrEnum):
    """By what can be counted. `source` is the topic, `day` that of the event by UTC."""

    PURPOSE = "purpose"
    CATEGORY = "category"
    RECIPIENT = "recipient"
    SOURCE = "source"
    RECORD = "record"
    ORIGIN = "origin"
    SYSTEM = "system"
    DAY = "day"


@dataclass(frozen=True)
class Aggregate:
    """How many events and people there are for each combination of `by`.

    `where`: of these values alone; an event or person counts if any of its own is among them. `since` inclusive,
    `until` exclusive, days of the events by UTC.
    """

    by: Sequence[Dimension]
    where: Mapping[Dimension, Sequence[str]] = field(default_factory=dict)
    since: date | None = None
    until: date | None = None
    limit: int = MOST_ROWS


@dataclass(frozen=True)
class Report:
    """A question with a name: by dimensions, or what a view shows. `day`: the column that `since` and `until` bound,
    empty where they do not; `order`: SQL; `note`: what has to be known of the figures."""

    name: str
    summary: str
    by: tuple[Dimension, ...] = ()
    view: str = ""
    day: str = ""
    order: str = "ALL"
    note: str = COUNTED

    @property
    def takes_days(self) -> bool:
        return bool(self.by or self.day)


@dataclass(frozen=True)
class Rows:
    """An answer, a tuple for each row. `more`: there were more than the limit."""

    columns: Sequence[str]
    rows: Sequence[tuple[Any, ...]]
    more: bool


REPORTS: Mapping[str, Report] = {
    item.name: item
    for item in (
        Report("purposes", "events and people of each purpose", (Dimension.PURPOSE,)),
        Report("categories", "events and people of each data category", (Dimension.CATEGORY,)),
        Report("recipients", "events and people for each recipient that is declared", (Dimension.RECIPIENT,)),
        Report(
            "disclosures",
            "who was given what, beside who is declared",
            view="v_recipients_observed",
            order="recipient, category, instrument",
            note="events_declared: whose tags name recipient and category; disclosures: of events that say that it was"
            " given, erased ones not among them",
        ),
        Report("sources", "events and people of each topic and record", (Dimension.SOURCE, Dimension.RECORD)),
        Report("origins", "events and people by whom the data came from", (Dimension.ORIGIN,)),
        Report("systems", "events and people of each system", (Dimension.SYSTEM,)),
        Report("days", "events and people of each day and system", (Dimension.DAY, Dimension.SYSTEM)),
        Report(
            "expiry",
            "what expires when, by which rule",
            view="v_expiry",
            day="until",
            order="until IS NULL, until, system, record, category",
            note="held events, as counted at counted_at; requests, restrictions and orders keep some of it longer;"
            " no until: clocks of the person say it, which start on another day for each",
        ),
        Report(
            "special",
            "sensitive and special categories, declared and detected",
            view="v_special_categories",
            order="special DESC, category, system, topic",
        ),
        Report(
            "requests",
            "rights requests and their times",
            view="v_requests",
            day="received_at",
            order="received_at, request_id",
            note="as the ledger was a minute ago",
        ),
        Report(
            "times",
            "how long rights requests take, by right and state",
            view="v_request_times",
            note="as the ledger was a minute ago",
        ),
        Report(
            "coverage",
            "what of each topic is tagged, dead-lettered, or untagged",
            view="v_coverage",
            note="nobody: offsets that gave neither a row nor a dead letter, such as events that name nobody,"
            " tombstones and markers of transactions",
        ),
        Report(
            "unresolved",
            "events for which nobody can be found, by day, topic and reason",
            view="v_unresolved",
            day="day",
            order="day, topic, reason",
            note="of events without a customer number, as they were when tagged: several may be meant, somebody had it"
            " at another time, or no link speaks of it (unknown)",
        ),
        Report(
            "dead-letters",
            "messages that could not be read, by topic and reason",
            view="v_dead_letters",
            note="every one there ever was, also those that were tagged since or dropped",
        ),
    )
}


class Reports(Protocol):
    """Safe from several threads. All raise IndexUnavailable, QuestionTooLong."""

    def aggregate(self, asked: Aggregate) -> Rows:
        """The dimensions, `events_tagged` and `people_held`; days in order, else most people first."""

    def report(self, report: Report, since: date | None, until: date | None, limit: int) -> Rows:
        """What its view shows. Raises InputError for days where the report takes none."""

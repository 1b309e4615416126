"""What is decided of everything that is held of a person, and how the ledger keeps that. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from pydantic import TypeAdapter

from schemas.messages import Kept, Order, Selector
from schemas.tags import TagSet
from schemas.vocabulary import ErasureAction
from streams.answers.unjudged import TagSetId, Unjudged

Action = Literal["erase_now", "hold_until", "expires", "stays"]


@dataclass(frozen=True)
class Part:
    """What becomes of one category of one holding.

    hold_until: `rule`, its `citation`, the only `purposes` the data may still serve; `until` None: as long as the
    contract (or the consented use) runs. stays: of a withdrawn consent, for the `purposes` that rest on another basis,
    as `citation` says. expires: the system deletes by itself, `until` at the latest (None: its
    clock has not started). `oldest_expired`: the earliest of these events are held longer than their own rule asks,
    because a command names fields, not days. `locked`: kept for the police alone, so `shown` says neither how many
    events nor until when. `where`: only these events of the record; others serve another purpose, and have other parts.
    `detected`: only a free text reveals it, so it goes and stays with the text.
    `source_deleted`: so the source says, on that day at the latest; these events are decided on as others.
    `means` of erase_now: the system deletes the records, or redacts them as more is left of them; `stays`: of how many
    of the events the record stays for somebody else, redacted. `before`: of what has run out, that these are events
    before that moment, and after the one of the part before it. `fields`: that may be of the category besides those
    that are now, as events were tagged before it changed.
    """

    system: str
    topic: str
    record: str
    tag_set: TagSetId
    category: str
    action: Action
    events: int
    until: date | None = None
    rule: str | None = None
    citation: str | None = None
    purposes: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    oldest_expired: bool = False
    locked: bool = False
    where: Selector | None = None
    detected: bool = False
    means: ErasureAction | None = None
    stays: int = 0
    source_deleted: date | None = None
    before: datetime | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Copy:
    """A Kafka topic that carried the events: its own retention deletes them, on `until` at the latest."""

    topic: str
    until: date | None


@dataclass(frozen=True)
class CommandPlan:
    """What one system is told: the categories, and exactly which fields (`Record.field`).

    `orders`: records of which a list of fields does not say enough; what `fields` names of those is for jobs that do
    not know orders.
    """

    system: str
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True)
class Telling:
    """What a system is told beside what goes there: the `purposes` that end, and what is to be `kept`.

    `last_event`: of those that are erased, which the command has to reach. Nothing of what is `locked`.
    """

    system: str
    purposes: tuple[str, ...]
    kept: tuple[Kept, ...]
    last_event: datetime | None


@dataclass(frozen=True)
class Segment:
    """What the index forgets of a time, [since, until), None: from the first event on. `kept` is what
    `IndexEraser.forget` takes there; `events`: how many there were by tag set when it was planned."""

    since: datetime | None
    until: datetime
    kept: Mapping[TagSetId, TagSet | None]
    events: Mapping[TagSetId, int]


@dataclass(frozen=True)
class Plan:
    """`kept` is what `IndexEraser.forget` takes: None erases the rows, a tag set narrows them to what is held.

    `unjudged`: what nobody can decide on; in no part, no command, and it stays in the index. `clocks`: from which days
    decisions count (`streams.answers.clocks.KnownAnchors.shown`). `recipients`: who was given what goes (Art. 19).
    `telling`: by system with a command. `made_at`: None of plans from before it was kept.
    `segments`: of what has run out, which goes up to another day for each category; nothing is in `kept` then.
    """

    as_of: date
    catalogue_version: str
    parts: tuple[Part, ...]
    copies: tuple[Copy, ...]
    commands: tuple[CommandPlan, ...]
    kept: Mapping[TagSetId, TagSet | None]
    unjudged: tuple[Unjudged, ...] = ()
    clocks: tuple[dict[str, Any], ...] = ()
    recipients: tuple[str, ...] = ()
    telling: tuple[Telling, ...] = ()
    made_at: datetime | None = None
    segments: tuple[Segment, ...] = ()

    @property
    def held(self) -> tuple[Part, ...]:
        """Every part that is not erased now."""
        return tuple(part for part in self.parts if part.action != "erase_now")

    def going(self, system: str) -> list[TagSetId]:
        """The tag sets that are erased there, but for what is only described: that is not counted aloud."""
        going = (part for part in self.parts if part.system == system and part.action == "erase_now")
        return sorted({part.tag_set for part in going if not part.locked})


def plan_json(plan: Plan) -> dict[str, Any]:
    """The plan as the ledger keeps it: no personal value in it."""
    stored: dict[str, Any] = _PLAN.dump_python(plan, mode="json")
    if not plan.segments:
        # What only plans of retention say stands in these alone.
        del stored["segments"]
        for part in stored["parts"]:
            del part["before"]
    for part in stored["parts"]:
        if not part["fields"]:
            del part["fields"]
    return stored


def plan_from_json(stored: Mapping[str, Any]) -> Plan:
    """The plan that `plan_json` wrote."""
    return _PLAN.validate_python(stored)


def shown(parts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Parts of a stored plan as people may see them: what is locked is described, its count and day left out."""
    hidden = {"events": None, "until": None, "source_deleted": None}
    return [{**part, **hidden} if part.get("locked") else dict(part) for part in parts]


_PLAN = TypeAdapter(Plan)

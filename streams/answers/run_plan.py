"""What a retention run takes, as the ledger keeps it and systems are told. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from pydantic import TypeAdapter

from schemas.canonical import canonical
from schemas.catalogue import Catalogue
from schemas.messages import RunOut as RunOutRecords
from schemas.messages import Selector
from schemas.records import RecordSchema
from schemas.tags import TagSet
from sinks.ports.expiry import OldRecords, RunOut
from streams.answers.unjudged import TagSetId


@dataclass(frozen=True)
class OldRecordsPlan:
    """What has run out of records of one kind at one system; see `schemas.messages.RunOut`.

    `whole`: nothing is left of such a record. `tag_sets`, `every`, `since`: see `OldRecords`; a record that is older
    than `since` has run out by another of these as well, and counts there. `events`: how many the index forgets or
    narrows by it, `kept`: of people whose data are kept. `expected`: how many records the index knows there, `again`:
    of these, how many are of days that a run before took for all.
    """

    system: str
    record: str
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    where: Selector | None
    before: datetime
    since: datetime | None
    rule: str
    citation: str
    whole: bool
    tag_sets: tuple[TagSetId, ...]
    every: tuple[TagSetId, ...]
    events: int
    kept: int
    expected: int = 0
    again: int = 0

    @property
    def told(self) -> RunOutRecords:
        """As its system is told of it."""
        return RunOutRecords(
            record=self.record,
            categories=self.categories,
            fields=self.fields,
            where=self.where,
            before=self.before,
            rule=self.rule,
            citation=self.citation,
            expected=self.expected,
        )

    @property
    def question(self) -> OldRecords:
        return OldRecords(self.tag_sets, self.every, self.before, self.since)


@dataclass(frozen=True)
class IndexRunOut:
    """Which rows of a system the index forgets or narrows: as `sinks.ports.expiry.RunOut`."""

    system: str
    tag_set: TagSetId
    before: datetime
    narrowed: TagSet | None = None

    @property
    def way(self) -> RunOut:
        return RunOut(self.tag_set, self.before, self.narrowed)


@dataclass(frozen=True)
class RunPlan:
    """What a run takes. `rules`: by which retention rules, as `rules_fingerprint`. `more`: the rest of what has run out
    is for the next run. `left`: what no run can take, and why, a line each."""

    as_of: date
    catalogue_version: str
    rules: str
    more: bool
    records: tuple[OldRecordsPlan, ...]
    index: tuple[IndexRunOut, ...]
    left: tuple[str, ...] = ()

    @property
    def systems(self) -> tuple[str, ...]:
        """Those of which anything is forgotten, told or not."""
        return tuple(sorted({item.system for item in self.index}))

    @property
    def latest(self) -> datetime | None:
        """The last moment by which anything has run out."""
        return max((item.before for item in self.index), default=None)

    def of(self, systems: Collection[str]) -> list[RunOut]:
        """What the index forgets of these systems."""
        return [item.way for item in self.index if item.system in systems]


_PLAN = TypeAdapter(RunPlan)


def run_json(plan: RunPlan) -> dict[str, Any]:
    """As the ledger keeps it: no personal value in it."""
    stored: dict[str, Any] = _PLAN.dump_python(plan, mode="json")
    return stored


def run_from_json(stored: Mapping[str, Any]) -> RunPlan:
    """What `run_json` wrote."""
    return _PLAN.validate_python(stored)


def rules_fingerprint(catalogue: Catalogue, records: Mapping[str, RecordSchema]) -> str:
    """16 hex digits that are others once any retention rule is, or by what data run out: which rules hold for a record,
    of which category its fields are, what it says of clocks, and where a day begins."""
    said = {
        "rules": {name: rule.model_dump(mode="json") for name, rule in catalogue.retention_rules.items()},
        "zone": catalogue.calendar.zone.key,
        "records": {
            name: [
                list(record.annotation.retention),
                sorted([item.name, item.category, item.personal] for item in record.fields),
                sorted(repr(rule) for rule in record.annotation.clocks),
                {
                    field: {symbol: list(words.retention) for symbol, words in variants.items()}
                    for field, variants in record.annotation.variants.items()
                },
            ]
            for name, record in records.items()
        },
    }
    return hashlib.sha256(canonical(said)).hexdigest()[:16]


def recounted(plan: RunPlan, counts: Iterable[int], again: Iterable[int]) -> RunPlan:
    """The plan with how many records the index counts of each line."""
    counted = (
        replace(item, expected=count, again=min(older, count))
        for item, count, older in zip(plan.records, counts, again, strict=True)
    )
    return replace(plan, records=tuple(counted))


def without_unknown(plan: RunPlan) -> RunPlan:
    """The plan without records of which the index knows none: nobody is told of these."""
    return replace(plan, records=tuple(item for item in plan.records if item.expected))


def told_of(plan: RunPlan, system: str, expected: Sequence[int] = ()) -> list[RunOutRecords]:
    """What the system is told. `expected`: how many records each line of the plan has by now, if that is known."""
    lines = (
        zip(plan.records, expected, strict=True)
        if expected
        else ((item, item.expected) for item in plan.records)
    )
    return [replace(item, expected=count).told for item, count in lines if item.system == system]

"""What an index says of processing, made up from the annotations of a company."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path

import jsonschema_rs

from schemas.company import Company
from schemas.company_diff import declared_tag_sets
from schemas.layers import MINIMAL
from schemas.tags import TagSet
from sinks.ports.processed import By, Processed, Tagged
from streams.ropa.generated import record_of, revealed_purposes, served_by
from streams.ropa.record import Record

NOW = datetime(2026, 6, 30, 12, 0, tzinfo=UTC)
JUNE, MAY, APRIL = date(2026, 6, 15), date(2026, 5, 15), date(2026, 4, 15)
SCHEMA = Path(__file__).parents[2] / "streams" / "ropa" / "record.schema.json"
MINIMAL_COMPANY = MINIMAL


def seen(tags: TagSet, day: date = JUNE, events: int = 3) -> Tagged:
    """Events with these tags, all on one day."""
    return Tagged(tags, events, day, day)


def all_declared(company: Company, *, but: Sequence[str] = ()) -> list[TagSet]:
    """The tag sets of everything that a company declares, but for the topics named."""
    found = {
        tags.id: replace(tags, catalogue_version=company.catalogue.version, key_id="k1")
        for tags in declared_tag_sets(company).values()
        if tags.topic not in but
    }
    return list(found.values())


def counted(tagged: Iterable[Tagged], company: Company) -> list[Processed]:
    """As an index counts it in which no event is under two tag sets; for each tag set there is one person."""
    counts: dict[tuple[str, By, tuple[str, ...]], set[int]] = {}
    events: dict[int, int] = {}
    for item in tagged:
        tags = item.tags
        events[tags.id] = item.events
        for purpose, category, _ in served_by(tags, company.catalogue):
            for by, value in (
                (By.PURPOSE, ()),
                (By.CATEGORY, (category,)),
                (By.SYSTEM, (tags.system,)),
                (By.RECORD, (tags.topic, tags.record)),
            ):
                counts.setdefault((purpose, by, value), set()).add(tags.id)
    return [
        Processed(purpose, by, value, sum(events[item] for item in ids), len(ids))
        for (purpose, by, value), ids in counts.items()
    ]


def made(company: Company, tag_sets: Iterable[TagSet], now: datetime = NOW) -> Record:
    """The record of a company of which events with these tags were seen."""
    tagged = [seen(tags) for tags in tag_sets]
    return record_of(tagged, counted(tagged, company), company, now)


@dataclass
class Index:
    """A `ProcessedReader` that holds what was seen, and keeps what it was asked."""

    company: Company
    tagged_sets: Sequence[Tagged]
    asked: list[tuple[date | None, date | None]] = field(default_factory=list)

    def tagged(self, since: date | None = None, until: date | None = None) -> Sequence[Tagged]:
        self.asked.append((since, until))
        return [
            item
            for item in self.tagged_sets
            if (since is None or since <= item.first_day) and (until is None or item.last_day < until)
        ]

    def processed(
        self, revealed: Mapping[str, Sequence[str]], since: date | None = None, until: date | None = None
    ) -> Sequence[Processed]:
        assert revealed == revealed_purposes(self.company.catalogue)
        return counted(self.tagged(since, until), self.company)


def wrong(record: Record | str) -> list[str]:
    """What the schema of Art. 30 finds wrong with it as it is written."""
    import json

    written = record if isinstance(record, str) else record.model_dump_json()
    schema = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text("utf-8")), validate_formats=True)
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in schema.iter_errors(json.loads(written))
    ]

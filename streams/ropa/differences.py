"""How what was observed differs from what is declared, and from the month before (GDPR Art. 30). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import get_args

from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.company_diff import declared_tag_sets
from schemas.entries import Entry, Name
from schemas.tags import TagSet
from schemas.times import iso
from sinks.ports.processed import Tagged
from streams.ropa.generated import named, served_by, window
from streams.ropa.limits import OF_DECLARED, OF_MONTHS
from streams.ropa.record import Difference, Differences, Kind, Named, Side

_KINDS: tuple[Kind, ...] = get_args(Kind)
Days = tuple[date, date]
_Record = tuple[str, str]


@dataclass(frozen=True)
class _Fact:
    """`purpose`: empty for a record, which may serve several."""

    kind: Kind
    purpose: str
    value: str


@dataclass
class _Held:
    """Who says a fact, and on which days its events were."""

    records: set[_Record]
    days: Days | None


def against_declared(
    tagged: Iterable[Tagged],
    company: Company,
    now: datetime,
    since: date | None = None,
    until: date | None = None,
) -> Differences:
    """What was seen between these days, and what the annotations in force declare."""
    declared = _facts(((tags, None) for tags in declared_tag_sets(company).values()), company.catalogue)
    observed = _facts(((item.tags, (item.first_day, item.last_day)) for item in tagged), company.catalogue)
    items = [
        *_only("declared_only", declared, observed, company.catalogue),
        *_only("observed_only", observed, declared, company.catalogue),
    ]
    return Differences(
        against="declared",
        generated_at=iso(now),
        catalogue_version=company.catalogue.version,
        window=window(since, until),
        compared=None,
        items=items,
        known_limits=list(OF_DECLARED),
    )


def against_month(
    months: tuple[date, date, date],
    earlier: Iterable[Tagged],
    month_before: Iterable[Tagged],
    month: Iterable[Tagged],
    company: Company,
    now: datetime,
) -> Differences:
    """What was seen in a month and in the one before it. `months`: their first days, and the day behind the last;
    `earlier`: what was seen before both."""
    past, before, after = (
        _facts(((item.tags, (item.first_day, item.last_day)) for item in seen), company.catalogue)
        for seen in (earlier, month_before, month)
    )
    items = [
        *_only("new", after, before, company.catalogue, past),
        *_only("gone", before, after, company.catalogue, past),
    ]
    first, second, end = months
    return Differences(
        against="month",
        generated_at=iso(now),
        catalogue_version=company.catalogue.version,
        window=window(second, end),
        compared=window(first, second),
        items=items,
        known_limits=list(OF_MONTHS),
    )


def _facts(seen: Iterable[tuple[TagSet, Days | None]], catalogue: Catalogue) -> dict[_Fact, _Held]:
    found: dict[_Fact, _Held] = {}
    for tags, days in seen:
        for fact in set(_said(tags, catalogue)):
            held = found.setdefault(fact, _Held(set(), days))
            held.records.add((tags.topic, tags.record))
            if held.days and days:
                held.days = min(held.days[0], days[0]), max(held.days[1], days[1])
    return found


def _said(tags: TagSet, catalogue: Catalogue) -> Iterator[_Fact]:
    yield _Fact("record", "", f"{tags.topic} {tags.record}")
    for purpose, category, letter in served_by(tags, catalogue):
        yield _Fact("purpose", purpose, purpose)
        yield _Fact("category", purpose, category)
        yield _Fact("system", purpose, tags.system)
        if letter:
            yield _Fact("legal_basis", purpose, letter)
        for recipient in tags.recipients:
            yield _Fact("recipient", purpose, recipient)
        if not tags.of_another:
            yield _Fact("subject", purpose, tags.subject_type)
        yield _Fact("origin", purpose, tags.origin)


def _only(
    side: Side,
    one: Mapping[_Fact, _Held],
    other: Mapping[_Fact, _Held],
    catalogue: Catalogue,
    past: Mapping[_Fact, _Held] | None = None,
) -> Iterator[Difference]:
    """What one side has alone. Of a record or purpose that is alone itself the rest goes without saying."""
    records = {record for fact, held in other.items() if fact.kind == "record" for record in held.records}
    alone = {fact for fact in one if fact not in other}
    for fact in sorted(alone, key=lambda item: (_KINDS.index(item.kind), item.purpose, item.value)):
        held = one[fact]
        told = _Fact("purpose", fact.purpose, fact.purpose) in alone or not held.records & records
        if told and fact.kind not in ("purpose", "record"):
            continue
        first, last = held.days or (None, None)
        yield Difference(
            side=side,
            kind=fact.kind,
            purpose=named(fact.purpose, catalogue.purposes) if fact.purpose else None,
            value=_named(fact, catalogue),
            first_day=first and first.isoformat(),
            last_day=last and last.isoformat(),
            before=None if past is None else fact in past,
        )


def _named(fact: _Fact, catalogue: Catalogue) -> Named:
    entries: dict[Kind, Mapping[str, Entry]] = {
        "purpose": catalogue.purposes,
        "system": catalogue.systems,
        "category": catalogue.categories,
        "legal_basis": catalogue.legal_bases,
        "recipient": catalogue.recipients,
        "subject": catalogue.subject_types,
        "origin": catalogue.origins,
    }
    if fact.kind == "record":
        return Named(id=fact.value, name=Name(nb=fact.value, en=fact.value))
    return named(fact.value, entries[fact.kind])

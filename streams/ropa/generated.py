"""Records of processing activities (GDPR Art. 30(1)) out of what was observed. Pure: nothing of it is typed.

An activity is a purpose, with all that serves it. What was done, with which data of whom, on which basis, is what the
tags of real events say; what that means (names, citations, periods, safeguards, measures) the catalogue says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime

from schemas.catalogue import Catalogue
from schemas.company import Company, Profile
from schemas.entries import Entry, Name
from schemas.tags import TagSet
from schemas.times import iso
from sinks.ports.processed import By, Processed, Tagged
from streams.answers.period_said import term_said
from streams.ropa.limits import OF_RECORD
from streams.ropa.record import (
    Activity,
    Basis,
    CategoryOfData,
    Controller,
    DeclaredRecipient,
    Limit,
    MeasureInPlace,
    Named,
    Record,
    SourceOfData,
    SystemOfRecord,
    TransferAbroad,
    Window,
)

OTHERS = Named(id="others", name=Name(nb="Andre som hendelsene nevner", en="Others whom the events name"))
"""Whom an event names beside its own person: the other end of a call, who is mentioned in a text."""
SPECIAL = "dpv:SpecialCategoryPersonalData"
_Counts = Mapping[tuple[str, By, tuple[str, ...]], Processed]


def revealed_purposes(catalogue: Catalogue) -> dict[str, list[str]]:
    """The purposes that a category serves where only a free text reveals it."""
    return {
        name: list(entry.revealed.purposes)
        for name, entry in catalogue.categories.items()
        if entry.revealed is not None
    }


def served_by(tags: TagSet, catalogue: Catalogue) -> Iterator[tuple[str, str, str | None]]:
    """What events with these tags do: purpose, category and letter of the basis. What only a free text reveals serves
    what the catalogue says of that, as in `streams.answers.report.terms_of`."""
    for category in tags.every_category:
        entry = catalogue.categories.get(category)
        bases: Mapping[str, str | None] = {name: tags.legal_basis.get(name) for name in tags.purposes}
        if category in tags.revealed and entry and entry.revealed and not tags.held_only:
            bases = dict(entry.revealed.purposes)
        for purpose, letter in bases.items():
            yield purpose, category, letter


def record_of(
    tagged: Iterable[Tagged],
    processed: Iterable[Processed],
    company: Company,
    now: datetime,
    since: date | None = None,
    until: date | None = None,
) -> Record:
    """The record of what was seen between these days. `processed` as counted with `revealed_purposes`."""
    counts = {(item.purpose, item.by, item.value): item for item in processed}
    parts: dict[str, _Part] = {}
    for item in tagged:
        for purpose, category, letter in served_by(item.tags, company.catalogue):
            parts.setdefault(purpose, _Part(purpose)).add(item, category, letter)
    known = [name for name in company.catalogue.purposes if name in parts]
    order = [*known, *sorted(name for name in parts if name not in known)]
    return Record(
        article="GDPR Art. 30(1)",
        generated_at=iso(now),
        catalogue_version=company.catalogue.version,
        window=window(since, until),
        controller=_controller(company.profile),
        activities=[_activity(parts[name], counts, company) for name in order],
        known_limits=list(OF_RECORD),
    )


def window(since: date | None, until: date | None) -> Window:
    return Window(since=since and since.isoformat(), until=until and until.isoformat())


def named(name: str, entries: Mapping[str, Entry]) -> Named:
    """A word with what the catalogue calls it; one that it lacks is called by itself."""
    entry = entries.get(name)
    return Named(id=name, name=entry.name if entry else Name(nb=name, en=name))


class _Part:
    """What serves one purpose: tag sets with the categories and bases by which they do."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self.seen: dict[int, Tagged] = {}
        self.categories: dict[str, list[TagSet]] = {}
        self.letters: dict[str, set[int]] = {}

    def add(self, item: Tagged, category: str, letter: str | None) -> None:
        self.seen[item.tags.id] = item
        self.categories.setdefault(category, []).append(item.tags)
        if letter:
            self.letters.setdefault(letter, set()).add(item.tags.id)

    @property
    def tags(self) -> list[TagSet]:
        return [item.tags for item in self.seen.values()]


def _activity(part: _Part, counts: _Counts, company: Company) -> Activity:
    catalogue = company.catalogue
    entry = catalogue.purposes.get(part.purpose)
    recipients = _recipients(part.tags, catalogue)
    systems = _systems(part, counts, catalogue)
    total = counts.get((part.purpose, By.PURPOSE, ()))
    return Activity(
        **named(part.purpose, catalogue.purposes).model_dump(),
        citation=entry.citation if entry else None,
        legal_bases=[
            Basis(
                **named(letter, catalogue.legal_bases).model_dump(),
                citation=catalogue.legal_bases[letter].citation if letter in catalogue.legal_bases else None,
            )
            for letter in sorted(part.letters)
        ],
        automated_decisions=bool(entry and entry.automated),
        subjects=_subjects(part.tags, catalogue),
        categories=[
            _category(name, tags, part.purpose, counts, catalogue)
            for name, tags in sorted(part.categories.items())
        ],
        recipients=recipients,
        transfers=_transfers(recipients, catalogue),
        measures=_measures(systems, catalogue),
        systems=systems,
        sources=_sources(part, counts, company),
        events_tagged=total.events if total else 0,
        people_held=total.people if total else 0,
        first_day=min(item.first_day for item in part.seen.values()).isoformat(),
        last_day=max(item.last_day for item in part.seen.values()).isoformat(),
    )


def _controller(profile: Profile) -> Controller:
    return Controller(
        name=profile.controller,
        contact=profile.controller_contact,
        joint_controllers=list(profile.joint_controllers),
        representative=profile.representative,
        dpo_contact=profile.dpo_contact,
    )


def _subjects(tag_sets: Sequence[TagSet], catalogue: Catalogue) -> list[Named]:
    """Whose events they are; and others, where somebody else stands in them."""
    own = sorted({tags.subject_type for tags in tag_sets if not tags.of_another})
    others = any(tags.of_another for tags in tag_sets)
    return [*(named(name, catalogue.subject_types) for name in own), *([OTHERS] if others else [])]


def _category(
    name: str, tag_sets: Sequence[TagSet], purpose: str, counts: _Counts, catalogue: Catalogue
) -> CategoryOfData:
    entry = catalogue.categories.get(name)
    counted = counts.get((purpose, By.CATEGORY, (name,)))
    rules: dict[str, None] = {}
    for tags in tag_sets:
        revealed = name in tags.revealed and entry and entry.revealed and not tags.held_only
        rules |= dict.fromkeys(
            entry.revealed.retention if entry and entry.revealed and revealed else tags.retention
        )
    return CategoryOfData(
        **named(name, catalogue.categories).model_dump(),
        sensitivity=entry.sensitivity if entry else None,
        special=bool(entry and SPECIAL in entry.dpv),
        national_id=bool(entry and entry.national_id),
        telecom_secrecy=bool(entry and entry.telecom_secrecy),
        children=bool(entry and entry.children),
        in_texts_alone=all(name in tags.revealed for tags in tag_sets),
        events_tagged=counted.events if counted else 0,
        people_held=counted.people if counted else 0,
        limits=[*_limits(sorted(rules), name, purpose, catalogue)],
    )


def _limits(rules: Iterable[str], category: str, purpose: str, catalogue: Catalogue) -> Iterator[Limit]:
    """Of those rules that say anything of the category."""
    for name in rules:
        rule = catalogue.retention_rules.get(name)
        if rule is None:
            lacking = Name(
                nb="katalogen har ikke denne regelen lenger", en="the catalogue has this rule no more"
            )
            yield Limit(
                rule=name,
                name=Name(nb=name, en=name),
                citation=None,
                period=None,
                clock=None,
                effect=None,
                said=lacking,
                purposes=[],
                of_this_purpose=True,
            )
        elif rule.active and rule.effect != "none" and rule.covers_category(category):
            yield Limit(
                rule=name,
                name=rule.name,
                citation=rule.authority,
                period=rule.period,
                clock=rule.clock,
                effect=rule.effect,
                said=Name(**term_said(rule)),
                purposes=list(rule.purposes),
                of_this_purpose=not rule.purposes or purpose in rule.purposes,
            )


def _recipients(tag_sets: Sequence[TagSet], catalogue: Catalogue) -> list[DeclaredRecipient]:
    records: dict[str, set[str]] = {}
    for tags in tag_sets:
        for name in tags.recipients:
            records.setdefault(name, set()).add(tags.record)
    shown = []
    for name in sorted(records):
        entry = catalogue.recipients.get(name)
        shown.append(
            DeclaredRecipient(
                **named(name, catalogue.recipients).model_dump(),
                party_class=entry.party_class if entry else None,
                instrument=entry.instrument if entry else None,
                citation=entry.citation if entry else None,
                country=entry.transfer.country if entry and entry.transfer else None,
                records=sorted(records[name]),
            )
        )
    return shown


def _transfers(recipients: Iterable[DeclaredRecipient], catalogue: Catalogue) -> list[TransferAbroad]:
    return [
        TransferAbroad(
            recipient=Named(id=item.id, name=item.name),
            country=transfer.country,
            safeguards=transfer.safeguards,
        )
        for item in recipients
        if item.id in catalogue.recipients and (transfer := catalogue.recipients[item.id].transfer)
    ]


def _systems(part: _Part, counts: _Counts, catalogue: Catalogue) -> list[SystemOfRecord]:
    shown = []
    for name in sorted({tags.system for tags in part.tags}):
        entry, counted = catalogue.systems.get(name), counts.get((part.purpose, By.SYSTEM, (name,)))
        shown.append(
            SystemOfRecord(
                **named(name, catalogue.systems).model_dump(),
                erasure=entry.erasure if entry else None,
                events_tagged=counted.events if counted else 0,
                people_held=counted.people if counted else 0,
                measured=bool(entry and entry.measures),
            )
        )
    return shown


def _measures(systems: Iterable[SystemOfRecord], catalogue: Catalogue) -> list[MeasureInPlace]:
    having: dict[str, list[str]] = {}
    for system in systems:
        entry = catalogue.systems.get(system.id)
        for name in entry.measures if entry else ():
            having.setdefault(name, []).append(system.id)
    return [
        MeasureInPlace(
            id=name, name=entry.name, kind=entry.kind, citation=entry.citation, systems=having[name]
        )
        for name, entry in catalogue.measures.items()
        if name in having
    ]


def _sources(part: _Part, counts: _Counts, company: Company) -> list[SourceOfData]:
    groups: dict[tuple[str, str, str], list[Tagged]] = {}
    for item in part.seen.values():
        groups.setdefault((item.tags.topic, item.tags.record, item.tags.system), []).append(item)
    catalogue, shown = company.catalogue, []
    for (topic, record, system), items in sorted(groups.items()):
        counted = counts.get((part.purpose, By.RECORD, (topic, record)))
        ids = {item.tags.id for item in items}
        shown.append(
            SourceOfData(
                topic=topic,
                record=record,
                system=system,
                operations=[
                    named(name, catalogue.operations)
                    for name in sorted({item.tags.operation for item in items})
                ],
                origins=[
                    named(name, catalogue.origins) for name in sorted({item.tags.origin for item in items})
                ],
                subjects=[item.id for item in _subjects([item.tags for item in items], catalogue)],
                categories=sorted(
                    name for name, having in part.categories.items() if ids & {tags.id for tags in having}
                ),
                legal_bases=sorted(letter for letter, having in part.letters.items() if ids & having),
                events_tagged=counted.events if counted else 0,
                people_held=counted.people if counted else 0,
                first_day=min(item.first_day for item in items).isoformat(),
                last_day=max(item.last_day for item in items).isoformat(),
                declared=(topic, record) in declared_records(company),
            )
        )
    return shown


def declared_records(company: Company) -> set[tuple[str, str]]:
    """Topic and record of everything that the company declares to be tagged."""
    return {(topic.name, topic.record) for topic in company.tagged.values()}

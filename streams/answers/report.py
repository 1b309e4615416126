"""Answers about one person: the look-up, and the access report per system, category and purpose. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from schemas.calendars import Calendar
from schemas.catalogue import Catalogue, Entry
from schemas.contracts import SOURCE_DELETE
from schemas.entries import RetentionRule
from schemas.errors import InputError
from schemas.expiry import not_before
from schemas.policy import RetentionAnchors, governing
from schemas.tags import TagSet
from schemas.times import iso
from schemas.vocabulary import Proof
from sinks.ports.lineage import Found, Holding
from streams.answers.attribution import STANDS_FOR_ITSELF, Attribution
from streams.answers.restricted import Restricted, stored_alone
from streams.answers.unjudged import judged, rule_fault

NOBODY_TOLD = RetentionAnchors()
_Key = tuple[str, str, str, bool, bool]


def answer(
    found: Found,
    catalogue: Catalogue,
    as_of: date,
    anchors: RetentionAnchors = NOBODY_TOLD,
    attribution: Attribution = STANDS_FOR_ITSELF,
    standing: Sequence[Restricted] = (),
) -> dict[str, Any]:
    """The JSON of a look-up: {total_events, items} and what `Attribution.shown` says of identity.

    `categories` are the schema's and those that free texts reveal, which `detected` names; `purposes` those of both.
    Holdings that show the same content (versions of a schema, roles) become one item; an event with a row in two
    of them counts in both, and once in `total_events`. `delete_after` is the last day on which the newest
    event of the item may be kept, None while that clock has not started; `overdue` says that it has passed on
    the day `as_of`. What is `locked` is described, not disclosed: no count, no times. `proofs`: what the links prove by
    which the item is the person's; empty for the identifiers themselves. `source_deleted`: when the source last
    said that it deleted a record of these, None where it never did.
    `restricted`: by which restrictions of those `standing` it is stored alone, and for which purposes.
    `unjudged`: what names a retention rule that the catalogue lacks, with why; it is in no item and no count.
    """
    everything, (found, unjudged) = found, judged(found, catalogue)
    groups: dict[str, list[Holding]] = {}
    for holding in found.holdings:
        groups.setdefault(repr((_shown(holding.tags, catalogue), sorted(holding.tags.retention))), []).append(
            holding
        )
    items = [
        {**_item(held, catalogue, as_of, anchors), "restricted": stored_alone(held, standing)}
        for held in groups.values()
    ]
    total = disclosed_events(found, catalogue)
    said = attribution.shown(bool(everything.holdings))
    return {"total_events": total, **said, "items": items, "unjudged": [item.shown() for item in unjudged]}


def access_report(
    found: Found,
    catalogue: Catalogue,
    as_of: date,
    anchors: RetentionAnchors = NOBODY_TOLD,
    attribution: Attribution = STANDS_FOR_ITSELF,
) -> dict[str, Any]:
    """What is held, one entry per system, category and purpose (GDPR Art. 15(1)), without a personal value.

    What only a free text reveals (`detected`) is an entry of its own, with the purposes and rules that the catalogue
    has for it (`revealed`).
    Counts are of events and overlap: an event that carries three categories counts under each. The retention
    rule is the one that keeps the newest event of that category; `retention.until` is None while its clock has
    not started, `retention.rule` None where no rule of the catalogue speaks of the category. `locked`, `proofs` and the
    identity are as in `answer`, and so are `source_deleted` and what cannot be judged.
    """
    everything, (found, unjudged) = found, judged(found, catalogue)
    groups: dict[_Key, list[Holding]] = {}
    for holding in found.holdings:
        tags, locked = holding.tags, only_described(holding.tags, catalogue)
        for category in tags.every_category:
            detected = category in tags.revealed
            for purpose in terms_of(tags, category, catalogue).bases:
                key = (tags.system, category, purpose, locked, detected)
                groups.setdefault(key, []).append(holding)
    entries = [_entry(key, holdings, catalogue, as_of, anchors) for key, holdings in sorted(groups.items())]
    total = disclosed_events(found, catalogue)
    return {
        "as_of": as_of.isoformat(),
        "catalogue_version": catalogue.version,
        "total_events": total,
        **attribution.shown(bool(everything.holdings)),
        "entries": entries,
        "unjudged": [item.shown() for item in unjudged],
    }


def only_described(tags: TagSet, catalogue: Catalogue) -> bool:
    """Whether an answer may only say that such events are held, by which rule and how long, not how many or when.

    True where nothing but rules with `disclosure: describe` keeps them: what is retained for the police
    (ekomloven § 3-13) must not be used to tell anybody anything (§ 3-14). Raises InputError as `rules_of`.
    """
    rules = [rule for rule in rules_of(tags, catalogue) if rule.active and rule.effect != "none"]
    return bool(rules) and all(rule.disclosure == "describe" for rule in rules)


def disclosed_events(found: Found, catalogue: Catalogue) -> int:
    """How many events there are, without those that are only described and those that cannot be judged."""
    found, _ = judged(found, catalogue)
    described = sum(item.events for item in found.holdings if only_described(item.tags, catalogue))
    return max(found.total_events - described, 0)


def rules_of(tags: TagSet, catalogue: Catalogue) -> list[RetentionRule]:
    """The retention rules that events with these tags name. Raises InputError for one the catalogue lacks.

    A hold that vanished from the catalogue must not turn into permission to erase, so it is not skipped.
    """
    if why := rule_fault(tags, catalogue):
        raise InputError(f"{tags.topic} cannot be judged: it {why}")
    return [catalogue.retention_rules[rule] for rule in tags.retention]


@dataclass(frozen=True)
class Terms:
    """What data of a category serve, purpose and letters of the basis, and the rules that say when they go."""

    bases: Mapping[str, str | None]
    rules: Sequence[RetentionRule]


def terms_of(tags: TagSet, category: str, catalogue: Catalogue) -> Terms:
    """What holds for one category of events with these tags. Raises InputError as `rules_of`.

    For one that only a free text reveals it is what the catalogue says of that, not what the text was written for;
    after a partial erasure nothing but what the held data may still serve.
    """
    known = catalogue.categories.get(category)
    if category in tags.revealed and known and known.revealed and not tags.held_only:
        rules = [catalogue.retention_rules[rule] for rule in known.revealed.retention]
        return Terms(known.revealed.purposes, rules)
    bases = {purpose: tags.legal_basis.get(purpose) for purpose in tags.purposes}
    return Terms(bases, [rule for rule in rules_of(tags, catalogue) if rule.covers_category(category)])


def retention_of_revealed(
    tags: TagSet, category: str, catalogue: Catalogue, last_seen: datetime, anchors: RetentionAnchors
) -> tuple[RetentionRule | None, date | None]:
    """The rule and last day of what only a free text reveals: its own, or the text's if that goes earlier."""
    text = [rule for rule in rules_of(tags, catalogue) if any(map(rule.covers_category, tags.categories))]
    own = terms_of(tags, category, catalogue).rules
    ends = [retention_of(rules, last_seen, anchors, catalogue.calendar) for rules in (own, text)]
    return min((end for end in ends if end[0]), key=lambda end: end[1] or date.max, default=(None, None))


def retention_of(
    rules: Sequence[RetentionRule],
    last_seen: datetime,
    anchors: RetentionAnchors,
    calendar: Calendar,
    first_seen: datetime | None = None,
) -> tuple[RetentionRule | None, date | None]:
    """The rule that governs the events until the newest, from `first_seen` on, and the last day of the one that stays
    longest. (None, None) where none of them decides."""
    if not any(rule.active and rule.effect != "none" for rule in rules):
        return None, None
    return governing(rules, last_seen, anchors, calendar, first_seen)


def _shown(tags: TagSet, catalogue: Catalogue) -> dict[str, Any]:
    bases: dict[str, str | None] = {}
    for category in reversed(tags.every_category):
        # Of a purpose that both serve, the basis is the event's own.
        bases |= terms_of(tags, category, catalogue).bases
    bases |= {purpose: tags.legal_basis.get(purpose) for purpose in tags.purposes}
    return {
        "system": tags.system,
        "topic": tags.topic,
        "categories": sorted(tags.every_category),
        "detected": sorted(tags.revealed),
        "purposes": sorted(bases),
        "legal_basis": {purpose: letter for purpose, letter in sorted(bases.items()) if letter},
        "origin": tags.origin,
        "recipients": sorted(tags.recipients),
        "held_only": tags.held_only,
    }


def _item(
    holdings: Sequence[Holding], catalogue: Catalogue, as_of: date, anchors: RetentionAnchors
) -> dict[str, Any]:
    tags = holdings[0].tags
    last = max(holding.last_seen for holding in holdings)
    first = min(holding.first_seen for holding in holdings)
    anchors = not_before(anchors, catalogue.calendar.day(last))
    rule, until = retention_of(rules_of(tags, catalogue), last, anchors, catalogue.calendar, first)
    locked = only_described(tags, catalogue)
    # The last day tells the day of the newest event.
    until = None if locked else until
    return _shown(tags, catalogue) | {
        "retention_rule": rule.id if rule else None,
        "retention_clock": rule.clock if rule else None,
        "delete_after": until.isoformat() if until else None,
        "overdue": until is not None and until < as_of,
        **_seen(holdings, locked),
    }


def source_deleted(holdings: Iterable[Holding]) -> datetime | None:
    """When the source last said that it deleted a record of these; None where it never did."""
    deleted = [item.last_seen for item in holdings if item.tags.operation == SOURCE_DELETE]
    return max(deleted, default=None)


def _seen(holdings: Sequence[Holding], locked: bool) -> dict[str, Any]:
    deleted = None if locked else source_deleted(holdings)
    return {
        "events": None if locked else sum(holding.events for holding in holdings),
        "first_seen": None if locked else iso(min(holding.first_seen for holding in holdings)),
        "last_seen": None if locked else iso(max(holding.last_seen for holding in holdings)),
        "proofs": [proof.value for proof in Proof if any(proof in item.proofs for item in holdings)],
        "locked": locked,
        "source_deleted": iso(deleted) if deleted else None,
    }


def _entry(
    key: _Key,
    holdings: Sequence[Holding],
    catalogue: Catalogue,
    as_of: date,
    anchors: RetentionAnchors,
) -> dict[str, Any]:
    system, category, purpose, locked, detected = key
    rule, until = _kept(holdings, category, detected, catalogue, anchors)
    until = None if locked else until
    recipients = {name for holding in holdings for name in holding.tags.recipients}
    return {
        "system": _named(catalogue.systems, system),
        "category": _named(catalogue.categories, category),
        "purpose": _named(catalogue.purposes, purpose),
        **_seen(holdings, locked),
        "legal_basis": _bases(holdings, category, purpose, catalogue),
        "origin": [_named(catalogue.origins, name) for name in _distinct(h.tags.origin for h in holdings)],
        "recipients": [_recipient(name, catalogue) for name in sorted(recipients)],
        "retention": {
            "rule": rule.id if rule else None,
            "authority": rule.authority if rule else None,
            "clock": rule.clock if rule else None,
            "period": rule.period if rule else None,
            "until": until.isoformat() if until else None,
            "overdue": until is not None and until < as_of,
        },
        "held_only": all(holding.tags.held_only for holding in holdings),
        "detected": detected,
    }


def _kept(
    holdings: Sequence[Holding],
    category: str,
    detected: bool,
    catalogue: Catalogue,
    anchors: RetentionAnchors,
) -> tuple[RetentionRule | None, date | None]:
    """The rule that keeps the newest events of a category, and its last day."""
    last = max(holding.last_seen for holding in holdings)
    if not detected:
        # What comes after the end of a contract is kept as long as if that had ended on its day: it goes by then.
        anchors = not_before(anchors, catalogue.calendar.day(last))
        every = {rule.id: rule for h in holdings for rule in terms_of(h.tags, category, catalogue).rules}
        first = min(holding.first_seen for holding in holdings)
        return retention_of(list(every.values()), last, anchors, catalogue.calendar, first)
    ends = [
        retention_of_revealed(
            h.tags,
            category,
            catalogue,
            h.last_seen,
            not_before(anchors, catalogue.calendar.day(h.last_seen)),
        )
        for h in holdings
    ]
    return max(ends, key=lambda end: end[1] or (date.max if end[0] else date.min))


def _bases(
    holdings: Sequence[Holding], category: str, purpose: str, catalogue: Catalogue
) -> list[dict[str, Any]]:
    terms = (terms_of(holding.tags, category, catalogue).bases.get(purpose) for holding in holdings)
    letters = _distinct(letter for letter in terms if letter)
    bases = []
    for letter in letters:
        basis = catalogue.legal_bases.get(letter)
        citation = basis.citation if basis else None
        bases.append({"letter": letter, **_named(catalogue.legal_bases, letter), "citation": citation})
    return bases


def _recipient(name: str, catalogue: Catalogue) -> dict[str, Any]:
    recipient = catalogue.recipients.get(name)
    return {
        **_named(catalogue.recipients, name),
        "instrument": recipient.instrument if recipient else None,
        "citation": recipient.citation if recipient else None,
    }


def _named(entries: Mapping[str, Entry], key: str) -> dict[str, Any]:
    # An entry of an older catalogue version may be gone: its id is still an answer.
    entry = entries.get(key)
    return {"id": key, "name": entry.name.model_dump() if entry else {"nb": key, "en": key}}


def _distinct(values: Iterable[str]) -> list[str]:
    return sorted(set(values))

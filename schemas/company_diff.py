"""What a change of a company does to rows that are there already: before it is put in force. Pure.

A row keeps the tags it was given; what the catalogue says of them is asked anew with every question. So a changed rule
moves dates and decisions of old rows at once, a word that is gone leaves rows that nobody can decide on, and a changed
record tags new events, and old ones that are read again, in another way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time
from typing import Literal

from schemas.annotations import FACT_FIELDS, ClockRule, ErasureRule, FactRule, IdentityRule
from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.contract_file import EventTime
from schemas.contracts import Contract
from schemas.counted import counted
from schemas.entries import ON_COMMAND, Entry, RetentionRule
from schemas.errors import InputError
from schemas.identifiers import IdentifierKind
from schemas.policy import RetentionAnchors, decide_erasure, governing
from schemas.tags import TagSet, tag_set
from schemas.vocabulary import Right

RIGHTS_BY_JOB = tuple(right for right in ON_COMMAND if right is not Right.ERASURE)
"""What a job of a system does on command, or its people; erasure is told of with the rows that it is about."""
Kind = Literal["tags", "undecided", "date", "decision", "identifiers", "links", "requests"]
Place = tuple[str, ...]
"""Topic, role, and of a variant field and symbol."""


@dataclass(frozen=True)
class Change:
    """One consequence for the rows of a topic with these `categories`. `rows`: how many there are, None: not known.

    `kind`: "tags", such rows are tagged otherwise when their events are read again; "undecided", nobody can decide on
    them any more, or can again; "date", the last day of `category` where the event was on the day of the comparison
    and nobody asks to erase it; "decision", what an erasure request then gets for it; "identifiers", `what` names a
    kind of identifiers that gets other tokens: such rows are no longer found by it; "links", who had an identifier when
    is worked out otherwise; "requests", how they are carried out. `topic` and `record` are "" where it is about all of
    them.
    """

    kind: Kind
    topic: str
    record: str
    categories: tuple[str, ...]
    what: str
    before: str
    after: str
    rows: int | None = None


def company_changes(
    old: Company, new: Company, today: date, rows: Iterable[tuple[TagSet, int]] | None = None
) -> list[Change]:
    """Every consequence of putting `new` in the place of `old`; empty: existing rows stay as they are.

    `rows`: the tag sets of the index, each with its number of rows. Without them those that `old` gives are compared.
    """
    places: dict[int, list[Place]] = {}
    for place, tags in declared_tag_sets(old).items():
        places.setdefault(tags.id, []).append(place)
    then = declared_tag_sets(new)
    compared: dict[int, tuple[TagSet, int | None]] = {
        tags.id: (tags, None) for tags in declared_tag_sets(old).values()
    }
    if rows is not None:
        compared = {}
        for stored, number in rows:
            said = _said(stored)
            compared[said.id] = said, number + (compared.get(said.id, (said, 0))[1] or 0)
    found = [*_led(old, new), *_filled(old, new), *_everywhere(old, new)]
    for tags, count in compared.values():
        judged = [*_judged(tags, old.catalogue, new.catalogue, today), *_renamed(tags, old, new)]
        judged += _carried_out(tags, old, new)
        found += [replace(change, rows=count) for change in judged]
        plain = replace(tags, detected=())
        same = places.get(plain.id, [])
        for place in same:
            # Roles with the same tags share their rows: how many are of one that is gone nobody knows then.
            known = place in then or not any(other in then for other in same)
            changes = _tagged(plain, then.get(place), place[1])
            found += [replace(change, rows=count if known else None) for change in changes]
    # Two roles of one record may have the same tags.
    return sorted(dict.fromkeys(found), key=lambda item: (item.topic, item.kind, item.categories, item.what))


def _said(tags: TagSet) -> TagSet:
    """Without what another version of the same words has as well, and what another key has."""
    return replace(tags, schema="", catalogue_version="", key_id="")


def _led(old: Company, new: Company) -> Iterator[Change]:
    """What leads to people otherwise, or to others, or to nobody, when events are read anew; and when they happened."""
    for name in sorted(old.tagged.keys() & new.tagged.keys()):
        before, after = _ways(old, name), _ways(new, name)
        for what in sorted(before.keys() | after.keys()):
            then, now = before.get(what, "–"), after.get(what, "–")
            if then != now:
                yield Change("tags", name, new.tagged[name].record, (), what, then, now)


def _filled(old: Company, new: Company) -> Iterator[Change]:
    """Of which fields a category is in one record: those that commands name. One that comes or goes is a tag."""
    for name in sorted(old.tagged.keys() & new.tagged.keys()):
        before, after = _fields(old, name), _fields(new, name)
        for category in sorted(before.keys() & after.keys()):
            if before[category] != after[category]:
                then, now = (", ".join(sorted(said[category])) for said in (before, after))
                record = new.tagged[name].record
                yield Change("decision", name, record, (category,), f"fields of {category}", then, now)


def _fields(company: Company, topic: str) -> dict[str, set[str]]:
    """By category the fields of a topic's record that hold it, with the roles that one is about, if not all."""
    found: dict[str, set[str]] = {}
    for item in company.every_record[company.tagged[topic].record].fields:
        if item.personal:
            about = f" about {' and '.join(sorted(item.about))}" if item.about else ""
            found.setdefault(item.category, set()).add(f"{item.name}{about}")
    return found


def _ways(company: Company, topic: str) -> dict[str, str]:
    """By which fields the events of a topic lead to somebody, and what says when they happened."""
    record = company.every_record[company.tagged[topic].record]
    found = {"event time": record.event_time}
    for item in record.identifiers:
        form = f", {item.form}" if item.form else ""
        port = f", port in {item.port_field}" if item.port_field else ""
        found[f"identifier {item.field}"] = f"{item.kind} of {item.role}{form}{port}"
    contract = company.contracts.get(topic)
    found |= {f"free text {item.name}": "searched for people" for item in record.fields if item.free_text}
    found |= {f"record key {item.name}": "tells records apart" for item in record.fields if item.record_key}
    for rule in record.annotation.identity:
        for name in rule.tokens or ("an assignment",):
            said = _link(rule, contract)
            found[f"link of {name}"] = "; ".join(filter(None, [found.get(f"link of {name}"), said]))
    for clock in record.annotation.clocks:
        name = f"clock {clock.clock}"
        found[name] = "; ".join(filter(None, [found.get(name), _clock(clock, contract)]))
    for fact in record.annotation.facts:
        name = f"fact {fact.fact}"
        found[name] = "; ".join(filter(None, [found.get(name), _fact(fact)]))
    if contract:
        key = contract.message_key
        found["event time"] = _moment(contract.event_time)
        if key is not None:
            found["message key"] = f"{key.field}{f' at {key.path}' if key.path else ''}"
    return found


def _everywhere(old: Company, new: Company) -> Iterator[Change]:
    """What is otherwise for the rows of all topics, and for requests."""

    def change(kind: Kind, what: str, before: object, after: object) -> Iterator[Change]:
        then, now = _text(before), _text(after)
        if then != now:
            yield Change(kind, "", "", (), what, then or "–", now or "–")

    yield from change("date", "time_zone", old.profile.time_zone, new.profile.time_zone)
    # Whose public holidays move the day on which a request is due.
    yield from change("requests", "country", old.profile.country, new.profile.country)
    rules = (company.rights.model_dump(mode="json") for company in (old, new))
    before, after = rules
    for name in before:
        yield from change("requests", name, before[name], after[name])
    for kind, section in (("links", "identity_sources"), ("decision", "proofs")):
        then, now = (getattr(company.catalogue, section) for company in (old, new))
        for name in sorted(then.keys() | now.keys()):
            said = (_said_of(entries.get(name)) for entries in (then, now))
            yield from change("links" if kind == "links" else "decision", f"{section} {name}", *said)
    for name in sorted(old.catalogue.systems.keys() & new.catalogue.systems.keys()):
        for right in RIGHTS_BY_JOB:
            said = (getattr(company.catalogue.systems[name], right) for company in (old, new))
            yield from change("requests", f"{right} of {name}", *said)


def _said_of(entry: Entry | None) -> str:
    """What an entry of the catalogue says, without its names."""
    if entry is None:
        return "–"
    said = entry.model_dump(mode="json", exclude={*Entry.model_fields})
    return ", ".join(f"{key}: {_text(value)}" for key, value in said.items())


def _carried_out(tags: TagSet, old: Company, new: Company) -> Iterator[Change]:
    """What an erasure does with such rows otherwise, whatever is decided on them."""
    systems = [company.catalogue.systems.get(tags.system) for company in (old, new)]
    then, now = (f"erasure: {item.erasure}" if item else "no such system" for item in systems)
    if then != now and all(systems):
        yield _change(tags, "decision", f"system {tags.system}", then, now)
    records = [company.every_record.get(tags.record) for company in (old, new)]
    if all(records):
        before, after = (_text(_rule(item.annotation.erasure)) for item in records if item)
        if before != after:
            yield _change(tags, "decision", "the erasure of a record", before, after)


def _rule(rule: ErasureRule) -> dict[str, str]:
    return {key: _text(value) or "–" for key, value in rule.model_dump(mode="json").items()}


def _link(rule: IdentityRule, contract: Contract | None) -> str:
    """What a rule says of each of its tokens."""
    said = [f"{rule.form} of {' or '.join(rule.subject) or '–'}", rule.proof, rule.source]
    if rule.since:
        said.append(f"since {_moment(contract.since[rule.since]) if contract else rule.since}")
    said += [f"{rule.mark} {value} is {mark}" for value, mark in rule.marks.items()]
    return ", ".join(filter(None, said))


def _clock(rule: ClockRule, contract: Contract | None) -> str:
    """What events say of a retention clock, and of which thing."""
    said: list[str] = (
        [f"{rule.mark} {value} {word}" for value, word in rule.marks.items()] if rule.mark else [rule.says]
    )
    if rule.at:
        said.append(f"at {_moment(contract.clock_times[rule.at]) if contract else rule.at}")
    if rule.group:
        said.append(f"each {rule.group}")
    if rule.days_before:
        said.append(f"{counted(rule.days_before, 'day')} before")
    if rule.above_zero:
        said.append(f"{rule.above_zero} above zero")
    return ", ".join(said)


def _fact(rule: FactRule) -> str:
    """What events say of a duty, and by which fields."""
    said = [f"{rule.mark} {value} {word}" for value, word in rule.marks.items()]
    said += [f"else {rule.says}" if rule.mark else rule.says] if rule.says else []
    said += [f"{key} {getattr(rule, key)}" for key in FACT_FIELDS if getattr(rule, key)]
    return ", ".join(said)


def _moment(at: EventTime) -> str:
    return f"{at.path or at.envelope}, {at.unit}{f', {at.zone}' if at.zone else ''}"


def declared_tag_sets(company: Company) -> dict[Place, TagSet]:
    """The tag sets that a company's records give, without version and key: by topic, role and variant."""
    found = {}
    for topic in company.tagged.values():
        record = company.every_record[topic.record]
        symbols = [(field, symbol) for field, known in record.annotation.variants.items() for symbol in known]
        for role in dict.fromkeys(item.role for item in record.identifiers):
            for variant in [None, *symbols]:
                said = None if variant is None else record.variant(*variant)
                tags = tag_set(record, topic.name, role, catalogue_version="", key_id="", variant=said)
                found[(topic.name, role, *(variant or ()))] = _said(tags)
    return found


def _change(tags: TagSet, kind: Kind, what: str, before: str, after: str) -> Change:
    return Change(kind, tags.topic, tags.record, tags.every_category, what, before, after)


def _tagged(tags: TagSet, then: TagSet | None, role: str) -> Iterator[Change]:
    if then is None:
        yield _change(tags, "tags", f"role {role}", "tagged", "no longer tagged")
        return
    before, after = asdict(tags), asdict(then)
    for name in before:
        if before[name] != after[name]:
            yield _change(tags, "tags", name, _text(before[name]), _text(after[name]))


def _renamed(tags: TagSet, old: Company, new: Company) -> Iterator[Change]:
    """The kinds of identifiers in such rows whose one spelling is made otherwise."""
    record = old.every_record.get(tags.record)
    named = [item.kind for item in record.identifiers] if record else []
    for name in dict.fromkeys(named):
        before, after = old.kinds.get(name), new.kinds.get(name)
        if before is not None and before != after and _spelling(before) != _spelling(after):
            yield _change(tags, "identifiers", name, _spelling(before), _spelling(after))


def _spelling(kind: IdentifierKind | None) -> str:
    if kind is None:
        return "no such kind"
    steps = [step.name if step.value is None else f"{step.name} {step.value}" for step in kind.steps]
    dialled = [f"dialled in {kind.country}"] * any(step.name.startswith("e164") for step in kind.steps)
    return ", ".join([*steps, *dialled, *([f"pattern {kind.pattern}"] if kind.pattern else [])])


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_text(item)}" for key, item in value.items() if item is not None)
    return ", ".join(map(_text, value)) if isinstance(value, tuple | list) else str(value)


def _judged(tags: TagSet, old: Catalogue, new: Catalogue, today: date) -> Iterator[Change]:
    unknown = _unknown(tags, old), _unknown(tags, new)
    if unknown[0] != unknown[1]:
        before, after = (f"{word} is not in the catalogue" if word else "decided" for word in unknown)
        yield _change(tags, "undecided", "all", before, after)
    if any(unknown):
        return
    for category in tags.every_category:
        for kind in ("date", "decision"):
            before, after = (_answer(kind, tags, category, catalogue, today) for catalogue in (old, new))
            if before != after:
                yield _change(tags, "date" if kind == "date" else "decision", category, before, after)


def _unknown(tags: TagSet, catalogue: Catalogue) -> str | None:
    """A word of the tags that the catalogue lacks."""
    words: list[tuple[tuple[str, ...], Mapping[str, object]]] = [
        ((tags.system,), catalogue.systems),
        (tags.every_category, catalogue.categories),
        (tags.purposes, catalogue.purposes),
        (tags.retention, catalogue.retention_rules),
    ]
    return next((word for given, known in words for word in given if word not in known), None)


def _answer(kind: str, tags: TagSet, category: str, catalogue: Catalogue, today: date) -> str:
    """What is said of an event of `today`, of somebody whose contract ends that day."""
    rules = [catalogue.retention_rules[name] for name in tags.retention]
    moment = datetime.combine(today, time(12), catalogue.calendar.zone)
    anchors = RetentionAnchors(contract_end=today)
    if kind == "date":
        return _date([rule for rule in rules if rule.covers_category(category)], moment, anchors, catalogue)
    (decision,) = decide_erasure(
        [category], tags.purposes, rules, moment, moment, today, anchors, catalogue.calendar
    )
    if decision.action == "erase_now":
        return "erased now"
    until = decision.until.isoformat() if decision.until else "an open end"
    return f"held until {until} by {decision.rule} for {', '.join(decision.purposes)}"


def _date(
    rules: list[RetentionRule], moment: datetime, anchors: RetentionAnchors, catalogue: Catalogue
) -> str:
    try:
        rule, until = governing(rules, moment, anchors, catalogue.calendar)
    except InputError:
        return "no rule says when"
    # What an erasure gets is the decision, and this rule lets it have the data before that day.
    unasked = ", unless somebody asks before" if rule.effect == "hold_contract" else ""
    return f"{until.isoformat() if until else 'clock not started'} by {rule.id}{unasked}"

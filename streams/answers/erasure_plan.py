"""The plan of an erasure: for everything that is held, erase now, hold until a date, or wait until it expires. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any

from schemas.catalogue import Catalogue
from schemas.errors import InputError
from schemas.messages import Order, Selector
from schemas.policy import Decision, RetentionAnchors, decide_erasure
from schemas.records import RecordSchema
from schemas.tags import TagSet
from schemas.topics import Topic
from schemas.vocabulary import ErasureAction
from sinks.ports.lineage import Found, Holding, Others
from streams.answers.frozen import freezing
from streams.answers.orders import groups, is_plain, is_whole, make_order, of_several, staying_events
from streams.answers.plan import CommandPlan, Copy, Part, Plan
from streams.answers.recategorised import NO_VERSIONS, Versions, held_fields, may_be
from streams.answers.recipients import given_to
from streams.answers.report import only_described, retention_of, rules_of, source_deleted, terms_of
from streams.answers.unjudged import judged_for_erasure


def make_plan(
    found: Found,
    catalogue: Catalogue,
    as_of: date,
    anchors: RetentionAnchors,
    *,
    topics: Mapping[str, Topic],
    records: Mapping[str, RecordSchema],
    others: Sequence[Others] = (),
    clocks: Sequence[dict[str, Any]] = (),
    frozen: date | None = None,
    versions: Versions = NO_VERSIONS,
) -> Plan:
    """Decide for every category of every holding (GDPR Art. 17(1), 17(3)).

    One decision per (system, record, category), over all its events: a command reaches fields, so what one rule
    holds of a field it holds for all its events. Only events that a variant of the record sets apart are decided on
    their own, since a command can name them: what is kept for the police alone (ekomloven § 3-13) holds nothing that
    operation needed (§ 3-11). `others`: which of the events name somebody else. What the catalogue cannot judge does
    not stand in the way of the rest: it is `unjudged`. `clocks`: where the anchors come from, for whoever reads the
    plan. `frozen`: a preservation order holds all of it until that day, and the index narrows nothing. `versions`: as
    what the events were tagged: a field that may be of a category which is held stays, whatever else it may be of.
    """
    names = sorted({holding.tags.topic for holding in found.holdings})
    found, unjudged = judged_for_erasure(found, catalogue, records)
    held: dict[tuple[str, str], list[Holding]] = {}
    # What is here has happened, however it is dated: a clock that starts in 2099 would hold it longer.
    today = datetime.combine(as_of, time.max, catalogue.calendar.zone)
    for holding in found.holdings:
        first, last = min(holding.first_seen, today), min(holding.last_seen, today)
        holding = replace(holding, first_seen=first, last_seen=last)
        held.setdefault((holding.tags.system, holding.tags.record), []).append(holding)
    parts: list[Part] = []
    for (system, record), holdings in sorted(held.items()):
        if system in catalogue.systems and catalogue.systems[system].erasure == "retention":
            parts += _expiring(holdings, catalogue, anchors)
            continue
        for group in groups(records.get(record), holdings):
            decided = _decided(group.holdings, catalogue, as_of, anchors, records.get(record), versions)
            parts += [replace(part, where=group.where) for part in decided]
    if frozen is not None:
        parts = [_frozen(part, frozen, catalogue) for part in parts]
    orders = _orders(parts, catalogue, records, others)
    return Plan(
        as_of=as_of,
        catalogue_version=catalogue.version,
        parts=tuple(_carried_out(part, orders, records, others) for part in parts),
        copies=tuple(Copy(name, topic_end(topics.get(name), as_of)) for name in names),
        commands=tuple(_commands(orders, records)),
        kept={h.tags.id: h.tags if frozen else _narrowed(h.tags, parts, catalogue) for h in found.holdings},
        unjudged=tuple(unjudged),
        clocks=tuple(clocks),
        recipients=given_to(found, parts),
    )


def nobody_told(plan: Plan, catalogue: Catalogue) -> str | None:
    """Why a plan cannot be carried out: events are to be erased of which nobody can tell the system that holds them."""
    commanded = {command.system for command in plan.commands}
    for part in plan.parts:
        known = catalogue.systems.get(part.system)
        if (
            part.action == "erase_now"
            and part.system not in commanded
            and (not known or known.erasure != "own")
        ):
            return (
                f"{part.system} holds events to erase and nobody can tell it; enter it in systems.yaml with"
                " `erasure: command`, then resend the request"
            )
    return None


_Where = tuple[str, str, Selector | None]  # system, record, which of its events


def _decided(
    holdings: Sequence[Holding],
    catalogue: Catalogue,
    as_of: date,
    anchors: RetentionAnchors,
    record: RecordSchema | None,
    versions: Versions,
) -> list[Part]:
    fields = may_be(record, [holding.tags for holding in holdings], versions)
    changed = {name: found for name, found in fields.items() if len(found) > 1}
    rules = {rule.id: rule for holding in holdings for rule in rules_of(holding.tags, catalogue)}
    decisions = decide_erasure(
        _distinct(
            [
                *(category for holding in holdings for category in holding.tags.categories),
                *sorted(frozenset[str]().union(*changed.values())),
            ]
        ),
        _distinct(purpose for holding in holdings for purpose in holding.tags.purposes),
        list(rules.values()),
        min(holding.first_seen for holding in holdings),
        max(holding.last_seen for holding in holdings),
        as_of,
        anchors,
        catalogue.calendar,
    )
    by_category = {decision.category: decision for decision in decisions}
    stays = held_fields(changed, by_category)
    by_category |= _staying_whole(fields, stays, by_category)
    texts = (
        [name for item in record.fields if item.free_text for name in sorted(fields.get(item.name, ()))]
        if record
        else list(by_category)
    )
    held = [by_category[name] for name in texts if name in by_category and by_category[name].rule]
    parts = []
    for holding in holdings:
        there = {name: found for name, found in changed.items() if found & {*holding.tags.categories}}
        more = _held_besides(holding, there, stays, by_category)
        for category in (*holding.tags.every_category, *more):
            decision = by_category.get(category) or _of_text(category, holding, held, catalogue)
            part = _part(holding, decision, catalogue)
            named = [
                f"{holding.tags.record}.{name}"
                for name, found in there.items()
                if category in found and (name in stays) == (part.action != "erase_now")
            ]
            parts.append(part if part.detected else replace(part, fields=tuple(named)))
    return parts


def _staying_whole(
    fields: Mapping[str, frozenset[str]], stays: Mapping[str, Decision], decided: Mapping[str, Decision]
) -> dict[str, Decision]:
    """What is decided of categories of which every field stays, as it may be of another one that is held."""
    found = {}
    for category, decision in decided.items():
        theirs = [name for name, categories in fields.items() if category in categories]
        if decision.action == "erase_now" and theirs and all(name in stays for name in theirs):
            longest = max((stays[name] for name in theirs), key=lambda item: item.until or date.max)
            found[category] = replace(longest, category=category)
    return found


def _held_besides(
    holding: Holding,
    there: Mapping[str, frozenset[str]],
    stays: Mapping[str, Decision],
    decided: Mapping[str, Decision],
) -> tuple[str, ...]:
    """The categories as which fields of these events stay of which the index has nothing else to keep."""
    return _distinct(
        stays[name].category
        for name, categories in there.items()
        if name in stays and not any(decided[item].rule for item in categories & {*holding.tags.categories})
    )


def _of_text(category: str, holding: Holding, held: Sequence[Decision], catalogue: Catalogue) -> Decision:
    """What only a free text reveals is erased with the text, or held with it: it lies in no field of its own."""
    purposes = tuple(terms_of(holding.tags, category, catalogue).bases)
    if not held:
        return Decision(category, "erase_now", ended=purposes)
    text = max(held, key=lambda decision: decision.until or date.max)
    ended = tuple(purpose for purpose in purposes if purpose not in text.purposes)
    return replace(text, category=category, ended=ended)


def _part(holding: Holding, decision: Decision, catalogue: Catalogue) -> Part:
    tags = holding.tags
    return Part(
        system=tags.system,
        topic=tags.topic,
        record=tags.record,
        tag_set=tags.id,
        category=decision.category,
        action=decision.action,
        events=holding.events,
        until=decision.until,
        rule=decision.rule,
        citation=decision.citation,
        purposes=decision.purposes,
        ended=decision.ended,
        also=decision.also,
        oldest_expired=decision.oldest_expired,
        locked=only_described(tags, catalogue),
        detected=decision.category in tags.revealed,
        source_deleted=deleted.date() if (deleted := source_deleted([holding])) else None,
    )


def _expiring(holdings: Sequence[Holding], catalogue: Catalogue, anchors: RetentionAnchors) -> list[Part]:
    parts = []
    for holding in holdings:
        rule, until = retention_of(
            rules_of(holding.tags, catalogue), holding.last_seen, anchors, catalogue.calendar
        )
        for category in holding.tags.every_category:
            purposes = tuple(terms_of(holding.tags, category, catalogue).bases)
            decision = Decision(category, "erase_now", until, purposes=purposes)
            erased = _part(holding, decision, catalogue)
            if rule is not None:
                erased = replace(erased, rule=rule.id, citation=rule.authority)
            parts.append(replace(erased, action="expires"))
    return parts


def _frozen(part: Part, until: date, catalogue: Catalogue) -> Part:
    """Held by a preservation order, which outranks whatever else is decided (straffeprosessloven § 215 a)."""
    if part.action == "expires":
        return part
    rule, citation, purposes = freezing(catalogue)
    ended = tuple(name for name in (*part.purposes, *part.ended) if name not in purposes)
    also = () if part.rule is None else (part.rule,)
    held = replace(part, action="hold_until", until=until, rule=rule, citation=citation, purposes=purposes)
    return replace(held, ended=ended, also=also, means=None, stays=0, oldest_expired=False)


def topic_end(topic: Topic | None, as_of: date) -> date | None:
    """The newest message may have been written on the day of the plan, however old the event it tells of."""
    if topic is None:
        return None
    return as_of + timedelta(days=-(-topic.retention // timedelta(days=1)))


def _orders(
    parts: Sequence[Part],
    catalogue: Catalogue,
    records: Mapping[str, RecordSchema],
    others: Sequence[Others],
) -> dict[_Where, Order]:
    """What each system does with each of its records, in order of their names."""
    erased: dict[_Where, list[Part]] = {}
    for part in parts:
        known = catalogue.systems.get(part.system)
        if part.action == "erase_now" and known is not None and known.erasure == "command":
            erased.setdefault((part.system, part.record, part.where), []).append(part)
    orders = {}
    for (system, record, where), members in sorted(erased.items(), key=repr):
        if record not in records:
            raise InputError(
                f"{system} holds events of record {record}, which the company has not; add its schema, "
                "so that the command can name the fields to erase"
            )
        # A job that goes by categories must not take for the text's what a rule holds elsewhere in the system.
        kept = {part.category for part in parts if part.system == system and part.action != "erase_now"}
        tag_sets = {part.tag_set for part in members}
        shared = [item for item in others if item.tag_set in tag_sets]
        stays = {
            name
            for part in parts
            if (part.system, part.record, part.where) == (system, record, where)
            and part.action != "erase_now"
            for name in part.fields
        }
        fields = [name for name in named_fields(records[record], members) if name not in stays]
        categories = told_categories(members, kept)
        orders[system, record, where] = make_order(records[record], where, categories, fields, shared)
    return orders


def told_categories(gone: Iterable[Part], kept: Set[str]) -> tuple[str, ...]:
    """The categories that a command names."""
    return tuple(sorted({part.category for part in gone if not (part.detected and part.category in kept)}))


def named_fields(record: RecordSchema, gone: Sequence[Part]) -> list[str]:
    """The fields (`Record.field`) of these categories, also of when events were tagged, and the free texts that reveal
    one."""
    categories = {part.category for part in gone if not part.detected}
    reveals, then = any(part.detected for part in gone), {name for part in gone for name in part.fields}
    return [
        f"{record.name}.{item.name}"
        for item in record.fields
        if item.category in categories or (reveals and item.free_text) or f"{record.name}.{item.name}" in then
    ]


def _carried_out(
    part: Part, orders: Mapping[_Where, Order], records: Mapping[str, RecordSchema], others: Sequence[Others]
) -> Part:
    order = orders.get((part.system, part.record, part.where))
    if part.action != "erase_now" or order is None:
        return part
    record = records[part.record]
    stays = staying_events(record, [item for item in others if item.tag_set == part.tag_set])
    redacted = record.annotation.erasure.retain or not is_whole(order, record) or stays >= part.events
    return replace(part, means=ErasureAction.REDACT if redacted else ErasureAction.DELETE, stays=stays)


def _commands(orders: Mapping[_Where, Order], records: Mapping[str, RecordSchema]) -> Iterable[CommandPlan]:
    for system in dict.fromkeys(system for system, _, _ in orders):
        of_system = [order for (name, _, _), order in orders.items() if name == system]
        # Jobs that do not know orders may do what is safe without them.
        listed = [
            order
            for order in of_system
            if order.where is None
            and order.before is None
            and order.action is ErasureAction.DELETE
            and not of_several(records[order.record])
        ]
        yield CommandPlan(
            system,
            tuple(sorted({category for order in of_system for category in order.categories})),
            tuple(field for order in listed for field in order.fields),
            tuple(order for order in of_system if not is_plain(order, records[order.record])),
        )


def _narrowed(tags: TagSet, parts: Sequence[Part], catalogue: Catalogue) -> TagSet | None:
    held = [part for part in parts if part.tag_set == tags.id and part.action != "erase_now"]
    if not held:
        return None
    purposes = _distinct(purpose for part in held for purpose in part.purposes)
    rules = {rule for part in held for rule in (part.rule, *part.also) if rule is not None}
    return replace(
        tags,
        categories=tuple(sorted({part.category for part in held if not part.detected})),
        detected=tuple(sorted({part.category for part in held if part.detected})),
        purposes=purposes,
        legal_basis={purpose: _basis(purpose, tags, catalogue) for purpose in purposes},
        retention=tuple(rule for rule in tags.retention if rule in rules) or tags.retention,
        held_only=True,
    )


def _basis(purpose: str, tags: TagSet, catalogue: Catalogue) -> str:
    return tags.legal_basis.get(purpose) or catalogue.purposes[purpose].legal_bases[0]


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))

"""What of one person's data has run out by clocks that are the person's own, and the plan by which it goes. Pure.

Each category of a record goes up to a day of its own. What only the day of an event decides goes for everybody at once
(`streams.answers.expiry`); here it goes along where nothing else of the record is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, partial
from typing import Any

from schemas.calendars import Calendar
from schemas.catalogue import Catalogue
from schemas.entries import RetentionRule
from schemas.expiry import clocks_of_people, decided, end_of, kept_from, last_day
from schemas.messages import Order, Selector
from schemas.policy import RetentionAnchors
from schemas.records import RecordSchema
from schemas.tags import TagSet
from schemas.topics import Topic
from schemas.vocabulary import ErasureAction, Role
from sinks.ports.lineage import Found, Holding, Others, Span
from streams.answers.erasure_plan import named_fields, told_categories, topic_end
from streams.answers.orders import groups, is_whole, make_order, staying_events
from streams.answers.plan import CommandPlan, Copy, Part, Plan, Segment
from streams.answers.recategorised import Tie, Versions, may_be, ties
from streams.answers.report import only_described, rules_of, terms_of
from streams.answers.unjudged import judged_for_erasure

Rules = tuple[RetentionRule, ...]
_OWNERS = frozenset((Role.OWNER, Role.JOINT_OWNER))
_DAY = timedelta(days=1)
_Ending = Callable[[Rules], tuple[date, RetentionRule]]


@dataclass(frozen=True)
class Terms:
    """By what it is decided: the company's rules and records, the clocks of which events tell, the day of today, and as
    what records were tagged."""

    catalogue: Catalogue
    records: Mapping[str, RecordSchema]
    told: frozenset[str]
    as_of: date
    versions: Versions = field(default_factory=dict)

    @property
    def calendar(self) -> Calendar:
        return self.catalogue.calendar


@dataclass(frozen=True)
class Cut:
    """Of events before the day `before` these categories of a record of one system have run out.

    `where`: of such events of the record alone. `tag_sets`: theirs. `rules`: by which each category goes.
    """

    system: str
    record: str
    where: Selector | None
    before: date
    categories: frozenset[str]
    tag_sets: frozenset[int]
    rules: Mapping[str, RetentionRule] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class _Term:
    """The first day on which events of a category are kept, by which rule, and whether a clock of the person says so;
    no rule: none speaks of the category."""

    category: str
    kept: date
    rule: RetentionRule | None = None
    personal: bool = False


def somebody_elses(others: Iterable[Others]) -> frozenset[int]:
    """Tag sets of which some event is another's, whose clocks decide, and names the person beside its owner."""
    return frozenset(item.tag_set for item in others if not item.roles & _OWNERS and item.others & _OWNERS)


def cuts_of(
    found: Found, anchors: RetentionAnchors, terms: Terms, leave: Set[int] = frozenset()
) -> list[Cut]:
    """What has run out, a cut for each day up to which something goes. `found`: all that is held of the person;
    `leave`: tag sets that are not touched."""
    found, _ = judged_for_erasure(found, terms.catalogue, terms.records)
    held: dict[tuple[str, str], list[Holding]] = {}
    for holding in found.holdings:
        if not holding.tags.of_another and holding.tags.id not in leave:
            held.setdefault((holding.tags.system, holding.tags.record), []).append(holding)
    ending = cache(partial(_ending, anchors=anchors, terms=terms))
    return [
        cut
        for (_, record), holdings in sorted(held.items())
        for group in groups(terms.records.get(record), holdings)
        for cut in _cuts(group.holdings, group.where, ending, terms)
    ]


def _cuts(holdings: Sequence[Holding], where: Selector | None, ending: _Ending, terms: Terms) -> list[Cut]:
    tags = holdings[0].tags
    first = min(terms.calendar.day(item.first_seen) for item in holdings)
    tied = ties(terms.records.get(tags.record), [item.tags for item in holdings], terms.versions)
    categories = dict.fromkeys(name for item in holdings for name in item.tags.every_category)
    # A field may be of one by now that no event has.
    categories |= dict.fromkeys(name for tie in tied for name in sorted(tie.categories))
    every = _together([_term(holdings, name, ending, terms) for name in categories], tied)
    speaking = [term for term in every if term.rule is not None]
    personal = [term for term in speaking if term.personal and term.kept > first]
    if not personal:
        return []
    # Before that day nothing is kept by any rule, so that the record goes, and with it what no rule speaks of.
    whole = min(term.kept for term in speaking)
    cuts = []
    for before in sorted({whole, *(term.kept for term in personal)}):
        gone = every if before <= whole else [term for term in personal if term.kept >= before]
        if before > first:
            cuts.append(
                Cut(
                    *(tags.system, tags.record, where, before),
                    frozenset(term.category for term in gone),
                    frozenset(item.tags.id for item in holdings),
                    {term.category: term.rule for term in gone if term.rule is not None},
                )
            )
    return cuts


def _together(every: Sequence[_Term], found: Iterable[Tie]) -> list[_Term]:
    """With one end for all categories of a tie: that of the one that is kept longest."""
    terms = {term.category: term for term in every}
    for tie in found:
        theirs = [term for term in every if term.category in tie.categories and term.rule is not None]
        if theirs:
            last = min(theirs, key=lambda term: term.kept)
            personal = any(term.personal for term in theirs)
            terms |= {
                term.category: replace(last, category=term.category, personal=personal) for term in theirs
            }
    return list(terms.values())


def _term(holdings: Sequence[Holding], category: str, ending: _Ending, terms: Terms) -> _Term:
    """As what runs out for everybody is decided (`streams.answers.expiry`): what only a free text reveals goes by its
    own rules, or with the text where that goes earlier."""
    having = [item.tags for item in holdings if category in item.tags.every_category]
    having = having or [item.tags for item in holdings]
    own = {rule.id: rule for tags in having for rule in terms_of(tags, category, terms.catalogue).rules}
    ways = [tuple(own.values())]
    if any(category in tags.revealed for tags in having):
        text = {
            rule.id: rule
            for tags in having
            for rule in rules_of(tags, terms.catalogue)
            if any(map(rule.covers_category, tags.categories))
        }
        ways.append(tuple(text.values()))
    ways = [rules for rules in ways if decided(rules)]
    if not ways:
        return _Term(category, date.max)
    kept, rule = max((ending(rules) for rules in ways), key=lambda found: found[0])
    return _Term(category, kept, rule, any(clocks_of_people(item, terms.told) for item in ways))


def _ending(rules: Rules, anchors: RetentionAnchors, terms: Terms) -> tuple[date, RetentionRule]:
    """The first day whose events the rules keep, and the one by which those of the day before have run out."""
    kept = kept_from(rules, terms.as_of, terms.calendar, anchors)
    rule, _ = last_day(rules, kept - _DAY, terms.calendar, anchors)
    return kept, rule


def start_of(day: date, calendar: Calendar) -> datetime:
    """The first moment of a day there, in UTC."""
    return datetime.combine(day, time.min, calendar.zone).astimezone(UTC)


def cut_spans(spans: Iterable[Span], since: datetime | None, until: datetime | None) -> list[Span]:
    """The parts of the spans in [since, until); None: no bound."""
    found = []
    for span in spans:
        low = max((item for item in (span.since, since) if item is not None), default=None)
        high = min((item for item in (span.until, until) if item is not None), default=None)
        if low is None or high is None or low < high:
            found.append(replace(span, since=low, until=high))
    return found


def expiry_plan(
    cuts: Sequence[Cut],
    founds: Mapping[date, Found],
    anchors: RetentionAnchors,
    terms: Terms,
    *,
    topics: Mapping[str, Topic],
    others: Sequence[Others] = (),
    clocks: Sequence[dict[str, Any]] = (),
) -> Plan:
    """The plan of these cuts. `founds`: what is held of the time before the day of each. `others`, `clocks`: as in
    `streams.answers.erasure_plan.make_plan`.

    Systems that delete by themselves and those that nobody has to tell are in no command; the index forgets there too.
    """
    orders = {cut: order for cut in cuts if (order := _order(cut, founds[cut.before], terms, others))}
    segments, parts = list[Segment](), list[Part]()
    counted, since = dict[int, int](), None
    for day in sorted(founds):
        until = start_of(day, terms.calendar)
        kept, events = dict[int, TagSet | None](), dict[int, int]()
        for holding in founds[day].holdings:
            tags, count = holding.tags, holding.events - counted.get(holding.tags.id, 0)
            due = [cut for cut in cuts if cut.before >= day and tags.id in cut.tag_sets]
            if count and due:
                kept[tags.id], events[tags.id] = _narrowed(tags, due, day - _DAY, anchors, terms), count
                of_tags = [item for item in others if item.tag_set == tags.id]
                parts += _parts(tags, count, until, due, orders, of_tags, terms)
        counted = {holding.tags.id: holding.events for holding in founds[day].holdings}
        segments.append(Segment(since, until, kept, events))
        since = until
    names = sorted({part.topic for part in parts})
    return Plan(
        as_of=terms.as_of,
        catalogue_version=terms.catalogue.version,
        parts=tuple(parts),
        copies=tuple(Copy(name, topic_end(topics.get(name), terms.as_of)) for name in names),
        commands=tuple(_commands(orders)),
        kept={},
        clocks=tuple(clocks),
        segments=tuple(segments),
    )


def _order(cut: Cut, found: Found, terms: Terms, others: Sequence[Others]) -> Order | None:
    """What the system is told, None where nobody has to tell it."""
    system, record = terms.catalogue.systems.get(cut.system), terms.records.get(cut.record)
    there = [item for item in found.holdings if item.tags.id in cut.tag_sets]
    if system is None or system.erasure != "command" or record is None or not there:
        return None
    members = [
        _part(item.tags, name, item.events, start_of(cut.before, terms.calendar), cut, terms)
        for item in there
        for name in item.tags.every_category
        if name in cut.categories
    ]
    # Of fields that changed their category: those go that may be of one which has run out, as the others have then.
    known = may_be(record, [item.tags for item in there], terms.versions)
    then = [name for name, of in known.items() if len(of) > 1 and of & cut.categories]
    members = [replace(part, fields=tuple(f"{record.name}.{name}" for name in then)) for part in members]
    stays = {name for item in there for name in item.tags.every_category} - cut.categories
    shared = [item for item in others if item.tag_set in cut.tag_sets]
    fields = named_fields(record, members)
    order = make_order(record, cut.where, told_categories(members, stays), fields, shared)
    return replace(order, before=start_of(cut.before, terms.calendar)) if fields else None


def _commands(orders: Mapping[Cut, Order]) -> Iterable[CommandPlan]:
    for system in dict.fromkeys(cut.system for cut in orders):
        told = [order for cut, order in orders.items() if cut.system == system]
        categories = sorted({name for order in told for name in order.categories})
        yield CommandPlan(system, tuple(categories), (), tuple(told))


def _parts(
    tags: TagSet,
    events: int,
    until: datetime,
    due: Sequence[Cut],
    orders: Mapping[Cut, Order],
    others: Sequence[Others],
    terms: Terms,
) -> Iterable[Part]:
    """One for each category that goes of these events."""
    record = terms.records.get(tags.record)
    told = [orders[cut] for cut in due if cut in orders]
    deleted = record is not None and any(
        is_whole(order, record) and order.action is ErasureAction.DELETE for order in told
    )
    stays = min(staying_events(record, others), events) if record is not None else 0
    means = ErasureAction.DELETE if deleted and stays < events else ErasureAction.REDACT
    for category in tags.every_category:
        if cut := next((cut for cut in due if category in cut.categories), None):
            part = _part(tags, category, events, until, cut, terms)
            yield replace(part, means=means, stays=stays) if told else part


def _part(tags: TagSet, category: str, events: int, until: datetime, cut: Cut, terms: Terms) -> Part:
    system, rule = terms.catalogue.systems.get(tags.system), cut.rules.get(category)
    by_itself = system is not None and system.erasure == "retention"
    return Part(
        system=tags.system,
        topic=tags.topic,
        record=tags.record,
        tag_set=tags.id,
        category=category,
        action="expires" if by_itself else "erase_now",
        events=events,
        until=terms.as_of if by_itself else None,
        rule=rule.id if rule else None,
        citation=rule.authority if rule else None,
        ended=tuple(terms_of(tags, category, terms.catalogue).bases),
        locked=only_described(tags, terms.catalogue),
        where=cut.where,
        detected=category in tags.revealed,
        before=until,
    )


def _narrowed(
    tags: TagSet, due: Sequence[Cut], last: date, anchors: RetentionAnchors, terms: Terms
) -> TagSet | None:
    """What is still kept of events until the day `last`: None, nothing. Rules whose last day is past keep nothing."""
    gone = frozenset[str]().union(*(cut.categories for cut in due))
    left = [name for name in tags.every_category if name not in gone]
    if not left:
        return None
    named = (terms.catalogue.retention_rules[name] for name in tags.retention)
    rules = [rule for rule in named if any(map(rule.covers_category, left))]
    kept = tuple(rule.id for rule in rules if not _is_past(rule, last, anchors, terms))
    return replace(
        tags,
        categories=tuple(name for name in tags.categories if name in left),
        detected=tuple(name for name in tags.detected if name in left),
        retention=kept or tuple(rule.id for rule in rules) or tags.retention,
    )


def _is_past(rule: RetentionRule, day: date, anchors: RetentionAnchors, terms: Terms) -> bool:
    until = end_of(rule, day, terms.calendar, anchors)
    return until is not None and until < terms.as_of

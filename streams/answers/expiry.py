"""What has run out by its retention rule, and what will in the months ahead: counted for everybody, nothing is changed.

Pure, over how many events of each day the index holds. What turns on a clock of the person (the end of a contract) is
counted apart: it runs out on another day for each, and an answer about a person says when.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import cache
from itertools import accumulate, pairwise
from typing import Any, Literal

from dateutil.relativedelta import relativedelta

from schemas.catalogue import Catalogue
from schemas.entries import RetentionRule
from schemas.expiry import clocks_of_people, decided, kept_from, last_day
from schemas.tags import TagSet
from sinks.ports.expiry import DayCount
from streams.answers.report import rules_of, terms_of
from streams.answers.unjudged import rule_fault

Rules = tuple[RetentionRule, ...]
Means = Literal["delete", "narrow", "expires"]


@dataclass(frozen=True)
class RunningOut:
    """Events of one system that run out by one rule, by categories.

    `overdue`: run out already. `kept`: of these, events of people whose data are kept all the same, and what their
    system withholds. `months`: how many run out in each of the months ahead, `later`: after them, each of what is held
    now. `means`: `delete`, nothing is left of the event then; `narrow`, other categories of it are kept longer;
    `expires`, the system deletes by itself.
    An event counts in each line that speaks of one of its categories.
    """

    system: str
    rule: str
    citation: str
    clock: str
    period: str | None
    categories: tuple[str, ...]
    means: Means
    overdue: int
    kept: int
    months: tuple[int, ...]
    later: int


@dataclass(frozen=True)
class Awaiting:
    """Events of one system whose categories run out by clocks of the person, on another day for each.

    No `clocks`: no active rule says when such data go. `people`: of how many it does in each of the months ahead, the
    first with those of before (`streams.answers.people_ahead`); None: nobody counted.
    """

    system: str
    categories: tuple[str, ...]
    rules: tuple[str, ...]
    clocks: tuple[str, ...]
    events: int
    people: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Expiry:
    """What has run out on the day `as_of`, and what will. `months`: the first day of each month ahead, this one first.
    `unjudged`: why nobody can say it of some events, one line each."""

    as_of: date
    catalogue_version: str
    months: tuple[date, ...]
    items: tuple[RunningOut, ...]
    waiting: tuple[Awaiting, ...]
    unjudged: tuple[str, ...]

    def shown(self) -> dict[str, Any]:
        """As JSON."""
        months = [month.isoformat()[:7] for month in self.months]
        items = [
            {**asdict(item), "months": dict(zip(months, item.months, strict=True))} for item in self.items
        ]
        return {
            "as_of": self.as_of.isoformat(),
            "catalogue_version": self.catalogue_version,
            "months": months,
            "items": items,
            "waiting": [
                {
                    **asdict(item),
                    "people": None if item.people is None else dict(zip(months, item.people, strict=True)),
                }
                for item in self.waiting
            ],
            "unjudged": list(self.unjudged),
        }


@dataclass(frozen=True)
class Term:
    """When one category of a tag set runs out: `kept`, the first day kept at each of the days looked at; `governs`, by
    which rule. `clocks` without `kept`: by clocks of the person. None of both: no rule says it."""

    category: str
    rules: Rules
    kept: tuple[date, ...] = ()
    governs: RetentionRule | None = None
    clocks: tuple[str, ...] = ()


class _Counts:
    """How many events of a tag set were before a day, and of them how many are of people who are kept."""

    def __init__(self, counts: Iterable[DayCount]) -> None:
        ordered = sorted(counts, key=lambda item: item.day)
        self._days = [item.day for item in ordered]
        self._events = [0, *accumulate(item.events for item in ordered)]
        self._kept = [0, *accumulate(item.kept for item in ordered)]

    @property
    def events(self) -> int:
        return self._events[-1]

    def before(self, day: date) -> tuple[int, int]:
        place = bisect_left(self._days, day)
        return self._events[place], self._kept[place]


def expiry(
    days: Sequence[DayCount], catalogue: Catalogue, as_of: date, told: Collection[str], months: int
) -> Expiry:
    """Count what has run out on a day and in so many months ahead, of what is held now.

    `days`: as `ExpiryReader.by_day` counts them in the zone of the catalogue's calendar. `told`: the clocks of which
    events say anything.
    """
    firsts = tuple(as_of.replace(day=1) + relativedelta(months=number) for number in range(months + 1))
    looks = (as_of, *firsts[1:])

    @cache
    def at_looks(rules: Rules) -> tuple[date, ...]:
        return tuple(kept_from(rules, look, catalogue.calendar) for look in looks)

    held = defaultdict[int, list[DayCount]](list)
    for item in days:
        # What is here has happened, however it is dated.
        held[item.tags.id].append(replace(item, day=min(item.day, as_of)))
    found, waiting, unjudged = defaultdict[Any, list[RunningOut]](list), list[Awaiting](), list[str]()
    for of_tags in held.values():
        tags, counts = of_tags[0].tags, _Counts(of_tags)
        if why := rule_fault(tags, catalogue):
            unjudged.append(f"{tags.topic} of {tags.system} cannot be judged: it {why}")
            continue
        terms = [
            term_of(tags, category, catalogue, told, at_looks, as_of) for category in tags.every_category
        ]
        for line in _running_out(tags, terms, counts, catalogue):
            found[line.system, line.rule, line.categories, line.means].append(line)
        waiting += _awaiting(tags, terms, counts.events)
    return Expiry(
        as_of=as_of,
        catalogue_version=catalogue.version,
        months=firsts[:-1],
        items=tuple(_together(alike) for _, alike in sorted(found.items())),
        waiting=_waiting_together(waiting),
        unjudged=tuple(sorted(set(unjudged))),
    )


def term_of(
    tags: TagSet,
    category: str,
    catalogue: Catalogue,
    told: Collection[str],
    at_looks: Callable[[Rules], tuple[date, ...]],
    as_of: date,
) -> Term:
    """What only a free text reveals goes by its own rules, or with the text where that goes earlier.

    `at_looks`: `kept_from` at each of the days looked at, the first of them `as_of`.
    """
    own = tuple(terms_of(tags, category, catalogue).rules)
    ways = [own]
    if category in tags.revealed:
        ways.append(
            tuple(
                rule for rule in rules_of(tags, catalogue) if any(map(rule.covers_category, tags.categories))
            )
        )
    ways = [rules for rules in ways if decided(rules)]
    known = [rules for rules in ways if not clocks_of_people(rules, told)]
    if not known:
        clocks = {clock for rules in ways for clock in clocks_of_people(rules, told)}
        return Term(category, own, clocks=tuple(sorted(clocks)))
    first = max(known, key=at_looks)
    kept = tuple(max(looked) for looked in zip(*map(at_looks, known), strict=True))
    return Term(category, own, kept, last_day(first, as_of, catalogue.calendar)[0])


def _running_out(
    tags: TagSet, terms: Sequence[Term], counts: _Counts, catalogue: Catalogue
) -> Iterable[RunningOut]:
    """One for each rule and set of days of the tag set, of the categories that go by it."""
    # What no rule speaks of goes with the last of the others.
    speaking = [term for term in terms if term.kept or term.clocks]
    whole = (
        tuple(min(looked) for looked in zip(*(term.kept for term in speaking), strict=True))
        if all(term.kept for term in speaking)
        else None
    )
    system = catalogue.systems.get(tags.system)
    by_end = defaultdict[tuple[str, tuple[date, ...]], list[Term]](list)
    for term in speaking:
        if term.governs is not None:
            by_end[term.governs.id, term.kept].append(term)
    for (_, kept), alike in by_end.items():
        rule = alike[0].governs
        assert rule is not None
        gone = [counts.before(day) for day in kept]
        by_itself = system is not None and system.erasure == "retention"
        yield RunningOut(
            system=tags.system,
            rule=rule.id,
            citation=rule.authority,
            clock=rule.clock,
            period=rule.period,
            categories=tuple(sorted(term.category for term in alike)),
            means="expires" if by_itself else "delete" if kept == whole else "narrow",
            overdue=gone[0][0],
            kept=gone[0][1],
            months=tuple(after[0] - before[0] for before, after in pairwise(gone)),
            later=counts.events - gone[-1][0],
        )


def _awaiting(tags: TagSet, terms: Sequence[Term], events: int) -> Iterable[Awaiting]:
    silent = not any(term.kept or term.clocks for term in terms)
    by_clocks = defaultdict[tuple[str, ...], list[Term]](list)
    for term in terms:
        if term.clocks or silent:
            by_clocks[term.clocks].append(term)
    for clocks, alike in by_clocks.items():
        rules = sorted({rule.id for term in alike for rule in term.rules if decided([rule])})
        categories = tuple(sorted(term.category for term in alike))
        yield Awaiting(tags.system, categories, tuple(rules), clocks, events)


def _together(alike: Sequence[RunningOut]) -> RunningOut:
    return replace(
        alike[0],
        overdue=sum(item.overdue for item in alike),
        kept=sum(item.kept for item in alike),
        months=tuple(map(sum, zip(*(item.months for item in alike), strict=True))),
        later=sum(item.later for item in alike),
    )


def _waiting_together(waiting: Iterable[Awaiting]) -> tuple[Awaiting, ...]:
    events = defaultdict[Awaiting, int](int)
    for item in waiting:
        events[replace(item, events=0)] += item.events
    return tuple(
        replace(item, events=count) for item, count in sorted(events.items(), key=lambda pair: repr(pair[0]))
    )

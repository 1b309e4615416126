"""What runs out a set time after the end of a person's contract, for each person by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from schemas.calendars import Calendar
from schemas.counted import counted
from schemas.entries import RetentionRule
from schemas.expiry import clocks_of_people, clocks_said, decided, kept_from, last_day, started_before
from schemas.policy import RetentionAnchors
from sinks.ports.held import HeldRow, HeldTags
from sinks.ports.lineage import Span
from streams.answers.clocks import Clocks
from streams.answers.report import terms_of
from streams.answers.unjudged import rule_fault
from streams.duties.check import (
    MOST_EVIDENCE,
    Check,
    Checked,
    Looking,
    Violation,
    event,
    judged,
    not_observable,
)
from streams.duties.checks.retention import GRACE

CLOCK = "contract_end"
AT_ONCE = 1_000
MOST = 100_000
"""People whom a run looks at: of more it says so."""


@dataclass(frozen=True)
class _Ending:
    """A tag set of which something runs out by the end of the contract: by which rules of each such category."""

    held: HeldTags
    rules: tuple[tuple[RetentionRule, ...], ...]


@dataclass
class _Found:
    """What is held past its term in one system: of whom, by token, and the oldest of it, by since when it is so."""

    people: set[bytes] = field(default_factory=set)
    oldest: list[tuple[datetime, HeldRow]] = field(default_factory=list)

    def add(self, row: HeldRow, since: datetime) -> None:
        """Of one more person."""
        self.people.add(row.token)
        self.oldest.append((since, row))
        self.oldest.sort(key=lambda item: (item[0], item[1].topic, item[1].partition, item[1].offset))
        del self.oldest[MOST_EVIDENCE:]


def past_term_after_contract(looking: Looking) -> Checked:
    """Owners of whom every contract ended so long ago that something of theirs ran out a week ago, and still stands;
    one violation of each system, so that its key names nobody.

    People whose data an open request, a restriction or an order keeps are left out; events of an address are not
    looked at, since whose they are is another question.
    """
    if looking.clocks is None:
        return not_observable("Nothing here reads when contracts ended.")
    calendar = looking.company.catalogue.calendar
    day = calendar.day(looking.now - GRACE)
    ending = list(_ending(looking))
    started = started_before([rule for item in ending for rules in item.rules for rule in rules], day)
    if CLOCK not in started:
        return judged(0, [])
    before = {CLOCK: datetime.combine(started[CLOCK], time(), calendar.zone)}
    kept = {span.token for span in looking.kept()}
    looked, after, found = 0, b"", defaultdict[str, _Found](_Found)
    while looked < MOST and (tokens := looking.clocks.owners(before, after, AT_ONCE)):
        looked, after = looked + len(tokens), tokens[-1]
        _add(found, [token for token in tokens if token not in kept], ending, day, looking)
    more = looked >= MOST and bool(looking.clocks.owners(before, after, 1))
    some = {system: item for system, item in found.items() if item.people}
    if more and not some:
        return not_observable(
            f"Nothing of the {looked:,} people looked at is held past its term; there are more."
        )
    return judged(looked, [_violation(system, item, more) for system, item in some.items()])


def _ending(looking: Looking) -> Iterator[_Ending]:
    catalogue = looking.company.catalogue
    told = looking.expiry.clocks_told() | clocks_said(looking.company.every_record.values())
    for held in looking.held.held():
        if held.tags.of_another or rule_fault(held.tags, catalogue):
            continue
        each = [tuple(terms_of(held.tags, name, catalogue).rules) for name in held.tags.every_category]
        rules = tuple(some for some in each if decided(some) and clocks_of_people(some, told) == (CLOCK,))
        if rules:
            yield _Ending(held, rules)


def _add(
    found: defaultdict[str, _Found],
    tokens: Sequence[bytes],
    ending: Sequence[_Ending],
    day: date,
    looking: Looking,
) -> None:
    """Those of these owners of whom something is held past its term, to what was found in its system."""
    assert looking.clocks is not None
    calendar = looking.company.catalogue.calendar
    known = Clocks(looking.clocks, calendar).anchors_of_each({token: [Span(token)] for token in tokens})
    by_set = {item.held.tags.id: item for item in ending}
    for tag_set, row in looking.held.oldest_of(tokens, list(by_set)):
        item, anchors = by_set[tag_set], known[row.token].anchors
        first = max(kept_from(rules, day, calendar, anchors) for rules in item.rules)
        of = found[item.held.tags.system]
        if calendar.day(row.at) < first and _ended(anchors, day) and row.token not in of.people:
            since = _after(_last(item, row.at, anchors, looking), calendar)
            of.add(row, since)


def _violation(system: str, found: _Found, more: bool) -> Violation:
    """`more`: there are people who were not looked at."""
    people = f"{'at least ' if more else ''}{counted(len(found.people), 'person')}"
    return Violation(
        key=system,
        says=f"Data in {system} of {people} whose contracts ended are held past their term.",
        since=min(since for since, _row in found.oldest),
        evidence=tuple(event(row) for _since, row in found.oldest),
    )


def _after(day: date, calendar: Calendar) -> datetime:
    """The end of the day."""
    return datetime.combine(day + timedelta(days=1), time(), calendar.zone)


def _ended(anchors: RetentionAnchors, day: date) -> bool:
    end = anchors.days().get(CLOCK)
    return end is not None and end < day


def _last(item: _Ending, at: datetime, anchors: RetentionAnchors, looking: Looking) -> date:
    """The last day on which the first of it to go might be kept."""
    calendar = looking.company.catalogue.calendar
    ends = [last_day(rules, calendar.day(at), calendar, anchors)[1] for rules in item.rules]
    return min((end for end in ends if end is not None), default=calendar.day(looking.now))


CHECKS = (
    Check(
        "past_term_after_contract",
        "Nothing of a person is held past the set time after the end of the last contract.",
        "GDPR Art. 5(1)(e), 17(1)(a)",
        past_term_after_contract,
    ),
)

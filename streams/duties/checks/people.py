"""What runs out a set time after the end of a person's contract, for each person by itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from schemas.calendars import Calendar
from schemas.entries import RetentionRule
from schemas.expiry import clocks_of_people, clocks_said, decided, kept_from, last_day, started_before
from schemas.policy import RetentionAnchors
from sinks.ports.held import HeldTags
from sinks.ports.lineage import Span
from streams.answers.clocks import Clocks
from streams.answers.report import terms_of
from streams.answers.unjudged import rule_fault
from streams.duties.check import Check, Checked, Looking, Violation, event, judged, not_observable
from streams.duties.checks.retention import GRACE

CLOCK = "contract_end"
AT_ONCE = 1_000
MOST = 100
"""Violations of one run: of more the rest comes once these are mended."""


@dataclass(frozen=True)
class _Ending:
    """A tag set of which something runs out by the end of the contract: by which rules of each such category."""

    held: HeldTags
    rules: tuple[tuple[RetentionRule, ...], ...]


def past_term_after_contract(looking: Looking) -> Checked:
    """Owners of whom every contract ended so long ago that something of theirs ran out a week ago, and still stands.

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
    looked, violations, after = 0, list[Violation](), b""
    while len(violations) < MOST and (tokens := looking.clocks.owners(before, after, AT_ONCE)):
        looked, after = looked + len(tokens), tokens[-1]
        violations += _of_owners([token for token in tokens if token not in kept], ending, day, looking)
    return judged(looked, violations[:MOST])


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


def _of_owners(
    tokens: Sequence[bytes], ending: Sequence[_Ending], day: date, looking: Looking
) -> Iterator[Violation]:
    assert looking.clocks is not None
    calendar = looking.company.catalogue.calendar
    known = Clocks(looking.clocks, calendar).anchors_of_each({token: [Span(token)] for token in tokens})
    by_set = {item.held.tags.id: item for item in ending}
    oldest = looking.held.oldest_of(tokens, list(by_set))
    found: dict[tuple[bytes, str], Violation] = {}
    for tag_set, row in oldest:
        item, anchors = by_set[tag_set], known[row.token].anchors
        first = max(kept_from(rules, day, calendar, anchors) for rules in item.rules)
        place = row.token, item.held.tags.system
        if calendar.day(row.at) < first and _ended(anchors, day) and place not in found:
            found[place] = Violation(
                key=f"{item.held.tags.system}/{row.token.hex()}",
                says=f"Data in {item.held.tags.system} of somebody whose contracts ended are held past their term.",
                since=_after(_last(item, row.at, anchors, looking), calendar),
                evidence=(event(row),),
            )
    yield from found.values()


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

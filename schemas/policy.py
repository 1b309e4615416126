"""When data have to go, and when an erasure request may be refused: pure rules over the catalogue.

Order in which rules decide (each one outranks those below it):

1. a preservation order freezes everything while it runs (straffeprosessloven § 215 a);
2. the locked copy of IP assignments (ekomloven § 3-13, T06);
3. other legal obligations, GDPR Art. 17(3)(b);
4. legal claims, Art. 17(3)(e);
5. a rule that forces deletion, once its clock has started (ekomloven § 3-11, T04);
6. the contract while it runs, Art. 6(1)(b), and the end of the purpose.

Dates are calendar days of the company: an invoice of 31 December 23:30 UTC belongs to the next financial year of
a Norwegian one. A date is the last day on which the data may (or must) be kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Literal

from schemas.calendars import NORWEGIAN, Calendar
from schemas.days import OPEN, is_open_end
from schemas.entries import RetentionRule, parse_period
from schemas.errors import InputError

MOMENTS = frozenset({"session_end", "communication_end", "invoice_settled", "delivery", "case_closed"})
"""Moments, not states: where nobody told the day, the event itself is the last that is known of them. Data about a
contract, a consent or a need that nobody ended are still in use, so those clocks have not started."""


@dataclass(frozen=True)
class RetentionAnchors:
    """Days on which clocks start, as far as known. None: nobody told, OPEN: it has not happened.

    What registers write for "no end" (`schemas.days`) becomes OPEN, so that such a clock never starts.
    """

    contract_end: date | None = None
    case_closed: date | None = None
    need_end: date | None = None
    invoice_settled: date | None = None
    session_end: date | None = None
    communication_end: date | None = None
    withdrawal: date | None = None
    delivery: date | None = None
    order: date | None = None

    def __post_init__(self) -> None:
        for name, day in self.days().items():
            if is_open_end(day):
                object.__setattr__(self, name, OPEN)

    def days(self) -> dict[str, date]:
        """The days that are known, by clock."""
        known = {item.name: getattr(self, item.name) for item in fields(RetentionAnchors)}
        return {name: day for name, day in known.items() if day is not None}

    def start(self, clock: str, first: date, last: date) -> date | None:
        """The latest day on which the clock starts for data of the days from `first` to `last`, OPEN if it has not
        for some of them; None: nobody told."""
        known: date | None = getattr(self, clock, None)
        return last if known is None and clock in MOMENTS else known


@dataclass(frozen=True)
class ClockPeriod:
    """One thing that data may be about, such as a case or an invoice: data of the days from `since` on, until the clock
    started on the day `until` (OPEN: it has not)."""

    clock: str
    since: date
    until: date


@dataclass(frozen=True)
class ClocksOfEvents(RetentionAnchors):
    """The same as events tell it: the states as days, of each thing that a moment ends its `periods`.

    Data of a day outside of all periods of their clock start it themselves. A day that is given stands for all of them.
    """

    periods: tuple[ClockPeriod, ...] = ()

    def start(self, clock: str, first: date, last: date) -> date | None:
        if clock not in MOMENTS or getattr(self, clock) is not None:
            return super().start(clock, first, last)
        covering = (
            item.until
            for item in self.periods
            if item.clock == clock and item.since <= last and first <= item.until
        )
        return max(covering, default=last)


@dataclass(frozen=True)
class Decision:
    """What an erasure request gets for one category.

    `until` None beside `hold_until` means: as long as the contract (or the consented use) still runs.
    `purposes` are the only uses the held data may still serve, `ended` the uses that stop now.
    `also` are further rules that hold at the same time; `oldest_expired` says that the earliest events are no
    longer held by any of them, so the plan has to split the events by date.
    """

    category: str
    action: Literal["erase_now", "hold_until"]
    until: date | None = None
    rule: str | None = None
    citation: str | None = None
    purposes: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    oldest_expired: bool = False


def delete_after(
    rule: RetentionRule,
    event_time: datetime,
    anchors: RetentionAnchors,
    calendar: Calendar = NORWEGIAN,
    first: datetime | None = None,
) -> date | None:
    """Return the last day of the rule's period for an event, or None while its clock has not started.

    A rule without period ends on the day its clock starts. Months and years are calendar months and years:
    31 January plus one month is the last day of February. `first`: for all events from then to `event_time`, of which
    the latest day counts. Raises InputError for a time without zone.
    """
    last = calendar.day(event_time)
    start = _clock_start(rule, last if first is None else calendar.day(first), last, anchors)
    if start is None or rule.period is None:
        return start
    try:
        return start + parse_period(rule.period)
    except (ValueError, OverflowError):
        # Past all days that can be written.
        return OPEN


def governing(
    rules: Sequence[RetentionRule],
    event_time: datetime,
    anchors: RetentionAnchors,
    calendar: Calendar = NORWEGIAN,
    first: datetime | None = None,
) -> tuple[RetentionRule, date | None]:
    """Return the rule that decides when data of an event go, and that day (None: its clock has not started).

    `first`: of all events from then to `event_time`, as in `delete_after`.

    It is the latest of holds and expiry rules. A rule that forces deletion (T04) and whose clock has started
    cuts the contract and the purpose end short, never a hold by law or claim; before that it leaves the
    answer to the rules named beside it. `rules` are those of the event, or of one category of it. Raises
    InputError when no active rule among them says when data go.
    """
    ends = {
        rule: delete_after(rule, event_time, anchors, calendar, first) for rule in rules if _decides(rule)
    }
    if not ends:
        names = ", ".join(rule.id for rule in rules) or "none given"
        raise InputError(
            f"no active retention rule says when data go ({names}): name a hold or an expiry rule"
        )
    soft = [rule for rule in ends if rule.effect in ("hold_contract", "expiry")]
    forced = [rule for rule in ends if rule.effect == "forces_deletion" and ends[rule] is not None]
    hard = [
        rule
        for rule in ends
        if rule not in soft
        and rule.effect != "forces_deletion"
        # A freeze that nobody ordered must not look like one without end.
        and not (rule.clock == "order" and ends[rule] is None)
    ]
    purpose_end = [_latest(soft, ends)] if soft else []
    # Forcing shortens what the purpose allows; it never lengthens it.
    shortest = sorted(
        [*forced, *purpose_end], key=lambda rule: (ends[rule] or date.max, _rank(rule), rule.id)
    )[:1]
    rule = _latest([*hard, *shortest] or list(ends), ends)
    return rule, ends[rule]


def decide_erasure(
    categories: Sequence[str],
    purposes: Sequence[str],
    rules: Sequence[RetentionRule],
    event_first: datetime,
    event_last: datetime,
    as_of: date,
    anchors: RetentionAnchors,
    calendar: Calendar = NORWEGIAN,
) -> list[Decision]:
    """Decide an erasure request for events between two times, one decision per category, in the order given.

    Only an active rule that holds or freezes, covers the category and whose period from `event_last` has not
    ended on the day `as_of` can refuse (GDPR Art. 17(3)); a contract holds only while it runs (6(1)(b)).
    `rules` and `purposes` are those of the events. Raises InputError for times without zone or in the wrong
    order.
    """
    if calendar.day(event_first) > calendar.day(event_last):
        raise InputError("the first event is later than the last one: give the earlier time first")
    held = [rule for rule in rules if rule.active and rule.is_hold]
    last = {rule: hold_end(rule, event_last, anchors, calendar, event_first) for rule in held}
    asked = tuple(dict.fromkeys(purposes))
    decisions = []
    for category in dict.fromkeys(categories):
        holds = [rule for rule, end in last.items() if rule.covers_category(category) and end >= as_of]
        if not holds:
            decisions.append(Decision(category, "erase_now", ended=asked))
            continue
        rule = _latest(holds, last)
        allowed = tuple(dict.fromkeys(purpose for held in holds for purpose in held.purposes))
        decisions.append(
            Decision(
                category,
                "hold_until",
                until=None if last[rule] == date.max else last[rule],
                rule=rule.id,
                citation=rule.authority,
                purposes=allowed,
                ended=tuple(purpose for purpose in asked if purpose not in allowed),
                also=tuple(sorted(held.id for held in holds if held is not rule)),
                oldest_expired=all(hold_end(held, event_first, anchors, calendar) < as_of for held in holds),
            )
        )
    return decisions


def _decides(rule: RetentionRule) -> bool:
    return rule.active and rule.effect != "none"


RANKS = (
    "freeze",
    "hold_legal_obligation",
    "hold_legal_claims",
    "forces_deletion",
    "hold_contract",
    "expiry",
)
"""Effects of rules that say when data go, in the order in which they outrank each other."""


def _rank(rule: RetentionRule) -> tuple[int, bool]:
    return RANKS.index(rule.effect), not rule.locked


def _latest(rules: Sequence[RetentionRule], ends: Mapping[RetentionRule, date | None]) -> RetentionRule:
    # Of two without a day yet, the one that will add a period names the later one.
    return min(
        rules,
        key=lambda rule: (-(ends[rule] or date.max).toordinal(), _rank(rule), rule.period is None, rule.id),
    )


def hold_end(
    rule: RetentionRule,
    event_time: datetime,
    anchors: RetentionAnchors,
    calendar: Calendar,
    first: datetime | None = None,
) -> date:
    """Last day of a hold: date.max while it is open, date.min if it never began. `first`: as in `delete_after`."""
    end = delete_after(rule, event_time, anchors, calendar, first)
    if rule.effect == "hold_contract":
        return min(end or date.max, anchors.contract_end or date.max)
    if end is None:
        return date.min if rule.clock in ("order", "none") else date.max
    return end


def _clock_start(rule: RetentionRule, first: date, last: date, anchors: RetentionAnchors) -> date | None:
    if rule.clock == "event":
        return last
    if rule.clock == "financial_year_end":
        return date(last.year, 12, 31)
    if rule.clock == "none":
        return None
    known = anchors.start(rule.clock, first, last)
    if known in (None, OPEN) and rule.clock == "withdrawal":
        # "Withdrawal or end": leaving ends the consented use as well.
        known = anchors.contract_end
    return None if known == OPEN else known

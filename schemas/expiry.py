"""From when back events have run out, whoever they are about: retention rules read from their end. Pure.

A rule whose clock starts with the event, or at the end of its financial year, runs out for all people on the same day.
One whose clock starts with the person (the end of a contract) does not, and neither does one of a moment such as the
close of a case once any event tells it: when these run out is another day for each.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime, time, timedelta

from schemas.calendars import Calendar
from schemas.days import FIRST_DAY
from schemas.entries import RetentionRule
from schemas.policy import MOMENTS, RetentionAnchors, governing

_OF_ALL = ("event", "financial_year_end")
_NOON = time(12)


def clocks_of_people(rules: Sequence[RetentionRule], told: Collection[str]) -> tuple[str, ...]:
    """The clocks without which nobody can say when data by these rules run out; empty: `kept_from` can.

    `told`: the clocks of which events say anything. A rule that forces deletion only ever shortens what the others
    say, so by these data have run out at the latest.
    """
    deciding = [rule for rule in rules if _decides(rule)]
    longest = [rule for rule in deciding if rule.effect != "forces_deletion"] or deciding
    return tuple(sorted({rule.clock for rule in longest if not _same_for_all(rule, told)}))


def kept_from(rules: Sequence[RetentionRule], on: date, calendar: Calendar) -> date:
    """The first day whose events are still kept on the day `on`; all before it have run out.

    No clock of `rules` may be one of people (`clocks_of_people`). Raises InputError where no active rule decides.
    """
    # The last day of a rule never comes earlier for a later event.
    low, high = FIRST_DAY, on
    while low < high:
        middle = low + timedelta(days=(high - low).days // 2)
        _, until = last_day(rules, middle, calendar)
        if until is None or until >= on:
            high = middle
        else:
            low = middle + timedelta(days=1)
    return low


def last_day(
    rules: Sequence[RetentionRule], day: date, calendar: Calendar
) -> tuple[RetentionRule, date | None]:
    """The rule that governs events of a day, and the last day on which they may be kept."""
    return governing(rules, datetime.combine(day, _NOON, calendar.zone), RetentionAnchors(), calendar)


def decided(rules: Sequence[RetentionRule]) -> bool:
    """Whether any of the rules says when data go."""
    return any(_decides(rule) for rule in rules)


def _decides(rule: RetentionRule) -> bool:
    # A preservation order is no matter of tags: whom it is about is kept whatever they say.
    return rule.active and rule.effect != "none" and (rule.effect, rule.clock) != ("freeze", "order")


def _same_for_all(rule: RetentionRule, told: Collection[str]) -> bool:
    return rule.clock in _OF_ALL or (rule.clock in MOMENTS and rule.clock not in told)

"""From when back events have run out, whoever they are about: retention rules read from their end. Pure.

A rule whose clock starts with the event, or at the end of its financial year, runs out for all people on the same day.
One whose clock starts with the person (the end of a contract) does not, and neither does one of a moment such as the
close of a case once any event tells it: when these run out is another day for each.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta

from schemas.calendars import Calendar
from schemas.days import FIRST_DAY
from schemas.entries import RetentionRule, parse_period
from schemas.policy import MOMENTS, RetentionAnchors, delete_after, governing
from schemas.records import RecordSchema

OF_SESSIONS = frozenset({"session_end", "communication_end"})
"""What starts with the end of a session, as reports of it tell."""
STATES = frozenset({"contract_end", "need_end", "withdrawal"})
"""Clocks that start once all that they stand for has ended."""
_MARGIN = timedelta(days=4)
_DAY = timedelta(days=1)
_OF_ALL = ("event", "financial_year_end")
_NOON = time(12)
NOBODY_TOLD = RetentionAnchors()


def clocks_of_people(rules: Sequence[RetentionRule], told: Collection[str]) -> tuple[str, ...]:
    """The clocks without which nobody can say when data by these rules run out; empty: `kept_from` can.

    `told`: the clocks of which events say anything. A rule that forces deletion only ever shortens what the others
    say, so by these data have run out at the latest.
    """
    deciding = [rule for rule in rules if _decides(rule)]
    longest = [rule for rule in deciding if rule.effect != "forces_deletion"] or deciding
    return tuple(sorted({rule.clock for rule in longest if not _same_for_all(rule, told)}))


def started_before(rules: Iterable[RetentionRule], day: date) -> dict[str, date]:
    """By clock that stands for a state the day before which it started where anything has run out by it, or some days
    later."""
    found = dict[str, date]()
    for rule in rules:
        if _decides(rule) and rule.clock in STATES:
            # Months have different lengths: rather somebody looked at in vain.
            first = day - parse_period(rule.period) + _MARGIN if rule.period else day
            # The end of the contract ends the consented use as well.
            for clock in {rule.clock, "contract_end"} if rule.clock == "withdrawal" else {rule.clock}:
                found[clock] = max(found.get(clock, first), min(first, day))
    return found


def clocks_said(records: Iterable[RecordSchema]) -> frozenset[str]:
    """The clocks of which events of these records say anything, by their own words or since they are reports of
    sessions: until one has ended, what says so has not run out."""
    every = list(records)
    said = {rule.clock for record in every for rule in record.annotation.clocks}
    sessions = any(rule.form == "assignment" for record in every for rule in record.annotation.identity)
    return frozenset(said | (OF_SESSIONS if sessions else set()))


def kept_from(
    rules: Sequence[RetentionRule], on: date, calendar: Calendar, anchors: RetentionAnchors = NOBODY_TOLD
) -> date:
    """The first day whose events are still kept on the day `on`; all before it have run out.

    Of everybody at once, where no clock of `rules` is one of people (`clocks_of_people`); else of the person whose
    `anchors` these are. Raises InputError where no active rule decides.
    """

    def kept(day: date) -> bool:
        _, until = last_day(rules, day, calendar, anchors)
        return until is None or until >= on

    # The last day of a rule never comes earlier for a later event. Most often it is one of these days, each of which
    # costs two looks where halving the time costs sixteen.
    low, high = FIRST_DAY, on
    for guess in sorted({FIRST_DAY, *(_first_kept(rule, on) for rule in rules if _decides(rule)), on}):
        if not low <= guess <= high:
            continue
        if guess < high and not kept(guess):
            low = guess + _DAY
        elif guess == low or not kept(guess - _DAY):
            return guess
        else:
            high = guess - _DAY
            break
    while low < high:
        middle = low + (high - low) // 2
        low, high = (low, middle) if kept(middle) else (middle + _DAY, high)
    return low


def _first_kept(rule: RetentionRule, on: date) -> date:
    """The first day whose events the rule keeps on the day `on`, if its clock starts with the event."""
    if rule.period is None:
        return on
    period = parse_period(rule.period)
    try:
        day = on - period
        # Months have different lengths.
        while day > FIRST_DAY and day - _DAY + period >= on:
            day -= _DAY
        while day + period < on:
            day += _DAY
    except (ValueError, OverflowError):
        # Before or past all days that can be written.
        return FIRST_DAY
    return date(day.year, 1, 1) if rule.clock == "financial_year_end" else day


def last_day(
    rules: Sequence[RetentionRule], day: date, calendar: Calendar, anchors: RetentionAnchors = NOBODY_TOLD
) -> tuple[RetentionRule, date | None]:
    """The rule that governs events of a day, and the last day on which they may be kept.

    What comes after the end of a contract is kept as long as if that had ended on its day: nobody can keep it before.
    """
    moment = datetime.combine(day, _NOON, calendar.zone)
    return governing(rules, moment, not_before(anchors, day), calendar)


def end_of(
    rule: RetentionRule, day: date, calendar: Calendar, anchors: RetentionAnchors = NOBODY_TOLD
) -> date | None:
    """The last day of one rule for events of a day, as `schemas.policy.delete_after`."""
    moment = datetime.combine(day, _NOON, calendar.zone)
    return delete_after(rule, moment, not_before(anchors, day), calendar)


def not_before(anchors: RetentionAnchors, day: date) -> RetentionAnchors:
    """The anchors as they count for events of a day: what stands for a state has ended on that day at the earliest."""
    later = {name: day for name, start in anchors.days().items() if name not in MOMENTS and start < day}
    return replace(anchors, **later) if later else anchors


def decided(rules: Sequence[RetentionRule]) -> bool:
    """Whether any of the rules says when data go."""
    return any(_decides(rule) for rule in rules)


def _decides(rule: RetentionRule) -> bool:
    # A preservation order is no matter of tags: whom it is about is kept whatever they say.
    return rule.active and rule.effect != "none" and (rule.effect, rule.clock) != ("freeze", "order")


def _same_for_all(rule: RetentionRule, told: Collection[str]) -> bool:
    return rule.clock in _OF_ALL or (rule.clock in MOMENTS and rule.clock not in told)

"""Retention: what runs out by its rule, for whoever looks at it before anything is deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from schemas.calendars import Calendar
from schemas.company import Company
from schemas.expiry import STATES
from sinks.ports.clocks import OwnerReader
from sinks.ports.expiry import DayCount, ExpiryReader
from sinks.ports.lineage import Span
from streams.answers.expiry import Expiry, expiry
from streams.answers.people_ahead import with_people
from streams.answers.run_plan import run_from_json
from streams.rights.expiry_run import clocks_of, noon_of
from streams.rights.protocol.request import RequestState

MOST_MONTHS = 24
"""How far ahead it is counted."""


def preview(
    index: ExpiryReader,
    company: Company,
    requests: Iterable[RequestState],
    kept: Sequence[Span],
    now: datetime,
    months: int,
    owners: OwnerReader | None = None,
) -> Expiry:
    """What has run out by now, and what will in so many months of the company's calendar, this one among them.

    `requests`: among them runs, by which systems withhold what has run out; `kept`: where the data lie of people whose
    data stay, as for a run (`streams.rights.kept_named.KeptPeople.spans`). `owners`: by which people are counted whose
    own clocks run out; None: they are not. Changes nothing. Raises IndexUnavailable.
    """
    calendar = company.catalogue.calendar
    found = expiry(
        withheld_kept(index.by_day(calendar.zone, kept), requests, calendar),
        company.catalogue,
        calendar.day(now),
        clocks_of(company, index),
        months,
    )
    if owners is None:
        return found
    ended = {clock: owners.ended_by_day(clock, calendar.zone) for clock in STATES}
    return with_people(found, ended, company.catalogue)


def withheld_kept(
    days: Iterable[DayCount], requests: Iterable[RequestState], calendar: Calendar
) -> list[DayCount]:
    """What systems withhold of what a run told them, as the law has it, counted as kept. Pure."""
    ways = [
        (way.system, way.tag_set, way.before, request.withheld)
        for request in requests
        if request.of_everybody and request.carried_out and request.withheld.systems
        for way in run_from_json((request.plan or {})["run"]).index
    ]
    return [
        replace(item, kept=item.events)
        if any(
            tag_set == item.tags.id and noon_of(item.day, calendar) < before
            for system, tag_set, before, withheld in ways
            if withheld.keeps(system, item.tags.record)
        )
        else item
        for item in days
    ]

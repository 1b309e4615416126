"""Retention: what runs out by its rule, for whoever looks at it before anything is deleted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from schemas.company import Company
from schemas.expiry import STATES
from sinks.ports.clocks import OwnerReader
from sinks.ports.expiry import ExpiryReader
from streams.answers.expiry import Expiry, expiry
from streams.answers.keeping import Keeping
from streams.answers.people_ahead import with_people
from streams.rights.expiry_run import clocks_of
from streams.rights.kept import kept_by_requests
from streams.rights.protocol.request import RequestState

MOST_MONTHS = 24
"""How far ahead it is counted."""


def preview(
    index: ExpiryReader,
    company: Company,
    requests: Iterable[RequestState],
    keeping: Keeping,
    now: datetime,
    months: int,
    owners: OwnerReader | None = None,
) -> Expiry:
    """What has run out by now, and what will in so many months of the company's calendar, this one among them.

    `owners`: by which people are counted whose own clocks run out; None: they are not. Changes nothing. Raises
    IndexUnavailable, KeyUnavailable (nobody can say whom a preservation order holds).
    """
    calendar = company.catalogue.calendar
    kept = [*keeping.frozen(now).spans, *kept_by_requests(requests)]
    found = expiry(
        index.by_day(calendar.zone, kept),
        company.catalogue,
        calendar.day(now),
        clocks_of(company, index),
        months,
    )
    if owners is None:
        return found
    ended = {clock: owners.ended_by_day(clock, calendar.zone) for clock in STATES}
    return with_people(found, ended, company.catalogue)

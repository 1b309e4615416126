"""Reports of sessions go so long after the session has ended, also those that are kept for the police alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from streams.rights.retention import preview
from tests.support.company import model
from tests.support.office import NOW
from tests.unit.rights.test_people_expiry import DAY, KARI, LONG_AGO, Expiring, office

__all__ = ["office"]


def session(office: Expiring, kind: str, at: datetime, number: str = KARI, **more: Any) -> None:
    said = {
        "kind": kind,
        "session_id": f"s-{number}",
        "nas": "nas-1",
        "address": "192.0.2.7",
        "source": "radius",
    }
    words = {"source": "radius", "purpose": "operations", "customer_number": number, "occurred_at": at}
    office.put("network.assignments", {**said, **words, **more})


def assignments(office: Expiring, number: str = KARI) -> int:
    return sum(
        item.events
        for item in office.found(("customer_number", number)).holdings
        if item.tags.record == "AddressAssignment"
    )


def test_a_session_that_goes_on_keeps_what_says_when_it_began(office: Expiring) -> None:
    """Three weeks after its end all of it goes, and not three weeks after its beginning."""
    office.customer()
    office.contract("started", LONG_AGO)
    session(office, "start", NOW - 200 * DAY)
    session(office, "interim", NOW - 100 * DAY)
    session(office, "interim", NOW - timedelta(hours=1))
    assert office.expire() == []
    assert assignments(office) == 3
    session(office, "stop", NOW)
    office.now += 21 * DAY
    assert office.expire() == []
    office.now += DAY
    office.expire()
    assert assignments(office) == 0


def test_what_is_kept_for_the_police_is_kept_a_year_from_the_end_of_the_session(office: Expiring) -> None:
    """By the reports that are kept for them alone: also of the beginning, which is older than a year by then."""
    office.customer()
    office.contract("started", LONG_AGO)
    for kind, at in (("start", NOW - 400 * DAY), ("stop", NOW - 100 * DAY)):
        session(office, kind, at, purpose="retention")
    assert office.expire() == []
    assert assignments(office) == 2
    office.now = NOW + 270 * DAY
    office.expire()
    assert assignments(office) == 0
    assert office.retained_claims() == 0


def test_a_report_for_the_police_that_names_nobody_goes_as_well(office: Expiring) -> None:
    """No row of the index leads to it; not while a preservation order holds whoever had the address."""
    office.customer()
    office.contract("started", LONG_AGO)
    for kind, at in (("start", NOW - 400 * DAY), ("stop", NOW - 370 * DAY)):
        session(office, kind, at, purpose="retention", customer_number=None, line_id="line-1")
    stored = office.retained.claims([office.token("ip", "192.0.2.7")], of="token").num_rows
    assert stored == 2
    office.expire()
    assert office.retained.claims([office.token("ip", "192.0.2.7")], of="token").num_rows == 0


def test_reports_of_sessions_run_out_for_nobody_by_their_own_day(office: Expiring) -> None:
    """A Start is no end: they are counted among what waits for a clock, and no day takes them from everybody."""
    for purpose in ("operations", "retention"):
        session(office, "start", NOW - 500 * DAY, purpose=purpose)
    found = preview(office.index.expiry, model(), [], [], office.now, 3)
    assert [item for item in found.items if item.system == "aaa"] == []
    waiting = {item.clocks for item in found.waiting if item.system == "aaa"}
    assert waiting == {("session_end",), ("communication_end",)}

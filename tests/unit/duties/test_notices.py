"""Whoever's data come from a third party is told in time (GDPR Art. 14), or it is a finding."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from streams.duties.check import Verdict
from tests.support.index import NOW
from tests.support.looking import Watched

CHECK, EXEMPT = "third_party_notices", "exemptions_with_evidence"
KARI, NUMBER = "100007", "15888812345"
DAY = timedelta(days=1)
COLLECTED = datetime(2026, 1, 31, 12, tzinfo=NOW.tzinfo)


@pytest.fixture
def watched() -> Watched:
    """One credit report about Kari was fetched, and nobody told her."""
    made = Watched()
    made.put(
        "credit.checks",
        {
            "reference": "K-1",
            "customer_number": KARI,
            "fodselsnummer": NUMBER,
            "bureau": "a bureau",
            "outcome": "approved",
            "requested_at": COLLECTED,
        },
    )
    return made


def notice(at: datetime, **other: Any) -> dict[str, Any]:
    return {
        "notice_id": "V-1",
        "customer_number": KARI,
        "occasion": "third_party",
        "notice_version": "2026-01",
        "categories": ["C-05"],
        "channel": "letter",
        "sent_at": at,
        **other,
    }


def test_it_is_due_a_month_after_the_collection(watched: Watched) -> None:
    """One calendar month (GDPR Art. 14(3)(a)): from 31 January to 28 February."""
    latest = datetime(2026, 2, 28, 12, tzinfo=NOW.tzinfo)
    assert watched.check(CHECK, latest).verdict is Verdict.KEPT
    (found,) = watched.check(CHECK, latest + timedelta(milliseconds=1)).violations
    assert (found.key, found.since) == ("credit.checks/CreditCheck", latest)
    assert [(item.topic, item.offset) for item in found.evidence] == [("credit.checks", 0)]


def test_it_is_due_with_the_first_disclosure_of_such_data(watched: Watched) -> None:
    """GDPR Art. 14(3)(c); one of other data, or from before, makes nothing due."""
    given = {
        "disclosure_id": "U-1",
        "customer_number": KARI,
        "recipient": "a collector",
        "recipient_class": "police",
        "instrument": "statutory_order",
        "basis": "b",
    }
    watched.put(
        "privacy.disclosures",
        {**given, "categories": ["C-05"], "disclosed_at": COLLECTED - DAY},
        {**given, "categories": ["C-17"], "disclosed_at": COLLECTED + DAY},
        {**given, "categories": ["C-05"], "disclosed_at": COLLECTED + 3 * DAY},
    )
    (found,) = watched.check(CHECK, COLLECTED + 5 * DAY).violations
    assert found.since == COLLECTED + 3 * DAY


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({}, True),
        ({"occasion": "collection"}, True),
        ({"occasion": "new_purpose"}, False),
        ({"categories": ["C-01"]}, False),
        ({"customer_number": "100015"}, False),
        ({"exemption": "statutory", "evidence": "ekomloven § 3-13"}, True),
        ({"exemption": "disproportionate", "evidence": None}, False),
    ],
)
def test_what_ends_the_duty(watched: Watched, sent: dict[str, Any], told: bool) -> None:
    """A notice to that person of that category, also a late one; an exemption that names what it rests on."""
    assert len(watched.run(CHECK)) == 1
    watched.put("privacy.notices", notice(NOW - DAY, **sent))
    assert (watched.check(CHECK).verdict is Verdict.KEPT) is told


@pytest.mark.parametrize(("days", "told"), [(-400, False), (-32, False), (-31, True), (5, True), (200, True)])
def test_a_notice_tells_of_collections_of_its_time(watched: Watched, days: int, told: bool) -> None:
    """One of years ago told of another report; a late one tells all the same."""
    at = COLLECTED + days * DAY
    watched.put("privacy.notices", notice(at), now=max(NOW, at))
    assert (watched.check(CHECK, COLLECTED + 400 * DAY).verdict is Verdict.KEPT) is told


def test_a_second_collection_needs_a_notice_of_its_own(watched: Watched) -> None:
    """Years later; two reports of one day are told of at once."""
    again = COLLECTED + 2_000 * DAY
    report = {"customer_number": KARI, "fodselsnummer": NUMBER, "bureau": "a bureau", "outcome": "approved"}
    later = again + 60 * DAY
    watched.put("privacy.notices", notice(COLLECTED + DAY), now=later)
    for hours in (0, 2):
        at = again + timedelta(hours=hours)
        watched.put("credit.checks", {**report, "reference": f"K-{hours}", "requested_at": at}, now=later)
    (found,) = watched.check(CHECK, later).violations
    assert [item.offset for item in found.evidence] == [1]
    watched.put("privacy.notices", notice(again + DAY), now=later)
    assert watched.check(CHECK, later).verdict is Verdict.KEPT


def test_a_notice_to_the_customer_tells_whoever_had_the_report_by_their_number(watched: Watched) -> None:
    """The report named the applicant by the national identity number alone; the register says whose it is."""
    other = "100015"
    watched.put(
        "credit.checks",
        {
            "reference": "K-2",
            "fodselsnummer": "16888812368",
            "bureau": "a bureau",
            "outcome": "approved",
            "requested_at": COLLECTED,
        },
    )
    watched.put("privacy.notices", notice(NOW - DAY), notice(NOW - DAY, customer_number=other))
    assert watched.check(CHECK).verdict is Verdict.BROKEN
    watched.put(
        "crm.customers",
        {
            "customer_number": other,
            "fodselsnummer": "16888812368",
            "name": "Ola",
            "updated_at": COLLECTED - DAY,
        },
    )
    assert watched.check(CHECK).verdict is Verdict.KEPT


def test_an_exemption_without_evidence_is_a_finding_of_its_own(watched: Watched) -> None:
    watched.put("privacy.notices", notice(NOW - DAY, exemption="impossible", evidence=" "))
    (found,) = watched.run(EXEMPT)
    assert found.key == "privacy.notices/impossible"
    assert [(item.topic, item.offset) for item in found.evidence] == [("privacy.notices", 0)]


def test_a_cookie_that_was_used_without_consent_is_a_finding(watched: Watched) -> None:
    visit = {
        "client_address": "192.0.2.1",
        "method": "GET",
        "page": "/",
        "occurred_at": NOW - DAY,
        "cookie_id": "c-1",
    }
    watched.put(
        "web.visits",
        {**visit, "cookie_consent": "all"},
        {**visit, "cookie_id": None, "cookie_consent": "none"},
    )
    assert watched.check("device_storage_consented").verdict is Verdict.KEPT
    watched.put("web.visits", {**visit, "cookie_consent": "none"})
    (found,) = watched.run("device_storage_consented")
    assert (found.key, found.since) == ("web.visits", NOW - DAY)
    assert {(item.topic, item.offset) for item in found.evidence} == {("web.visits", 2)}

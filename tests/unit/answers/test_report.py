"""Answers: what a look-up shows and what an access report says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from schemas.catalogue import load_catalogue
from schemas.policy import RetentionAnchors
from schemas.records import load_records
from schemas.tags import TagSet, tag_set
from sinks.ports.lineage import Found, Holding
from streams.answers.report import access_report, answer

CATALOGUE = load_catalogue()
TODAY = date(2026, 11, 22)
MARCH, MAY = datetime(2026, 3, 5, 9, tzinfo=UTC), datetime(2026, 5, 5, 9, 0, 0, 250_000, tzinfo=UTC)


def tags(record: str, topic: str) -> TagSet:
    version = CATALOGUE.version
    return tag_set(load_records()[record], topic, "owner", catalogue_version=version, key_id="k1")


def test_a_look_up_shows_what_where_and_until_when() -> None:
    """One item with the governing rule, its day from the newest event, and times with Z."""
    holding = Holding(tags("Invoice", "billing.invoices"), 3, MARCH, MAY)
    assert answer(Found([holding], 3), CATALOGUE, TODAY) == {
        "resolution": "unique",
        "candidates": 1,
        "disagree": [],
        "unlinked": [],
        "total_events": 3,
        "ambiguous_events": 0,
        "identity": [],
        "identity_total": 0,
        "unjudged": [],
        "items": [
            {
                "system": "billing",
                "topic": "billing.invoices",
                "categories": ["C-01", "C-06", "C-07"],
                "detected": [],
                "purposes": ["P-BILLING", "P-LEGALREC"],
                "legal_basis": {"P-BILLING": "b", "P-LEGALREC": "c"},
                "origin": "derived",
                "recipients": ["payment_provider", "tax_authority"],
                "retention_rule": "T01",
                "retention_clock": "financial_year_end",
                "delete_after": "2031-12-31",
                "overdue": False,
                "held_only": False,
                "events": 3,
                "first_seen": "2026-03-05T09:00:00Z",
                "last_seen": "2026-05-05T09:00:00.250Z",
                "proofs": [],
                "locked": False,
                "source_deleted": None,
                "restricted": [],
            }
        ],
    }


def test_versions_that_show_the_same_are_one_item() -> None:
    """Another schema version or key makes no second line; what is only held does."""
    visit = tags("WebVisit", "web.visits")
    holdings = [
        Holding(visit, 2, MARCH, MARCH),
        Holding(replace(visit, schema="0" * 16, key_id="k2"), 5, MAY, MAY),
        Holding(replace(visit, held_only=True), 1, MARCH, MARCH),
    ]
    items = answer(Found(holdings, 8), CATALOGUE, TODAY)["items"]
    assert [(item["held_only"], item["events"], item["delete_after"]) for item in items] == [
        (False, 7, "2026-08-03"),
        (True, 1, "2026-06-03"),
    ]
    assert all(item["overdue"] for item in items)


def test_nothing_found_is_none() -> None:
    """Not an empty success: the resolution says that nobody is known by these identifiers."""
    empty = {
        "resolution": "none",
        "candidates": 0,
        "total_events": 0,
        "ambiguous_events": 0,
        "items": [],
        "unjudged": [],
    }
    empty |= {"disagree": [], "unlinked": [], "unjudged": []}
    assert answer(Found(), CATALOGUE, TODAY) == {**empty, "identity": [], "identity_total": 0}


def test_a_clock_that_has_not_started_gives_no_day() -> None:
    """Customer data of a running contract: the rule is named, the day is open."""
    holding = Holding(tags("CustomerDetails", "crm.customers"), 1, MARCH, MARCH)
    (item,) = answer(Found([holding], 1), CATALOGUE, TODAY)["items"]
    assert (item["retention_rule"], item["retention_clock"]) == ("T20", "contract_end")
    assert (item["delete_after"], item["overdue"]) == (None, False)


def test_what_came_after_the_end_of_a_contract_is_not_overdue_before_its_own_time() -> None:
    """Three months from the end (T20); what came later has as long from its own day, as it goes by then."""
    ended = RetentionAnchors(contract_end=date(2026, 1, 15))
    late = datetime(2026, 11, 1, 9, tzinfo=UTC)
    found = Found([Holding(tags("CustomerDetails", "crm.customers"), 1, late, late)], 1)
    (item,) = answer(found, CATALOGUE, TODAY, ended)["items"]
    assert (item["retention_rule"], item["delete_after"], item["overdue"]) == ("T20", "2027-02-01", False)
    entries = access_report(found, CATALOGUE, TODAY, ended)["entries"]
    # The check of identity has no time after the end (T12).
    assert {entry["category"]["id"] for entry in entries if entry["retention"]["overdue"]} == {"C-02"}
    long_ago = Found([Holding(tags("CustomerDetails", "crm.customers"), 1, MARCH, MARCH)], 1)
    (item,) = answer(long_ago, CATALOGUE, TODAY, ended)["items"]
    assert (item["delete_after"], item["overdue"]) == ("2026-06-05", True)


def test_the_report_has_one_entry_per_system_category_and_purpose() -> None:
    """With counts, basis, origin, recipients and their instrument, and the rule that covers the category."""
    holdings = [
        Holding(tags("Invoice", "billing.invoices"), 3, MARCH, MAY),
        Holding(tags("WebVisit", "web.visits"), 4, MARCH, MAY),
    ]
    report = access_report(Found(holdings, 7), CATALOGUE, TODAY)
    entries = {
        (entry["system"]["id"], entry["category"]["id"], entry["purpose"]["id"]): entry
        for entry in report["entries"]
    }
    assert len(entries) == len(report["entries"]) == 3 * 2 + 3 * 2
    accounts = entries["billing", "C-07", "P-LEGALREC"]
    assert (accounts["events"], accounts["first_seen"]) == (3, "2026-03-05T09:00:00Z")
    assert [(basis["letter"], basis["name"]["en"]) for basis in accounts["legal_basis"]] == [
        ("c", "Legal obligation")
    ]
    assert accounts["retention"]["rule"] == "T01"
    assert accounts["retention"]["until"] == "2031-12-31"
    assert {item["id"]: item["instrument"] for item in accounts["recipients"]} == {
        "payment_provider": "independent_controller",
        "tax_authority": "statutory_order",
    }
    # Bookkeeping law does not speak of contact details: they go when the invoice has been billed.
    assert entries["billing", "C-01", "P-BILLING"]["retention"]["rule"] == "T05"
    assert entries["web", "C-21", "P-WEB"]["retention"]["overdue"]


def test_a_rule_the_catalogue_lacks_is_said() -> None:
    """Not silently left out of what is said to the person, nor counted: it may be kept for the police."""
    strange = replace(tags("WebVisit", "web.visits"), retention=("T99",))
    said = answer(Found([Holding(strange, 1, MARCH, MARCH)], 1), CATALOGUE, TODAY)
    (item,) = said["unjudged"]
    assert (said["items"], said["total_events"], said["resolution"]) == ([], 0, "unique")
    assert "T99" in item["why"]

"""What a person reads of an answer on the terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from rich.console import Console

from console.cli.audit import audit_table
from console.cli.lookup import items_table
from console.cli.show.output import about_identity
from console.cli.show.plan import plan_table
from schemas.company import load_company
from schemas.layers import MODEL

CATALOGUE = load_company(MODEL).catalogue


def printed(*things: Any, width: int = 120) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as capture:
        for thing in things:
            console.print(thing)
    return capture.get()


def part(**said: Any) -> dict[str, Any]:
    """A part of a plan, held by a rule for as long as the contract runs."""
    held = {"action": "hold_until", "rule": "T05", "citation": "ekomloven § 3-11", "until": None, "events": 3}
    return {"system": "billing", "topic": "billing.invoices", "category": "C-01", **held, **said}


def test_what_a_contract_holds_is_held_while_it_runs() -> None:
    """Not for the rule's period after it: an erasure takes the data as soon as the contract has ended."""
    shown = printed(plan_table([part()], CATALOGUE))
    assert "hold while the" in shown
    assert "months" not in shown


def test_a_hold_with_a_date_names_it() -> None:
    """The last day on which the data may be kept."""
    shown = printed(plan_table([part(until="2031-12-31", rule="T01")], CATALOGUE))
    assert "hold until" in shown
    assert "2031-12-31" in shown


LONG = "warehouse.public.delivery_preference"


def test_what_was_tagged_in_two_ways_is_one_row() -> None:
    """With the events of both; what differs in anything that is shown stays apart, as does what is not counted."""
    parts = [
        part(events=1),
        part(events=3),
        part(rule="T01", until="2031-12-31"),
        part(category="C-06", events=4),
    ]
    shown = printed(plan_table(parts, CATALOGUE))
    assert [shown.count(name) for name in ("Contact C-01", "Payment C-06", "2031-12-31")] == [2, 1, 1]
    # One row of two categories, each with four events.
    assert len(re.findall(r" 4 *$", shown, re.MULTILINE)) == 1
    assert "locked" in printed(plan_table([part(events=None), part(events=None)], CATALOGUE))


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_that_is_copied_is_broken(width: int) -> None:
    """Names of topics, dates and ids, in plan and look-up, however narrow the terminal."""
    plan = [part(topic=LONG, until="2031-12-31", rule="T34", citation="personopplysningsloven § 28"), part()]
    shown = printed(plan_table(plan, CATALOGUE), width=width)
    assert all(text in shown for text in (LONG, "2031-12-31", "billing.invoices", "personopplysningsloven"))
    assert shown.count("decision") == 1
    item = {
        "system": "warehouse", "topic": LONG, "categories": ["C-01", "C-09"], "detected": ["C-09"],
        "purposes": ["P-CONTRACT"], "legal_basis": {"P-CONTRACT": "b"}, "recipients": ["payment_provider"],
        "delete_after": "2026-02-03", "retention_rule": "T20", "overdue": True, "locked": False, "events": 1200,
        "first_seen": "2026-01-05T10:00:00Z", "last_seen": "2026-01-14T10:00:00Z", "source_deleted": None,
    }  # fmt: skip
    shown = printed(items_table([item]), width=width)
    assert all(
        text in shown
        for text in (
            LONG,
            "P-CONTRACT b",
            "→ payment_provider",
            "2026-02-03",
            "2026-01-05",
            "2026-01-14",
            "1,200",
        )
    )


@pytest.mark.parametrize(("width", "when"), [(80, "2026-11-26"), (120, "2026-11-26 19:22:03Z")])
def test_the_day_of_a_question_is_not_broken(width: int, when: str) -> None:
    """Nor the id of a request; with the second in one line where there is room."""
    entry = {
        "at": "2026-11-26T19:22:03.120000Z", "caller": "user kari", "client": "", "action": "POST /v1/requests/plan",
        "kinds": ["customer_number", "email"], "views": [], "status": 200, "size": 212,
        "purpose": "somebody wrote to us",
        "subjects": ["0a1b2c3d4e5f"], "subjects_total": 2, "request_id": "r-5f2a9c01d7e34b68", "resolution": "unique",
    }  # fmt: skip
    shown = printed(audit_table([entry], width), width=width)
    assert all(
        text in shown for text in (when, "19:22:03Z", "r-5f2a9c01d7e34b68", "0a1b2c3d4e5f", "and 1 more")
    )


def test_what_cannot_be_judged_is_said_without_markup() -> None:
    """A topic's name is no markup either."""
    item = {"topic": "pt[bold].sessions", "system": "booking", "why": "names no rule"}
    answer = {
        "unjudged": [item],
        "disagree": [],
        "resolution": "unique",
        "ambiguous_events": 0,
        "unlinked": {},
    }
    shown = printed(*about_identity(answer, [], []))
    assert shown.strip() == "cannot be judged: pt[bold].sessions of booking: held, but it names no rule"

"""What a person reads of an answer on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from console.cli.erase import plan_table
from console.cli.show.output import about_identity
from schemas.company import load_company
from schemas.layers import MODEL

CATALOGUE = load_company(MODEL).catalogue


def printed(*things: Any) -> str:
    console = Console(width=120, no_color=True)
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

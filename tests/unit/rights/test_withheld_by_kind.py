"""A system that withholds one kind of records and erased the others: each is judged, and forgotten, by its kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from schemas.messages import Outcome
from schemas.vocabulary import CommandState
from streams.answers.keeping import NOTHING_KEPT
from streams.rights.protocol.command import Command
from streams.rights.protocol.states import RequestState, State
from streams.rights.protocol.withholding import Withholding
from tests.support.index import memory_index
from tests.support.office import Office
from tests.unit.rights.test_receipts import outcome
from tests.unit.rights.test_schedule import CITED, COOKIE, NUMBER, UNTIL, later, say
from tests.unit.rights.test_short import GONE, LAST_WEEK, visit

CASE = {
    "case_number": "s-1",
    "customer_number": NUMBER[1],
    "reason": "other",
    "notes": "late",
    "opened_at": LAST_WEEK,
    "closed_at": LAST_WEEK,
}
DETAILS = {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK}
HOLDS_CASES = {"ground": "T97", "review_date": UNTIL, "citation": CITED}
DETAILS_GONE = outcome(record="CustomerDetails", deleted=1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """The register has Kari's details and a case of hers, which rule T97 holds; the register's job does not answer."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        rules = made.catalogue.retention_rules
        cases = rules["T98"].model_copy(update={"id": "T97", "covers": ("C-11",)})
        made.catalogue = replace(made.catalogue, retention_rules={**rules, "T97": cases})
        made.serve(NOTHING_KEPT)
        made.put("crm.customers", DETAILS)
        made.put("support.cases", CASE)
        made.deaf = {"crm"}
        yield made


def kinds(office: Office) -> set[str]:
    """The kinds of records that the index has of Kari."""
    return {item.tags.record for item in office.found(NUMBER).holdings}


def answered(office: Office, *outcomes: dict[str, Any], **more: Any) -> RequestState:
    request = office.erase(NUMBER, anchors=GONE)
    said = {"erased": 1, "held": 1, "outcomes": list(outcomes), **HOLDS_CASES, **more}
    return say(office, request, "crm", "withheld", **said)


def test_the_kind_that_is_withheld_stays_and_the_other_is_forgotten(office: Office) -> None:
    """The ground has to cover what is left; what is held is named, and nothing else."""
    done = answered(office, DETAILS_GONE)
    assert (done.state, done.problems) == (State.COMPLETED, ())
    assert {(part["record"], part["rule"]) for part in done.held} == {("SupportCase", "T97")}
    assert kinds(office) == {"SupportCase"}
    assert office.service.recheck(office.now) == []


@pytest.mark.parametrize(
    "outcomes",
    [(), (outcome(record="SupportCase", deleted=1),), (outcome(record="CustomerDetails"),)],
    ids=["told of no kind", "the other kind is gone", "none is gone"],
)
def test_a_ground_has_to_cover_every_kind_that_is_not_said_to_be_gone(
    office: Office, outcomes: tuple[dict[str, Any], ...]
) -> None:
    """A number without a kind says of nothing that it is gone."""
    waits = answered(office, *outcomes)
    assert waits.state is State.ATTENTION
    assert "T97 does not cover C-01" in waits.problems[0]
    assert kinds(office) == {"CustomerDetails", "SupportCase"}


def test_everything_gone_and_yet_something_held_is_for_a_person(office: Office) -> None:
    """Nobody can tell of what the record is that is held."""
    waits = answered(office, DETAILS_GONE, outcome(record="SupportCase", deleted=1), erased=2)
    assert waits.state is State.ATTENTION
    assert "T97 does not cover C-01" in waits.problems[0]


@pytest.mark.parametrize(
    ("outcomes", "least", "kinds"),
    [
        ([], {}, set()),
        ([Outcome("A", deleted=2)], {}, {"A"}),
        ([Outcome("A", deleted=1, redacted=1)], {}, {"A"}),
        ([Outcome("A", deleted=1)], {}, set()),
        ([Outcome("A", deleted=2)], {"A": 3}, set()),
        ([Outcome("A", deleted=2), Outcome("B", deleted=1)], {}, {"A", "B"}),
        ([Outcome("C", deleted=9)], {}, set()),
    ],
)
def test_a_kind_is_gone_when_every_record_planned_is(
    outcomes: list[Outcome], least: dict[str, int], kinds: set[str]
) -> None:
    """Of one that was not planned nothing is said."""
    planned = {"A": 2, "B": 1}
    command = Command("r/crm", "crm", CommandState.WITHHELD, 1, records=planned, least=least)
    assert replace(command, outcomes=tuple(outcomes)).erased_kinds == kinds


def test_what_of_a_forgotten_kind_came_before_the_review_is_told_and_forgotten(office: Office) -> None:
    """The index has forgotten that kind, so whatever it has of it at the review came since."""
    request = answered(office, DETAILS_GONE, review_date=date(2026, 12, 24))
    assert request.state is State.COMPLETED
    office.put("crm.customers", {**DETAILS, "name": "K"})
    later(office, days=33)
    office.service.resend(request.request_id)
    office.deliver()
    said = {"erased": 1, "held": 1, "outcomes": [DETAILS_GONE], "attempt": 2, **HOLDS_CASES}
    anew = say(office, request, "crm", "withheld", **said)
    assert anew.state is not State.COMPLETED
    command = anew.commands[f"{request.request_id}/crm"]
    assert command.least["CustomerDetails"] == 2
    office.deliver()
    gone = outcome(record="CustomerDetails", deleted=2)
    last = {"erased": 2, "held": 1, "outcomes": [gone], "attempt": 3, **HOLDS_CASES}
    done = say(office, request, "crm", "withheld", **last)
    assert (done.state, kinds(office)) == (State.COMPLETED, {"SupportCase"})


def test_what_is_withheld_stays_withheld_at_a_review_that_erases_it_at_last(office: Office) -> None:
    request = answered(office, DETAILS_GONE, review_date=date(2026, 12, 24))
    later(office, days=33)
    office.service.resend(request.request_id)
    office.deliver()
    both = [DETAILS_GONE, outcome(record="SupportCase", deleted=1)]
    done = say(office, request, "crm", "done", erased=2, outcomes=both, attempt=2)
    assert (done.state, done.held, kinds(office)) == (State.COMPLETED, (), set())


def test_of_a_closed_request_the_kinds_that_are_gone_are_forgotten(office: Office) -> None:
    """Another system never answered; a person ends the request without it."""
    office.put("web.visits", visit(1))
    office.deaf = {"crm", "web"}
    request = office.erase(NUMBER, COOKIE, anchors=GONE)
    said = {"erased": 1, "held": 1, "outcomes": [DETAILS_GONE], **HOLDS_CASES}
    say(office, request, "crm", "withheld", **said)
    assert kinds(office) == {"CustomerDetails", "SupportCase"}
    ended = office.service.close(request.request_id, "the web is shut down")
    assert (ended.state, kinds(office), office.events(*COOKIE)) == (State.CLOSED, {"SupportCase"}, 1)


@pytest.mark.parametrize(
    ("kept", "system", "record", "keeps"),
    [
        (Withholding(), "crm", "SupportCase", False),
        (Withholding({"crm": frozenset()}), "crm", "SupportCase", True),
        (Withholding({"crm": frozenset({"SupportCase"})}), "crm", "SupportCase", False),
        (Withholding({"crm": frozenset({"SupportCase"})}), "crm", "CustomerDetails", True),
        (Withholding({"crm": frozenset()}), "web", "SupportCase", False),
    ],
)
def test_what_is_kept(kept: Withholding, system: str, record: str, keeps: bool) -> None:
    assert kept.keeps(system, record) is keeps


def test_of_two_words_about_a_system_the_later_counts() -> None:
    command = Command("r/crm", "crm", CommandState.WITHHELD, 1, records={"A": 1})
    earlier = Withholding({"crm": frozenset({"A"}), "web": frozenset()})
    assert (earlier | Withholding().beside(command)) == Withholding({"crm": frozenset(), "web": frozenset()})

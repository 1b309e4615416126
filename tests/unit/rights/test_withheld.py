"""What a system withholds: as much as was planned, of what the rule covers, and no longer than the rule holds it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from schemas.vocabulary import CommandState
from streams.rights.protocol.command import EVERY, Command
from streams.rights.protocol.states import State
from tests.support.office import Office
from tests.unit.rights.test_reviews import office
from tests.unit.rights.test_schedule import CITED, COOKIE, NUMBER, UNTIL, attempts, later, say, withheld
from tests.unit.rights.test_short import GONE

__all__ = ["office"]
LAWFUL = {"held": 1, "ground": "T98", "review_date": UNTIL, "citation": CITED}
HELD = Command("r/web", "web", CommandState.WITHHELD, 1, planned=5, held=5, ground="T98", lawful=True)


@pytest.mark.parametrize(
    ("answer", "withholds"),
    [
        (HELD, True),
        (replace(HELD, held=9), True),
        (replace(HELD, held=4), False),
        (replace(HELD, held=3, erased=2), True),
        (replace(HELD, held=0, erased=4), False),
        (replace(HELD, held=0, erased=0, planned=0), True),
        (replace(HELD, records={"Visit": 7}), False),
        (replace(HELD, least={EVERY: 8}), False),
        (replace(HELD, held=0, planned=None), True),
        (replace(HELD, held=0, accepted=True), True),
    ],
)
def test_what_is_withheld_is_held_against_the_plan(answer: Command, withholds: bool) -> None:
    """What is neither erased nor held may still be there, and nobody said that it may."""
    assert (answer.withholds, answer.settled, answer.doubtful) == (withholds, withholds, not withholds)
    assert not answer.refused
    assert answer.urgent is not withholds


def test_fewer_withheld_than_planned_waits_for_a_person(office: Office) -> None:
    """Who may accept it, with a reason."""
    request = withheld(office, held=0)
    assert request.state is State.ATTENTION
    assert request.problems[0].startswith(
        "crm: planned 1, reported 0 erased and 0 held by T98: the others may"
    )
    assert "innsyn requests accept" in request.problems[0]
    assert office.events(*COOKIE) == 2
    office.service.accept(request.request_id, "crm", "it is a draft")
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"ground": "T01"}, "T01 does not cover C-01, C-02, C-03, C-09, C-10"),
        ({"review_date": date(2032, 1, 1)}, "T98 holds nothing of it so long"),
        ({"review_date": None}, "without a day of review"),
        ({"citation": "ekomloven § 3-11"}, "without a citation of T98 as the catalogue has it"),
        ({"ground": "T27", "citation": "GDPR art. 5"}, "by no rule of the catalogue that holds data"),
        ({"ground": None}, "by no rule of the catalogue that holds data"),
    ],
)
def test_a_rule_holds_what_it_covers_as_long_as_it_says(
    office: Office, said: dict[str, Any], why: str
) -> None:
    """Every category the system was told to erase, until a day that its period reaches; else a person is told why."""
    request = withheld(office, **said)
    assert request.state is State.ATTENTION
    assert f"({why}); `innsyn requests resend" in request.problems[0]
    assert office.events(*NUMBER) == 1


@pytest.mark.parametrize(
    ("first", "corrected", "state"),
    [
        ({"state": "withheld", **LAWFUL, "citation": None}, {"state": "withheld", **LAWFUL}, State.COMPLETED),
        (
            {"state": "failed", "reason": "store_unavailable"},
            {"state": "failed", "reason": "store_unavailable", "retryable": True},
            State.WAITING,
        ),
    ],
)
def test_an_answer_that_is_corrected_counts(
    office: Office, first: dict[str, Any], corrected: dict[str, Any], state: State
) -> None:
    """A citation that was missing, a failure that was not final after all; the same again adds nothing."""
    office.deaf = {"crm"}
    request = office.erase(NUMBER, COOKIE, anchors=GONE)
    assert say(office, request, "crm", **first).state is State.ATTENTION
    taken = say(office, request, "crm", **corrected)
    assert (taken.state, taken.set_aside) == (state, ())
    length = taken.length
    assert say(office, request, "crm", **corrected).length == length


def test_a_clock_that_was_ahead_sets_no_answer_aside_and_stops_no_resending(office: Office) -> None:
    """Set right again, answers of before the false time count, and whoever did not answer is told again at once."""
    right = office.now
    office.deaf, office.now = {"crm", "web"}, right + timedelta(days=20)
    made = office.service.create(
        "erasure", [NUMBER, COOKIE], reason=None, channel="test", received_at=right, anchors=GONE
    )
    office.deliver()
    office.now = right + timedelta(minutes=10)
    request = office.service.get(made.request_id)
    taken = say(office, request, "web", "done", erased=2)
    assert (taken.set_aside, taken.waiting_for) == ((), ("crm",))
    later(office, minutes=1)
    assert attempts(office, request) == {"crm": 2, "web": 1}
    assert later(office, hours=3) == []
    later(office, hours=1)
    assert attempts(office, request) == {"crm": 3, "web": 1}

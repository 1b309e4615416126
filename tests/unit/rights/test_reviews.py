"""A hold that is reviewed: what came meanwhile is told and found, and each review ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pytest

from schemas.errors import InputError
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.office import Office, systems_told
from tests.unit.rights.test_schedule import CITED, COOKIE, NUMBER, later, say, withheld
from tests.unit.rights.test_short import LAST_WEEK, visit

DAY = date(2026, 12, 24)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A person in the register and on the web."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK})
        made.put("web.visits", visit(1), visit(2))
        yield made


@pytest.mark.parametrize("looked", [False, True], ids=["not looked for", "found"])
def test_what_came_to_another_system_before_a_review_is_told_there(office: Office, looked: bool) -> None:
    """The index had forgotten what that system erased, so whatever it finds there came since."""
    request = withheld(office, DAY)
    office.now += timedelta(hours=1)
    office.put("web.visits", visit(3))
    assert len(office.service.recheck(office.now) if looked else []) == looked
    later(office, days=33)
    office.deaf, told = set(), len(office.commands)
    office.service.resend(request.request_id)
    office.deliver()
    done = office.service.get(request.request_id)
    assert systems_told(office.commands[told:]) == ["crm", "web"]
    assert (office.events(*COOKIE), office.stored("web", COOKIE), office.stored("crm", NUMBER)) == (0, 0, 0)
    # What somebody found stays to be followed up: it may be where the plan does not look.
    assert done.state is (State.REOPENED if looked else State.COMPLETED)
    if looked:
        office.service.follow_up(request.request_id)
        office.deliver()
        assert office.service.get(request.request_id).state is State.COMPLETED


def test_what_came_to_the_reviewed_system_itself_is_told(office: Office) -> None:
    request = withheld(office, DAY)
    office.put("crm.customers", {"customer_number": NUMBER[1], "name": "K", "updated_at": LAST_WEEK})
    later(office, days=33)
    office.service.resend(request.request_id)
    office.deliver()
    say(office, request, "crm", "done", attempt=2, erased=1)
    anew = office.service.get(request.request_id)
    assert (anew.waiting_for, anew.commands[f"{request.request_id}/crm"].planned) == (("crm",), 1)
    assert office.events(*NUMBER) == 2


def test_a_hold_may_go_on_until_the_same_day(office: Office) -> None:
    """Each completion and each review is its own event, so nothing is forgotten without end."""
    request = withheld(office, DAY)
    for attempt in (2, 3):
        later(office, days=32 if attempt == 2 else 0)
        opened = office.service.get(request.request_id)
        assert opened.state is State.REOPENED
        office.service.resend(request.request_id)
        office.deliver()
        said = {"held": 1, "ground": "T98", "review_date": DAY, "citation": CITED, "attempt": attempt}
        again = say(office, request, "crm", "withheld", **said)
        assert (again.state, again.completed_at) == (State.COMPLETED, office.now)
    length = again.length
    assert office.service.resume() == []
    assert office.service.get(request.request_id).length == length


def test_a_follow_up_ends_the_review_as_well(office: Office) -> None:
    """It asks every system for all that is left; there is nothing more to ask in the request before it."""
    request = withheld(office, DAY)
    office.now += timedelta(hours=1)
    office.put("crm.customers", {"customer_number": NUMBER[1], "name": "K", "updated_at": LAST_WEEK})
    office.service.recheck(office.now)
    later(office, days=33)
    office.deaf = set()
    made = office.service.follow_up(request.request_id)
    office.deliver()
    ended = office.service.get(request.request_id)
    assert (ended.state, ended.reviews, ended.problems) == (State.COMPLETED, (), ())
    with pytest.raises(InputError, match="completed already"):
        office.service.resend(request.request_id)
    assert office.service.get(made.request_id).state is State.COMPLETED
    assert (office.events(*NUMBER), office.stored("crm", NUMBER)) == (0, 0)

"""What has run out stays until a person is answered, also what came to light since and what links lead to by now."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.codec import decode
from streams.rights.protocol.request import RequestState, State
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.support.suppressing import KARI
from tests.unit.rights.test_expiry_run import LONG_AGO, YESTERDAY, held, office, through, view
from tests.unit.rights.test_expiry_run_kept import asked
from tests.unit.rights.test_people_expiry import LONG_AGO as YEARS_AGO
from tests.unit.rights.test_people_expiry import Expiring
from tests.unit.rights.test_people_expiry import office as leaving
from tests.unit.rights.test_short import LOGIN, USERNAME

__all__ = ["leaving", "office"]
DAY = timedelta(days=1)


def reopened(office: Office, right: str, **more: Any) -> RequestState:
    """A request of Kari that was carried out, after which a viewing of long ago came to light."""
    made = office.service.create(
        right, [("customer_number", KARI)], reason=None, channel="web", received_at=office.now, **more
    )
    office.deliver()
    request = office.service.get(made.request_id)
    for item in request.commands.values():
        if not item.settled:
            office.service.accept(request.request_id, item.system, "done by hand")
    office.deliver()
    for name in office.service.get(request.request_id).to_notify:
        office.service.notify(request.request_id, name, None, "it has ceased to be")
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    office.now += timedelta(hours=1)
    view(office, KARI, LONG_AGO)
    office.service.recheck(office.now)
    return office.service.get(request.request_id)


def due(office: Office) -> tuple[int, int]:
    """Events that a run would take now, and those of people who are kept."""
    records = office.service._runs.due(office.now).records
    return sum(item.events - item.kept for item in records), sum(item.kept for item in records)


@pytest.mark.parametrize("right", ["access", "portability"])
def test_whose_answer_lacks_something_keeps_theirs_until_it_is_answered_again(
    office: Office, right: str
) -> None:
    """Three viewings of Kari's, with the one that came to light; Ola's goes."""
    request = reopened(office, right)
    assert request.state is State.REOPENED
    assert due(office) == (1, 3)
    run = through(office)
    assert (run.state, held(office)) == (State.COMPLETED, 5)
    again = office.service.follow_up(request.request_id)
    office.tells = False
    office.deliver()
    assert due(office) == (0, 3)
    office.tells = True
    office.deliver()
    assert office.service.get(again.request_id).state is State.COMPLETED
    assert due(office) == (3, 0)


def test_whose_reopened_request_is_closed_keeps_nothing(office: Office) -> None:
    request = reopened(office, "access")
    office.service.close(request.request_id, "the person wants it no more")
    assert due(office) == (4, 0)


def test_what_has_still_to_be_corrected_is_kept(office: Office) -> None:
    """The person wants what is held to be right, and not gone."""
    request = reopened(office, "rectification", corrections={"TvViewing.kind": "recording"})
    assert (request.state, due(office)) == (State.REOPENED, (1, 3))


def test_what_was_to_be_erased_is_not_kept_when_more_of_it_comes_to_light(office: Office) -> None:
    """Nobody asked for it to stay."""
    request = reopened(office, "erasure")
    assert (request.state, due(office)) == (State.REOPENED, (2, 0))


def test_what_links_lead_to_since_is_kept_for_the_answer_that_lacks_it(tmp_path: Path) -> None:
    """Of an answer that was given, and of one that waits for the copies of systems."""
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack, sealing=True, copying=["web"])
        office.jobs_answer = True
        named = {"customer_number": KARI, "username": USERNAME[1]}
        office.put("web.logins", {**LOGIN, "occurred_at": NOW - 200 * DAY})
        office.put(
            "web.logins", {**LOGIN, "username": None, "customer_number": KARI, "occurred_at": YESTERDAY}
        )
        assert due(office) == (1, 0)
        office.deaf |= {"web"}
        request = asked(office, "access", KARI)
        office.deliver()
        assert due(office) == (1, 0)
        office.now += timedelta(hours=1)
        office.put("crm.customers", {**named, "updated_at": NOW - 900 * DAY})
        assert due(office) == (0, 1)
        office.deaf.clear()
        office.service.resend(request.request_id)
        office.deliver()
        assert office.service.get(request.request_id).state is State.COMPLETED
        assert due(office) == (1, 0)


def test_an_answer_that_lacks_something_keeps_it_until_that_is_followed_up(leaving: Expiring) -> None:
    """Also where it came to light after the person was found."""
    leaving.left(KARI)
    (made,) = leaving.service.expire_people(leaving.now, 10).requests
    asked = leaving.service.create(
        "access", [("customer_number", KARI)], reason=None, channel="test", received_at=leaving.now
    )
    leaving.service.on_request(decode(leaving.records["RightsRequest"], leaving.sent.pop()[1]))
    leaving.tell()
    leaving.now += timedelta(hours=1)
    leaving.customer(KARI, at=YEARS_AGO + DAY)
    leaving.service.recheck(leaving.now)
    assert leaving.service.get(asked.request_id).state is State.REOPENED
    leaving.deliver()
    request = leaving.service.get(made.request_id)
    assert (request.state, leaving.commands) == (State.COMPLETED, [])
    assert request.remarks == (
        f"{asked.request_id} lacks what came to light since, which is to be followed up first",
    )
    assert leaving.expire() == []
    leaving.service.close(asked.request_id, "answered on the phone")
    leaving.now += DAY
    assert [item.state for item in leaving.expire()] == [State.COMPLETED]
    assert leaving.records_of("crm", KARI) == 0

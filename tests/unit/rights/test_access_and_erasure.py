"""Who asks for their data and to be erased: the data come first, and what comes later is about what is left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from schemas.errors import InputError
from streams.rights.protocol.states import RequestState, State
from tests.support.copying import copy_of
from tests.support.index import memory_index
from tests.support.office import Office
from tests.support.receipts import answer, job_key
from tests.unit.rights.test_copies import hand
from tests.unit.rights.test_short import GONE, visit

COOKIE = ("cookie_id", "c-1")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Of which the web delivers copies."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack, copying=["web"])
        made.tells = False
        made.put("web.visits", visit(1), visit(2))
        yield made


def asked(office: Office, right: str = "access") -> RequestState:
    made = office.service.create(right, [COOKIE], reason=None, channel="web", received_at=office.now)
    office.deliver()
    return office.service.get(made.request_id)


def deliver_copy(office: Office, request: RequestState) -> RequestState:
    (told,) = [item for item in office.others if item["request_id"] == request.request_id]
    records = [("WebVisit", visit(number)) for number in range(told["expected"][0]["count"])]
    messages, said = copy_of(told, records, job_key(office.keyring, "web"), office.now)
    for message in messages:
        hand(office, message)
    return answer(office, told, **said)


def test_an_erasure_waits_for_copies_that_are_under_way(office: Office) -> None:
    """Until they have come, not until the answer was sent."""
    access = asked(office)
    assert access.state is State.COMMANDED
    erasure = office.erase(COOKIE, anchors=GONE)
    assert (erasure.state, erasure.behind) == (State.RECEIVED, (access.request_id,))
    assert office.commands == []
    assert deliver_copy(office, access).state is State.ANSWERED
    office.deliver()
    assert office.service.get(erasure.request_id).state is State.COMPLETED
    assert office.events(*COOKIE) == 0


@pytest.mark.parametrize("how", ["cancel", "close", "accept"])
def test_a_person_who_ends_the_waiting_for_copies_lets_the_erasure_go_on(office: Office, how: str) -> None:
    access = asked(office)
    erasure = office.erase(COOKIE, anchors=GONE)
    if how == "accept":
        office.service.accept(access.request_id, "web", "their team is away")
    else:
        getattr(office.service, how)(access.request_id, "the person wrote again")
    office.deliver()
    office.service.resume()
    office.deliver()
    assert office.service.get(erasure.request_id).state is State.COMPLETED


def test_copies_are_asked_for_once_an_erasure_is_through(office: Office) -> None:
    """Of what is left then; where nothing is, it is answered by that."""
    office.deaf = {"web"}
    erasure = office.erase(COOKIE, anchors=GONE)
    access = asked(office)
    assert (access.state, access.behind, office.others) == (State.RECEIVED, (erasure.request_id,), [])
    office.deaf = set()
    office.service.resend(erasure.request_id)
    office.deliver()
    request = office.service.get(access.request_id)
    assert (request.state, request.behind, office.others) == (State.ANSWERED, (), [])
    assert request.report is not None
    assert request.report["entries"] == []


def test_two_requests_for_copies_wait_for_nobody(office: Office) -> None:
    first, second = asked(office), asked(office, "access")
    assert (first.state, second.state) == (State.COMMANDED, State.COMMANDED)
    office.service.cancel(first.request_id, "asked twice")
    with pytest.raises(InputError):
        office.service.cancel(first.request_id, "asked twice")
    assert deliver_copy(office, second).state is State.ANSWERED


def test_a_request_that_waits_for_a_person_holds_no_erasure_up(office: Office) -> None:
    """It may never get a plan."""
    access = office.service.create("access", [COOKIE], reason=None, channel="web", received_at=office.now)
    office.keyring.destroy(f"request-{access.request_id}")
    office.deliver()
    assert office.service.get(access.request_id).state is State.ATTENTION
    assert office.erase(COOKIE, anchors=GONE).state is State.COMPLETED

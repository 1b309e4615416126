"""What a person asks for goes before what runs out of them by itself, where no system was told of that yet."""

from __future__ import annotations

from streams.rights.protocol.request import RequestState, State
from tests.unit.rights.test_people_expiry import DAY, KARI, Expiring, office
from tests.unit.rights.test_people_looked import approve, awaiting

__all__ = ["office"]


def asked(office: Expiring, right: str) -> RequestState:
    given = [("customer_number", KARI)]
    made = office.service.create(right, given, reason=None, channel="test", received_at=office.now)
    office.deliver()
    return office.service.get(made.request_id)


def test_what_awaits_approval_gives_way_to_an_erasure(office: Expiring) -> None:
    """It says why it ended; what is still due once the person's own request has ended is found anew."""
    expiring = awaiting(office)
    request = asked(office, "erasure")
    expiring = office.service.get(expiring.request_id)
    assert (expiring.state, request.behind) == (State.CANCELLED, ())
    assert [note.reason for note in expiring.notes] == [
        f"{request.request_id}, which the person made, goes first"
    ]
    assert request.planned_at is not None


def test_it_is_found_anew_once_the_request_of_the_person_has_ended(office: Expiring) -> None:
    expiring = awaiting(office)
    office.deaf |= set(office.stores)
    office.service.cancel(asked(office, "erasure").request_id)
    office.deaf.clear()
    # Of that day it was made.
    assert office.expire() == []
    office.now += DAY
    (again,) = office.expire()
    assert (again.request_id != expiring.request_id, again.awaits_approval) == (True, True)
    assert approve(office, again).state is State.COMPLETED


def test_it_is_waited_for_once_a_system_was_told_and_that_is_said(office: Expiring) -> None:
    office.left()
    office.deaf |= set(office.stores)
    (expiring,) = office.expire()
    request = asked(office, "erasure")
    assert (request.state, request.behind) == (State.RECEIVED, (expiring.request_id,))
    assert f"systems were told by {expiring.request_id} already" in request.problems[0]
    assert office.service.get(expiring.request_id).state is State.COMMANDED
    office.deaf.clear()
    office.service.resend(expiring.request_id)
    office.deliver()
    request = office.service.get(request.request_id)
    assert office.service.get(expiring.request_id).state is State.COMPLETED
    assert (request.behind, request.planned_at is not None) == ((), True)
    assert not any("were told by" in line for line in request.problems)

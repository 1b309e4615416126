"""What ran out for a person is certified as an erasure is; a request by which nothing went is not."""

from __future__ import annotations

from datetime import timedelta

from streams.evidence.certificate import verify
from streams.rights.protocol.states import State
from tests.support.issuing import Desk
from tests.unit.rights.test_people_expiry import KARI, Expiring, office

__all__ = ["office"]


def test_what_has_run_out_of_a_person_is_certified(office: Expiring) -> None:
    office.left()
    (request,) = office.expire()
    desk = Desk(office)
    office.now += timedelta(minutes=5)
    # After the run by which the rules were seen.
    assert desk.issuer.turn()[1:] == [request.request_id]
    said = desk.certificate(request.request_id)
    assert said["request"]["type"] == "retention"
    assert {item["system"]: item["erased"] for item in said["systems"]}["crm"] == 1
    assert said["index"]["rows"]["rows_removed"] == 3
    assert verify(said, [desk.key().public])


def test_where_nothing_went_there_is_nothing_to_certify(office: Expiring) -> None:
    """The customer came back between the look and the plan."""
    office.left()
    (made,) = office.service.expire_people(office.now, 10).requests
    office.contract("returned", office.now - timedelta(minutes=1), f"A-{KARI}")
    office.deliver()
    request = office.service.get(made.request_id)
    assert (request.state, request.commands) == (State.COMPLETED, {})
    assert "nothing of this person has run out any more" in request.problems
    desk = Desk(office)
    office.now += timedelta(minutes=5)
    assert request.request_id not in desk.issuer.turn()
    assert "nothing of the person had run out" in desk.why(request.request_id)

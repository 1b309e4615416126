"""A second person approves the plan as it was shown: nothing is told, forgotten or sent before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.rights_rules import RightsRules, load_rights_rules
from schemas.vocabulary import ToldBy
from streams.evidence.certificate import why_not
from streams.rights.protocol.states import RequestState, State
from tests.support.index import memory_index
from tests.support.office import Office
from tests.unit.rights.test_short import GONE, LAST_WEEK, visit

NUMBER, COOKIE = ("customer_number", "k-100200"), ("cookie_id", "c-1")
MAKER, OTHER = "token 00000001", "token 00000002"


def rules(*approval: dict[str, Any]) -> RightsRules:
    return RightsRules.model_validate({**load_rights_rules().model_dump(), "approval": list(approval)})


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Of a company in which somebody approves whatever concerns two systems."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack, rules=rules({"systems": 2}))
        made.tells = False
        made.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK})
        made.put("web.visits", visit(1), visit(2))
        yield made


def asked(office: Office, right: str = "erasure", given: Any = (NUMBER, COOKIE)) -> RequestState:
    made = office.service.create(
        right, list(given), reason=None, channel="web", received_at=office.now, anchors=GONE, by=MAKER
    )
    office.deliver()
    return office.service.get(made.request_id)


def test_no_system_is_told_before_somebody_else_approved(office: Office) -> None:
    request = asked(office)
    office.service.resume()
    office.deliver()
    assert (request.state, request.awaits_approval, office.commands) == (State.PLANNED, True, [])
    assert request.problems[0] == (
        "a second person has to approve it, under another INNSYN_API_TOKEN; `innsyn requests"
        f" approve {request.request_id} --digest {request.digest}`"
    )
    assert request.waiting_for == ()
    assert why_not(request) == "it is not completed: its state is planned, a second person has to approve it"
    with pytest.raises(InputError, match="has to approve it"):
        office.service.resend(request.request_id)
    assert request.digest is not None
    for digest, by, why in (
        (request.digest, MAKER, "same credential"),
        ("0" * 16, OTHER, "no longer its plan"),
    ):
        with pytest.raises(InputError, match=why):
            office.service.approve(request.request_id, digest, by)
    office.service.approve(request.request_id, request.digest, OTHER)
    office.deliver()
    done = office.service.get(request.request_id)
    assert done.state is State.COMPLETED
    assert [note.words for note in done.notes] == [f"plan {request.digest} by {OTHER}"]
    with pytest.raises(InputError, match="completed already"):
        office.service.approve(request.request_id, request.digest, OTHER)


def test_a_request_that_no_rule_names_goes_on(office: Office) -> None:
    assert asked(office, given=(COOKIE,)).state is State.COMPLETED


def test_a_new_plan_needs_a_new_approval(office: Office) -> None:
    """More came while the systems erased: nobody is told of it, and nothing is forgotten, before that."""
    request = asked(office)
    office.deaf = {"crm"}
    assert request.digest is not None
    office.service.approve(request.request_id, request.digest, OTHER)
    office.deliver()
    office.put("web.visits", visit(3))
    office.deaf = set()
    office.service.resend(request.request_id)
    office.deliver()
    again = office.service.get(request.request_id)
    assert again.awaits_approval
    assert again.digest not in (None, request.digest)
    assert office.events(*COOKIE) == 3
    with pytest.raises(InputError, match="no longer its plan"):
        office.service.approve(request.request_id, request.digest, OTHER)
    office.service.approve(request.request_id, str(again.digest), OTHER)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    assert office.events(*COOKIE) == 0


def test_an_answer_that_was_not_approved_is_not_sent(office: Office) -> None:
    request = asked(office, "access")
    assert (request.state, request.awaits_approval) == (State.ANSWERED, True)
    with pytest.raises(InputError, match="cannot be sent"):
        office.service.tell(request.request_id, ToldBy.LETTER)
    office.service.approve(request.request_id, str(request.digest), OTHER)
    office.deliver()
    assert office.service.tell(request.request_id, ToldBy.LETTER).state is State.COMPLETED


def test_what_waits_for_approval_can_be_ended(office: Office) -> None:
    for end in (office.service.cancel, office.service.close):
        request = asked(office)
        ended = end(request.request_id, "the person wrote again")
        assert ended.ended
        assert office.events(*COOKIE) == 2


def test_whoever_follows_a_request_up_is_who_made_the_new_one(office: Office) -> None:
    """Else the same person would approve what they made."""
    request = asked(office, "access", [COOKIE])
    office.service.tell(request.request_id, ToldBy.EMAIL)
    office.now += timedelta(hours=1)
    office.put("web.visits", visit(3))
    office.service.recheck(office.now)
    assert office.service.follow_up(request.request_id, OTHER).by == OTHER


def test_a_request_that_nobody_is_known_to_have_made_needs_two_approvals(office: Office) -> None:
    """Such as one that came by Kafka: whoever approves it first may have made it."""
    made = office.service.create(
        "erasure", [NUMBER, COOKIE], reason=None, channel="web", received_at=office.now, anchors=GONE
    )
    office.deliver()
    digest = str(office.service.get(made.request_id).digest)
    first = office.service.approve(made.request_id, digest, MAKER)
    office.deliver()
    assert first.awaits_approval
    assert first.problems[0].startswith("a second person has to approve it")
    with pytest.raises(InputError, match="under the same credential"):
        office.service.approve(made.request_id, digest, MAKER)
    assert office.commands == []
    office.service.approve(made.request_id, digest, OTHER)
    office.deliver()
    assert office.service.get(made.request_id).state is State.COMPLETED

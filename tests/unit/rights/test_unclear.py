"""What nobody can tell to be the person's: an erasure that is done but for that waits till it is resolved or waived."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.rights_rules import UnclearRule
from sinks.ports.dead_letters import OpenLetters
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.company import model
from tests.support.index import memory_index
from tests.support.office import Office
from tests.unit.rights.test_short import LAST_WEEK, visit

NUMBER, COOKIE, OTHER = ("customer_number", "100200"), ("cookie_id", "c-1"), "100201"
UNREAD = OpenLetters("web.visits", "invalid_identifier", 2)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        yield filled(tmp_path, stack)


def filled(folder: Path, stack: ExitStack, **rules: Any) -> Office:
    known = replace_rules(**rules) if rules else None
    made = Office(folder, memory_index(), stack, sealing=True, rules=known)
    made.put("web.visits", visit(1), visit(2, "c-9"))
    return made


def replace_rules(**said: Any) -> Any:
    rules = model().rights
    return rules.model_copy(update={"unclear": UnclearRule(**{**rules.unclear.model_dump(), **said})})


def behind_one_address(office: Office) -> None:
    """The customer and another one have blocks of ports of an address, and of a visit the port is not known."""
    for number, low in ((NUMBER[1], 1_024), (OTHER, 2_048)):
        report = {
            "kind": "start",
            "address": "192.0.2.9",
            "port_from": low,
            "port_to": low + 1_023,
            "customer_number": number,
            "username": number,
            "session_id": number,
            "nas": "cgn-1",
            "source": "cgnat",
            "purpose": "operations",
            "occurred_at": LAST_WEEK,
        }
        office.put("network.assignments", report)
    office.put("web.visits", {**visit(5), "client_address": "192.0.2.9", "cookie_id": None})


def again(office: Office, request: RequestState) -> RequestState:
    office.service.resend(request.request_id)
    office.deliver()
    return office.service.get(request.request_id)


def waived(office: Office, request: RequestState) -> RequestState:
    office.service.waive(request.request_id, "they are of a test of ours")
    office.deliver()
    return office.service.get(request.request_id)


def test_messages_that_could_not_be_read_keep_an_erasure_from_completing(office: Office) -> None:
    """What is known is erased all the same, in the systems and in the index; the request says what is left to do."""
    office.letters = [UNREAD]
    request = office.erase(COOKIE)
    assert (request.state, office.events(*COOKIE), office.stored("web", COOKIE)) == (State.ATTENTION, 0, 0)
    (said,) = request.problems
    assert "2 messages that could not be read (web.visits 2)" in said
    assert f"innsyn requests waive {request.request_id} --reason" in said
    assert summary(request)["unclear"] == {
        "dead_letters": {"web.visits": 2},
        "shared_events": 0,
        "run": request.length - 1,
        "which": {"web.visits": "0000000000000000"},
    }
    # Looked at again, and nothing has changed.
    assert again(office, request).state is State.ATTENTION
    office.letters = []
    done = again(office, request)
    assert (done.state, done.problems) == (State.COMPLETED, ())


def test_a_person_waives_it_with_a_reason_that_is_kept(office: Office) -> None:
    """As many as were counted: of more the request stands again."""
    office.letters = [UNREAD]
    request = office.erase(COOKIE)
    office.letters = [replace(UNREAD, letters=3)]
    assert waived(office, request).state is State.ATTENTION
    done = waived(office, request)
    assert done.state is State.COMPLETED
    assert summary(done)["waived"] == {"dead_letters": {"web.visits": 3}, "shared_events": 0}
    assert [note.what for note in done.notes] == ["waived", "waived"]
    with pytest.raises(InputError, match="completed already"):
        office.service.waive(request.request_id, "again")


def test_another_message_than_those_that_were_waived_keeps_it_from_completing(office: Office) -> None:
    """As many as before: one of them was read meanwhile, and another one came."""
    office.letters = [replace(UNREAD, places=5)]
    request = office.erase(COOKIE)
    office.letters = [replace(UNREAD, places=6)]
    assert waived(office, request).state is State.ATTENTION
    assert waived(office, request).state is State.COMPLETED


def test_fewer_messages_than_were_waived_are_waived_anew_until_there_are_none(office: Office) -> None:
    """Which of them is left is not known from what was waived."""
    office.letters = [replace(UNREAD, places=5)]
    request = office.erase(COOKIE)
    office.letters = [replace(UNREAD, letters=1, places=4)]
    assert waived(office, request).state is State.ATTENTION
    office.letters = []
    assert again(office, request).state is State.COMPLETED


def test_events_of_a_shared_address_do_as_well(office: Office) -> None:
    """They stay, since they may be the other's, and stay ambiguous."""
    behind_one_address(office)
    request = office.erase(NUMBER)
    assert request.state is State.ATTENTION
    assert any("1 event of an identifier that others had too" in line for line in request.problems)
    done = waived(office, request)
    assert (done.state, summary(done)["waived"]) == (
        State.COMPLETED,
        {"dead_letters": {}, "shared_events": 1},
    )


def test_nothing_is_to_be_waived_where_nothing_is_unclear(office: Office) -> None:
    office.deaf = {"web"}
    request = office.erase(COOKIE)
    with pytest.raises(InputError, match="nothing is unclear"):
        office.service.waive(request.request_id, "as it is")


@pytest.mark.parametrize("what", ["dead_letters", "shared_events"])
def test_a_company_may_let_erasures_go_on(tmp_path: Path, what: str) -> None:
    """By its rights.yaml; what could not be read is in the plan and the certificate as before."""
    with ExitStack() as stack:
        office = filled(tmp_path, stack, **{what: "goes_on"})
        if what == "dead_letters":
            office.letters = [UNREAD]
        else:
            behind_one_address(office)
        request = office.erase(COOKIE if what == "dead_letters" else NUMBER)
        assert request.state is State.COMPLETED

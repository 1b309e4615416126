"""Who asks for their data gets copies of all that the answer tells of, also of what links lead to since."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.rights.protocol.messages import Named
from streams.rights.protocol.rights_commands import opened_command
from streams.rights.protocol.states import RequestState, State
from tests.support.copying import copy_of
from tests.support.index import memory_index
from tests.support.office import Office
from tests.support.receipts import answer, job_key
from tests.unit.rights.test_copies import bundle, hand, read
from tests.unit.rights.test_short import COOKIE, LAST_WEEK, LOGIN, NUMBER, USERNAME, visit

PERSON = {"customer_number": NUMBER[1], "username": USERNAME[1], "name": "Kari", "updated_at": LAST_WEEK}
BARE = LOGIN | {"cookie_id": None}
LATER = LOGIN | {"occurred_at": LAST_WEEK + timedelta(seconds=1)}
CRM, WEB = [("CustomerDetails", PERSON)], [("Login", BARE)]
Records = Sequence[tuple[str, Mapping[str, Any]]]


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Kari's login is known, not from which browser it was; three visits have its cookie."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack, sealing=True, copying=("crm", "web"))
        made.tells = False
        made.put("crm.customers", PERSON)
        made.put("web.logins", BARE)
        made.put("web.visits", visit(1), visit(2), visit(3))
        yield made


def ask(office: Office) -> RequestState:
    made = office.service.create("access", [NUMBER], reason=None, channel="web", received_at=office.now)
    office.deliver()
    return office.service.get(made.request_id)


def told(office: Office, system: str) -> list[dict[str, Any]]:
    return [item for item in office.others if item["system"] == system]


def deliver(office: Office, system: str, records: Records) -> RequestState:
    """The system answers what it was told last."""
    command = told(office, system)[-1]
    messages, said = copy_of(command, records, job_key(office.keyring, system), office.now)
    for message in messages:
        hand(office, message)
    return answer(office, command, **said)


def test_a_browser_that_is_known_since_is_asked_for_before_the_answer(office: Office) -> None:
    """The report counted its visits, and the copy that lacked them was said to be whole."""
    request = ask(office)
    assert [(item["system"], item["attempt"]) for item in office.others] == [("crm", 1), ("web", 1)]
    office.now += timedelta(days=1)
    deliver(office, "web", WEB)
    office.put("web.logins", LATER)
    request = deliver(office, "crm", CRM)
    assert (request.state, request.waiting_for, request.report) == (State.WAITING, ("web",), None)
    again = told(office, "web")[-1]
    assert (again["attempt"], {item["record"]: item["count"] for item in again["expected"]}) == (
        2,
        {"Login": 2, "WebVisit": 3},
    )
    command = {name: value for name, value in again.items() if name != "topic"}
    named, _ = opened_command(command, job_key(office.keyring, "web"))
    assert COOKIE in {(item.kind, item.value) for item in named if isinstance(item, Named)}
    assert "WebVisit.page" in again["fields"]
    every = [*WEB, ("Login", LATER), *(("WebVisit", visit(minute)) for minute in (1, 2, 3))]
    request = deliver(office, "web", every)
    assert request.state is State.ANSWERED
    archive, written = bundle(office, request)
    assert (written.records, written.left_out) == (6, {})
    assert {item["system"]: item["delivery"] for item in read(archive, "report.json")["copies"]} == {
        "crm": "delivered",
        "web": "delivered",
    }
    assert len(told(office, "crm")) == 1


def test_a_system_of_which_nothing_was_known_then_is_asked_too(tmp_path: Path) -> None:
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack, sealing=True, copying=("crm", "web"))
        office.tells = False
        office.put("crm.customers", PERSON)
        ask(office)
        office.put("web.logins", BARE)
        request = deliver(office, "crm", CRM)
        assert (request.state, request.waiting_for) == (State.WAITING, ("web",))
        assert deliver(office, "web", WEB).state is State.ANSWERED


def test_what_happens_after_systems_were_asked_asks_nobody_again(office: Office) -> None:
    """Else an active person would never be answered."""
    ask(office)
    office.now += timedelta(days=1)
    office.put("web.logins", LATER | {"occurred_at": office.now, "cookie_id": "c-2"})
    office.put("web.visits", visit(4, "c-2") | {"occurred_at": office.now})
    deliver(office, "crm", CRM)
    assert deliver(office, "web", WEB).state is State.ANSWERED
    assert len(office.others) == 2


def test_a_copy_that_a_person_does_without_is_not_asked_for_again(office: Office) -> None:
    request = ask(office)
    deliver(office, "crm", CRM)
    office.put("web.logins", LATER)
    office.service.accept(request.request_id, "web", "their team is away")
    office.deliver()
    assert office.service.get(request.request_id).state is State.ANSWERED
    assert len(told(office, "web")) == 1

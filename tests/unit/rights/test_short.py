"""An answer is compared with what the index planned: fewer records erased, or far more, is for a person to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from schemas.policy import RetentionAnchors
from schemas.vocabulary import Proof
from sinks.ports.lineage import Span
from streams.answers.unnamed import named_by
from streams.identity.model import Given
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.index import memory_index
from tests.support.kinds import CUSTOMER_NUMBER, IP
from tests.support.office import Office, systems_told
from tests.support.receipts import hear

NUMBER, USERNAME, COOKIE = ("customer_number", "k-100200"), ("username", "kari"), ("cookie_id", "c-1")
LAST_WEEK = datetime(2026, 11, 15, 9, tzinfo=UTC)
GONE = RetentionAnchors(contract_end=date(2020, 1, 31))


def visit(minute: int, cookie: str = COOKIE[1]) -> dict[str, Any]:
    return {
        "client_address": "192.0.2.7",
        "page": "/",
        "cookie_id": cookie,
        "cookie_consent": "all",
        "method": "GET",
        "occurred_at": LAST_WEEK + timedelta(minutes=minute),
    }


LOGIN = {
    "username": USERNAME[1],
    "cookie_id": COOKIE[1],
    "client_address": "192.0.2.7",
    "result": "ok",
    "occurred_at": LAST_WEEK,
}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """The register knows Kari's user name; a login ties a cookie to it; three visits carry the cookie alone."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        person = {"customer_number": NUMBER[1], "username": USERNAME[1], "name": "Kari Nordlie"}
        made.put("crm.customers", {**person, "updated_at": LAST_WEEK - timedelta(days=30)})
        made.put("web.logins", LOGIN)
        made.put("web.visits", visit(1), visit(2), visit(3))
        yield made


def web_line(request: RequestState) -> str:
    (line,) = [line for line in request.problems if line.startswith("web: ")]
    return line


def answer(office: Office, request: RequestState, erased: int, state: str = "done") -> RequestState:
    """The web's answer, made by hand."""
    taken = hear(
        office.service,
        {
            "command_id": f"{request.request_id}/web",
            "request_id": request.request_id,
            "system": "web",
            "state": state,
            "erased": erased,
            "held": 0,
            "ground": None,
            "review_date": None,
            "reason": None,
            "reported_at": office.now,
        },
    )
    assert taken is not None
    return taken


def test_what_only_a_link_reaches_is_told_in_numbers_and_ends_nothing(office: Office) -> None:
    """Asked by the customer number, the web finds nobody of that name and says done: the request does not complete."""
    request = office.erase(NUMBER, anchors=GONE)
    assert systems_told(office.commands) == ["crm", "web"]
    assert {item.system: item.state for item in request.commands.values()} == {"crm": "done", "web": "done"}
    assert request.state is State.ATTENTION
    assert web_line(request).startswith(
        "web: planned 4, reported 0 erased: 4 of them are this person's by link only"
    )
    assert f"innsyn requests accept {request.request_id} --system web" in web_line(request)
    assert (office.events(*COOKIE), office.stored("web", COOKIE)) == (4, 4)
    web = next(item for item in summary(request)["commands"] if item["system"] == "web")
    assert (web["planned"], web["by_link"], web["erased"]) == (4, 4, 0)
    assert office.service.resume() == []


def test_the_numbers_say_what_the_identifiers_sent_can_name(office: Office) -> None:
    """With the user name the login can be named, the visits cannot; with the cookie all of it can."""
    request = office.erase(NUMBER, USERNAME, anchors=GONE)
    assert "planned 4, reported 1 erased (0 of 3 WebVisit): 3 of them are" in web_line(request)
    office.service.cancel(request.request_id)
    # What the web had erased is gone there; the index is brought in line by a request that names everything.
    request = office.erase(NUMBER, USERNAME, COOKIE, anchors=GONE)
    assert "planned 4, reported 3 erased (0 of 1 Login): the others may still be there" in web_line(request)


def test_a_system_that_erased_all_that_was_planned_completes_the_request(office: Office) -> None:
    """However it found the records: its numbers are what counts, and nothing is left to look after."""
    request = office.erase(NUMBER, USERNAME, COOKIE, anchors=GONE)
    assert (request.state, request.problems) == (State.COMPLETED, ())
    assert (office.events(*COOKIE), office.stored("web", COOKIE)) == (0, 0)


def test_a_person_may_accept_an_answer_with_a_reason(office: Office) -> None:
    """The request goes on to its end; who reads it sees why, and the ledger holds no word of it in clear."""
    request = office.erase(NUMBER, anchors=GONE)
    office.stores["web"].erase([COOKIE], ["C-10", "C-21", "C-22", "C-23"], [])
    with pytest.raises(InputError, match="those in doubt are web"):
        office.service.accept(request.request_id, "crm", "no")
    office.service.accept(request.request_id, "web", "Kari's visits erased by hand")
    office.deliver()
    request = office.service.get(request.request_id)
    assert (request.state, request.problems, office.events(*COOKIE)) == (State.COMPLETED, (), 0)
    (note,) = summary(request)["notes"]
    assert (note["what"], note["system"], note["reason"]) == (
        "accepted",
        "web",
        "Kari's visits erased by hand",
    )
    assert "by hand" not in repr(office.ledger.stored)
    office.keyring.destroy(f"request-{request.request_id}")
    assert summary(office.service.get(request.request_id))["notes"][0]["reason"] is None
    with pytest.raises(InputError, match="completed already"):
        office.service.accept(request.request_id, "web", "again")


def test_attempts_add_up(office: Office) -> None:
    """A job that is told again says what it erased in all: the second attempt completes what the first began."""
    office.deaf = {"web"}
    request = office.erase(NUMBER, anchors=GONE)
    assert answer(office, request, 1).state is State.ATTENTION
    office.service.resend(request.request_id)
    assert office.service.get(request.request_id).state is State.WAITING
    assert answer(office, request, 4).state is State.COMPLETED


@pytest.mark.parametrize(
    ("erased", "state", "word"),
    [
        (4, State.COMPLETED, ""),
        (5, State.COMPLETED, "more than the 4 the index knows there"),
        (40, State.COMPLETED, "more than the 4 the index knows there"),
        (41, State.ATTENTION, "requests accept"),
        (2**50, State.ATTENTION, "requests accept"),
    ],
)
def test_more_than_the_index_knows_is_never_without_a_word(
    office: Office, erased: int, state: State, word: str
) -> None:
    """A system may keep several records of one event; far more than that may have been another person's."""
    office.deaf = {"web"}
    request = answer(office, office.erase(NUMBER, anchors=GONE), erased)
    assert request.state is state
    assert word in web_line(request) if word else request.problems == ()


def test_what_happened_since_the_plan_is_no_excess(office: Office) -> None:
    """The customer went on clicking before the web got to it: the index knows of these by then."""
    office.deaf = {"web"}
    request = office.erase(NUMBER, anchors=GONE)
    office.now += timedelta(minutes=1)
    at = office.now - timedelta(seconds=10)
    office.put("web.visits", {**visit(0), "occurred_at": at})
    assert answer(office, request, 5).problems == ()


def test_what_came_after_a_system_answered_is_planned_and_told_anew(office: Office) -> None:
    """A visit of before the plan reaches the index late: forgetting it untold would hide what the web still holds."""
    office.deaf = {"crm"}
    request = office.erase(NUMBER, USERNAME, COOKIE, anchors=GONE)
    assert request.waiting_for == ("crm",)
    office.put("web.visits", visit(4))
    office.deaf = set()
    office.service.resend(request.request_id)
    office.deliver()
    request = office.service.get(request.request_id)
    assert (request.state, request.problems) == (State.COMPLETED, ())
    assert systems_told(office.commands) == ["crm", "web", "crm", "web"]
    assert (office.events(*COOKIE), office.stored("web", COOKIE)) == (0, 0)
    web = request.commands[f"{request.request_id}/web"]
    assert (web.attempt, web.planned, web.erased) == (2, 5, 5)


def test_an_address_names_its_second_and_its_port_alone() -> None:
    """The rest of a lease is known by the link, and a job that is told the address and a second cannot find it."""
    token = b"t" * 16
    lease = Span(token, LAST_WEEK, LAST_WEEK + timedelta(days=1), 1000, 1999, Proof.SUBSCRIBER)
    second = LAST_WEEK + timedelta(hours=1)
    given = Given(IP, token, second, 1500)
    assert named_by([lease], [given]) == [
        Span(token, second, second + timedelta(seconds=1), 1500, 1500, Proof.SUBSCRIBER)
    ]
    for other in (
        Given(IP, token, LAST_WEEK - timedelta(hours=1)),
        Given(IP, token, second, 2500),
        Given(IP, b"o" * 16, second),
    ):
        assert named_by([lease], [other]) == []
    number = Given(CUSTOMER_NUMBER, token)
    assert named_by([lease, Span(b"o" * 16)], [number]) == [lease]


@pytest.mark.parametrize("more", [1, 2])
def test_what_came_while_a_system_was_deaf_is_asked_for_once(office: Office, more: int) -> None:
    """It erases that too when it hears again; the plan that is made of it then asks for no more than there is."""
    office.deaf = {"web"}
    first = office.erase(NUMBER, COOKIE, anchors=GONE)
    office.now += timedelta(minutes=1)
    office.put("web.visits", *(visit(10 + number) for number in range(more)))
    office.now += timedelta(minutes=1)
    office.deaf = set()
    office.service.resend(first.request_id)
    office.deliver()
    request = office.service.get(first.request_id)
    assert (request.state, request.problems) == (State.COMPLETED, ())
    assert office.events(*COOKIE) == 0

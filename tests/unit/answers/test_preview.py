"""What an erasure would do, as somebody confirms it, and the plan of the request that follows: one and the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from console.api.services import Services
from console.bodies import Identifier
from streams.rights.protocol.messages import Named
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.api import NOW, TOKEN
from tests.support.asgi import InProcess
from tests.support.desk import Desk, event
from tests.support.town import KARI, MOVED, OLA, SHARED, STRANGE, Town, moment, town

ADDRESS = "felles@example.no"
CUSTOMER = partial(event, "CustomerDetails", name="Invented")


def customer(number: str) -> dict[str, Any]:
    return {"kind": "customer_number", "value": number}


def address(value: str, at: datetime | None = None, port: int | None = None) -> dict[str, Any]:
    return {"kind": "ip", "value": value, "at": at and at.isoformat(), "port": port}


def there(folder: Path, *more: Callable[[Town], object]) -> Services:
    made = town(folder)
    for happens in more:
        happens(made)
    return made.services()


def unjudged(made: Town) -> None:
    """Something of Kari's that names a rule nobody knows."""
    tags = made.tags("Equipment", "provisioning.equipment", retention=("T99",))
    made._write(tags, made.token("customer_number", KARI), moment(8), moment(9), 0)


def ahead(made: Town) -> None:
    """An invoice of Kari's by a clock that is years ahead."""
    made.invoice(KARI, datetime(2031, 1, 1, tzinfo=UTC), moment(9))


def handed_over(folder: Path) -> Services:
    """The address was Ola's before it is Kari's, and both have written about it."""
    desk = Desk(folder)
    for at, (one, other) in ((moment(8), (OLA, KARI)), (moment(10), (KARI, OLA))):
        entries = ((one, ADDRESS), (other, f"{other}@example.no"))
        known = [CUSTOMER(customer_number=number, email=email, updated_at=at) for number, email in entries]
        desk.tell("crm.customers", known, learnt=at)
        chat = event("ChatMessage", session_id="s1", sender="person", sent_at=at, text=f"Skriv til {ADDRESS}")
        desk.tell("support.chats", [chat], learnt=at)
    return desk.services


World = tuple[Callable[[Path], Services], list[dict[str, Any]], list[str]]
WORLDS: dict[str, World] = {
    "by link, and shared with others": (there, [customer(KARI)], ["by link only", "as well as another's"]),
    "named by what was given": (
        there,
        [customer(KARI), address(MOVED, moment(11))],
        ["by link", "another's"],
    ),
    "of a port": (there, [address(SHARED, moment(11), 1500)], ["by link", "another's"]),
    "nobody's by any link": (there, [address(STRANGE, moment(11))], []),
    "nothing is known": (there, [customer("10099")], ["nobody is known"]),
    "cannot be judged": (lambda folder: there(folder, unjudged), [customer(KARI)], ["by link", "another's"]),
    "dated ahead": (lambda folder: there(folder, ahead), [customer(KARI)], ["by link", "another's"]),
    "an address without its time": (there, [address(MOVED)], ["give the time"]),
    "of two people": (there, [customer(KARI), customer(OLA)], ["lead to different people"]),
    "was another's": (handed_over, [{"kind": "email", "value": ADDRESS}], ["by the customer number"]),
}


def previewed(
    services: Services, identifiers: list[dict[str, Any]], received_at: datetime | None = None
) -> dict[str, Any]:
    """What `POST /v1/requests/plan` answers."""
    http = httpx.Client(
        transport=InProcess(create_app(services)),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    came = {"received_at": received_at.isoformat()} if received_at else {}
    answer = http.post("/v1/requests/plan", json={"identifiers": identifiers, **came})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def requested(
    services: Services, identifiers: list[dict[str, Any]], received_at: datetime = NOW
) -> RequestState:
    """The request, planned by the rights service, its systems told."""
    given = [Identifier.model_validate(item) for item in identifiers]
    named = [Named(item.kind, item.value, item.at, item.port) for item in given]
    made = services.rights.create("erasure", named, reason=None, channel="email", received_at=received_at)
    service: Any = services.rights
    request: RequestState = service.advance(made.request_id)
    return request


def told(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a request says, as a preview says it: of its commands the systems alone."""
    return {
        **{
            name: request[name]
            for name in ("resolution", "parts", "copies", "unjudged", "unlinked", "by_link")
        },
        "commands": [command["system"] for command in request["commands"]],
    }


@pytest.mark.parametrize("name", WORLDS)
def test_who_confirms_sees_what_the_request_will_say(name: str, tmp_path: Path) -> None:
    """The same parts, systems and warnings, word for word; where nobody can be told, the reason for that."""
    world, identifiers, words = WORLDS[name]
    services = world(tmp_path)
    preview, request = previewed(services, identifiers), requested(services, identifiers)
    assert len(preview["warnings"]) == len(words)
    for warning, word in zip(preview["warnings"], words, strict=True):
        assert word in warning
    if request.plan is None:
        assert (request.state, [request.problem]) == (State.ATTENTION, preview["warnings"])
        return
    assert list(request.problems) == preview["warnings"]
    assert told(summary(request)) == told(preview)
    assert request.identity is not None
    assert request.identity.candidates == preview["candidates"] or not preview["candidates"]


def test_of_a_request_that_came_in_earlier_the_plan_is_of_whom_it_meant_then(tmp_path: Path) -> None:
    """The address was Ola's when the letter came, and is Kari's by now: with Ola's number, it leads to two people."""
    services, identifiers = handed_over(tmp_path), [{"kind": "email", "value": ADDRESS}, customer(OLA)]
    then, now = previewed(services, identifiers, moment(9)), previewed(services, identifiers)
    request = requested(services, identifiers, moment(9))
    assert request.plan is not None
    assert told(summary(request)) == told(then)
    assert list(request.problems) == then["warnings"]
    assert then["parts"]
    assert (now["parts"], now["resolution"]) == ([], "ambiguous")


def test_what_cannot_be_judged_and_what_no_link_knows_is_named(tmp_path: Path) -> None:
    """Beside the warnings, in fields of their own, as the request has them."""
    services = there(tmp_path, unjudged)
    (holding,) = previewed(services, [customer(KARI)])["unjudged"]
    assert (holding["system"], "T99" in holding["why"]) == ("provisioning", True)
    assert previewed(services, [address(STRANGE, moment(11))])["unlinked"] == ["ip"]


def test_a_preview_stores_and_sends_nothing(tmp_path: Path) -> None:
    """It is looked at before anybody confirms."""
    services = there(tmp_path)
    assert previewed(services, [customer(KARI)])["warnings"]
    assert services.rights.requests() == []


def test_a_warning_tells_how_many_events_no_identifier_names(tmp_path: Path) -> None:
    """Kari's visits behind her addresses: the systems are told her customer number, which stands in none of them."""
    services = there(tmp_path)
    by_number = previewed(services, [customer(KARI)])["warnings"][0]
    with_address = previewed(services, [customer(KARI), address(MOVED, moment(11))])["warnings"][0]
    assert by_number.startswith("web: 2 of 2 events planned there are this person's by link only")
    assert with_address.startswith("web: 1 of 2 events planned there")


def test_what_is_dated_ahead_is_in_the_preview(tmp_path: Path) -> None:
    """It is here, so it has happened."""
    services = there(tmp_path / "now"), there(tmp_path / "ahead", ahead)
    totals = [previewed(one, [customer(KARI)])["total_events"] for one in services]
    assert totals[1] == totals[0] + 1

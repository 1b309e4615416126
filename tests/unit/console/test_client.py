"""The client of a running innsyn: how it finds it, what it makes of every answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from console.client import Client, connect, require
from console.instance import ApiAddress, find_instance
from schemas.errors import InputError, InvalidIdentifier, SettingsError, Unavailable
from schemas.settings import Settings
from tests.support.api import EMAIL, EVENTS, TOKEN, TOTAL, services
from tests.support.asgi import InProcess

PERSON = {"identifiers": [{"kind": "email", "value": EMAIL}]}


@pytest.fixture
def client(tmp_path: Path) -> Client:
    return Client(ApiAddress("http://innsyn", TOKEN), transport=InProcess(create_app(services(tmp_path))))


def answering(
    respond: Callable[[httpx.Request], httpx.Response],
) -> Client:
    return Client(ApiAddress("http://innsyn", TOKEN), transport=httpx.MockTransport(respond))


def test_questions_are_answered(client: Client) -> None:
    """Look-up, access and plan answer about the same events."""
    assert client.alive()
    assert client.parts() == []
    found = client.query(PERSON)
    assert found["total_events"] == TOTAL
    assert "next_cursor" not in found
    assert client.access(PERSON)["total_events"] == TOTAL
    assert client.plan(PERSON)["total_events"] == TOTAL


def test_pages_are_put_together(client: Client) -> None:
    """However small the pages, the look-up has every item once."""
    assert client.query({**PERSON, "limit": 1})["items"] == client.query(PERSON)["items"]
    assert len(client.query(PERSON)["items"]) == len(EVENTS)


def test_requests_are_made_and_found(client: Client) -> None:
    """A request that was made is in the list and can be shown."""
    made = client.create_request({**PERSON, "type": "erasure"})
    assert [item["request_id"] for item in client.requests()] == [made["request_id"]]
    assert client.request(made["request_id"])["state"] == "received"


@pytest.mark.parametrize("given", [EMAIL, "01018012345", "../catalogue", "+4740000000", "r-", "r-1?x=1", ""])
def test_what_is_no_request_id_never_becomes_an_address(given: str) -> None:
    """A value given for a request id by mistake is refused before anything is sent, and not repeated."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise AssertionError("was sent")

    with pytest.raises(InputError) as refused:
        answering(fail).request(given)
    assert not given or given not in str(refused.value)


def test_a_refusal_is_an_input_error(client: Client) -> None:
    """What the API refuses comes back as the caller's error, in its own words."""
    with pytest.raises(InputError, match="kind"):
        client.query({"identifiers": [{"kind": "shoe_size", "value": EMAIL}]})
    with pytest.raises(InputError) as refused:
        client.query({"identifiers": [{"kind": "ip", "value": EMAIL}]})
    assert EMAIL not in str(refused.value)
    assert not isinstance(refused.value, InvalidIdentifier)


@pytest.mark.parametrize(
    ("answer", "error", "word"),
    [
        (httpx.Response(401, json={"detail": "x"}), SettingsError, "INNSYN_API_TOKEN"),
        (httpx.Response(422, json={"detail": "from: is wrong"}), InputError, "from: is wrong"),
        (httpx.Response(503, json={"detail": "the index is gone"}), Unavailable, "the index is gone"),
        (httpx.Response(502, text="<html>bad gateway</html>"), Unavailable, "no JSON"),
        (httpx.Response(500, json=[]), Unavailable, "HTTP 500"),
        (httpx.Response(200, json=[]), Unavailable, "HTTP 200"),
    ],
)
def test_every_answer_has_its_error(answer: httpx.Response, error: type[Exception], word: str) -> None:
    """Refused, unauthorised, unavailable, or somebody else altogether: each is one of our errors."""
    with pytest.raises(error, match=word):
        answering(lambda _: answer).query(PERSON)


def test_a_broken_connection_is_unavailable() -> None:
    """A connection that fails or lasts too long is Unavailable, and shows nothing that was sent."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout(f"reading {request.content!r}")

    with pytest.raises(Unavailable) as refused:
        answering(fail).query(PERSON)
    assert "nordmann" not in str(refused.value)
    assert "ReadTimeout" in str(refused.value)


@pytest.mark.parametrize("answer", [{}, {"service": "other"}, [], "innsyn"])
def test_somebody_else_on_the_port_never_gets_the_token(answer: Any) -> None:
    """Who answers there is asked without the token, and must say that it is innsyn."""
    seen: list[httpx.Headers] = []

    def respond(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json=answer)

    assert not answering(respond).alive()
    assert all("authorization" not in headers for headers in seen)


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ConnectTimeout])
def test_one_that_is_slow_is_not_said_to_be_gone(error: type[httpx.TimeoutException]) -> None:
    """Whoever is not there refuses the connection; who is busy only does not answer in time."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise error("slow")

    with pytest.raises(Unavailable, match="did not answer within 5 seconds; it is busy"):
        answering(fail).alive()


def test_an_instance_is_found_by_its_files(tmp_path: Path) -> None:
    """run.json has the address, token the token; neither shows in the repr."""
    (tmp_path / "run.json").write_text(json.dumps({"api": "http://127.0.0.1:8999"}))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    instance = find_instance(Settings(home=tmp_path))
    assert instance == ApiAddress("http://127.0.0.1:8999", TOKEN)
    assert TOKEN not in repr(instance)


def test_an_instance_is_found_by_the_settings(tmp_path: Path) -> None:
    """Without run.json, address and token are those of the settings; the wildcard address is this machine."""
    given: dict[str, Any] = {"home": tmp_path, "api_token": TOKEN, "api_host": "0.0.0.0", "api_port": 9}
    assert find_instance(Settings(**given)) == ApiAddress("http://127.0.0.1:9", TOKEN)


def test_nothing_runs(tmp_path: Path) -> None:
    """No token, or nobody at the address: there is no client, and who needs one is told what to do."""
    assert connect(Settings(home=tmp_path)) is None
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "run.json").write_text('{"api": "http://127.0.0.1:9"}')
    assert connect(Settings(home=tmp_path)) is None
    with pytest.raises(Unavailable, match="innsyn up"):
        require(Settings(home=tmp_path))


def test_a_broken_instance_file_is_said(tmp_path: Path) -> None:
    """A run.json that is cut off names the file and the mend."""
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "run.json").write_text('{"api": ')
    with pytest.raises(SettingsError, match=r"run\.json"):
        find_instance(Settings(home=tmp_path))

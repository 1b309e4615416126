"""At the door: guessing the token, and trying numbers by the thousand."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from console.api.app import create_app
from console.api.protection.doors import GUESSES, Doors, caller_name, neighbourhood
from console.api.services import Services
from console.wiring.serving import ApiServer
from tests.support.api import TOKEN
from tests.support.asgi import InProcess
from tests.support.door import NOBODY, QUESTIONS, SOMEBODY, client, entries, made
from tests.support.time_bounds import HANGING_SECONDS, await_that

__all__ = ["made"]


def counted(of: Services, name: str) -> float:
    lines = generate_latest(of.metrics).decode().splitlines()
    (value,) = [line.rpartition(" ")[2] for line in lines if line.startswith(name)]
    return float(value)


# The token.


def test_a_token_is_not_guessed_from_one_address(made: Callable[..., Services]) -> None:
    """After ten wrong ones none is looked at for a while, not even a right one that is short: 429, and until when."""
    metrics = CollectorRegistry()
    of = made(metrics=metrics, doors=Doors(metrics))
    app = create_app(of)
    statuses = []
    with httpx.Client(transport=InProcess(app, "192.0.2.10"), base_url="http://innsyn") as guesser:
        for number in range(500):
            guess = guesser.get("/v1/topics", headers={"Authorization": f"Bearer guess-number-{number:016}"})
            statuses.append(guess.status_code)
        assert statuses == [401] * GUESSES + [429] * (500 - GUESSES)
        right = guesser.get("/v1/topics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert right.status_code == 429
    assert 1 <= int(right.headers["Retry-After"]) <= 60
    assert right.headers["Content-Type"] == "application/problem+json"
    assert counted(of, 'innsyn_logins_refused_total{reason="wrong"}') == GUESSES
    assert counted(of, 'innsyn_logins_refused_total{reason="limited"}') == 491
    await_that(lambda: len(entries(of)) == GUESSES, "each guess that was looked at is on record")
    assert {(item.action, item.client, item.caller, item.status) for item in entries(of)} == {
        ("log-in", "192.0.2.10", "", 401)
    }
    with httpx.Client(transport=InProcess(app, "192.0.2.11"), base_url="http://innsyn") as other:
        assert other.get("/v1/topics", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert other.get("/healthz").status_code == 200


def test_wrong_tokens_keep_nobody_out_who_has_one_that_is_not_guessed(made: Callable[..., Services]) -> None:
    """Behind a proxy, or on one machine, all have one address: what one of them sends ends the API for nobody."""
    of = made(token="t" * 43)
    app = create_app(of)
    with httpx.Client(transport=InProcess(app, "192.0.2.10"), base_url="http://innsyn") as shared:

        def asked(token: str) -> int:
            return shared.get("/v1/topics", headers={"Authorization": f"Bearer {token}"}).status_code

        assert [asked("wrong" * 9) for _ in range(GUESSES + 5)] == [401] * GUESSES + [429] * 5
        assert asked("t" * 43) == 200
        assert asked("t" * 42) == 429


def test_who_has_a_whole_ipv6_network_has_no_more_guesses(made: Callable[..., Services]) -> None:
    """All addresses of a /64 are one; an IPv4 address written as IPv6 is that address."""
    of = made()
    app = create_app(of)
    statuses = []
    for number in range(3 * GUESSES):
        address = f"2001:db8:7:7::{number:x}"
        with httpx.Client(transport=InProcess(app, address), base_url="http://innsyn") as guesser:
            statuses.append(
                guesser.get("/metrics", headers={"Authorization": "Bearer wrong-wrong-wrong"}).status_code
            )
    assert statuses == [401] * GUESSES + [429] * (2 * GUESSES)
    assert neighbourhood("::ffff:192.0.2.1") == "192.0.2.1"
    assert neighbourhood("no address") == "no address"


def test_a_header_gives_nobody_another_address(made: Callable[..., Services]) -> None:
    """X-Forwarded-For and its like are anybody's to write."""
    of = made()
    app = create_app(of)
    with httpx.Client(transport=InProcess(app, "192.0.2.10"), base_url="http://innsyn") as guesser:
        for number in range(GUESSES):
            guesser.get(
                "/v1/topics",
                headers={
                    "Authorization": "Bearer wrong-wrong-wrong",
                    "X-Forwarded-For": f"198.51.100.{number}",
                    "Forwarded": f"for=198.51.100.{number}",
                    "X-Real-IP": f"198.51.100.{number}",
                },
            )
        assert guesser.get("/v1/topics").status_code == 429


def test_not_even_on_this_machine(made: Callable[..., Services], monkeypatch: pytest.MonkeyPatch) -> None:
    """The server as it runs: from loopback, which servers like to trust, and with the variable that says so."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    of = made()
    server = ApiServer(create_app(of), "127.0.0.1", 0)
    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        with httpx.Client(base_url=server.address, trust_env=False) as one:
            headers = {"Authorization": f"Bearer {TOKEN}", "X-Forwarded-For": "198.51.100.1"}
            assert one.post("/v1/access", json=SOMEBODY, headers=headers).status_code == 200
    finally:
        stop.set()
        thread.join(HANGING_SECONDS)
    assert [item.client for item in entries(of)] == ["127.0.0.1"]


def test_no_token_is_no_guess(made: Callable[..., Services]) -> None:
    """A monitor that comes without one is told 401 each time, and keeps nobody behind its address out."""
    with client(made()) as one:
        for _ in range(3 * GUESSES):
            assert one.get("/v1/topics", headers={"Authorization": ""}).status_code == 401
        assert one.get("/v1/topics").status_code == 200


def test_a_flood_of_guesses_from_everywhere_does_not_fill_the_record(made: Callable[..., Services]) -> None:
    """All are counted, a hundred or so recorded."""
    doors = Doors()
    recorded = sum(
        doors.refused(f"10.{number >> 8 & 255}.{number & 255}.1", given=True) for number in range(20_000)
    )
    assert 100 <= recorded <= 200


def test_the_name_of_a_credential_does_not_give_it_away() -> None:
    """The same for the same token, another for another, and no plain digest of it."""
    assert caller_name(TOKEN) == caller_name(TOKEN) != caller_name(TOKEN + "x")
    assert TOKEN[:4] not in caller_name(TOKEN)
    assert len(caller_name(TOKEN)) == len("token ") + 8


# Trying numbers.


def test_phone_numbers_are_not_tried_by_the_thousand(made: Callable[..., Services]) -> None:
    """One at a time or a hundred in a question: what counts is the identifiers."""
    metrics = CollectorRegistry()
    of = made(metrics=metrics, doors=Doors(metrics, lookups=1.0, burst=200))
    numbers = [{"kind": "phone", "value": f"+47400{number:05}"} for number in range(3_000)]
    with client(of) as one:
        statuses = [
            one.post("/v1/identity", json={"identifiers": numbers[start : start + 100]}).status_code
            for start in range(0, 3_000, 100)
        ]
        single = one.post("/v1/access", json={"identifiers": numbers[:1]})
    assert statuses.count(200) == 2
    assert set(statuses[2:]) == {429}
    assert single.status_code in (200, 429)  # One a second comes back.
    refused = [item for item in entries(of) if item.status == 429]
    assert len(refused) >= 28
    assert all((item.identifiers, item.kinds) == (100, ("phone",)) for item in refused[:28])
    assert counted(of, "innsyn_questions_limited_total") == len(refused)


@pytest.mark.parametrize("path", [*QUESTIONS, "/v1/requests"])
def test_every_way_to_ask_counts(made: Callable[..., Services], path: str) -> None:
    """429 with the seconds to wait, in the words of the setting; what names nobody is not limited."""
    of = made(doors=Doors(lookups=0.01, burst=100))
    body = SOMEBODY | ({"type": "access"} if path == "/v1/requests" else {})
    with client(of) as one:
        assert one.post("/v1/identity", json={"identifiers": NOBODY["identifiers"] * 100}).status_code == 200
        answer = one.post(path, json=body)
        assert (answer.status_code, answer.headers["Content-Type"]) == (429, "application/problem+json")
        assert int(answer.headers["Retry-After"]) >= 1
        assert "INNSYN_LOOKUPS_PER_SECOND" in answer.json()["detail"]
        assert one.get("/v1/requests").json()["items"] == []
        assert one.get("/v1/catalogue").status_code == 200

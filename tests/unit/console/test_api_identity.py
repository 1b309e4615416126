"""Whose events an answer counts: addresses that move, addresses that are shared, and what was known when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from schemas.catalogue import load_catalogue
from tests.support.api import NOW, TOKEN
from tests.support.asgi import InProcess
from tests.support.company import model
from tests.support.town import KARI, MOVED, OLA, SHARED, STRANGE, Town, moment, town


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Api:
    """The API on a town, at a moment that the test sets."""

    def __init__(self, there: Town) -> None:
        self.town = there
        self.clock = Clock()
        self.http = httpx.Client(
            transport=InProcess(create_app(there.services(clock=self.clock))),
            base_url="http://innsyn",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    def raw(self, path: str, *people: Mapping[str, Any], **more: Any) -> httpx.Response:
        return self.http.post(f"/v1/{path}", json={"identifiers": list(people), **more})

    def ask(self, path: str, *people: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        answer = self.raw(path, *people, **more)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
def api(tmp_path: Path) -> Api:
    return Api(town(tmp_path))


def customer(number: str) -> dict[str, Any]:
    return {"kind": "customer_number", "value": number}


def ip(address: str, at: datetime | None = None, port: int | None = None) -> dict[str, Any]:
    given = {"kind": "ip", "value": address, "at": at.isoformat() if at else None, "port": port}
    return {name: value for name, value in given.items() if value is not None}


def verdict(answer: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(answer[name] for name in ("resolution", "candidates", "total_events", "ambiguous_events"))


def test_an_access_answer_follows_the_addresses(api: Api) -> None:
    """The customer's own events, and those of addresses while they were theirs; the shared one is not counted."""
    kari = api.ask("access", customer(KARI))
    assert verdict(kari) == ("unique", 1, 3, 1)
    assert kari["identity_total"] == len(kari["identity"]) == 2
    by_address, by_name = (
        {e["events"] for e in kari["entries"] if e["proofs"] == p} for p in (["subscriber"], [])
    )
    assert (by_address, by_name) == ({2}, {1})
    assert verdict(api.ask("access", customer(OLA))) == ("unique", 1, 2, 1)
    link = kari["identity"][0]
    assert (link["proof"], link["source"], link["end"]) == ("subscriber", "nat_map", "stated")
    assert link["evidence"]["topic"] == "network.assignments"
    assert link["ports"] == [1000, 1999]
    assert "ports" not in kari["identity"][1]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (ip(MOVED, moment(11)), ("unique", 1, 3, 1)),
        (ip(MOVED, moment(13)), ("unique", 1, 2, 1)),
        (ip(SHARED, moment(11), 1500), ("unique", 1, 3, 1)),
        (ip(MOVED, moment(15)), ("none", 0, 0, 0)),
        (ip(SHARED, moment(11)), ("ambiguous", 2, 0, 0)),
        (ip(STRANGE), ("unique", 1, 1, 0)),
    ],
)
def test_an_address_means_who_had_it_then(
    api: Api, given: Mapping[str, Any], expected: tuple[Any, ...]
) -> None:
    """At its second, and its port where it is shared; what nobody is linked to stands for itself."""
    assert verdict(api.ask("access", given)) == expected


@pytest.mark.parametrize("path", ["access", "requests/plan"])
def test_an_address_without_a_time_means_nobody(api: Api, path: str) -> None:
    """Links know it, so nothing is taken from it and the answer says so."""
    answer = api.ask(path, ip(MOVED))
    assert answer["resolution"] == "ambiguous"
    assert answer["total_events"] == 0
    assert answer.get("entries", []) == answer.get("parts", []) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (ip(MOVED), ("ambiguous", 2, 3, 0)),
        (ip(MOVED, moment(11)), ("unique", 1, 1, 0)),
        (ip(MOVED, moment(15)), ("none", 0, 1, 0)),
        (ip(SHARED, moment(11)), ("ambiguous", 2, 3, 1)),
        (ip(SHARED, moment(11), 2500), ("unique", 1, 1, 0)),
        (ip(STRANGE), ("unique", 1, 1, 0)),
        (ip("203.0.113.99"), ("none", 0, 0, 0)),
        (customer(KARI), ("unique", 1, 3, 1)),
        ({**customer(KARI), "at": moment(11).isoformat()}, ("unique", 1, 2, 1)),
        ({**customer(KARI), "at": moment(13).isoformat()}, ("none", 0, 0, 0)),
    ],
)
def test_a_look_up_of_an_address_shows_all_that_was_seen(
    api: Api, given: Mapping[str, Any], expected: tuple[Any, ...]
) -> None:
    """An operator's question: every event under it, with the number of people it may have been; others as a person."""
    assert verdict(api.ask("lineage/query", given)) == expected


def test_a_look_up_keeps_its_limits_within_the_person(api: Api) -> None:
    """Times and systems narrow what is the person's."""
    limited = api.ask("lineage/query", customer(KARI), **{"from": moment(11).isoformat(), "systems": ["web"]})
    assert limited["total_events"] == 2
    assert {item["topic"]: item["proofs"] for item in limited["items"]} == {"web.visits": ["subscriber"]}


def test_an_answer_of_then_is_the_same_today(api: Api) -> None:
    """Byte for byte, after a lease and events that came late, and after one that ended otherwise than believed."""
    api.clock.now = moment(16)
    asked = [
        ("access", customer(KARI)), ("lineage/query", customer(OLA)), ("lineage/query", ip(MOVED)),
        ("access", ip(MOVED, moment(11))), ("identity", ip(SHARED)), ("identity", ip(MOVED, moment(15))),
    ]  # fmt: skip
    then = [api.raw(path, person).content for path, person in asked]
    api.town.lease(MOVED, KARI, moment(14), moment(16), moment(17))
    api.town.visit(MOVED, moment(10, 30), moment(17))
    api.town.invoice(OLA, moment(9), moment(17))
    api.clock.now = NOW
    again = [api.raw(path, person, known_at=moment(16).isoformat()).content for path, person in asked]
    assert again == then
    present = [api.raw(path, person).content for path, person in asked]
    assert all(one != other for one, other in zip(present[:4], then[:4], strict=True))


def test_an_answer_of_then_says_what_changed(api: Api) -> None:
    """Events and links of then beside those of now, only where it is asked."""
    api.town.lease(MOVED, KARI, moment(14), moment(16), moment(17))
    then = moment(16).isoformat()
    asked = api.ask("access", customer(KARI), known_at=then, changes=True)
    assert asked["changed_since"] == {
        "events_then": 3, "events_now": 4, "links_new": 1, "links_ended_differently": 0, "links_gone": 0,
    }  # fmt: skip
    assert asked["as_of"] == "2026-05-01"
    assert "changed_since" not in api.ask("access", customer(KARI), known_at=then)
    identity = api.ask("identity", ip(MOVED), known_at=then, changes=True)
    assert identity["changed_since"] == {"links_new": 1, "links_ended_differently": 0, "links_gone": 0}


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"changes": True}, "known_at"),
        ({"known_at": (NOW + timedelta(seconds=1)).isoformat()}, "not come yet"),
    ],
)
def test_a_moment_that_makes_no_sense_is_refused(api: Api, more: dict[str, Any], word: str) -> None:
    """Changes since no moment, and answers of the future."""
    for path in ("access", "lineage/query", "identity"):
        answer = api.raw(path, customer(KARI), **more)
        assert answer.status_code == 422
        assert word in answer.json()["detail"]


@pytest.mark.parametrize(
    "day", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_a_moment_that_nobody_means_is_refused(api: Api, day: str) -> None:
    """A problem of the question, not an error of ours."""
    for path in ("identity", "lineage/query", "access"):
        assert api.raw(path, {"kind": "ip", "value": SHARED, "at": day}).status_code == 422
        assert api.raw(path, ip(SHARED), known_at=day).status_code == 422


def test_who_it_was_is_told_without_a_value(api: Api) -> None:
    """The links of the address at that moment, whom each leads to by the first digits of the token, and the proof."""
    then = api.ask("identity", ip(SHARED, moment(11), 2500))
    ola = api.town.token("customer_number", OLA).hex()[:12]
    assert (then["resolution"], then["candidates"], then["subjects"]) == ("unique", 1, [ola])
    assert [(link["subject"], link["kind"], link["ports"]) for link in then["links"]] == [
        (ola, "ip", [2000, 2999])
    ]
    ever = api.ask("identity", ip(MOVED))
    assert (ever["resolution"], ever["candidates"], ever["links_total"]) == ("ambiguous", 2, 2)
    nobody = api.ask("identity", ip(STRANGE))
    assert (nobody["resolution"], nobody["candidates"], nobody["links"]) == ("none", 0, [])
    for value in (OLA, KARI, MOVED, SHARED):
        assert value not in str(then) + str(ever)


def test_what_is_kept_for_the_police_is_described(tmp_path: Path) -> None:
    """That it is held, by which rule and how long: not how much nor when, and in no count."""
    there = town(tmp_path)
    there.retained(KARI, moment(9), moment(15))
    api = Api(there)
    report = api.ask("access", customer(KARI))
    assert report["total_events"] == 3
    locked = [entry for entry in report["entries"] if entry["locked"]]
    assert {entry["purpose"]["id"] for entry in locked} == {"P-IPRET"}
    assert all(entry["events"] is entry["first_seen"] is entry["last_seen"] is None for entry in locked)
    rules = {entry["retention"]["rule"]: entry["retention"] for entry in locked}
    assert rules["T06"]["authority"] == "ekomloven § 3-13"
    assert (rules["T06"]["period"], rules["T06"]["until"]) == ("P12M", None)
    looked_up = api.ask("lineage/query", customer(KARI))
    assert looked_up["total_events"] == 3
    (item,) = (item for item in looked_up["items"] if item["locked"])
    assert (item["retention_rule"], item["events"], item["delete_after"]) == ("T06", None, None)


def test_the_switch_of_the_catalogue_discloses_it(tmp_path: Path) -> None:
    """With `disclosure: full` it is told as anything else."""
    there = town(tmp_path)
    there.retained(KARI, moment(9), moment(15))
    catalogue = load_catalogue()
    open_rule = catalogue.retention_rules["T06"].model_copy(update={"disclosure": "full"})
    rules = {**catalogue.retention_rules, "T06": open_rule}
    opened = there.services(company=replace(model(), catalogue=replace(catalogue, retention_rules=rules)))
    http = httpx.Client(
        transport=InProcess(create_app(opened)),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    report = http.post("/v1/access", json={"identifiers": [customer(KARI)]}).json()
    assert report["total_events"] == 4
    assert not any(entry["locked"] for entry in report["entries"])

"""Preservation orders over the API: what is shown, what is refused, and what nobody sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from schemas.calendars import NORWEGIAN
from schemas.keys import Keyring
from sinks.memory.index import MemoryIndex
from sinks.memory.preservation import MemoryPreservation
from streams.answers.keeping import Keeping
from streams.answers.preservation import Preservation
from streams.identity.identities import Identities
from tests.support.api import EMAIL, TOKEN, fill, services
from tests.support.asgi import InProcess
from tests.support.company import model
from tests.support.kinds import KINDS

CASE = "sak 4711-2026"
PERSON = {"identifiers": [{"kind": "email", "value": EMAIL}]}
ORDER = {**PERSON, "until": "2026-08-01", "reference": CASE}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    keyring, index = Keyring(tmp_path / "keys").made(), MemoryIndex()
    fill(index, keyring)
    people = Identities(index, model().identity_sources)
    orders = Preservation(MemoryPreservation(), keyring, people, keyring.tokenizer, KINDS, NORWEGIAN)
    given = services(tmp_path / "keys", reader=index, keeping=Keeping(orders=orders), preservation=orders)
    with httpx.Client(
        transport=InProcess(create_app(given)),
        base_url="http://innsyn",
        headers={"Authorization": f"Bearer {TOKEN}"},
    ) as made:
        yield made


def added(client: httpx.Client) -> dict[str, Any]:
    made = client.post("/v1/preservation", json=ORDER)
    assert made.status_code == 201, made.text
    shown: dict[str, Any] = made.json()
    return shown


def test_an_order_is_shown_without_whom_it_is_about(client: httpx.Client) -> None:
    """Of the identifiers the kinds alone; once it is lifted nothing of what was sealed."""
    made = added(client)
    assert made["order_id"].startswith("p-")
    assert (made["state"], made["until"], made["kinds"]) == ("runs", "2026-08-01", ["email"])
    assert (made["reference"], made["commands_out"]) == (CASE, [])
    assert EMAIL not in client.get("/v1/preservation").text
    longer = client.post(
        f"/v1/preservation/{made['order_id']}/extend", json={"until": "2026-08-30", "reference": CASE}
    ).json()
    assert (longer["until"], longer["extended"]) == ("2026-08-30", 1)
    ended = client.post(f"/v1/preservation/{made['order_id']}/lift").json()
    assert (ended["state"], ended["kinds"], ended["reference"]) == ("lifted", [], None)
    assert client.get("/v1/preservation").json()["items"] == [ended]


def test_what_the_person_is_answered_names_the_rule_and_not_the_order(client: httpx.Client) -> None:
    """The plan of an erasure holds everything by the rule; nothing else tells of the order."""
    before = client.post("/v1/requests/plan", json=PERSON).json()
    assert {part["rule"] for part in before["parts"]} != {"T10"}
    made = added(client)
    plan = client.post("/v1/requests/plan", json=PERSON)
    assert {(part["action"], part["rule"]) for part in plan.json()["parts"]} == {("hold_until", "T10")}
    assert plan.json()["commands"] == []
    access = client.post("/v1/access", json=PERSON)
    for answer in (plan, access, client.get("/v1/requests")):
        assert made["order_id"] not in answer.text
        assert CASE not in answer.text


@pytest.mark.parametrize(
    ("change", "status", "what"),
    [
        ({"until": "2026-12-01"}, 422, "90 days at most"),
        ({"until": "2026-05-31"}, 422, "90 days at most"),
        ({"until": "soon"}, 422, "until"),
        ({"reference": " "}, 422, "body.reference"),
        ({"identifiers": []}, 422, "identifiers"),
        ({"anchors": {}}, 422, "is not a field"),
    ],
)
def test_a_mistaken_order_is_refused_and_holds_nobody(
    client: httpx.Client, change: dict[str, Any], status: int, what: str
) -> None:
    """With what is wrong, and no personal value."""
    refused = client.post("/v1/preservation", json={**ORDER, **change})
    assert refused.status_code in (status, 400), refused.text
    assert what in refused.text
    assert EMAIL not in refused.text
    assert client.get("/v1/preservation").json()["items"] == []


@pytest.mark.parametrize("act", ["lift", "extend"])
def test_an_order_that_is_not_there_cannot_be_changed(client: httpx.Client, act: str) -> None:
    """404, whatever the id looks like."""
    body = {"until": "2026-08-01", "reference": CASE} if act == "extend" else None
    for name in ("p-0", EMAIL.replace(" ", "")):
        answer = client.post(f"/v1/preservation/{name}/{act}", json=body)
        assert answer.status_code == 404
        assert "there is no preservation order of that id" in answer.text


def test_an_order_about_nobody_who_is_known_says_so(client: httpx.Client) -> None:
    """A mistyped number would leave the person whom the law means unprotected, without a word."""
    mistyped = {"identifiers": [{"kind": "customer_number", "value": "k-1"}]}
    made = client.post("/v1/preservation", json={**ORDER, **mistyped}).json()
    assert "nobody is known under what was given" in made["problem"]
    assert added(client)["problem"] is None
    assert client.post(f"/v1/preservation/{made['order_id']}/lift").json()["problem"] is None

"""Identifiers of two people, asked in every way there is: nothing of anybody is told or erased."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.main import app
from console.cli.options import at_moment
from schemas.codec import decode, encode
from schemas.errors import InputError
from schemas.records import load_records
from streams.rights.protocol.messages import canonical_identifiers
from streams.rights.protocol.states import State, summary
from streams.rights.service import RightsService
from tests.support.api import NOW, rights
from tests.support.desk import Desk, event, moment
from tests.support.instance import running
from tests.support.kinds import KINDS

KARI, OLA = "10042", "10043"
MOVED, NEW, OWN = "felles@example.no", "kari@example.no", "ola@example.no"
UNHEARD = "ingen@example.no"
JANUARY, FEBRUARY, MARCH, APRIL = (moment(f"2026-0{month}-01T09:00:00Z") for month in (1, 2, 3, 4))
CUSTOMER = partial(event, "CustomerDetails", name="Invented")
CHAT = partial(event, "ChatMessage", session_id="s1", sender="person")
BY_KARI, BY_MOVED, BY_NEW = ("customer_number", KARI), ("email", MOVED), ("email", NEW)
TWO = [BY_KARI, BY_MOVED]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """An e-mail address that was Kari's until March and is Ola's since, with a chat in each month."""
    desk = Desk(tmp_path / "keys")
    details = [
        CUSTOMER(customer_number=KARI, email=MOVED, updated_at=JANUARY),
        CUSTOMER(customer_number=OLA, email=OWN, updated_at=JANUARY),
        CUSTOMER(customer_number=KARI, email=NEW, updated_at=MARCH),
        CUSTOMER(customer_number=OLA, email=MOVED, updated_at=MARCH),
    ]
    desk.tell("crm.customers", details)
    chats = [(FEBRUARY, MOVED), (APRIL, MOVED), (APRIL, NEW), (FEBRUARY, OWN), (APRIL, UNHEARD)]
    desk.tell("support.chats", [CHAT(sent_at=at, text=f"Skriv til {address}") for at, address in chats])
    return desk


@pytest.mark.parametrize("path", ["access", "lineage/query", "requests/plan"])
def test_every_answer_names_the_kinds_that_disagree_and_holds_nothing(desk: Desk, path: str) -> None:
    """Also with a third identifier that agrees with one of them; kinds alone, no value and no token."""
    answer = desk.ask(path, *TWO)
    assert (answer["resolution"], answer["candidates"]) == ("ambiguous", 2)
    assert answer["disagree"] == [["customer_number"], ["email"]]
    assert answer["total_events"] == answer["ambiguous_events"] == answer["identity_total"] == 0
    assert answer.get("items", []) == answer.get("entries", []) == answer.get("parts", []) == []
    text = json.dumps(answer)
    assert not [word for word in (KARI, OLA, MOVED) if word in text]
    assert desk.token("email", MOVED).hex()[:12] not in text
    three = desk.ask(path, *TWO, BY_NEW)
    assert three["disagree"] == [["customer_number", "email"], ["email"]]


def test_each_alone_is_answered(desk: Desk) -> None:
    """Kari's until March and Ola's since, and neither has the other's."""
    kari, ola = desk.ask("access", BY_KARI), desk.ask("access", BY_MOVED)
    # Of Kari: two entries of the register, a chat under each address. Of Ola as well.
    assert (kari["total_events"], ola["total_events"]) == (4, 4)
    assert kari["resolution"] == ola["resolution"] == "unique"
    assert desk.ask("access", BY_KARI, BY_NEW)["total_events"] == 4


@pytest.mark.parametrize("path", ["access", "lineage/query", "requests/plan"])
def test_the_time_at_which_it_was_theirs_makes_them_one(desk: Desk, path: str) -> None:
    """With it the address is Kari's, and counts for that time."""
    people = [
        {"kind": "customer_number", "value": KARI},
        {"kind": "email", "value": MOVED, "at": FEBRUARY.isoformat()},
    ]
    body = desk._http.post(f"/v1/{path}", json={"identifiers": people}).json()
    assert (body["resolution"], body["disagree"], body["total_events"]) == ("unique", [], 4)


def test_a_look_up_does_not_add_up_moments_of_two_people(desk: Desk) -> None:
    """Each identifier at a time of its own: together they are one question."""
    people = [
        {"kind": "customer_number", "value": OLA},
        {"kind": "email", "value": MOVED, "at": FEBRUARY.isoformat()},
    ]
    body = desk._http.post("/v1/lineage/query", json={"identifiers": people}).json()
    assert (body["resolution"], body["total_events"]) == ("ambiguous", 0)


def test_whose_each_was_can_be_seen_by_who_has_to_decide(desk: Desk) -> None:
    """The links of both, without a value; that is all there is to see."""
    shown = desk.ask("identity", *TWO)
    assert (shown["resolution"], shown["disagree"]) == ("ambiguous", [["customer_number"], ["email"]])
    assert {link["subject"] for link in shown["links"]} == {
        desk.token("customer_number", number).hex()[:12] for number in (KARI, OLA)
    }


def test_what_nobody_is_linked_to_is_said(desk: Desk) -> None:
    """It counts because it was given, and the answer says that no link speaks for it."""
    answer = desk.ask("access", BY_KARI, ("email", UNHEARD))
    assert (answer["resolution"], answer["unlinked"], answer["total_events"]) == ("unique", ["email"], 5)
    assert desk.ask("access", BY_KARI)["unlinked"] == []
    for type in ("access", "erasure"):
        given = [BY_KARI, ("email", UNHEARD)]
        made = desk.rights.create(type, given, reason=None, channel="email", received_at=NOW)
        assert summary(desk.rights.advance(made.request_id))["unlinked"] == ["email"]
        desk.rights = rights(desk.index, desk.keyring)


@pytest.fixture
def home(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in [name for name in os.environ if name.startswith("INNSYN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path))
    with running(tmp_path, desk.services):
        yield desk


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return " ".join(result.stdout.split())


@pytest.mark.parametrize("command", [["access"], ["lookup"], ["erase", "--dry-run"]])
def test_the_command_line_says_which_kinds_and_what_to_do(home: Desk, command: list[str]) -> None:
    """A sentence instead of a table, and no "nothing is held"."""
    shown = said(*command, "--id", f"customer_number={KARI}", "--id", f"email={MOVED}")
    assert "lead to different people (the customer number to one; the email to one)" in shown
    assert "Ask about each person apart" in shown
    assert "Nothing is held" not in shown
    one = said(*command, "--id", f"customer_number={KARI}", "--id", f"email={UNHEARD}")
    assert "No link says whose the email given is" in one


ID_KARI, ID_MOVED, ID_NEW = (
    ["--id", f"{name}={value}"]
    for name, value in (("customer_number", KARI), ("email", MOVED), ("email", NEW))
)
THEN, NOW_THEIRS = "2026-02-15T12:00:00Z", "2026-04-15T12:00:00Z"
ID_TWO = [*ID_KARI, *ID_MOVED]
QUESTIONS = [["access"], ["erase", "--dry-run"]]


def told(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(said(*arguments, "--json"))
    return found


@pytest.mark.parametrize("command", QUESTIONS)
def test_what_the_sentence_says_to_give_can_be_given(home: Desk, command: list[str]) -> None:
    out = said(*command, *ID_TWO)
    assert "lead to different people" in out
    assert "--at KIND=TIME" in out
    found = told(*command, *ID_TWO, "--at", f"email={THEN}")
    assert (found["resolution"], found["disagree"], found["total_events"]) == ("unique", [], 4)
    assert told(*command, *ID_TWO, "--at", THEN)["total_events"] == 4


@pytest.mark.parametrize("command", QUESTIONS)
def test_a_time_at_which_it_was_anothers_still_disagrees(home: Desk, command: list[str]) -> None:
    found = told(*command, *ID_TWO, "--at", f"email={NOW_THEIRS}")
    assert (found["resolution"], found["disagree"]) == ("ambiguous", [["customer_number"], ["email"]])


def test_several_of_a_kind_take_their_times_in_order(home: Desk) -> None:
    times = ["--at", f"email={THEN}", "--at", f"email={NOW_THEIRS}"]
    found = told("access", *ID_MOVED, *ID_NEW, *times)
    assert (found["resolution"], found["total_events"]) == ("unique", 4)
    assert told("access", *ID_NEW, *ID_MOVED, *times)["resolution"] != "unique"


def test_one_identifier_alone_is_its_holder_of_then(home: Desk) -> None:
    """For every command that asks about a person."""
    for command in (["access"], ["erase", "--dry-run"], ["identity"]):
        then, now = (told(*command, *ID_MOVED, "--at", at) for at in (THEN, NOW_THEIRS))
        assert then["resolution"] == now["resolution"] == "unique"
    subjects = [
        {link["subject"] for link in told("identity", *ID_MOVED, "--at", at)["links"]}
        for at in (THEN, NOW_THEIRS)
    ]
    assert subjects == [{home.token("customer_number", number).hex()[:12]} for number in (KARI, OLA)]


def test_the_request_that_an_erasure_makes_is_of_then(home: Desk) -> None:
    made = told("erase", *ID_TWO, "--at", f"email={THEN}", "--yes")
    request = home.rights.advance(made["request_id"])
    assert request.resolution == "unique"
    assert request.identity is not None
    assert request.identity.subjects == {home.token("customer_number", KARI)}


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ([THEN, NOW_THEIRS], "--at KIND=TIME"),
        ([f"email={THEN}", f"email={NOW_THEIRS}"], "given 2 times for 1 --id email="),
        ([f"phone={THEN}"], "given 1 time for 0 --id phone="),
        (["email=yesterday"], "ISO 8601"),
        ([f"e-mail={THEN}"], "ISO 8601"),
        (["email=2026-02-15T12:00:00"], "zone"),
    ],
)
def test_a_time_that_goes_with_nothing_is_refused(at: Sequence[str], says: str) -> None:
    """Left out it would be another question."""
    people = [{"kind": "customer_number", "value": KARI}, {"kind": "email", "value": MOVED}]
    with pytest.raises(InputError, match=says):
        at_moment(people, at, None)


def attention(rights: RightsService, request_id: str) -> str:
    request = rights.advance(request_id)
    assert (request.state, request.resolution) == (State.ATTENTION, "ambiguous")
    assert (request.plan, request.report, request.identity) == (None, None, None)
    return request.problems[0]


@pytest.mark.parametrize("type", ["access", "erasure"])
def test_a_request_waits_until_somebody_decides(desk: Desk, type: str) -> None:
    """Nothing is planned or answered, also when it is sent again; cancelled, and made anew of one person's."""
    made = desk.rights.create(type, TWO, reason=None, channel="email", received_at=NOW)
    before = len(desk.index)
    why = attention(desk.rights, made.request_id)
    assert "(the customer number to one; the email to one)" in why
    assert "make a request by the identifiers of one person alone" in why
    assert f"innsyn requests cancel {made.request_id}" in why
    assert not [word for word in (KARI, OLA, MOVED) if word in why]
    attention(desk.rights, desk.rights.resend(made.request_id).request_id)
    assert desk.rights.cancel(made.request_id, "two people").state is State.CANCELLED
    assert len(desk.index) == before


def test_a_request_goes_on_when_the_register_is_mended(desk: Desk) -> None:
    """The entry was wrong: sent again, the request is answered."""
    made = desk.rights.create("access", TWO, reason=None, channel="email", received_at=NOW)
    attention(desk.rights, made.request_id)
    mended = [
        CUSTOMER(customer_number=OLA, email=OWN, valid_from=MARCH, updated_at=APRIL),
        CUSTOMER(customer_number=KARI, email=MOVED, valid_from=JANUARY, updated_at=APRIL),
    ]
    desk.tell("crm.customers", mended)
    desk.rights.resend(made.request_id)
    answered = desk.rights.advance(made.request_id)
    assert answered.state is State.ANSWERED
    assert answered.resolution == "unique"


@pytest.mark.parametrize("type", ["access", "erasure"])
def test_a_request_from_kafka_waits_as_well(desk: Desk, type: str) -> None:
    """Whoever wrote it."""
    record = load_records()["RightsRequest"]
    sealed = desk.rights._file.seal("r-00112233aabbccdd", canonical_identifiers(TWO, KINDS), None)
    value = {
        "request_id": "r-00112233aabbccdd", "type": type, "sealed_identifiers": sealed, "channel": "web",
        "reason": None, "received_at": NOW,
    }  # fmt: skip
    message: Mapping[str, Any] = decode(record, encode(record, value))
    request = desk.rights.on_request(message)
    assert request is not None
    attention(desk.rights, request.request_id)

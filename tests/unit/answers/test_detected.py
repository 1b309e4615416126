"""What a text reveals reaches the answers: look-up, access, plan and erasure, with purposes and rules of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import load_catalogue
from schemas.policy import RetentionAnchors
from schemas.records import load_records
from schemas.tags import TagSet, tag_set
from sinks.ports.lineage import Filter, Found, Holding
from streams.answers.plan import plan_from_json, plan_json
from streams.answers.report import access_report
from streams.rights.protocol.states import State
from streams.tagging.scan import CATEGORIES, Scanner
from tests.support.company import planned
from tests.support.desk import Desk, event, moment
from tests.support.index import memory_index
from tests.support.kinds import KINDS
from tests.support.office import Office
from tests.support.texts import synthetic

CATALOGUE, RECORDS = load_catalogue(), load_records()
TODAY = date(2026, 6, 1)
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
CHAT = partial(
    event, "ChatMessage", session_id="s1", sender="person", sent_at=moment("2026-03-10T12:00:00+00:00")
)
KARI = ("customer_number", "10042")
ILL = "Jeg er sykmeldt og rekker ikke å betale"
NUMBER = f"Fødselsnummeret mitt er {synthetic()}"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Three chats of Kari with the employee Per: one says nothing, one that she is ill, one gives her number."""
    made = Desk(tmp_path)
    chat = partial(CHAT, customer_number=KARI[1], agent_handle="per")
    assert made.tell("support.chats", [chat(text="Hei"), chat(text=ILL), chat(text=NUMBER)]) == []
    return made


def tags(record: str, topic: str, *detected: str, role: str = "owner", **other: Any) -> TagSet:
    made = tag_set(
        RECORDS[record], topic, role, catalogue_version=CATALOGUE.version, key_id="k1", detected=detected
    )
    return replace(made, **other)


def found(*holdings: TagSet) -> Found:
    return Found([Holding(item, 1, AT, AT) for item in holdings], len(holdings))


def test_the_catalogue_says_what_holds_for_everything_that_a_scan_reveals() -> None:
    """Purposes with a letter that the purpose knows, and rules that cover the category and hold nothing."""
    for name in sorted(set(CATEGORIES.values()) - {"none"}):
        revealed = CATALOGUE.categories[name].revealed
        assert revealed is not None, name
        for purpose, letter in revealed.purposes.items():
            assert letter in CATALOGUE.purposes[purpose].legal_bases
        for rule in (CATALOGUE.retention_rules[item] for item in revealed.retention):
            assert rule.covers_category(name)
            assert not rule.is_hold


def test_a_look_up_names_what_texts_reveal(desk: Desk) -> None:
    """Beside what the schema says, and marked; limits by category and by purpose find exactly those events."""
    items = desk.ask("lineage/query", KARI)["items"]
    told = {
        tuple(item["categories"]): (item["detected"], item["legal_basis"], item["events"]) for item in items
    }
    assert told == {
        ("C-12",): ([], {"P-SUPPORT": "b"}, 1),
        ("C-12", "C-31"): (["C-31"], {"P-SUPPORT": "b"}, 1),
        ("C-02", "C-12"): (["C-02"], {"P-SUPPORT": "b", "P-VERIFY": "b"}, 1),
    }
    limited = {
        name: desk.ask("lineage/query", KARI, **limits)["total_events"]
        for name, limits in {
            "C-31": {"categories": ["C-31"]},
            "C-02 or C-31": {"categories": ["C-02", "C-31"]},
            "C-12": {"categories": ["C-12"]},
            "P-VERIFY": {"purposes": ["P-VERIFY"]},
            "C-31 for P-VERIFY": {"categories": ["C-31"], "purposes": ["P-VERIFY"]},
            "C-22": {"categories": ["C-22"]},
        }.items()
    }
    assert limited == {
        "C-31": 1, "C-02 or C-31": 2, "C-12": 3, "P-VERIFY": 1, "C-31 for P-VERIFY": 0, "C-22": 0,
    }  # fmt: skip


def test_an_access_answer_has_them_with_their_own_purpose_basis_and_rule(desk: Desk) -> None:
    """Not with what the text was written for."""
    entries = desk.ask("access", KARI)["entries"]
    told = {
        (item["category"]["id"], item["purpose"]["id"]): (
            "".join(basis["letter"] for basis in item["legal_basis"]),
            item["retention"]["rule"],
            item["retention"]["until"],
            item["detected"],
            item["events"],
        )
        for item in entries
    }
    assert told == {
        ("C-12", "P-SUPPORT"): ("b", "T27", "2027-03-10", False, 3),
        ("C-31", "P-SUPPORT"): ("f", "T27", "2027-03-10", True, 1),
        ("C-02", "P-VERIFY"): ("b", "T27", "2027-03-10", True, 1),
    }


def test_it_is_not_told_of_the_employee_who_answers(desk: Desk) -> None:
    """Somebody else's illness is no category of theirs."""
    entries = desk.ask("access", ("chat_handle", "per"))["entries"]
    assert {item["category"]["id"] for item in entries} == {"C-12"}


def test_the_one_whose_number_stands_in_a_text_gets_it_too(desk: Desk) -> None:
    """By the number itself: the event, with the category that it reveals."""
    entries = desk.ask("access", ("fodselsnummer", synthetic()))["entries"]
    assert {(item["category"]["id"], item["detected"]) for item in entries} == {
        ("C-12", False),
        ("C-02", True),
    }


def test_a_plan_erases_them_with_the_text_and_names_its_field(desk: Desk) -> None:
    """A part for each, and the command names the text where it was found."""
    plan = desk.ask("requests/plan", KARI)
    told = {(part["category"], part["detected"]): (part["action"], part["ended"]) for part in plan["parts"]}
    assert told == {
        ("C-12", False): ("erase_now", ["P-SUPPORT"]),
        ("C-31", True): ("erase_now", ["P-SUPPORT"]),
        ("C-02", True): ("erase_now", ["P-VERIFY"]),
    }
    (command,) = plan["commands"]
    assert command["categories"] == ["C-02", "C-12", "C-31"]
    assert "ChatMessage.text" in command["fields"]


def test_they_go_no_later_than_the_text() -> None:
    """What was watched goes after six weeks, and what its text reveals with it."""
    viewing = tags("TvViewing", "tv.viewing", "C-31")
    entries = access_report(found(viewing), CATALOGUE, TODAY)["entries"]
    revealed = [item for item in entries if item["detected"]]
    assert [(item["retention"]["rule"], item["retention"]["until"]) for item in revealed] == [
        ("T31", "2026-04-21")
    ]
    assert [item["category"]["id"] for item in revealed] == ["C-31"]


def test_they_are_held_with_the_text_that_a_rule_holds() -> None:
    """A rights case is kept for claims: what it reveals lies in no field of its own."""
    case = tags("RightsRequest", "rights.requests", "C-31")
    plan = planned(found(case), CATALOGUE, TODAY, RetentionAnchors())
    told = {
        part.category: (part.action, part.rule, part.purposes, part.ended, part.detected)
        for part in plan.parts
    }
    assert told["C-31"] == ("hold_until", "T34", told["C-30"][2], ("P-SUPPORT",), True)
    assert plan.commands == ()
    kept = plan.kept[case.id]
    assert kept is not None
    assert (kept.categories, kept.detected) == (("C-30",), ("C-31",))
    # What is held serves nothing but what the rule allows.
    entries = access_report(found(kept), CATALOGUE, TODAY)["entries"]
    assert {item["purpose"]["id"] for item in entries if item["detected"]} == set(kept.purposes)
    assert plan_from_json(plan_json(plan)) == plan


def test_a_category_that_the_system_holds_elsewhere_is_not_named_to_it() -> None:
    """A case note with a number in it is erased by its fields; the number in the register stays."""
    register, case = tags("CustomerDetails", "crm.customers"), tags("SupportCase", "crm.cases", "C-02")
    (command,) = planned(found(register, case), CATALOGUE, TODAY, RetentionAnchors()).commands
    assert "C-02" not in command.categories
    assert {"SupportCase.notes", "SupportCase.outcome"} <= set(command.fields)
    assert not [field for field in command.fields if field.startswith("CustomerDetails.fodsels")]


def test_a_category_of_the_schema_is_the_schemas_own() -> None:
    """What a text repeats of it changes nothing."""
    case = tags("SupportCase", "crm.cases", "C-11")
    assert case.revealed == ()
    report = access_report(found(case), CATALOGUE, TODAY)
    assert {(item["category"]["id"], item["detected"]) for item in report["entries"]} == {("C-11", False)}
    assert Filter(purposes=["P-VERIFY"], revealing=["C-11"]).admits(case) is False


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack, scanner=Scanner(KINDS))
        chat = {"customer_number": KARI[1], "session_id": "s1", "sender": "person", "sent_at": AT}
        made.put("support.chats", {**chat, "text": ILL}, {**chat, "text": NUMBER})
        yield made


def test_an_erasure_takes_what_texts_reveal_out_of_the_system_and_the_index(office: Office) -> None:
    """The whole road: the contact centre deletes the messages, and no token leads to them any more."""
    assert office.events("fodselsnummer", synthetic()) == 1
    request = office.erase(KARI, ("fodselsnummer", synthetic()))
    assert request.state is State.COMPLETED, request.problems
    (command,) = office.commands
    assert command["system"] == "contact_centre"
    assert {"C-02", "C-31"} <= set(command["categories"])
    assert office.stored("contact_centre", KARI) == 0
    assert office.events(*KARI) == office.events("fodselsnummer", synthetic()) == 0

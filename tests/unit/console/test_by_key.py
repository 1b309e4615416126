"""What is held about one record, asked by the key that its system knows it by: over HTTP and by the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from console.api.app import create_app
from console.api.protection.recorder import Recorder
from schemas.record_keys import record_hash
from schemas.tokens import Tokenizer
from sinks.memory.audit import MemoryAudit
from sinks.ports.audit import Looked
from streams.answers.breach import BreachFinder
from streams.identity.values import Value
from tests.support.api import TOKEN
from tests.support.asgi import InProcess
from tests.support.commands import home, quiet, run
from tests.support.company import model
from tests.support.desk import Desk, event, moment
from tests.support.instance import running

__all__ = ["home", "quiet"]
MARCH = moment("2026-03-05T12:00:00+01:00")
BILL, OTHER = "F-2026-77", "F-2026-78"


class NoValues:
    def of(self, tokens: Iterable[bytes]) -> Mapping[bytes, Value]:
        return {}


def invoice(number: str, customer: str) -> dict[str, Any]:
    said = {"invoice_number": number, "customer_number": customer, "issued_at": MARCH, "name": "Invented"}
    return event("Invoice", **said, amount_ore=100, lines=[], due_date=MARCH.date())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Two customers with an invoice each, of which one was corrected; and a call between the two."""
    made = Desk(tmp_path)
    finder = BreachFinder(made.index, made.index, made.identities, NoValues(), model(), tuple)
    object.__setattr__(made.services, "breaches", finder)
    made.tell("billing.invoices", [invoice(BILL, "10042"), invoice(OTHER, "10043"), invoice(BILL, "10042")])
    return made


def ask(desk: Desk, record: str, value: Any) -> httpx.Response:
    return desk._http.post("/v1/lineage/record", json={"record_key": {"record": record, "value": value}})


def test_all_events_of_the_record_are_found_and_no_others(desk: Desk) -> None:
    answer = ask(desk, "Invoice", BILL)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["record"], body["resolution"], body["total_events"], body["people"]) == (
        "Invoice",
        "unique",
        2,
        1,
    )
    (item,) = body["items"]
    assert (item["system"], item["topic"], item["events"]) == ("billing", "billing.invoices", 2)
    assert item["delete_after"]
    assert BILL not in answer.text
    assert ask(desk, "Invoice", OTHER).json()["total_events"] == 1


def test_a_key_that_nothing_has_finds_none(desk: Desk) -> None:
    """Also one that a record of another kind has, and one that is spelled otherwise."""
    for record, value in (("Invoice", "F-1"), ("SupportCase", BILL), ("Invoice", BILL.lower())):
        body = ask(desk, record, value).json()
        assert (body["resolution"], body["total_events"], body["people"], body["items"]) == ("none", 0, 0, [])


@pytest.mark.parametrize(
    ("record", "value", "said"),
    [
        ("Invoce", BILL, "use one of"),
        ("WebVisit", BILL, "use one of"),
        ("Invoice", [BILL, "2"], "told apart by invoice_number"),
        ("Invoice", "000", "stands for no record"),
        ("Invoice", "", "record_key"),
        ("Invoice", None, "record_key"),
    ],
)
def test_what_names_no_record_is_refused_without_its_value(
    desk: Desk, record: str, value: Any, said: str
) -> None:
    """Not answered with nothing."""
    refused = ask(desk, record, value)
    assert refused.status_code == 422
    assert said in refused.text
    assert BILL not in refused.text


def test_the_question_is_on_record_with_whom_it_found_and_without_the_key(desk: Desk) -> None:
    audit = MemoryAudit()
    app = create_app(replace(desk.services, recorder=Recorder(audit)))
    with httpx.Client(transport=InProcess(app), base_url="http://innsyn") as client:
        body = {"record_key": {"record": "Invoice", "value": BILL}}
        client.post("/v1/lineage/record", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
    (entry,) = audit.find(Looked(), 10)
    assert (entry.kinds, entry.size, entry.subjects) == (
        ("record_key",), 2, (desk.token("customer_number", "10042"),)
    )  # fmt: skip
    assert BILL not in repr(entry)


def test_a_key_of_two_fields_is_another_one_turned_round() -> None:
    tokenizer = Tokenizer(b"k" * 32, "k1")
    one, other = record_hash(tokenizer, "R", ["1", "2"]), record_hash(tokenizer, "R", ["2", "1"])
    assert 0 not in (one, other)
    assert one != other
    assert record_hash(tokenizer, "R", ["1", "n/a"]) == 0


@pytest.fixture
def serving(home: Path, desk: Desk) -> Iterator[None]:
    with running(home, desk.services):
        yield


@pytest.mark.usefixtures("serving")
def test_the_command_asks_by_key() -> None:
    """The value may come from standard input, and is not shown."""
    status, out, err = run("lookup", "--key", "Invoice=-", stdin=f"{BILL}\n")
    assert (status, err) == (0, "")
    for said in ("billing", "2 events of at least 1 person tell of this Invoice", "T01"):
        assert said in out
    assert BILL not in out
    answer = json.loads(run("lookup", "--key", f"Invoice={OTHER}", "--json")[1])
    assert answer["total_events"] == 1
    assert run("lookup", "--key", "Invoice=F-1")[:2] == (0, "Nothing is held of this Invoice.\n")


@pytest.mark.usefixtures("serving")
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--key", f"Invoice={BILL}", "--id", "email=a@example.no"], "--id"),
        (["--key", f"Invoice={BILL}", "--unrestricted"], "--unrestricted"),
        (["--key", BILL], "RECORD=VALUE"),
        (["--key", "Invoice="], "no value"),
        ([], "nobody is named"),
    ],
)
def test_the_command_refuses_what_it_cannot_ask(given: list[str], said: str) -> None:
    status, out, err = run("lookup", *given)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert BILL not in err

"""What contracts say of links between identifiers, and what they refuse: file, key and mend in one line."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from schemas.annotations import IdentityRule
from schemas.company import load_company
from schemas.company_check import company_problems
from schemas.contract_file import EventTime
from schemas.errors import CatalogueError
from tests.support.contracts import contract, order
from tests.support.stories import CARRIER

STATE: dict[str, Any] = {
    "form": "state", "tokens": ["customer.email"], "subject": ["customer.number"], "proof": "holder",
    "source": "register",
}  # fmt: skip
SESSION = {**STATE, "form": "session", "mark": "event", "marks": {"lent": "open", "back": "close"}}
OF_ITEMS = {**STATE, "tokens": ["consignees[].phone"], "subject": ["consignees[].number"]}
PHONE = {"category": "C-01", "identifier": {"kind": "phone", "role": "counterparty"}}
FIELDS: dict[str, Any] = {
    "event": {"category": "none"},
    "weight": {"category": "none", "type": "number"},
    "valid_from": {"category": "none", "type": "integer"},
    "mac": {"category": "C-01", "identifier": {"kind": "mac", "role": "owner"}},
    "consignees[].phone": PHONE,
    "consignees[].since": {"category": "none"},
    "others[].phone": PHONE,
    "groups[].people[].phone": PHONE,
    "labels.*": PHONE,
}


def said(*rules: Any) -> dict[str, Any]:
    content = order(identity=list(rules))
    content["fields"] |= FIELDS
    return content


def test_rules_are_those_of_a_schema(tmp_path: Path) -> None:
    """Whatever reads annotated records finds them; the unit of a time stands beside them."""
    since = {"path": "valid_from", "unit": "io.debezium.time.MicroTimestamp"}
    found = contract(tmp_path, said({**STATE, "since": since}, SESSION, OF_ITEMS))
    state, session, of_items = found.record.annotation.identity
    assert state == IdentityRule(**{**STATE, "since": "valid_from"})
    assert session.marks == {"lent": "open", "back": "close"}
    assert of_items.tokens == ("consignees[].phone",)
    assert found.since == {"valid_from": EventTime(path="valid_from", unit="micros")}


def test_another_rule_is_another_version(tmp_path: Path) -> None:
    """What was linked by an older contract is told apart."""
    first = contract(tmp_path, said(STATE)).record.fingerprint
    assert contract(tmp_path, said({**STATE, "proof": "user"})).record.fingerprint != first
    assert contract(tmp_path, said()).record.fingerprint != first


@pytest.mark.parametrize(
    ("rule", "key", "mend"),
    [
        ({**STATE, "form": "stat"}, "form", "did you mean state?"),
        ({**STATE, "form": "assignment"}, "form", "use session, state, login, merge"),
        ({**STATE, "tokns": []}, "tokns", "did you mean tokens?"),
        ({"form": "state"}, "tokens", "is missing; add it"),
        ({**STATE, "subject": []}, "subject", "is missing; add it"),
        ({**STATE, "proof": ""}, "proof", "is missing; add it"),
        ({**STATE, "proof": "owner"}, "proof", "is unknown"),
        ({**STATE, "source": "registre"}, "source", "did you mean register?"),
        ({**STATE, "tokens": ["customer.e-mail"]}, "tokens", "did you mean customer.email?"),
        ({**STATE, "tokens": ["order_id"]}, "tokens", "order_id identifies nothing; give the field an identifier"),
        ({**STATE, "subject": ["mac"]}, "subject", "mac is of the kind mac, which names no person"),
        ({**STATE, "subject": ["customer.email"]}, "tokens", "customer.email is the subject too"),
        ({**STATE, "tokens": ["consignees[].phone"]}, "subject", "so whose it is nobody can say"),
        ({**STATE, "subject": ["consignees[].number"]}, "subject", "lies in the items of consignees[]"),
        ({**OF_ITEMS, "tokens": ["others[].phone"]}, "subject", "and others[].phone in the items of others[]"),
        ({**OF_ITEMS, "tokens": ["groups[].people[].phone"]}, "tokens", "in an array inside another"),
        ({**STATE, "tokens": ["labels.*"]}, "tokens", "under any key of a map"),
        ({**STATE, "since": {"path": "valid"}}, "since.path", "is none of fields"),
        ({**STATE, "since": {"path": "consignees[].since", "unit": "iso8601"}}, "since.path", "another array"),
        ({**STATE, "since": {"envelope": "ts_ms"}}, "since", "names no field"),
        ({**STATE, "since": {"path": "placed_at"}}, "since", "the event's own time; leave it out"),
        ({**STATE, "since": {"path": "valid_from", "unit": "hours"}}, "since.unit", "write 'seconds'"),
        ({**SESSION, "mark": None}, "mark", "and marks go together"),
        ({**STATE, "mark": "event"}, "mark", "and marks go together"),
        ({**SESSION, "mark": "weight"}, "mark", "is of type number"),
        ({**SESSION, "marks": {"lent": "opened"}}, "marks.lent", "did you mean open?"),
        ({**SESSION, "marks": {"lent": "off"}}, "marks.lent", "use open, seen, close"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused(tmp_path: Path, rule: Any, key: str, mend: str) -> None:
    """Each in one line; the first rule before it is right."""
    with pytest.raises(CatalogueError) as refused:
        contract(tmp_path, said(STATE, rule))
    assert refused.value.key == f"identity.1.{key}"
    assert mend in refused.value.mend
    assert str(refused.value).startswith("contracts/shop.orders.yaml: ")
    assert "\n" not in str(refused.value)


def test_the_time_since_when_has_one_unit_and_a_type_of_it(tmp_path: Path) -> None:
    """A number is no text, whatever it means."""
    two = [{**STATE, "since": {"path": "valid_from", "unit": unit}} for unit in ("millis", "micros")]
    with pytest.raises(CatalogueError, match="in two units"):
        contract(tmp_path, said(*two))
    with pytest.raises(CatalogueError, match="a time in iso8601 is string"):
        contract(tmp_path, said({**STATE, "since": {"path": "valid_from", "unit": "iso8601"}}))


def test_no_more_is_linked_than_the_index_tells_apart(tmp_path: Path) -> None:
    """A number of eight bits, half of it for what had another spelling."""
    with pytest.raises(CatalogueError, match="identity: links more than 128 fields"):
        contract(tmp_path, said(*[STATE] * 129))


def test_a_rule_that_no_example_shows_is_told_of(tmp_path: Path) -> None:
    """By `innsyn company check`, with the rule and what to write; one example that shows it is enough."""
    folder = Path(shutil.copytree(CARRIER, tmp_path / "parcels"))
    assert company_problems(load_company(folder)) == []
    orders = sorted((folder / "examples" / "shop.orders").glob("*.json"))
    for file in orders:
        assert company_problems(load_company(folder)) == []
        text = file.read_text("utf-8")
        assert '"login": "karinord", ' in text
        file.write_text(text.replace('"login": "karinord", ', ""), "utf-8")
    (problem,) = company_problems(load_company(folder))
    assert str(problem) == (
        "contracts/shop.orders.yaml: identity.0: is shown by no example; write one in which customer.number stands"
        " beside customer.login, or mend the rule"
    )

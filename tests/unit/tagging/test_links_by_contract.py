"""What a contract's rules link: the same as those of a schema, wherever in a message it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contracts import Contract
from schemas.keys import Keyring
from schemas.vocabulary import Mark
from sinks.ports.identity import NOTHING
from streams.identity.claims.mentioned import tokens_of
from streams.identity.claims.reading import TOO_MANY_LINKS
from tests.support.by_contract import NESTED, Registered, avro, change, dead, prepare
from tests.support.claims import NOW, ORACLE, plain, tagged, token
from tests.support.contracts import contract, order
from tests.support.linked import REGISTER, claims, row_contract
from tests.support.records import EVENT_TIME, record_of

LOGIN = {"form": "login", "tokens": ["phone"], "subject": ["number"], "proof": "user", "source": "login"}
MERGE = {
    "form": "merge",
    "tokens": ["number"],
    "subject": ["former"],
    "proof": "holder",
    "source": "register",
}
LENT: dict[str, Any] = {
    "form": "session", "tokens": ["mac", "phone"], "subject": ["number"], "mark": "event",
    "marks": {"lent": "open", "seen": "seen", "back": "close"}, "proof": "subscriber", "source": "register",
}  # fmt: skip
SINCE = {**REGISTER, "since": {"path": "valid_from", "unit": "millis"}}
RULES: Sequence[dict[str, Any]] = (SINCE, LOGIN, MERGE, LENT)
NUMBERS = st.sampled_from([None, "700104", "700105", "7001 06"])
ROWS = st.fixed_dictionaries(
    {
        "number": NUMBERS,
        "former": NUMBERS,
        "email": st.sampled_from([None, "kari@example.no", "KARI@example.no", "ola@example.no"]),
        "phone": st.sampled_from([None, "+4740000001", "+47 400 00 002"]),
        "mac": st.sampled_from([None, "02:00:5e:10:00:01", "02005E100002"]),
        "changed_at": st.sampled_from([NOW, NOW + 1, NOW + 60_000]),
        "valid_from": st.sampled_from([None, NOW - 5_000, NOW + 5_000, -1]),
        "event": st.sampled_from(["lent", "seen", "back", "lost"]),
    }
)


def of_schema(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The claims that an annotated record of the same fields and rules makes of the rows."""
    said = [{**rule, "since": rule["since"]["path"]} if "since" in rule else rule for rule in RULES]
    kinds = {"number": "customer_number", "email": "email", "phone": "phone", "mac": "mac"}
    fields: list[dict[str, Any]] = [
        {
            "name": name, "type": ["null", "string"],
            "innsyn": {"category": "C-01", "identifier": {"kind": kind, "role": role}}, "confluent:tags": ["C-01"],
        }
        for name, kind, role in [
            *((name, kind, "owner") for name, kind in kinds.items()), ("former", "customer_number", "joint_owner")
        ]
    ]  # fmt: skip
    symbols = {"type": "enum", "name": "Event", "symbols": ["lent", "seen", "back", "lost"]}
    record = record_of(
        *fields,
        {"name": "changed_at", "type": EVENT_TIME},
        {"name": "valid_from", "type": ["null", EVENT_TIME]},
        {"name": "event", "type": symbols},
        event_time="changed_at",
        identity=said,
    )
    found = tagged(record, rows)
    assert not found.bad
    return [
        {name: value for name, value in claim.items() if name not in ("topic", "partition")}
        | {"offset": claim["offset"] - 100}
        for claim in plain(found.claims.table)
    ]


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return row_contract(tmp_path_factory.mktemp("flat"), *RULES)


@pytest.fixture(scope="module")
def of_a_table(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return row_contract(tmp_path_factory.mktemp("table"), *RULES, envelope="debezium")


@given(st.lists(ROWS, min_size=1, max_size=8))
def test_a_rule_says_what_it_says_in_a_schema(
    flat: Contract, of_a_table: Contract, rows: list[dict[str, Any]]
) -> None:
    """Over the same values: in JSON, and in Debezium's rows as they were written first; each form of rule."""
    expected = of_schema(rows)
    assert claims(prepare(flat, rows)) == expected
    assert claims(prepare(of_a_table, [change("c", None, row) for row in rows])) == expected


ITEM = {**LOGIN, "tokens": ["people[].phone"], "subject": ["people[].number"]}
BOTH = {**REGISTER, "tokens": ["people[].contact.email", "people[].phone"], "subject": ["people[].number"]}
OF_ITEMS = {
    "people[].number": {
        "category": "C-01",
        "identifier": {"kind": "customer_number", "role": "counterparty"},
    },
    "people[].phone": {"category": "C-01", "identifier": {"kind": "phone", "role": "counterparty"}},
    "people[].contact.email": {"category": "C-01", "identifier": {"kind": "email", "role": "counterparty"}},
}


def items_contract(folder: Path, **said: Any) -> Contract:
    content = order(identity=[BOTH, ITEM], **said)
    content["fields"] |= OF_ITEMS
    return contract(folder, content)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return items_contract(tmp_path_factory.mktemp("several"))


PEOPLE = st.lists(
    st.none()
    | st.fixed_dictionaries(
        {
            "number": NUMBERS,
            "phone": st.sampled_from([None, "+4740000001", "+4740000002", ""]),
            "contact": st.none()
            | st.fixed_dictionaries({"email": st.sampled_from([None, "kari@example.no", "ola@example.no"])}),
        }
    ),
    max_size=5,
)


def placed(people: Any) -> dict[str, Any]:
    return {
        "order_id": "o1",
        "placed_at": NOW,
        "customer": {"number": "700199", "email": None},
        "people": people,
    }


def item_by_item(said: Contract, people: Sequence[Any]) -> set[tuple[Any, ...]]:
    """What the oracle says of each item by itself: form, token, subject and slot."""
    record = said.record
    found = set()
    for person in people:
        event = dict.fromkeys([field.name for field in record.fields]) | {"placed_at": NOW}
        event["people[].number"] = (person or {}).get("number")
        event["people[].phone"] = (person or {}).get("phone") or None
        event["people[].contact.email"] = ((person or {}).get("contact") or {}).get("email")
        for claim in ORACLE.claims(record, event):
            found.add(tuple(claim[name] for name in ("form", "token", "subject", "group")))
    return found


@given(st.lists(PEOPLE, min_size=1, max_size=5))
def test_items_of_an_array_link_each_what_stands_in_it(several: Contract, messages: list[Any]) -> None:
    """Never the number of one to the phone of another; each claim of an event has a number of its own."""
    prepared = prepare(several, [placed(people) for people in messages])
    made = claims(prepared)
    assert len({(claim["offset"], claim["part"]) for claim in made}) == len(made)
    for offset, people in enumerate(messages):
        of_it = {
            tuple(claim[name] for name in ("form", "token", "subject", "group"))
            for claim in made
            if claim["offset"] == offset
        }
        assert of_it == item_by_item(several, people)


@given(st.lists(PEOPLE, min_size=1, max_size=4), st.data())
def test_items_are_the_same_however_they_are_read(
    several: Contract, messages: list[Any], data: st.DataObject
) -> None:
    """At once, and one by one beside a message of another shape; in any batches."""
    values = [placed(people) for people in messages]
    at_once = claims(prepare(several, values))
    cut = data.draw(st.integers(0, len(values)))
    odd = {**placed([]), "customer": "x"}
    apart = claims(prepare(several, [*values[:cut], odd, *values[cut:]]))
    assert [{**claim, "offset": claim["offset"] - (claim["offset"] > cut)} for claim in apart] == at_once


PERSON = {
    "type": "record", "name": "Person", "fields": [
        {"name": "number", "type": ["null", "string"]},
        {"name": "phone", "type": ["null", "string"]},
        {"name": "contact", "type": ["null", {"type": "record", "name": "Contact", "fields": [
            {"name": "email", "type": ["null", "string"]}]}]},
    ],
}  # fmt: skip
WRITTEN = {
    **NESTED,
    "fields": [
        *[field for field in NESTED["fields"] if field["name"] in ("order_id", "placed_at")],
        {"name": "customer", "type": ["null", {"type": "record", "name": "Customer", "fields": [
            {"name": "number", "type": "string"}]}]},
        {"name": "people", "type": {"type": "array", "items": ["null", PERSON]}},
    ],
}  # fmt: skip


@given(st.lists(PEOPLE, min_size=1, max_size=4))
def test_items_in_avro_link_as_in_json(of_avro: Contract, several: Contract, messages: list[Any]) -> None:
    """In columns, and record by record where an array is longer than those take."""
    values = [placed(people) for people in messages]
    long = placed([{"number": None, "phone": None, "contact": None}] * 120 + messages[0])
    written = [{**value, "customer": {"number": "700199"}} for value in [*values, long]]
    bodies = [avro(WRITTEN, value) for value in written]
    assert claims(prepare(of_avro, bodies, Registered(WRITTEN))) == claims(prepare(several, [*values, long]))


@pytest.fixture(scope="module")
def of_avro(tmp_path_factory: pytest.TempPathFactory) -> Contract:
    return items_contract(tmp_path_factory.mktemp("avro"), format="avro")


def test_an_event_that_links_too_many_is_a_dead_letter(several: Contract) -> None:
    """The index tells so many claims of an event apart; nothing of them is linked in silence to nobody."""
    person = {"number": "700104", "phone": "+4740000001", "contact": {"email": "kari@example.no"}}
    prepared = prepare(several, [placed([person] * 42), placed([person] * 43), placed([person])])
    assert dead(prepared) == [(1, TOO_MANY_LINKS)]
    made = claims(prepared)
    assert len(made) == 43 * 3
    assert max(claim["part"] for claim in made) == 125


def test_a_time_since_when_that_is_none_is_a_dead_letter(tmp_path: Path) -> None:
    """Outside of arrays and in an item; null is the event's own time."""
    fields = {"people[].since": {"category": "none"}, "joined": {"category": "none"}}
    own = {"form": "state", "tokens": ["customer.email"], "subject": ["customer.number"], "proof": "holder"}
    content = order(
        identity=[
            {**BOTH, "since": {"path": "people[].since", "unit": "iso8601", "zone": "Europe/Oslo"}},
            {**own, "source": "register", "since": {"path": "joined", "unit": "iso8601"}},
        ]
    )
    content["fields"] |= OF_ITEMS | fields
    said = contract(tmp_path, content)
    person = {"number": "700104", "phone": "+4740000001"}
    times = [None, "2026-01-01T01:00:00", "yesterday", "2101-01-01T00:00:00"]
    messages = [placed([{**person, "since": time}]) for time in times]
    messages += [{**placed([]), "joined": time} for time in (None, "2026-01-01T00:00:00Z", "2026-01-01")]
    prepared = prepare(said, messages)
    assert dead(prepared) == [(2, "malformed_body"), (3, "time_out_of_range"), (6, "malformed_body")]
    theirs: dict[int, set[int | None]] = {}
    of_customer: dict[int, set[int | None]] = {}
    for claim in claims(prepared):
        of_it = theirs if claim["subject"] == token("customer_number", "700104") else of_customer
        of_it.setdefault(claim["offset"], set()).add(claim["since"])
    assert theirs == {0: {None}, 1: {1_767_225_600_000}}
    assert of_customer == {0: {None}, 1: {None}, 4: {None}, 5: {1_767_225_600_000}}


def test_a_contract_without_rules_links_nothing(tmp_path: Path) -> None:
    """As it was."""
    prepared = prepare(contract(tmp_path, order()), [placed([]), placed([])])
    assert prepared.batch.claims.table.num_rows == 0


def ended(made: list[dict[str, Any]]) -> list[tuple[int, bytes]]:
    """Event and subject of the slots that are empty from then on."""
    return [
        (claim["offset"], claim["subject"])
        for claim in made
        if claim["mark"] == Mark.CLOSE.code and claim["token"] == NOTHING
    ]


def of_array(number: str, phone: str) -> dict[str, Any]:
    return {"number": number, "phone": phone, "contact": None}


def test_who_is_no_longer_in_an_array_is_linked_no_longer(tmp_path: Path) -> None:
    """Of a row whose array Debezium sends as it was and as it is; a row that was deleted ends all of them."""
    said = items_contract(tmp_path, envelope="debezium")
    two = placed([of_array("700104", "+4740000001"), of_array("700105", "+4740000002")])
    one = placed([of_array("700105", "+4740000003")])
    made = claims(prepare(said, [change("c", None, two), change("u", two, one), change("d", one, None)]))
    first, second = (token("customer_number", number) for number in ("700104", "700105"))
    assert ended(made) == [(1, first), (1, first), (2, second), (2, second)]


def test_what_is_linked_is_sealed_wherever_it_stands(tmp_path: Path) -> None:
    """In a row, in an item, and whom a row named before it was changed: every identifier that a claim mentions."""
    said = items_contract(tmp_path, envelope="debezium")
    (first, second) = (of_array("700104", "+4740000001"), of_array("700105", "+4740000002"))
    messages = [
        change("c", None, placed([first, second])),
        change("u", placed([first, second]), placed([second])),
    ]
    own = row_contract(tmp_path, envelope="debezium")
    row = {"number": "700104", "email": "kari@example.no", "phone": None, "changed_at": NOW}
    moved = [change("c", None, row), change("u", row, {**row, "number": "700105"})]
    keyring = Keyring(tmp_path / "keys").made()
    for contract_, values in ((said, messages), (own, moved)):
        batch = prepare(contract_, values, keyring=keyring).batch
        assert len(tokens_of(batch.claims)) > 2
        assert set(batch.identifiers["token"].to_pylist()) == tokens_of(batch.claims)

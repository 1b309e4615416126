"""Drafts of contracts: refused until a person has decided, and whole once they have."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from schemas.contract_file import read_contract_file
from schemas.contracts import load_contract
from schemas.errors import CatalogueError
from streams.discovery.draft import record_name
from tests.support.discovering import SHARED, decided, drafted

PEOPLE = [
    ("Kari Hansen", "kari.hansen@example.no", "+4740000001"),
    ("Ola Berg", "ola.berg@example.no", "+4740000002"),
    ("Anne Lunde", "anne.lunde@example.no", "+4740000003"),
]


def orders(count: int = 60) -> list[dict[str, Any]]:
    """Orders of a web shop that is not ours."""
    dice = random.Random(3)
    made = []
    for number in range(count):
        name, mail, phone = dice.choice(PEOPLE)
        made.append(
            {
                "orderId": f"O-{number:05}",
                "placedAt": f"2026-02-{1 + number % 28:02}T10:00:00Z",
                "customer": {"kundeNr": f"{700_000 + number}", "navn": name, "epost": mail},
                "consignees": [{"phone": phone, "name": name}],
                "x7": phone,
                "beskjed": "Sett pakken ved siden av den grønne døra, takk",
                "currency": "NOK",
            }
        )
    return made


def test_a_draft_says_what_is_sure_and_marks_the_rest() -> None:
    """Each field with its evidence in words and shares."""
    text = drafted("shop.orders", orders())
    said = yaml.safe_load(text)
    fields = said["fields"]
    assert fields["customer.epost"] == {"category": "C-01", "identifier": {"kind": "email", "role": "owner"}}
    assert fields["customer.kundeNr"]["identifier"] == {"kind": "customer_number", "role": "owner"}
    assert fields["consignees[].phone"]["identifier"] == {"kind": "phone", "role": "counterparty"}
    assert fields["orderId"]["record_key"] is True
    assert fields["beskjed"]["free_text"] is True
    assert fields["currency"]["category"] == "none"
    assert fields["x7"]["identifier"]["kind"] == "phone"
    assert (said["event_time"]["path"], said["event_time"]["unit"]) == ("placedAt", "iso8601")
    # A guess, however sure of the field: a booking has the time that it is for too.
    assert "happened" in said["event_time"]["decide"]
    assert said["system"] == "decide"
    assert "  # name: epost; values: e-mail address 100%" in text


def test_a_draft_is_refused_until_it_is_decided(tmp_path: Path) -> None:
    """By the loader that every role uses; decided it is a contract."""
    path = tmp_path / "shop.orders.yaml"
    path.write_text(drafted("shop.orders", orders()), "utf-8")
    with pytest.raises(CatalogueError, match="is to be decided"):
        load_contract(path, SHARED, tmp_path)
    path.write_text(yaml.safe_dump(decided(path.read_text("utf-8"))), "utf-8")
    contract = load_contract(path, SHARED, tmp_path)
    assert contract.record.name == "ShopOrders"
    assert {item.kind for item in contract.record.identifiers} == {"customer_number", "email", "phone"}


def test_a_draft_shows_no_value() -> None:
    """Not of a field, not of a key that is one."""
    people = [{**message, "seen": {message["customer"]["epost"]: 1}} for message in orders()]
    text = drafted("shop.orders", people)
    values = [part for person in PEOPLE for part in (*person, *person[0].split())] + [
        "O-000",
        "7000",
        "grønne",
    ]
    assert not [value for value in values if value.lower() in text.lower()]
    assert "seen.*" in text


def test_a_draft_says_whose_key_a_message_has() -> None:
    """As text, or at a place in a key that is an object of JSON, with or without its schema around it."""
    rows = [{"kundenr": f"{700_000 + at}", "total": at} for at in range(20)]
    keys = {
        "{field: kundenr}": lambda row: row["kundenr"],
        "{field: kundenr, path: id}": lambda row: json.dumps({"id": row["kundenr"]}),
        "{field: kundenr, path: payload.id}": lambda row: json.dumps(
            {"schema": {}, "payload": {"id": row["kundenr"]}}
        ),
    }
    for said, key in keys.items():
        assert f"\nmessage_key: {said}\n" in drafted("shop.orders", rows, key=key)
    assert "message_key" not in drafted("shop.orders", rows, key=lambda row: "1")


def test_a_draft_asks_whether_a_keyed_topic_links_identifiers(tmp_path: Path) -> None:
    """Of the one whom the key names; undecided it is refused, decided it is a rule."""
    rows = [
        {"kundenr": f"{700_000 + at}", "epost": f"a{at}@example.no", "changed": 1_770_000_000_000 + at, "total": at,
         "andre": [{"epost": f"b{at}@example.no"}]}
        for at in range(20)
    ]  # fmt: skip
    text = drafted("crm.kunder", rows, key=lambda row: row["kundenr"])
    (rule,) = yaml.safe_load(text)["identity"]
    assert (rule["form"], rule["tokens"], rule["subject"]) == ("state", ["epost"], ["kundenr"])
    assert rule["decide"].startswith("each message is keyed by kundenr: ")
    assert rule["source"] == "decide"
    path = tmp_path / "crm.kunder.yaml"
    path.write_text(yaml.safe_dump({**decided(text), "identity": [rule]}), "utf-8")
    with pytest.raises(CatalogueError, match="identity: is to be decided"):
        load_contract(path, SHARED, tmp_path)
    path.write_text(yaml.safe_dump(decided(text)), "utf-8")
    (made,) = load_contract(path, SHARED, tmp_path).record.annotation.identity
    assert made.tokens == ("epost",)
    assert "identity" not in yaml.safe_load(drafted("crm.kunder", rows))
    alone = [{"kundenr": row["kundenr"], "total": 1} for row in rows]
    assert "identity" not in yaml.safe_load(drafted("crm.kunder", alone, key=lambda row: row["kundenr"]))


def test_records_get_names_of_their_own() -> None:
    """Of the topic, and a number behind one that is taken."""
    assert record_name("shop.orders-v2") == "ShopOrdersV2"
    assert record_name("shop.orders", ["ShopOrders"]) == "ShopOrders2"
    assert record_name("42") == "Topic42"


SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.text(max_size=20),
    st.sampled_from(
        ["kari@example.no", "+4740000001", "192.0.2.1", "01819030037", "2026-01-01T00:00:00Z", "Kari Hansen"]
    ),
)
NAME = st.sampled_from(
    [
        "id",
        "name",
        "navn",
        "epost",
        "phone",
        "note",
        "kundenr",
        "port",
        "client_ip",
        "y",
        "null",
        "@x",
        "a b",
        "decide",
        "*",
    ]
) | st.text(min_size=1, max_size=8)
VALUE = st.recursive(
    SCALAR,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(NAME, inside, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(NAME, VALUE, min_size=1, max_size=6), min_size=1, max_size=8))
def test_whatever_the_messages_are_a_decided_draft_is_a_contract(messages: list[dict[str, Any]]) -> None:
    """Of any objects: the text is YAML, refused as it is; decided, its form is right."""
    try:
        text = drafted("any.topic", messages)
    except UnicodeEncodeError:
        return
    said = yaml.safe_load(text)
    with pytest.raises(CatalogueError):
        read_contract_file("draft", said)
    if not said["fields"] or said["event_time"].get("path") == "decide":
        return
    read_contract_file("draft", decided(text))


@given(
    st.lists(
        st.text(st.characters(codec="utf-8"), min_size=9, max_size=30), min_size=8, max_size=8, unique=True
    )
)
def test_no_text_of_a_message_is_in_its_draft(texts: list[str]) -> None:
    """Whatever stands in values and in keys that come once."""
    # None of the words of a draft begins like that.
    texts = [f"zq{text}" for text in texts]
    messages = [{"id": text, "deep": {"list": [text]}, "by": {text: 1}} for text in texts]
    draft = drafted("any.topic", messages)
    said = json.dumps(yaml.safe_load(draft), ensure_ascii=False)
    assert not [text for text in texts if text in draft or text in said]

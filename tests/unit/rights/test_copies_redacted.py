"""What of a copied record the person is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given as made
from hypothesis import strategies as st

from schemas.records import load_records, read_record
from streams.identity.values import RecordKey
from streams.rights.copies_redacted import NOBODY, STRANGER, TO_REVIEW, Given, given
from streams.rights.protocol.messages import Named
from streams.tagging.scan import scan
from tests.support.kinds import KINDS

RECORDS = load_records()
ANNA, BO = Named("customer_number", "100042"), Named("customer_number", "100043")
NINE, TEN = "2026-03-01T09:30:00Z", "2026-03-01T10:30:00Z"


def mentions(text: str) -> list[tuple[str, str | None]]:
    return [(item.kind, item.identifier[1] if item.identifier else None) for item in scan(text)]


def of(record: str, values: dict[str, Any], *named: Named | RecordKey, keep: Sequence[str] = ()) -> Given:
    found = given(RECORDS[record], values, named, KINDS, mentions, frozenset(keep))
    assert isinstance(found, Given), found
    return found


def chat(**said: Any) -> dict[str, Any]:
    return {
        "session_id": "s-1",
        "customer_number": "100042",
        "chat_handle": "anna",
        "agent_handle": "agent-7",
        "sender": "agent",
        "text": "Hei, det ordner vi.",
        "sent_at": NINE,
        **said,
    }


def call(**said: Any) -> dict[str, Any]:
    return {"occurred_at": NINE, "kind": "voice", "caller": "+4790000001", "callee": "+4790000002", **said}


def test_fields_about_others_are_blanked_and_the_person_s_stay() -> None:
    """The handle of an employee goes from a chat; the session, the text and the time stay."""
    found = of("ChatMessage", chat(), ANNA)
    assert found.blanked == ("agent_handle",)
    assert found.values == {**chat(), "agent_handle": None}


@pytest.mark.parametrize(("own", "gone"), [("+4790000001", "callee"), ("+4790000002", "caller")])
def test_of_a_call_each_end_is_given_its_own(own: str, gone: str) -> None:
    """Whoever asks: the number at the other end is somebody else's, however the record spells it."""
    found = of("TrafficRecord", call(caller="tel:+4790000001"), Named("phone", own))
    assert found.blanked == (gone,)
    assert found.values[gone] is None


def test_a_field_inside_another_that_nobody_declared_is_left_out_by_name() -> None:
    """What it holds nobody knows: it is not the field that it lies in."""
    line = {"product": "TV", "amount_ore": 5}
    invoice = {"invoice_number": "I-1", "customer_number": "100042", "lines": [line | {"comment": "by Bo"}]}
    found = of("Invoice", invoice, ANNA)
    assert (found.values["lines"], found.unknown) == ([line], ("lines.comment",))


def test_what_is_about_the_owner_alone_is_not_given_to_the_other_end() -> None:
    """The line and the octets tell of the caller, the time of both."""
    found = of("TrafficRecord", call(line_id="L-7", octets=9), Named("phone", "+4790000002"))
    assert (found.values["line_id"], found.values["octets"], found.values["occurred_at"]) == (
        None,
        None,
        NINE,
    )


def test_a_record_of_somebody_else_is_left_out() -> None:
    """A job that searched too widely hands nobody else's data out; nor what names nobody at all."""
    assert given(RECORDS["ChatMessage"], chat(), [BO], KINDS, mentions) == STRANGER
    bare = chat(customer_number=None, chat_handle=None, agent_handle=None)
    assert given(RECORDS["ChatMessage"], bare, [BO], KINDS, mentions) == NOBODY


def test_an_address_counts_in_its_interval_alone() -> None:
    """The neighbour who had it an hour later is somebody else."""
    lent = Named(
        "ip",
        "192.0.2.7",
        since=datetime(2026, 3, 1, 9, tzinfo=UTC),
        until=datetime(2026, 3, 1, 10, tzinfo=UTC),
        proof="subscriber",
    )
    mine, later = (
        {"occurred_at": at, "kind": "dns", "client_address": "192.0.2.7", "client_port": None}
        for at in (NINE, TEN)
    )
    assert isinstance(given(RECORDS["TrafficRecord"], mine, [lent], KINDS, mentions), Given)
    assert given(RECORDS["TrafficRecord"], later, [lent], KINDS, mentions) == STRANGER


def test_a_guest_at_the_person_s_address_is_somebody_else() -> None:
    """Who is named by a customer number at it is not the person, though the address is theirs."""
    address = Named("ip", "192.0.2.7", proof="subscriber")
    guest = chat(customer_number="100043", client_address="192.0.2.7")
    assert given(RECORDS["ChatMessage"], guest, [ANNA, address], KINDS, mentions) == STRANGER
    own = of("ChatMessage", chat(client_address="192.0.2.7"), ANNA, address)
    assert own.values["client_address"] == "192.0.2.7"


def test_a_record_that_was_told_by_its_key_is_the_owner_s_unless_it_names_another() -> None:
    """By the key of that record alone: another field or record that holds the same says nothing."""
    key = RecordKey("ChatMessage", "session_id", "s-1")
    bare = chat(customer_number=None, chat_handle=None, client_address="192.0.2.7")
    assert of("ChatMessage", bare, ANNA, key).values["client_address"] == "192.0.2.7"
    assert (
        given(RECORDS["ChatMessage"], {**bare, "customer_number": "100043"}, [ANNA, key], KINDS, mentions)
        == STRANGER
    )
    for other in (replace(key, field="text"), replace(key, record="CaseNote"), replace(key, value="s-2")):
        assert given(RECORDS["ChatMessage"], bare, [ANNA, other], KINDS, mentions) == STRANGER


def test_a_text_that_names_somebody_else_waits_to_be_read() -> None:
    """Its words say what it names and never what stands there; whoever has read it may let it through."""
    text = "Ring naboen på 900 00 003, eller meg på 900 00 001."
    found = of("ChatMessage", chat(text=text), ANNA, Named("phone", "+4790000001"))
    (flag,) = found.flags
    assert found.values["text"] == TO_REVIEW
    assert (flag.names, flag.text) == (("phone",), text)
    assert text not in repr(found)
    again = of("ChatMessage", chat(text=text), ANNA, keep=[flag.digest])
    assert again.values["text"] == text
    other = of("ChatMessage", chat(text=text + " Takk."), ANNA, keep=[flag.digest])
    assert other.values["text"] == TO_REVIEW


def test_a_text_that_names_the_person_alone_is_given() -> None:
    found = of("ChatMessage", chat(text="Mitt nummer er 900 00 001."), ANNA, Named("phone", "+4790000001"))
    assert (found.flags, found.values["text"]) == ((), "Mitt nummer er 900 00 001.")


def test_a_field_that_the_schema_lacks_is_left_out_by_name() -> None:
    """Nobody has said whose it is."""
    found = of("ChatMessage", chat(internal_note="x", deep={"er": [1]}), ANNA)
    assert found.unknown == ("deep.er", "internal_note")
    assert "internal_note" not in found.values


def shipment() -> Any:
    def text(name: str, category: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "type": ["null", "string"], "innsyn": {"category": category, **more}}

    number = {"kind": "customer_number", "role": "counterparty"}
    consignee = {
        "type": "record",
        "name": "Consignee",
        "fields": [text("number", "C-01", identifier=number), text("address", "C-01")],
    }
    sender = {"kind": "customer_number", "role": "owner"}
    return read_record(
        {
            "type": "record",
            "name": "Shipment",
            "innsyn": {"event_time": "at"},
            "fields": [
                text("at", "C-01"),
                text("sender", "C-01", identifier=sender),
                text("price", "C-07", about=["owner"]),
                {"name": "consignees", "type": {"type": "array", "items": consignee}},
            ],
        },
        "shipment.avsc",
    )


SENT = {
    "at": NINE,
    "sender": "100041",
    "price": "99",
    "consignees": [{"number": "100042", "address": "A 1"}, {"number": "100043", "address": "B 2"}],
}


def test_of_several_in_an_array_only_the_person_s_item_is_given() -> None:
    """The other item, the sender and what is about the sender alone are blanked; the time is about all."""
    found = given(shipment(), SENT, [ANNA], KINDS, mentions)
    assert isinstance(found, Given)
    assert found.values == {
        "at": NINE,
        "sender": None,
        "price": None,
        "consignees": [{"number": "100042", "address": "A 1"}, {"number": None, "address": None}],
    }


def test_the_sender_is_given_the_record_without_the_others() -> None:
    found = given(shipment(), SENT, [Named("customer_number", "100041")], KINDS, mentions)
    assert isinstance(found, Given)
    assert (found.values["sender"], found.values["price"]) == ("100041", "99")
    assert found.values["consignees"] == [{"number": None, "address": None}] * 2


@made(
    st.lists(st.sampled_from(["100042", "100043", "100044", None]), max_size=4),
    st.sampled_from(["100041", "100042", "100043", None]),
)
def test_nobody_else_s_number_is_ever_given(consignees: list[str | None], sender: str | None) -> None:
    """Whoever stands where."""
    values = {"at": NINE, "sender": sender, "consignees": [{"number": item} for item in consignees]}
    found = given(shipment(), values, [ANNA], KINDS, mentions)
    if isinstance(found, str):
        assert "100042" not in [sender, *consignees]
    else:
        shown = [found.values["sender"], *(item["number"] for item in found.values["consignees"])]
        assert {*shown} <= {"100042", None}
        assert shown.count("100042") == [sender, *consignees].count("100042")

"""What the events of a foreign company do when they change under way: the parcel carrier of `examples/`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from schemas.contracts import SOURCE_DELETE
from streams.simulate.plan import Plan
from streams.simulate.story.play import Played, StoryTruth
from tests.support.stories import START, Told, tell

SMALL = Plan(customers=30, days=3, seed=3, start=START)
ORDERS, CUSTOMERS = "shop.orders", "crm.public.customer"
Change = Callable[[dict[str, Any]], object]


def changed(topic: str, change: Change) -> Callable[[Played], Played]:
    """The events of a topic in JSON with something of each message changed on its way."""

    def on_its_way(item: Played) -> Played:
        if item.topic != topic or item.body is None:
            return item
        message = json.loads(item.body)
        change(message)
        return replace(item, body=json.dumps(message).encode())

    return on_its_way


def test_a_renamed_field_is_shown_and_the_event_tagged_by_the_rest() -> None:
    """Whoever is named by it alone misses those events, which is why it must be shown: by path, without a value."""

    def renamed(message: dict[str, Any]) -> None:
        for consignee in message["consignees"]:
            consignee["mobile"] = consignee.pop("phone")

    told = tell(plan=SMALL, changed=changed(ORDERS, renamed))
    assert not told.prepared.dead
    (path, count), *more = told.prepared.untagged[ORDERS].items()
    assert (path, more) == ("consignees[].mobile", [])
    missed = {
        person: told.truth.of(person.identifiers)[ORDERS, "counterparty", "collect"]
        for person in told.play.cast.everybody
    }
    assert count == sum(missed.values()) > 10
    for person, events in missed.items():
        assert told.events(*person.identifiers) == told.truth.answer(person.identifiers).total() - events


def test_whose_number_is_renamed_is_led_to_by_what_is_left() -> None:
    """The order names an e-mail address too, of which the register says whose it is, from when it says so."""
    seen: list[Played] = []

    def renamed(item: Played) -> Played:
        if item.topic != ORDERS or item.body is None:
            seen.append(item)
            return item
        named = tuple((who, role) for who, role in item.named if who[0] != "sender_number")
        seen.append(replace(item, named=named, said=()))
        message = json.loads(item.body)
        message["customer"]["customerNo"] = message["customer"].pop("number")
        return replace(item, body=json.dumps(message).encode())

    told = tell(plan=SMALL, changed=renamed)
    assert list(told.prepared.untagged[ORDERS]) == ["customer.customerNo"]
    truth = StoryTruth(told.company.kinds)
    for item in seen:
        truth.add(item)
    led = 0
    for person in told.play.cast.groups["customer"]:
        number = [("sender_number", person.own["sender_number"])]
        assert told.events(*number) == truth.answer(number).total()
        led += truth.answer(number)[ORDERS, "owner", "collect"]
    assert led > 10


def test_an_identifier_of_another_type_is_a_dead_letter_each() -> None:
    """A number where a text stood would name somebody else; the events of other topics are not touched."""

    def a_number(message: dict[str, Any]) -> None:
        message["customer"]["number"] = int(message["customer"]["number"].removeprefix("TB-"))

    told = tell(plan=SMALL, changed=changed(ORDERS, a_number))
    reasons = Counter((item.row.topic, item.row.reason) for item in told.prepared.dead)
    assert set(reasons) == {(ORDERS, "malformed_body")}
    for person in told.play.cast.everybody:
        truth = told.truth.answer(person.identifiers)
        lost = sum(events for (topic, _, _), events in truth.items() if topic == ORDERS)
        assert told.events(*person.identifiers) == truth.total() - lost


@pytest.mark.parametrize("value", [True, 17, "Ola Nordmann", None, {"a": [1, {"b": 2}]}, []])
def test_a_field_of_no_identifier_may_be_anything(value: Any) -> None:
    """What nothing is read from does not stop an event."""

    def other(message: dict[str, Any]) -> None:
        message["amount"] = value

    told = tell(plan=SMALL, changed=changed(ORDERS, other))
    assert not told.prepared.dead
    for person in told.play.cast.groups["customer"]:
        assert told.events(*person.identifiers) == told.truth.answer(person.identifiers).total()


def test_a_new_field_is_counted_by_its_path() -> None:
    """Also inside an array and with a key that is somebody's, of which the value is nowhere."""

    def grown(message: dict[str, Any]) -> None:
        for item in message["consignees"]:
            item["doorCode"] = "4711"
        message["loyalty"] = {"kari.nordmann@example.no": 3}

    told = tell(plan=SMALL, changed=changed(ORDERS, grown))
    assert not told.prepared.dead
    untagged = told.prepared.untagged[ORDERS]
    assert any("doorCode" in path for path in untagged)
    assert len(untagged) == 2
    assert "4711" not in repr(untagged)
    assert "nordmann" not in repr(untagged)
    for person in told.play.cast.everybody:
        assert told.events(*person.identifiers) == told.truth.answer(person.identifiers).total()


@pytest.fixture(scope="module")
def told() -> Told:
    return tell(plan=SMALL)


def test_each_of_two_people_in_an_array_has_a_row_of_their_own(told: Told) -> None:
    """And each finds the order by their own number alone, beside the customer who placed it."""
    rows = told.prepared.batch.rows.to_pylist()
    of_topic = [row for row in rows if row["topic"] == ORDERS and row["role"] == 2]
    by_order = Counter(row["offset"] for row in of_topic)
    assert set(by_order.values()) == {1, 2}
    offset = next(offset for offset, people in by_order.items() if people == 2)
    tokens = {row["token"] for row in of_topic if row["offset"] == offset}
    theirs = [
        person
        for person in told.play.cast.groups["consignee"]
        if told.tokenizer.token(told.company.kinds.parse("phone"), person.own.get("phone", "+4720000000"))
        in tokens
    ]
    assert len(theirs) == 2
    for person in theirs:
        phone = ("phone", person.own["phone"])
        assert told.events(phone) == told.truth.of([phone]).total() > 0


def test_a_delete_and_a_tombstone_are_rows_that_say_so(told: Told) -> None:
    """Of the person whose row the source deleted: the change names them, the tombstone's key does."""
    operations = {tags.id: tags.operation for tags in told.prepared.batch.tag_sets}
    gone = [person for person in told.play.cast.groups["customer"] if person.gone]
    assert gone
    for person in told.play.cast.groups["customer"]:
        token = told.tokenizer.token(told.company.kinds.parse("sender_number"), person.own["sender_number"])
        said = [
            operations[row["tag_set"]]
            for row in told.prepared.batch.rows.to_pylist()
            if row["token"] == token and row["topic"] == CUSTOMERS
        ]
        assert said.count(SOURCE_DELETE) == (2 if person in gone else 0)
        assert said.count("collect") >= 1


def test_a_tombstone_whose_key_is_none_is_a_dead_letter_and_names_nobody() -> None:
    """Whose it was has to be mended; answers of everybody else are as they were."""

    def unkeyed(item: Played) -> Played:
        return replace(item, key=b"{}") if item.body is None else item

    told = tell(plan=SMALL, changed=unkeyed)
    gone = [person for person in told.play.cast.groups["customer"] if person.gone]
    reasons = [(item.row.topic, item.row.reason) for item in told.prepared.dead]
    assert reasons == [(CUSTOMERS, "unnamed_deletion")] * len(gone)
    for person in told.play.cast.groups["customer"]:
        lost = 1 if person in gone else 0
        assert told.events(*person.identifiers) == told.truth.answer(person.identifiers).total() - lost

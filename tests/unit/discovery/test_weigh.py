"""What names and values come to together, and what a company has declared of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.records import read_record
from streams.discovery.declared import undeclared
from streams.discovery.weigh import SURE, UNSURE, Event, Judged
from tests.support.contracts import contract, order
from tests.support.discovering import SHARED, looked
from tests.support.impersonal import TOPICS

MAILS = [
    f"{name}@example.no"
    for name in ("kari", "ola", "anne", "siv", "geir", "nina", "jonas", "eva", "odd", "liv")
]


def judged(topic: str, *messages: dict[str, Any]) -> Event:
    event = looked(topic, messages).event
    assert event is not None
    return event


def field(event: Event, path: str) -> Judged:
    return next(item for item in event.fields if item.path == path)


def of_column(name: str, values: list[Any], topic: str = "shop.orders") -> Judged:
    """A field of that name with these values, in an event with nothing else."""
    return field(judged(topic, *({name: value} for value in values)), name)


def test_name_and_values_weigh_together() -> None:
    """Both are surest, values of an unmistakable form are sure, a name alone is to be decided."""
    both, values, name = (
        of_column(*said) for said in (("epost", MAILS), ("x1", MAILS), ("epost", [None] * 10))
    )
    assert both.confidence > values.confidence >= SURE > name.confidence >= UNSURE
    assert {item.identifier for item in (both, values, name)} == {"email"}
    assert [bool(item.decide) for item in (both, values, name)] == [False, False, True]
    assert name.evidence == ("name: epost", "no values seen")


def test_values_that_contradict_a_name_outweigh_it() -> None:
    """A field that is called phone and holds words is none."""
    assert of_column("phone", ["android", "ios", "other"] * 5).identifier == ""


def test_a_weak_form_alone_is_to_be_decided() -> None:
    """Eight digits may be a phone; with the name they are."""
    digits = [f"4{number:07}" for number in range(0, 9_000_000, 700_000)]
    alone, named = of_column("ref7", digits), of_column("mobil", digits)
    assert (alone.identifier, bool(alone.decide)) == ("phone", True)
    assert (named.identifier, named.decide) == ("phone", "")


def test_a_few_strange_values_are_worth_a_look() -> None:
    """E-mail addresses among numbers of customers, a phone inside what is called a status."""
    numbers: list[Any] = [f"{700_000 + number}" for number in range(40)]
    assert of_column("customer_number", [*numbers, *MAILS[:2]]).decide == "e-mail address in 5% of the values"
    told: list[Any] = ["ok"] * 20 + ["Ring meg på 48 12 34 56 etter klokka fire"]
    assert of_column("status", told).decide == "text with phone number in 5% of the values"


def test_an_event_about_somebody_is_about_them_in_all_its_fields() -> None:
    """Fields that say nothing of themselves have its category; what is of things is nobody's."""
    rows = [{"kundenr": f"{700_000 + at}", "total": at, "schema_version": 1} for at in range(30)]
    event = judged("shop.orders", *rows)
    assert (event.names, event.category) == (True, "C-09")
    assert field(event, "total").category == "C-09"
    assert field(event, "schema_version").category == "none"
    nobody = judged("shop.orders", *({"total": at, "schema_version": 1} for at in range(30)))
    assert (nobody.names, field(nobody, "total").category) == (False, "none")


@pytest.mark.parametrize("topic", TOPICS)
def test_events_about_nobody_are_not_taken_for_personal(topic: str) -> None:
    """Nothing in them is sure to be anybody's: a device or a place may be asked about."""
    event = judged(topic, *TOPICS[topic])
    assert not [item for item in event.fields if item.personal and not item.decide]


def test_a_name_of_a_person_is_told_from_one_of_a_thing() -> None:
    """By given names among the values, and by what the field lies in."""
    people = ["Kari Hansen", "Ola Berg", "Aisha Dahl", "Siv Moen", "Tomasz Nowak", "Anne Lunde"] * 3
    things = ["Fiber Grunnpakke", "Mobil Fri Data", "Ruter Ekstra", "Trygg Bolig"] * 4
    assert (of_column("name", people).category, of_column("name", people).decide) == ("C-01", "")
    assert of_column("title", people).decide
    assert of_column("name", things).decide
    assert of_column("name", things, "shop.products").category == "none"


def test_ports_times_and_keys_are_told() -> None:
    """Whose port it is, when it happened in which unit, what names the record, and whom the key of a message names."""
    rows = [
        {
            "eventId": f"e-{at}",
            "client_ip": f"192.0.2.{at}",
            "client_port": 40_000 + at,
            "occurred": 1_767_225_600_000 + at,
        }
        for at in range(30)
    ]
    event = judged("web.visits", *rows)
    assert field(event, "client_port").port_of == "client_ip"
    assert field(event, "eventId").record_key
    assert (event.event_time, field(event, "occurred").unit) == ("occurred", "millis")


def test_a_place_that_is_a_value_and_an_object_is_to_be_decided() -> None:
    """A contract could read neither."""
    rows: list[dict[str, Any]] = [{"epost": MAILS[0]}, {"epost": {"epost": MAILS[1]}}]
    event = judged("a.b", *rows * 5)
    assert field(event, "epost").identifier == ""
    assert "in others" in field(event, "epost").decide


def test_what_a_contract_speaks_of_is_declared(tmp_path: Path) -> None:
    """By its paths and what lies below them; a new field is not."""
    held = contract(tmp_path, order(), "shop.orders")
    rows = [
        {"customer": {"number": f"{at}7001"}, "lines": [{"note": "x"}], "nickname": MAILS[at]}
        for at in range(10)
    ]
    found = undeclared(judged("shop.orders", *rows), None, held)
    assert [item.path for item in found] == ["nickname"]


def test_what_a_record_says_is_declared() -> None:
    """A field that it lacks is not, nor one that it calls nobody's and that surely is somebody's."""
    record = read_record(
        {
            "type": "record",
            "name": "Order",
            "fields": [
                {"name": "mail", "type": "string", "innsyn": {"category": "C-01"}},
                {"name": "x", "type": "string", "innsyn": {"category": "none"}},
                {"name": "status", "type": "string", "innsyn": {"category": "none"}},
            ],
        },
        "order.avsc",
    )
    rows = [{"mail": MAILS[at], "x": MAILS[at], "status": "a", "more": "b"} for at in range(10)]
    found = undeclared(judged("shop.orders", *rows), record, None)
    assert [item.path for item in found] == ["x", "more"]
    assert len(undeclared(judged("shop.orders", *rows), None, None)) == 4


def test_categories_are_those_of_the_shared_vocabulary() -> None:
    """So that any company's contract may have them."""
    for topic in TOPICS:
        assert {item.category for item in judged(topic, *TOPICS[topic]).fields} <= {
            "",
            "none",
            *SHARED.categories,
        }

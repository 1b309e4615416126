"""`schemas.changes`: what a new version does to its readers and to the people in it, one line for each."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.changes import Compatibility, incompatible_changes, privacy_changes, unexplained_changes
from schemas.records import read_record
from schemas.versions import Committed

CASES = Path(__file__).parents[2] / "fixtures/cases/13"
ORDER: dict[str, Any] = json.loads((CASES / "order.avsc").read_text("utf-8"))
Change = Callable[[dict[str, Any]], object]


def order(*changes: Change) -> dict[str, Any]:
    schema = copy.deepcopy(ORDER)
    for change in changes:
        change(schema)
    return schema


def lines(
    new: dict[str, Any], *old: dict[str, Any], mode: Compatibility = "BACKWARD_TRANSITIVE"
) -> list[str]:
    """The lines about a version, after those before it (oldest first), without the file."""
    history = [Committed(f"version {n}", read_record(one, f"{n}.avsc")) for n, one in enumerate(old, 1)]
    record = read_record(new, "order.avsc")
    found = [*incompatible_changes(record, history, mode), *unexplained_changes(record, history)]
    return [str(problem).removeprefix("order.avsc: ") for problem in found]


def on(name: str, /, **parts: Any) -> Change:
    """Other parts of a field; None takes a part out."""

    def change(schema: dict[str, Any]) -> None:
        (found,) = (item for item in schema["fields"] if item["name"] == name)
        found.update({key: value for key, value in parts.items() if value is not None})
        for key in [key for key, value in parts.items() if value is None]:
            found.pop(key)

    return change


def with_field(name: str, kind: Any, **more: Any) -> Change:
    return lambda schema: schema["fields"].append(
        {"name": name, "type": kind, "innsyn": {"category": "none"}, **more}
    )


def without_field(name: str) -> Change:
    return lambda s: s.update(fields=[item for item in s["fields"] if item["name"] != name])


def said(**words: Any) -> Change:
    return lambda schema: schema["innsyn"].update(words)


def channel(*symbols: str, **more: Any) -> Change:
    return on("channel", type={"type": "enum", "name": "Channel", "symbols": list(symbols), **more})


def case(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CASES / f"order-{name}.avsc").read_text("utf-8"))
    return schema


AVRO: list[tuple[str, dict[str, Any], str]] = [
    ("a symbol gone, default", order(channel("web", "shop", default="web")), ""),
    (
        "b symbol gone",
        order(channel("web", "shop")),
        "OrderPlaced.channel: incompatible change since version 1: the enum Channel lost phone and has no default",
    ),
    (
        "c micros",
        case("c-micros"),
        "OrderPlaced.shipped_at: incompatible change since version 1: it was timestamp-millis and is timestamp-micros: "
        "the bytes can be read, and every value is wrong by a factor of 1,000; keep the logical type",
    ),
    (
        "d scale",
        case("d-decimal-scale"),
        "OrderPlaced.total: incompatible change since version 1: it was decimal(9, 2) and is decimal(9, 4): the bytes",
    ),
    ("e alias", case("e-alias"), ""),
    (
        "f renamed without alias",
        order(on("channel", name="sales_channel")),
        "OrderPlaced.sales_channel: incompatible change since version 1: a new field without a default, which old data "
        "have not; give it a default",
    ),
    ("g record renamed, alias", order(lambda s: s.update(name="Sale", aliases=["OrderPlaced"])), ""),
    (
        "record renamed",
        order(lambda s: s.update(name="Sale")),
        'Sale: incompatible change since version 1: the record OrderPlaced is now record Sale; add "aliases": ["',
    ),
    (
        "null lost",
        order(on("shipped_at", type={"type": "long", "logicalType": "timestamp-millis"}, default=None)),
        "OrderPlaced.shipped_at: incompatible change since version 1: it was null at times and no longer may be; keep",
    ),
    (
        "other type",
        order(on("total", type="string")),
        # bytes are read as text, but a number is none
        "OrderPlaced.total: incompatible change since version 1: it was decimal(9, 2) and is string: the bytes",
    ),
    (
        "wider type back",
        order(on("placed_at", type="int")),
        "OrderPlaced.placed_at: incompatible change since version 1: it was timestamp-millis and is int; keep the type",
    ),
]


@pytest.mark.parametrize(("new", "expected"), [case[1:] for case in AVRO], ids=[case[0] for case in AVRO])
def test_a_change_is_judged_by_schema_resolution(new: dict[str, Any], expected: str) -> None:
    """Avro specification, "Schema Resolution" and "Aliases": no line, or one with the field and its own words."""
    found = lines(new, ORDER)
    assert len(found) == bool(expected), found
    assert not expected or found[0].startswith(expected)


OPTIONAL = with_field("note", "string", default="")
REQUIRED = with_field("note", "string")


def test_a_chain_of_compatible_versions_is_not_compatible() -> None:
    """Each version reads the one before it, and the third does not read the first."""
    chain = [ORDER, order(OPTIONAL)]
    expected = (
        "OrderPlaced.note: incompatible change since version 1: a new field without a default, which old data"
    )
    (found,) = lines(order(REQUIRED), *chain)
    assert found.startswith(expected)
    assert lines(order(REQUIRED), *chain, mode="BACKWARD") == []
    (found,) = lines(order(REQUIRED), *chain, mode="FULL_TRANSITIVE")
    assert found.startswith(expected)


def test_versions_that_say_the_same_share_a_line() -> None:
    """One line for one mistake, with every version that it breaks."""
    (found,) = lines(order(REQUIRED), ORDER, order(with_field("gift", "boolean", default=False)))
    assert "incompatible change since version 1, version 2: a new field" in found


def test_a_version_committed_already_is_held_against_those_before_it() -> None:
    """As in a build that runs on the commit that holds the change."""
    (found,) = lines(order(REQUIRED), ORDER, order(REQUIRED))
    assert "since version 1: a new field" in found


FORWARD: list[tuple[str, dict[str, Any], str]] = [
    ("field more", order(REQUIRED), ""),
    (
        "field gone",
        order(without_field("total")),
        "OrderPlaced.total: incompatible change since version 1: it is gone",
    ),
    ("field gone, default", order(without_field("shipped_at")), ""),
    (
        "symbol more",
        order(channel("web", "shop", "phone", "chat")),
        "OrderPlaced.channel: incompatible change since version 1: the enum Channel has the new symbols chat, and its",
    ),
    (
        "null more",
        order(on("channel", type=["null", ORDER["fields"][2]["type"]])),
        "OrderPlaced.channel: incompatible change since version 1: it may be null now, which its readers cannot take",
    ),
    (
        "micros",
        case("c-micros"),
        "OrderPlaced.shipped_at: incompatible change since version 1: it was timestamp-millis and is timestamp-micros",
    ),
    (
        "record renamed, alias",
        order(lambda s: s.update(name="Sale", aliases=["OrderPlaced"])),
        "Sale: incompatible change since version 1: the record OrderPlaced is now record Sale, which its readers do",
    ),
]


@pytest.mark.parametrize(
    ("new", "expected"), [case[1:] for case in FORWARD], ids=[case[0] for case in FORWARD]
)
def test_forward_asks_what_old_readers_make_of_new_data(new: dict[str, Any], expected: str) -> None:
    """FORWARD holds the old schema as reader; FULL says what either way breaks, a meaning once."""
    found = lines(new, ORDER, mode="FORWARD")
    assert len(found) == bool(expected), found
    assert not expected or found[0].startswith(expected)
    assert set(found) <= set(lines(new, ORDER, mode="FULL"))
    assert len(lines(case("c-micros"), ORDER, mode="FULL")) == 1


def test_forward_of_the_newest_version_alone() -> None:
    """FORWARD looks at the newest committed version, FORWARD_TRANSITIVE at all of them."""
    grown = order(OPTIONAL)
    gone = order(without_field("total"), OPTIONAL)
    assert lines(gone, ORDER, grown, gone, mode="FORWARD_TRANSITIVE")[0].startswith("OrderPlaced.total: ")
    again = [ORDER, order(without_field("total"))]
    assert lines(order(without_field("total"), OPTIONAL), *again, mode="FORWARD") == []
    assert len(lines(order(without_field("total"), OPTIONAL), *again, mode="FORWARD_TRANSITIVE")) == 1


CUSTOMER = {"category": "C-09", "identifier": {"kind": "customer_number", "role": "owner"}}
TEXT = {"category": "C-11", "free_text": True, "about": ["owner"]}
ADDRESS = {"category": "C-21", "identifier": {"kind": "ip", "role": "owner"}}
RICH = order(
    with_field("note", "string", innsyn=TEXT),
    with_field("address", "string", innsyn=ADDRESS),
    with_field("port", "int", innsyn={"category": "C-21", "port_of": "address"}),
    with_field("line", "string", innsyn={"category": "C-09", "key": "line"}),
    said(
        identity=[
            {
                "form": "login",
                "tokens": ["address"],
                "subject": ["customer_number"],
                "proof": "user",
                "source": "login",
            }
        ],
        variants={
            "channel": {
                "phone": {"purposes": ["P-WEB"], "legal_basis": {"P-WEB": "f"}, "retention": ["T18"]},
            }
        },
    ),
)


def rich(*changes: Change) -> dict[str, Any]:
    schema = copy.deepcopy(RICH)
    for change in changes:
        change(schema)
    return schema


PRIVACY: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nothing", rich(), []),
    ("more said", rich(on("total", innsyn={"category": "C-07"})), []),
    (
        "alias",
        rich(
            on("address", name="client", aliases=["address"]),
            on("port", innsyn={"category": "C-21", "port_of": "client"}),
            lambda s: s["innsyn"]["identity"][0].update(tokens=["client"]),
        ),
        [],
    ),
    (
        "event time renamed",
        rich(on("placed_at", name="made_at", aliases=["placed_at"]), said(event_time="made_at")),
        [],
    ),
    (
        "identifier gone",
        rich(on("customer_number", innsyn={"category": "C-09"})),
        ["customer_number identifier customer_number (owner) was taken away"],
    ),
    (
        "field gone",
        rich(without_field("customer_number")),
        ["customer_number identifier customer_number (owner) was taken away with its field"],
    ),
    (
        "renamed without alias",
        rich(on("customer_number", name="number", innsyn={"category": "none"})),
        ["customer_number identifier customer_number (owner) was taken away with its field"],
    ),
    (
        "kind",
        rich(on("customer_number", innsyn={**CUSTOMER, "identifier": {"kind": "username", "role": "owner"}})),
        ["customer_number identifier kind changed from customer_number to username"],
    ),
    (
        "role",
        rich(
            on(
                "customer_number",
                innsyn={**CUSTOMER, "identifier": {"kind": "customer_number", "role": "agent"}},
            )
        ),
        ["customer_number identifier role changed from owner to agent"],
    ),
    (
        "category gone",
        rich(on("note", innsyn={**TEXT, "category": "none"})),
        ["note category C-11 was taken away"],
    ),
    (
        "category",
        rich(on("note", innsyn={**TEXT, "category": "C-12"})),
        ["note category changed from C-11 to C-12"],
    ),
    (
        "category with its field",
        rich(without_field("note")),
        ["note category C-11 was taken away with its field"],
    ),
    (
        "text",
        rich(on("note", innsyn={"category": "C-11", "about": ["owner"]})),
        ["note free_text was taken away"],
    ),
    (
        "about",
        rich(on("note", innsyn={**TEXT, "about": ["agent"]})),
        ["note about changed from owner to agent"],
    ),
    ("port", rich(on("port", innsyn={"category": "C-21"})), ["port port_of address was taken away"]),
    ("port gone", rich(without_field("port")), ["port port_of address was taken away with its field"]),
    ("key", rich(on("line", innsyn={"category": "C-09"})), ["line key line was taken away"]),
    ("system", rich(said(system="billing")), [" system changed from crm to billing"]),
    ("subject", rich(said(subject_type="visitor")), [" subject_type changed from customer to visitor"]),
    ("origin", rich(said(origin="direct")), [" origin changed from auto_generated to direct"]),
    (
        "basis",
        rich(said(legal_basis={"P-CONTRACT": "f"})),
        [" legal basis of P-CONTRACT changed from b to f"],
    ),
    (
        "purpose",
        rich(said(purposes=["P-WEB"], legal_basis={"P-WEB": "f"})),
        [" purpose P-CONTRACT was taken away", " purpose P-WEB was added"],
    ),
    ("retention", rich(said(retention=["T18", "T20"])), [" retention rule T20 was added"]),
    ("recipient", rich(said(recipients=["police"])), [" recipient police was added"]),
    ("identity", rich(said(identity=[])), [" the identity rule login of address was taken away or changed"]),
    (
        "variant",
        rich(lambda s: s["innsyn"]["variants"]["channel"]["phone"].update(retention=["T20"])),
        [
            " retention rule T18 was taken away where channel is phone",
            " retention rule T20 was added where channel is phone",
        ],
    ),
]


@pytest.mark.parametrize(
    ("new", "expected"), [case[1:] for case in PRIVACY], ids=[case[0] for case in PRIVACY]
)
def test_what_is_no_longer_said_of_people_is_told(new: dict[str, Any], expected: list[str]) -> None:
    """One line for each thing less, or other; nothing for what is said in addition or under a new name."""
    found = privacy_changes(read_record(new, "new.avsc"), read_record(RICH, "old.avsc"))
    assert [f"{path} {what}" for path, what in found] == expected


GONE = on("customer_number", innsyn={"category": "C-09"})
MOVED = said(system="billing")


def test_a_privacy_change_needs_its_own_reason() -> None:
    """A reason covers the version that gives it, not what changes later while it still stands there."""
    (found,) = lines(order(GONE), ORDER)
    assert found == (
        "OrderPlaced.customer_number: privacy change since version 1: identifier customer_number (owner) was taken "
        'away; put it back, or say why in "privacy_change": "<reason>" of the record'
    )
    reason = said(privacy_change="the shop is anonymous now")
    second = order(GONE, reason)
    assert lines(second, ORDER) == []
    assert lines(order(GONE, lambda s: s.update(privacy_change="the shop is anonymous now")), ORDER) == []
    (found,) = lines(order(GONE, reason, MOVED), ORDER, second)
    assert "since version 2: system changed from crm to billing" in found
    assert found.endswith("; the reason that stands there belongs to an earlier version")
    assert lines(order(GONE, said(privacy_change="billing took it over"), MOVED), ORDER, second) == []
    assert lines(order(GONE, OPTIONAL, reason), ORDER, second) == []
    assert lines(order(GONE, OPTIONAL), ORDER, second) == []


@pytest.mark.parametrize("blank", ["", "  "])
def test_an_empty_reason_is_none(blank: str) -> None:
    """Something has to be said."""
    assert len(lines(order(GONE, said(privacy_change=blank)), ORDER)) == 1


def test_a_change_that_slipped_through_is_told_until_it_is_explained() -> None:
    """A version that was committed without its reason does not make the next one right."""
    (found,) = lines(order(GONE, OPTIONAL), ORDER, order(GONE))
    assert "since version 1: identifier" in found
    assert lines(order(GONE, OPTIONAL, said(privacy_change="explained late")), ORDER, order(GONE)) == []

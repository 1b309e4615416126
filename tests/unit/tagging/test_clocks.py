"""What events say of retention clocks: whose, of what thing, started or going on; and nothing where nothing is said."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from schemas.calendars import NORWEGIAN
from schemas.codec import encode
from schemas.days import OPEN
from schemas.errors import SchemaError
from schemas.policy import RetentionAnchors
from schemas.records import RecordSchema, load_records
from schemas.tokens import Tokenizer
from sinks.ports.clocks import UNNAMED
from sinks.ports.identity import NOTHING
from streams.answers.clocks import ClockEvent, known_anchors
from streams.columns.tokens import Coordinates
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.tag import Tagged, Tagger
from tests.support.kinds import KINDS
from tests.support.records import EVENT_TIME, record_of

TOKENIZER = Tokenizer(bytes(range(32)), "k1")
RECORDS = load_records()
NOW = 1_770_000_000_000
DAY = 86_400_000
KARI = "10042"
_HEADER = 10


def tagged(record: RecordSchema, *values: dict[str, Any], slow: bool = False) -> Tagged:
    """Events at offset 100 and up; fields that are left out are null or empty."""
    blank = {
        item.name: None
        if item.nullable
        else {"string": "", "long": NOW, "array": [], "enum": None}.get(item.type, 0)
        for item in record.fields
        if "." not in item.name
    }
    tagger = Tagger(TOKENIZER, "v1", KINDS, ())
    decoder = ColumnDecoder(record, tagger.wanted(record))
    bodies = Bodies.of([encode(record, blank | value)[_HEADER:] for value in values])
    decoded = (decoder.decode_one_by_one if slow else decoder.decode)(bodies)
    count = len(values)
    at = Coordinates(np.zeros(count, np.int32), np.arange(100, 100 + count, dtype=np.int64))
    return tagger.tag(record, "topic", decoded, at, NOW + 2 * DAY)


def rows(record: str, *values: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tagged(RECORDS[record], *values).clocks.to_pylist()
    return found


def token(kind: str, value: str) -> bytes:
    return TOKENIZER.token(KINDS[kind], value)


def thing(clock: str, value: str) -> bytes:
    return TOKENIZER.key("slot", f"clock\0{clock}\0{value}")


def moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC).replace(tzinfo=None)


def contract(kind: str, at: int = NOW, **other: Any) -> dict[str, Any]:
    return {"contract_id": "A-1", "customer_number": KARI, "kind": kind, "occurred_at": at, **other}


def test_a_contract_that_ends_starts_its_clock() -> None:
    """The customer's, of that contract; one that begins, is changed or taken up again is going on."""
    kinds = ("started", "changed", "ended", "returned")
    found = rows("ContractEvent", *(contract(kind, NOW + n) for n, kind in enumerate(kinds)))
    assert [row["started"] for row in found] == [None, None, moment(NOW + 2), None]
    assert {(row["token"], row["clock"], row["thing"]) for row in found} == {
        (token("customer_number", KARI), "contract_end", thing("contract_end", "A-1"))
    }
    assert [row["offset"] for row in found] == [100, 101, 102, 103]
    assert [row["event_time"] for row in found] == [moment(NOW + n) for n in range(4)]
    assert {(row["topic"], row["partition"], row["part"]) for row in found} == {("topic", 0, 0)}


def test_a_case_is_open_until_it_says_when_it_was_closed() -> None:
    """What a register writes for "no end" has not happened either."""
    said = {"case_number": "S-1", "customer_number": KARI, "reason": "fault", "opened_at": NOW}
    ends = (None, NOW + DAY, 253_402_214_400_000)
    found = rows("SupportCase", *({**said, "closed_at": end} for end in ends))
    assert [row["started"] for row in found] == [None, moment(NOW + DAY), None]
    assert {row["event_time"] for row in found} == {moment(NOW)}


def test_an_invoice_and_its_payment_speak_of_one_thing() -> None:
    """Data of the billed month are about it; a credit note, a refund and a payment of no invoice say nothing."""
    invoice = {"invoice_number": "F-7", "customer_number": KARI, "email": "kari@example.no", "issued_at": NOW}
    (issued,) = rows("Invoice", {**invoice, "amount_ore": 100}, {**invoice, "amount_ore": -100})
    assert (issued["started"], issued["since"]) == (None, moment(NOW - 31 * DAY))
    assert issued["token"] == token("customer_number", KARI)
    paid = {"payment_id": "B-1", "customer_number": KARI, "invoice_number": "F-7", "paid_at": NOW + DAY}
    others = ({**paid, "method": "refund"}, {**paid, "method": "giro", "invoice_number": None})
    (settled,) = rows("Payment", {**paid, "method": "giro"}, *others)
    assert settled["started"] == moment(NOW + DAY)
    assert settled["thing"] == issued["thing"] == thing("invoice_settled", "F-7")


def test_whoever_is_not_known_by_a_customer_number_is_known_by_what_there_is() -> None:
    """A visitor's cookie; where the customer is named, by that alone."""
    said = {"purpose": "P-WEB", "decision": "withdrawn", "decided_at": NOW, "cookie_id": "c-1"}
    found = rows("ConsentDecision", said, {**said, "customer_number": KARI})
    assert sorted((row["offset"], row["token"]) for row in found) == [
        (100, token("cookie_id", "c-1")),
        (101, token("customer_number", KARI)),
    ]


def test_a_record_without_clocks_says_nothing() -> None:
    """And what is refused as a whole says nothing of a clock either."""
    assert rows("CustomerDetails", {"customer_number": KARI, "updated_at": NOW}) == []
    bad = tagged(RECORDS["ContractEvent"], contract("ended", NOW + 3 * DAY))
    assert set(bad.bad.values()) == {"future_time"}
    assert bad.clocks.num_rows == 0


FIELDS = (
    {
        "name": "owner", "type": "string",
        "innsyn": {"category": "C-21", "identifier": {"kind": "customer_number", "role": "owner"}},
    },
    {"name": "number", "type": ["null", "long"], "default": None},
    {"name": "occurred_at", "type": EVENT_TIME},
    {"name": "done", "type": ["null", EVENT_TIME], "default": None},
    {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["on", "off"]}},
)  # fmt: skip


@pytest.mark.parametrize("slow", [False, True])
def test_several_rules_and_a_thing_with_a_number(slow: bool) -> None:
    """Each rule by its number; the person as such is no thing; both roads of decoding say the same."""
    record = record_of(
        *FIELDS,
        clocks=[
            {"clock": "delivery"},
            {"clock": "need_end", "group": "number", "mark": "state", "marks": {"off": "starts"}},
        ],
    )
    values = {"owner": KARI, "occurred_at": NOW, "state": "off", "number": 12}
    found = tagged(record, values, {**values, "state": "on"}, {**values, "number": None}, slow=slow).clocks
    assert sorted((row["offset"], row["part"], row["thing"]) for row in found.to_pylist()) == sorted(
        [(offset, 0, NOTHING) for offset in (100, 101, 102)]
        + [(100, 1, thing("need_end", "12")), (102, 1, UNNAMED)]
    )


@pytest.mark.parametrize("name", ["-", "", "000", "n/a", "Unknown"])
def test_contracts_without_a_number_are_not_one_contract(name: str) -> None:
    """Of two that are written alike one may have ended: what runs is going on, and says so."""
    kinds = ("started", "started", "ended")
    said = [contract(kind, NOW + n, contract_id=name) for n, kind in enumerate(kinds)]
    found = [ClockEvent(**_told(row)) for row in rows("ContractEvent", *said)]
    assert {event.thing for event in found} == {UNNAMED}
    known = known_anchors(found, NORWEGIAN, RetentionAnchors())
    assert (known.said[0].things, known.said[0].going_on, known.anchors.contract_end) == (3, 2, OPEN)


def test_a_payment_of_no_invoice_that_is_named_settles_none() -> None:
    """It would end the period of every other invoice that is written so."""
    paid = {"payment_id": "B-1", "customer_number": KARI, "paid_at": NOW, "method": "giro"}
    assert rows("Payment", {**paid, "invoice_number": "-"}, {**paid, "invoice_number": ""}) == []


def _told(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: row[name] and row[name].replace(tzinfo=UTC) for name in ("event_time", "since", "started")}
    return {name: value for name, value in {**row, **times}.items() if name != "token"}


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"clock": "contract_ends"}, "unknown clock contract_ends; did you mean contract_end?"),
        ({"clock": "delivery", "group": "nobody"}, "group nobody is no field"),
        ({"clock": "delivery", "group": "state"}, "group state is no key"),
        ({"clock": "delivery", "at": "number"}, "at number is no time"),
        ({"clock": "delivery", "at": "done", "says": "stops"}, "at says when the clock starts; leave says out"),
        ({"clock": "delivery", "mark": "state"}, "mark and marks do not go together"),
        ({"clock": "delivery", "mark": "owner", "marks": {"off": "starts"}}, "mark owner is no enum"),
        ({"clock": "delivery", "mark": "state", "marks": {"of": "starts"}}, "unknown symbol of; did you mean off?"),
        ({"clock": "delivery", "above_zero": "owner"}, "above_zero owner is no number"),
        ({"clock": "contract_end", "days_before": 3}, "days_before is of case_closed"),
        ({"clock": "delivery", "days_before": -1}, "is out of range; write 0 to"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_read_is_refused(rule: dict[str, Any], message: str) -> None:
    """With what is wrong and how to mend it, before the first event."""
    with pytest.raises(SchemaError, match=message.replace("?", r"\?")):
        record_of(*FIELDS, clocks=[rule])


def test_clocks_of_nobody_are_refused() -> None:
    """A record that names no owner has nobody whose clock could start."""
    agent = {"name": "owner", "type": "string"}
    with pytest.raises(SchemaError, match="clocks of nobody"):
        record_of(agent, *FIELDS[1:], clocks=[{"clock": "delivery"}])

"""What a contract says of retention clocks: the same as a schema, over paths, with the message's own units."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import CatalogueError
from sinks.ports.clocks import UNNAMED
from tests.support.by_contract import ROW, change, customer, dead, placed, prepare
from tests.support.claims import NOW
from tests.support.contracts import contract, order

SHIPPED = {"category": "C-09", "type": "string"}
FIELDS = {
    **order()["fields"],
    "state": {"category": "C-09"},
    "shipped_at": SHIPPED,
    "total": {"category": "C-09", "type": "number"},
}
ENDS = {
    "clock": "contract_end", "group": "order_id", "mark": "state", "marks": {"open": "stops", "done": "starts"},
}  # fmt: skip
DELIVERED = {
    "clock": "delivery",
    "group": "order_id",
    "at": {"path": "shipped_at", "unit": "iso8601", "zone": "Europe/Oslo"},
    "above_zero": "total",
}


def said(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return order(clocks=list(rules), fields=FIELDS, **more)


def moment(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC).replace(tzinfo=None)


def test_events_of_a_contract_say_when_clocks_start(tmp_path: Path) -> None:
    """By a field with words, and by a time in a text of the company's zone; what is no time is a dead letter."""
    messages = [
        placed(state="open", total=10, shipped_at=None),
        placed(state="done", total=10, shipped_at="2026-03-02 12:00:00"),
        placed(state="lost", total=-1, shipped_at="2026-03-02 12:00:00"),
        placed(state="done", total=10, shipped_at="soon"),
        placed(state="done", total=10, order_id="", shipped_at=None),
    ]
    prepared = prepare(contract(tmp_path, said(ENDS, DELIVERED)), messages)
    assert dead(prepared) == [(3, "malformed_body")]
    found = prepared.batch.clocks.to_pylist()
    assert sorted((row["offset"], row["part"], row["clock"], row["started"]) for row in found) == [
        (0, 0, "contract_end", None),
        (0, 1, "delivery", None),
        (1, 0, "contract_end", moment(NOW)),
        (1, 1, "delivery", moment(1_772_449_200_000)),
        (4, 0, "contract_end", moment(NOW)),
    ]
    assert {row["token"] for row in found} == {customer("700104")}
    assert len({row["thing"] for row in found if row["offset"] < 4}) == 2
    assert {row["thing"] for row in found if row["offset"] == 4} == {UNNAMED}


def test_a_changed_row_is_whose_it_is_now(tmp_path: Path) -> None:
    """Whoever had it before is not said to have it still; a deleted row says nothing of a clock."""
    row = {**ROW, "state": "open", "total": 1, "shipped_at": None}
    other = {**row, "customer": {"number": "700105"}}
    messages = [change("c", None, row), change("u", row, other), change("d", other, None)]
    prepared = prepare(contract(tmp_path, said(ENDS, envelope="debezium")), messages)
    found = [(row["offset"], row["token"]) for row in prepared.batch.clocks.to_pylist()]
    assert found == [(0, customer("700104")), (1, customer("700105"))]


@pytest.mark.parametrize(
    ("rule", "key", "mend"),
    [
        ({"clock": "ended"}, "clocks.0.clock", "unknown clock ended"),
        ({"clock": "delivery", "grup": "order_id"}, "clocks.0.grup", "did you mean group?"),
        ({"clock": "delivery", "group": "nothing"}, "clocks.0.group", "nothing is none of fields"),
        ({"clock": "delivery", "group": "consignees[].name"}, "clocks.0.group", "lies in an array or a map"),
        ({"clock": "delivery", "group": "total"}, "clocks.0.group", "is of type number"),
        ({"clock": "delivery", "above_zero": "state"}, "clocks.0.above_zero", "is of type string"),
        ({"clock": "delivery", "at": {"path": "placed_at"}}, "clocks.0.at", "is the event's own time"),
        ({"clock": "delivery", "at": {"path": "total"}}, "fields.total.type", "a time in millis is integer"),
        ({"clock": "delivery", "at": {"envelope": "ts_ms"}}, "clocks.0.at", "names no field"),
        ({"clock": "delivery", "says": "goes"}, "clocks.0.says", "is not allowed"),
    ],
)
def test_a_rule_that_cannot_be_read_is_refused(
    tmp_path: Path, rule: dict[str, Any], key: str, mend: str
) -> None:
    """With the key in the file and what to write instead."""
    with pytest.raises(CatalogueError) as refused:
        contract(tmp_path, said(rule))
    assert refused.value.key == key
    assert mend in refused.value.mend

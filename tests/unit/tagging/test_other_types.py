"""Values of another type or shape than a contract says: dead letters, beside those that are as it says."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import CatalogueError
from tests.support.by_contract import (
    ROW,
    Registered,
    avro,
    change,
    customer,
    dead,
    placed,
    prepare,
    rows,
)
from tests.support.claims import NOW
from tests.support.contracts import ORDER, contract, order
from tests.unit.tagging.test_avro_by_contract import FLAT


@pytest.mark.parametrize(
    ("kind", "unit", "value"),
    [
        ("integer", "seconds", NOW / 1000 + 0.5),
        ("integer", "seconds", "__1.79e9__"),
        ("integer", "millis", float(NOW)),
        ("number", "seconds", str(NOW // 1000)),
        ("string", "iso8601", NOW),
        ("integer", "seconds", True),
    ],
)
def test_a_time_of_another_type_is_a_dead_letter(tmp_path: Path, kind: str, unit: str, value: Any) -> None:
    """Beside others that are as the contract says, in whatever order they are read."""
    fields = {**ORDER["fields"], "placed_at": {"category": "none", "type": kind}}
    said = contract(tmp_path, order(event_time={"path": "placed_at", "unit": unit}, fields=fields))
    iso = datetime.fromtimestamp(NOW / 1000, UTC).isoformat()
    good = placed(placed_at=iso if kind == "string" else NOW // (1000 if unit == "seconds" else 1))
    bad = json.dumps(placed(placed_at=value)).replace('"__1.79e9__"', "1.79e9").encode()
    found = prepare(said, [good, bad, good, *[good] * 20])
    assert dead(found) == [(1, "malformed_body")]
    assert len({row[0] for row in rows(found)}) == 22


@pytest.mark.parametrize(
    "changed",
    [
        {"consignees": {"number": "700105"}},
        {"consignees": "700105"},
        {"consignees": ["700105"]},
        {"consignees": [{"number": ["700105"]}]},
        {"consignees": [[{"number": "700105"}]]},
        {"customer": "700104"},
        {"customer": [{"number": "700104"}]},
        {"customer": {"number": {"value": "700104"}}},
        {"customer": {"number": 700104}},
        {"customer": True},
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_a_value_of_another_shape_is_a_dead_letter(
    tmp_path: Path, changed: dict[str, Any], first: bool
) -> None:
    """An array, an object or a text in place of the other: the people inside would not be found."""
    good, bad = placed("700104", "700105"), placed(**changed)
    found = prepare(contract(tmp_path, order()), [bad, good, bad] if first else [good, bad, good])
    assert dead(found) == [(at, "malformed_body") for at in ((0, 2) if first else (1,))]
    assert {row[1] for row in rows(found)} == {customer("700104"), customer("700105")}


@pytest.mark.parametrize("envelope", ["after", "before"])
def test_an_image_of_another_shape_is_a_dead_letter(tmp_path: Path, envelope: str) -> None:
    """Also where a row stands as a text in its change, as some connectors write documents."""
    said = contract(tmp_path, order(envelope="debezium"))
    bad = {**change("u", ROW, ROW), envelope: json.dumps(ROW)}
    assert dead(prepare(said, [change("c", None, ROW), bad])) == [(1, "malformed_body")]


def test_flat_avro_of_another_shape_is_a_dead_letter(tmp_path: Path) -> None:
    """A text where the contract names fields inside; null there is nobody."""
    schema = {**FLAT, "fields": [*FLAT["fields"], {"name": "customer", "type": ["null", "string"]}]}
    said = contract(tmp_path, order(format="avro"))
    body = {"order_id": "o", "placed_at": NOW, "number": None, "nick": None}
    bodies = [avro(schema, {**body, "customer": value}) for value in ("700104", None)]
    found = prepare(said, bodies, Registered(schema))
    assert dead(found) == [(0, "malformed_body")]


@pytest.mark.parametrize(("unit", "kind"), [("iso8601", "integer"), ("millis", "string"), ("days", "number")])
def test_a_type_that_the_unit_of_the_time_contradicts_is_refused(
    tmp_path: Path, unit: str, kind: str
) -> None:
    """No message could be what both say."""
    fields = {**ORDER["fields"], "placed_at": {"category": "none", "type": kind}}
    with pytest.raises(CatalogueError, match=r"fields\.placed_at\.type: a time in"):
        contract(tmp_path, order(event_time={"path": "placed_at", "unit": unit}, fields=fields))

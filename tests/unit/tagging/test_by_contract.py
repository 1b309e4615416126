"""Events in JSON that somebody else owns, tagged by their contract: people, times, texts, fields of no contract."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import load_catalogue
from schemas.policy import RetentionAnchors
from sinks.ports.lineage import Found, Holding
from streams.answers.erasure_plan import make_plan
from streams.tagging.scan import Scanner, load_recognisers
from tests.support.by_contract import WHEN, customer, dead, placed, prepare, rows
from tests.support.claims import NOW
from tests.support.contracts import ORDER, TOPIC, contract, order
from tests.support.kinds import KINDS


def test_each_person_of_a_json_event_gets_a_row(tmp_path: Path) -> None:
    """Also several in an array, each once; an empty text names nobody; what is no event is a dead letter of its own."""
    messages = [
        placed("700104", "700105", "700106", "700105"),
        b"{",
        placed("700107"),
        None,
        placed(""),
        placed("700108", "", "700109"),
        placed(placed_at=None),
        placed(customer={"number": 700104}),
    ]
    prepared = prepare(contract(tmp_path, order()), messages)
    assert rows(prepared) == {
        (0, customer("700104"), "owner", "collect"),
        (0, customer("700105"), "counterparty", "collect"),
        (0, customer("700106"), "counterparty", "collect"),
        (2, customer("700107"), "owner", "collect"),
        (5, customer("700108"), "owner", "collect"),
        (5, customer("700109"), "counterparty", "collect"),
    }
    assert dead(prepared) == [
        (1, "malformed_body"),
        (3, "unnamed_deletion"),
        (6, "malformed_body"),
        (7, "malformed_body"),
    ]
    (account,) = prepared.batch.ranges
    assert (account.events, account.rows, account.dead, account.tombstones) == (4, 6, 4, 0)
    assert account.no_subject == 1


def test_rows_say_what_the_contract_says(tmp_path: Path) -> None:
    """Tag sets carry its words, and for whom they hold."""
    said = contract(tmp_path, order())
    prepared = prepare(said, [placed("700104", "700105")])
    owner, other = sorted(prepared.batch.tag_sets, key=lambda tags: tags.of_another)
    assert replace(other, of_another=False, categories=owner.categories) == owner
    assert (owner.record, owner.topic, owner.system, owner.schema) == (
        "ShopOrder",
        TOPIC,
        "crm",
        said.record.fingerprint.hex(),
    )
    assert owner.categories == ("C-01", "C-09", "C-31")
    assert prepared.batch.rows["event_time"].to_pylist()[0].timestamp() * 1000 == NOW


def test_a_number_is_its_decimal_text_and_a_text_keeps_its_zeros(tmp_path: Path) -> None:
    """So that one customer has one token, however each source writes the number."""
    fields = {**ORDER["fields"], "customer.number": {**ORDER["fields"]["customer.number"], "type": "integer"}}
    for name in ("customer.number", "consignees[].number"):
        fields[name] = {**ORDER["fields"][name], "type": "integer"}
    said = contract(tmp_path, order(fields=fields))
    message = placed(customer={"number": 700104}, consignees=[{"number": 700105}, {"number": 700106}])
    assert {row[1] for row in rows(prepare(said, [message]))} == set(
        map(customer, ("700104", "700105", "700106"))
    )
    assert dead(prepare(said, [placed("0700104")])) == [(0, "malformed_body")]


@pytest.mark.parametrize(
    ("time", "kind", "value"),
    [
        ({"unit": "seconds"}, "number", NOW / 1000),
        ({"unit": "millis"}, "integer", NOW),
        ({"unit": "micros"}, "integer", NOW * 1000 + 999),
        ({"unit": "io.debezium.time.NanoTimestamp"}, "integer", NOW * 1_000_000 + 1),
        ({"unit": "iso8601"}, "string", datetime.fromtimestamp(NOW / 1000, UTC).isoformat()),
        (
            {"unit": "iso8601"},
            "string",
            datetime.fromtimestamp(NOW / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        ),
        (
            {"unit": "iso8601", "zone": "Europe/Oslo"},
            "string",
            datetime.fromtimestamp(NOW / 1000 + 3600, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        ),
    ],
)
def test_times_have_their_unit(tmp_path: Path, time: dict[str, Any], kind: str, value: Any) -> None:
    """Whatever it is, the index keeps milliseconds in UTC; a text among others that is no time is bad alone."""
    fields = {**ORDER["fields"], "placed_at": {"category": "none", "type": kind}}
    said = contract(tmp_path, order(event_time={"path": "placed_at", **time}, fields=fields))
    prepared = prepare(
        said, [placed(placed_at=value), placed(placed_at=value if kind != "string" else "soon")]
    )
    times = [round(row.timestamp() * 1000) for row in prepared.batch.rows["event_time"].to_pylist()]
    assert times == [NOW] * (1 if kind == "string" else 2)


def test_days_are_midnight(tmp_path: Path) -> None:
    """As `io.debezium.time.Date` counts."""
    said = contract(tmp_path, order(event_time={"path": "placed_at", "unit": "days"}))
    (time,) = prepare(said, [placed(placed_at=20_000)]).batch.rows["event_time"].to_pylist()
    assert time.date().isoformat() == "2024-10-04"


def test_texts_inside_are_read(tmp_path: Path) -> None:
    """What somebody wrote into an order names people too."""
    scanner = Scanner(KINDS, load_recognisers())
    prepared = prepare(contract(tmp_path, order()), [placed(note="Ring kari@example.com")], scanner=scanner)
    assert "mentioned" in {row[2] for row in rows(prepared)}
    assert set(prepared.batch.findings["field"].to_pylist()) == {"note"}


def test_fields_of_no_contract_are_counted(tmp_path: Path) -> None:
    """By path, of all messages that are tagged."""
    prepared = prepare(
        contract(tmp_path, order()), [placed(nick="x"), placed(nick="y", extra={"a": 1}), placed()]
    )
    assert prepared.untagged == {TOPIC: {"nick": 2, "extra": 1}}
    assert len(rows(prepared)) == 3


def test_an_erasure_names_the_paths_of_a_contract(tmp_path: Path) -> None:
    """The system is told which fields of which record go, as of any other record."""
    said = contract(tmp_path, order())
    tags = prepare(said, [placed("700104")]).batch.tag_sets[0]
    gone = make_plan(
        Found((Holding(tags, 1, WHEN, WHEN),), 1),
        load_catalogue(),
        date(2040, 1, 1),
        RetentionAnchors(case_closed=date(2026, 4, 1)),
        records={"ShopOrder": said.record},
        topics={},
    )
    assert not gone.unjudged
    (command,) = gone.commands
    named = [*command.fields, *(name for item in command.orders for name in item.fields)]
    assert "ShopOrder.consignees[].number" in named
    assert "ShopOrder.placed_at" not in named

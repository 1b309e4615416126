"""What has run out and whose it is: as innsyn's own job has it, row by row, and what stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innsyn_sdk import values
from innsyn_sdk.expiring import Expiring, expiring_of
from innsyn_sdk.mapping import Column, Keep, RecordMapping
from innsyn_sdk.matching import Rules, UnknownField, rules_of
from innsyn_sdk.protocol import Identifier
from innsyn_sdk.tally import Tally

from schemas import moments
from schemas.errors import InputError
from schemas.messages import RunOut as Told
from schemas.messages import Selector
from streams.rights.protocol.messages import Named
from streams.rights.reference_job.store import SqliteStore
from tests.sdk.mapped import NOW, RECORDS, TODAY, all_of, command_of, expiry_of, run_out
from tests.sdk.test_matching import HOURS, KARI, MAPPING, OLA, logins, named
from tests.support.kinds import KINDS

NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)
LATER = NINE + timedelta(hours=1)
VISIT = RecordMapping(
    "Visit",
    "visit",
    (
        Column("customer", "customer_number", "customer_number", person=True, customer=True),
        Column("friend", "friend", "phone", "digits", person=True, role="counterparty", country="47"),
        Column("email", "email", "email", "lower", person=True),
        Column("address", "client_address", "ip", "address", port="port"),
        Column("port", "client_port", personal=False),
        Column("kind", "kind", personal=False),
        Column("page", "page", blank="-"),
    ),
    time="at",
    absent=frozenset({"memo"}),
)
PERSONAL = [f"Visit.{item.field}" for item in VISIT.columns if item.personal]
told = st.builds(
    Told,
    record=st.just("Login"),
    categories=st.just(()),
    fields=st.one_of(
        st.just(tuple(all_of(MAPPING))),
        st.lists(st.sampled_from(all_of(MAPPING)), min_size=1, unique=True).map(tuple),
    ),
    where=st.sampled_from(
        [None, Selector("result", ("ok",)), Selector("result", ("failed",), or_empty=True)]
    ),
    before=st.sampled_from(HOURS),
    rule=st.just("T01"),
    citation=st.just(""),
    expected=st.just(0),
)


def row(**said: Any) -> dict[str, Any]:
    """A visit at nine of nobody."""
    names = [item.name for item in VISIT.columns]
    return {**dict.fromkeys(names), "page": "/a", "at": NINE, **said}


@given(
    rows=st.lists(logins, max_size=6),
    kept=st.lists(named, max_size=3),
    records=st.lists(told, min_size=1, max_size=3),
)
def test_it_decides_as_the_reference_job(
    rows: list[dict[str, Any]], kept: list[Named], records: list[Told]
) -> None:
    """The same rows go, the same columns are emptied, the same rows are told as without a time."""
    store = SqliteStore(Path(":memory:"), RECORDS, KINDS)
    store.put_many(("Login", item) for item in rows)
    outcome = store.expire(records, kept, once="x-1#1")
    items = [run_out(item.fields, item.before, where_of(item.where)) for item in records]
    rules = Expiring(expiry_of(items, [Identifier(*item) for item in kept]), MAPPING, TODAY)
    tally, left = Tally(), []
    for item in rows:
        verdict = rules.decide(item)
        tally.add("Login", verdict)
        if not verdict.delete:
            left.append(item | {one.name: None for one in verdict.blank})
    store.put("Login", {})
    there = store._connection.execute('SELECT * FROM "Login" ORDER BY _row').fetchall()
    names = [item.name for item in RECORDS["Login"].fields]
    asked = [
        [None if item[name] is None else str(item[name]) for name in names if name != "occurred_at"]
        for item in left
    ]
    found = [
        [value for name, value in zip(names, item[1:], strict=True) if name != "occurred_at"]
        for item in there[:-1]
    ]
    assert found == asked
    counts = {item.record: (item.deleted, item.redacted) for item in outcome.outcomes}
    assert counts.get("Login", (0, 0)) == (tally.deleted["Login"], tally.redacted["Login"])
    assert outcome.undated == tally.undated
    store.close()


def where_of(selector: Selector | None) -> dict[str, Any] | None:
    """As a command has it."""
    if selector is None:
        return None
    return {"field": selector.field, "values": [*selector.values], "or_empty": selector.or_empty}


def goes(item: dict[str, Any], *kept: Identifier, fields: list[str] = PERSONAL, mapping: Any = VISIT) -> Any:
    """What becomes of a row of which these fields have run out before ten."""
    return Expiring(expiry_of([run_out(fields, LATER)], kept), mapping, TODAY).decide(item)


def test_a_record_goes_when_its_time_has_come_whoever_it_is_about() -> None:
    assert goes(row(customer=OLA)).delete
    assert goes(row()).delete
    assert not goes(row(customer=OLA, at=LATER)).mine
    assert goes(row(at=LATER - timedelta(microseconds=1))).delete


@pytest.mark.parametrize(
    ("item", "kept"),
    [
        (row(customer=KARI), Identifier("customer_number", KARI)),
        (row(customer=OLA, friend="400 00 909"), Identifier("phone", "+4740000909")),
        (row(customer=OLA, email=" Kari@Example.no"), Identifier("email", "kari@example.no")),
        (row(address="192.0.2.7"), Identifier("ip", "192.0.2.7", since=NINE, until=LATER, proof="user")),
        (row(customer=OLA, address="::ffff:192.0.2.7"), Identifier("ip", "192.0.2.7", proof="user")),
        (row(address="2001:DB8:0:1::7"), Identifier("ip", "2001:db8::/32", prefix=True)),
        (row(address="192.0.2.7", port=2000), Identifier("ip", "192.0.2.7", at=NINE, port=2000)),
    ],
)
def test_a_record_that_names_somebody_kept_stays_whole(item: dict[str, Any], kept: Identifier) -> None:
    """In any role and any spelling, also beside another customer, whose the record is."""
    assert not goes(item, kept).mine
    assert not goes(item, kept, fields=["Visit.page"]).mine
    assert goes(item, Identifier("customer_number", "700999")).delete


@pytest.mark.parametrize(
    "kept",
    [
        Identifier("ip", "192.0.2.7", since=NINE - timedelta(hours=1), until=NINE, proof="user"),
        Identifier("ip", "192.0.2.7", ports=(3000, 3999), proof="user"),
        Identifier("ip", "192.0.2.8"),
        Identifier("phone", "192.0.2.7"),
        Identifier("passport", KARI),
    ],
)
def test_a_kept_person_keeps_what_is_theirs_alone(kept: Identifier) -> None:
    """Not what came from the address at another time, nor by a kind that the record has not."""
    assert goes(row(address="192.0.2.7", port=2000, customer=KARI), kept).delete


def test_a_record_without_a_readable_time_stays_and_is_told() -> None:
    """Not of somebody kept, at whatever time they had the address, nor where nothing is left to go."""
    for at in (None, "yesterday", "2026-03-01T09:00:00"):
        found = goes(row(at=at))
        assert (found.mine, found.delete, found.undated) == (False, False, True)
    hour = Identifier("ip", "192.0.2.7", since=NINE, until=LATER, proof="user")
    assert not goes(row(at=None, address="192.0.2.7"), hour).undated
    assert not goes(row(at=None, page="-"), fields=["Visit.page"]).undated
    tally = Tally()
    tally.add("Visit", goes(row()))
    tally.add("Visit", goes(row(at=None)))
    said = tally.outcome()
    assert (said.state, said.erased, said.held, said.ground, said.reason) == (
        "partial",
        1,
        1,
        None,
        "undated",
    )


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00", NINE.replace(year=1, tzinfo=None), NINE.replace(year=1753, tzinfo=None), "1900-01-01",
        "1989-12-31T23:59:59+00:00", 0, -1, -62_135_596_800_000, 1_795_000_000, "2100-01-01T00:00:00Z",
        NINE.replace(year=9999),
    ],
)  # fmt: skip
def test_a_time_that_the_index_does_not_take_stands_for_none(at: Any) -> None:
    """It is not very old, and the record is told; of somebody kept it is of any time."""
    mapping = replace(VISIT, zone=ZoneInfo("Europe/Oslo"), unit="ms")
    found = goes(row(at=at), mapping=mapping)
    assert (found.mine, found.delete, found.undated) == (False, False, True)
    hour = Identifier("ip", "192.0.2.7", since=NINE, until=LATER, proof="user")
    assert not goes(row(at=at, address="192.0.2.7"), hour, mapping=mapping).undated
    assert goes(row(at="1990-01-01T00:00:00Z"), mapping=mapping).delete


def test_the_bounds_of_times_are_the_index_s() -> None:
    bounds = [int(item.timestamp() * 1000) for item in (values.EARLIEST, values.LATEST)]
    assert bounds == [moments.EARLIEST, moments.LATEST]


@pytest.mark.parametrize("at", [NINE.replace(year=year) for year in (1, 1753, 1970, 9999)])
def test_the_reference_store_leaves_and_tells_them_too(at: datetime) -> None:
    store = SqliteStore(Path(":memory:"), RECORDS, KINDS)
    store.put("Login", {"customer_number": KARI, "occurred_at": at})
    old = Told("Login", (), tuple(all_of(MAPPING)), None, LATER, "T01", "", 1)
    said = store.expire([old], [], once="x-1#1")
    assert (said.erased, said.undated, store.count([("customer_number", KARI)])) == (0, 1, 1)
    store.close()


def test_fewer_fields_are_emptied_and_counted_once() -> None:
    """What an earlier command emptied is not counted again, or each night would count all that ever ran out."""
    found = goes(row(customer=OLA), fields=["Visit.page", "Visit.memo"])
    assert [item.name for item in found.blank] == ["page"]
    assert not goes(row(customer=OLA, page="-"), fields=["Visit.page"]).mine


def test_what_runs_out_by_several_rules_goes_when_the_last_has_ended() -> None:
    """Each is emptied on its day, and the record goes with the last."""
    some, rest = PERSONAL[:2], PERSONAL[2:]
    rules = Expiring(
        expiry_of([run_out(some, LATER), run_out(rest, LATER - timedelta(minutes=30))]), VISIT, TODAY
    )
    assert rules.decide(row(customer=OLA)).delete
    narrowed = rules.decide(row(customer=OLA, at=LATER - timedelta(minutes=10)))
    assert (narrowed.delete, [item.name for item in narrowed.blank]) == (False, ["customer"])
    assert rules.before == LATER


def test_rows_are_told_apart_by_a_field() -> None:
    where = {"field": "kind", "values": ["view"], "or_empty": False}
    rules = Expiring(expiry_of([run_out(PERSONAL, LATER, where)]), VISIT, TODAY)
    assert rules.decide(row(kind="view")).delete
    assert not rules.decide(row(kind="order")).mine
    assert not rules.decide(row()).mine


def test_what_the_store_keeps_by_a_rule_of_its_own_is_held() -> None:
    keeping = replace(VISIT, keep=(Keep("keep_until", "T01", "bokføringsloven § 13"),))
    until = date(2031, 12, 31)
    found = goes(row(keep_until=until), mapping=keeping)
    assert found.held == (keeping.keep[0], until)
    assert goes(row(keep_until=date(2020, 1, 1)), mapping=keeping).delete


@pytest.mark.parametrize(
    ("fields", "where", "mapping"),
    [
        (["Visit.nothing"], None, VISIT),
        (["Login.user"], None, VISIT),
        (["Visit.page"], {"field": "nothing", "values": [], "or_empty": True}, VISIT),
        (["Visit.page"], None, replace(VISIT, time=None)),
    ],
)
def test_what_the_job_s_file_does_not_have_is_an_error(fields: list[str], where: Any, mapping: Any) -> None:
    """A record or field of another system, or a record of which nobody can say how old one is."""
    with pytest.raises(UnknownField):
        expiring_of(expiry_of([run_out(fields, LATER, where)]), [mapping], TODAY)


def test_the_reference_store_refuses_records_and_fields_of_others() -> None:
    """And nothing went by then."""
    store = SqliteStore(Path(":memory:"), RECORDS, KINDS)
    store.put("Login", {"customer_number": KARI, "occurred_at": NINE})
    old = Told("Login", (), tuple(all_of(MAPPING)), None, LATER, "T01", "", 1)
    for item in (replace(old, fields=("Login.nothing",)), Told("No", (), ("No.x",), None, LATER, "T", "", 0)):
        with pytest.raises(InputError):
            store.expire([old, item], [], once="x-1#1")
    assert store.count([("customer_number", KARI)]) == 1
    assert store.expire([old], [], once="x-1#1").erased == 1
    assert store.expire([old], [], once="x-1#1").erased == 1
    assert store.expire([old], [], once="x-1#2").erased == 1
    store.close()


ERASE = command_of([Identifier("customer_number", KARI)], PERSONAL)


def test_an_erasure_reaches_records_up_to_its_cut_off() -> None:
    """Of a customer who came back what came since stays; what has no time is meant."""
    rules = Rules(replace(ERASE, cut_off=LATER), VISIT, TODAY)
    assert rules.decide(row(customer=KARI)).delete
    assert not rules.decide(row(customer=KARI, at=LATER)).mine
    assert rules.decide(row(customer=KARI, at=None)).delete
    assert (
        Rules(replace(ERASE, cut_off=LATER), replace(VISIT, time=None), TODAY)
        .decide(row(customer=KARI, at=NOW))
        .delete
    )


def test_an_order_reaches_records_before_its_day() -> None:
    """One without a time is not meant, and told; a file without the time's column is an error."""
    order = {
        "record": "Visit", "fields": PERSONAL, "where": None, "action": "delete", "parties": ["owner"],
        "stays_for": [], "redactions": [], "before": LATER,
    }  # fmt: skip
    command = replace(ERASE, fields=(), orders=(order,))
    rules = Rules(command, VISIT, TODAY)
    assert rules.decide(row(customer=KARI)).delete
    assert not rules.decide(row(customer=KARI, at=LATER)).mine
    assert rules.decide(row(customer=KARI, at=None)).undated
    assert not rules.decide(row(customer=OLA, at=None)).undated
    with pytest.raises(UnknownField, match="time of Visit"):
        rules_of(command, [replace(VISIT, time=None)], TODAY)
    assert rules_of(ERASE, [replace(VISIT, time=None)], TODAY)[0].decide(row(customer=KARI)).delete

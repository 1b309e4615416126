"""Whose a row is and what of it goes: as the reference job of innsyn has it, row by row, and what the forms mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innsyn_sdk.mapping import Column, Keep, NotAJob, RecordMapping, read_job
from innsyn_sdk.matching import NeedsPerson, Rules, UnknownField, rules_of
from innsyn_sdk.protocol import Identifier
from innsyn_sdk.tally import Tally
from innsyn_sdk.values import moment, same

from schemas.messages import Order, Redaction, Selector
from schemas.vocabulary import ErasureAction
from streams.rights.protocol.messages import Named
from streams.rights.reference_job.store import SqliteStore
from tests.sdk.mapped import NOW, RECORDS, TODAY, all_of, command_of, mapping_of
from tests.support.kinds import KINDS

KARI, OLA = "700101", "700102"
ADDRESSES = ("192.0.2.7", "192.0.2.8", "2001:db8::7")
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOURS = [NINE + timedelta(minutes=30 * count) for count in range(5)]


def maybe(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


logins = st.fixed_dictionaries(
    {
        "customer_number": maybe(KARI, OLA),
        "username": maybe("kari", "ola"),
        "cookie_id": maybe("c-1", "c-2"),
        "client_address": st.sampled_from(ADDRESSES),
        "client_port": maybe(443, 2000, 0),
        "result": st.sampled_from(["ok", "failed"]),
        "occurred_at": maybe(*HOURS),
    }
)
named = st.one_of(
    st.builds(lambda value: Named("customer_number", value), st.sampled_from([KARI, OLA])),
    st.builds(lambda value: Named("username", value), st.sampled_from(["kari", "ola"])),
    st.builds(
        lambda value, since, until, ports: Named("ip", value, since=since, until=until, ports=ports, proof="user"),
        st.sampled_from(ADDRESSES), maybe(*HOURS), maybe(*HOURS), st.sampled_from([(0, 65535), (1000, 2999)]),
    ),
    st.builds(lambda at, port: Named("ip", ADDRESSES[0], at, port), maybe(*HOURS), maybe(443)),
    st.builds(lambda since: Named("ip", "2001:db8::/56", since=since, proof="line_owner", prefix=True), maybe(*HOURS)),
    st.builds(lambda value: Named("cookie_id", value, proof="user"), st.sampled_from(["c-1", "c-2"])),
)  # fmt: skip
MAPPING = mapping_of("Login")
orders = st.builds(
    Order,
    record=st.just("Login"),
    categories=st.just(()),
    fields=st.lists(st.sampled_from(all_of(MAPPING)), min_size=1).map(tuple),
    where=st.sampled_from(
        [None, Selector("result", ("ok",)), Selector("result", ("failed",), or_empty=True)]
    ),
    action=st.sampled_from(ErasureAction),
    parties=st.sampled_from([("owner",), ("agent",)]),
    stays_for=st.sampled_from([(), ("owner",), ("agent",)]),
    redactions=st.sampled_from([(), (Redaction("owner", ("Login.username",)),)]),
    before=maybe(*HOURS),
)


def said(order: Order) -> dict[str, Any]:
    """As a command has it."""
    where = order.where
    return {
        "record": order.record,
        "fields": list(order.fields),
        "where": where and {"field": where.field, "values": list(where.values), "or_empty": where.or_empty},
        "action": order.action.value,
        "parties": list(order.parties),
        "stays_for": list(order.stays_for),
        "redactions": [{"role": item.role, "fields": list(item.fields)} for item in order.redactions],
        "before": order.before,
    }


@given(
    rows=st.lists(logins, max_size=6),
    identifiers=st.lists(named, min_size=1, max_size=4),
    fields=st.one_of(st.just(all_of(MAPPING)), st.lists(st.sampled_from(all_of(MAPPING)), min_size=1)),
    order=st.one_of(st.none(), orders),
    cut_off=maybe(*HOURS),
)
def test_it_decides_as_the_reference_job(
    rows: list[dict[str, Any]],
    identifiers: list[Named],
    fields: list[str],
    order: Order | None,
    cut_off: datetime | None,
) -> None:
    """The same rows of a made-up table go, and the same columns of those that stay."""
    store = SqliteStore(Path(":memory:"), RECORDS, KINDS)
    store.put_many(("Login", row) for row in rows)
    mine = [order] if order else []
    kept = store.erase(identifiers, (), fields, orders=mine, cut_off=cut_off, once="r-1#1")
    command = command_of(
        [Identifier(*item) for item in identifiers],
        fields,
        orders=[said(item) for item in mine],
        cut_off=cut_off,
    )
    rules, tally = Rules(command, MAPPING, TODAY), Tally()
    left = []
    for row in rows:
        verdict = rules.decide(row)
        tally.add("Login", verdict)
        if not verdict.delete:
            left.append(row | {item.name: None for item in verdict.blank})
    store.put("Login", {})
    there = store._connection.execute('SELECT * FROM "Login" ORDER BY _row').fetchall()
    names = [item.name for item in RECORDS["Login"].fields]
    asked = [
        [None if row[name] is None else str(row[name]) for name in names if name != "occurred_at"]
        for row in left
    ]
    found = [
        [value for name, value in zip(names, row[1:], strict=True) if name != "occurred_at"]
        for row in there[:-1]
    ]
    assert found == asked
    outcome = {item.record: (item.deleted, item.redacted) for item in kept.outcomes}
    assert outcome.get("Login", (0, 0)) == (tally.deleted["Login"], tally.redacted["Login"])
    store.close()


@pytest.mark.parametrize(
    ("form", "country", "value", "wanted", "meant"),
    [
        ("exact", "", "Kari@example.no", "kari@example.no", False),
        ("lower", "", " KÅRE@Example.no\t", "kåre@example.no", True),
        ("digits", "", "+47 400 00 909", "+4740000909", True),
        ("digits", "", "400 00 909", "+4740000909", False),
        ("digits", "47", "400 00 909", "+4740000909", True),
        ("digits", "47", "0047-40000909", "+4740000909", True),
        ("digits", "47", "40000909", "+4640000909", False),
        ("address", "", "2001:DB8:0:0::7", "2001:db8::7", True),
        ("address", "", "::ffff:192.0.2.7", "192.0.2.7", True),
        ("address", "", "192.0.2.07", "192.0.2.7", False),
        ("address", "", "no address", "192.0.2.7", False),
        ("exact", "", ["a", "b"], "b", True),
        ("exact", "", 700101.0, "700101", True),
        ("lower", "", Decimal("700101.00"), "700101", True),
        ("digits", "47", 40000909.0, "+4740000909", True),
        ("digits", "", 700101.0, "7001010", False),
        ("digits", "", Decimal("700101.00"), "70010100", False),
        ("exact", "", float("nan"), "700101", False),
        ("exact", "", Decimal("Infinity"), "700101", False),
        ("exact", "", 7.5, "7.5", True),
    ],
)
def test_a_form_says_which_spellings_are_the_same(
    form: str, country: str, value: Any, wanted: str, meant: bool
) -> None:
    column = Column("column", "field", "kind", form, country=country)
    assert same(column, value, Identifier("kind", wanted)) is meant


def test_a_field_that_is_nowhere_fails_the_command() -> None:
    """Of a record that is mapped, of one that is not, and of one by which rows are told apart; not of an absent one."""
    mapping = mapping_of("Login")
    for fields in (["Login.shoe_size"], ["Invoice.name"], []):
        with pytest.raises(UnknownField):
            rules_of(command_of([], fields), [mapping], TODAY)
    absent = replace(mapping, absent=frozenset({"shoe_size"}))
    assert rules_of(command_of([], ["Login.shoe_size"]), [absent], TODAY)[0].idle
    order = said(Order("Login", (), ("Login.username",), Selector("colour", ("red",))))
    with pytest.raises(UnknownField):
        rules_of(command_of([], [], orders=[order]), [mapping], TODAY)


def invoice(until: Any, **keep: Any) -> tuple[Rules, dict[str, Any]]:
    mapping = RecordMapping(
        "Invoice",
        "invoice",
        (
            Column("number", "customer_number", "customer_number", person=True, customer=True),
            Column("name", "name", blank="-"),
            Column("amount", "amount"),
        ),
        keep=(Keep("keep_until", "T01", "bokføringsloven § 13", **keep),),
    )
    rules = Rules(command_of([Identifier("customer_number", KARI)], all_of(mapping)), mapping, TODAY)
    return rules, {"number": KARI, "name": "Kari", "amount": 10, "keep_until": until}


@pytest.mark.parametrize(
    "until", [TODAY + timedelta(days=1), "2026-03-10", datetime(2026, 3, 10, tzinfo=UTC)]
)
def test_a_row_is_kept_until_its_day(until: Any) -> None:
    """As a whole, with rule and day; from that day on it goes."""
    rules, row = invoice(until)
    verdict = rules.decide(row)
    assert (verdict.delete, verdict.blank) == (False, ())
    assert verdict.held is not None
    assert verdict.held[1] == date(2026, 3, 10)
    tally = Tally()
    tally.add("Invoice", verdict)
    assert (tally.outcome().state, tally.outcome().ground) == ("withheld", "T01")
    assert rules.decide(row | {"keep_until": TODAY}).delete
    assert rules.decide(row | {"keep_until": None}).delete


def test_what_a_rule_names_stays_and_the_rest_of_the_row_goes() -> None:
    rules, row = invoice("2027-01-01", fields=("amount",))
    verdict = rules.decide(row)
    assert [item.name for item in verdict.blank] == ["name", "number"]
    assert verdict.held is not None
    tally = Tally()
    tally.add("Invoice", verdict)
    assert (tally.outcome().state, tally.outcome().held) == ("withheld", 1)
    # Once more, when it has been done: nothing is left to blank, and it still counts as held.
    again = rules.decide({"number": KARI, "name": "-", "amount": 10, "keep_until": "2027-01-01"})
    assert [item.name for item in again.blank] == ["number"]


def test_a_day_that_is_none_is_for_a_person() -> None:
    """It is not taken for the end of what the law holds."""
    rules, row = invoice("until further notice")
    with pytest.raises(NeedsPerson) as raised:
        rules.decide(row)
    assert KARI not in str(raised.value)


def test_a_time_without_a_zone_or_unit_is_no_time() -> None:
    """Nothing that holds at a time alone is taken for the person's by it."""
    bare = RecordMapping("Login", "login", (), time="at")
    assert moment(NOW.replace(tzinfo=None), bare) is None
    assert moment(int(NOW.timestamp()), bare) is None
    assert moment("yesterday", bare) is None
    assert moment(int(NOW.timestamp() * 1000), replace(bare, unit="ms")) == NOW
    local = NOW.astimezone(ZoneInfo("Europe/Oslo")).replace(tzinfo=None)
    assert moment(local, replace(bare, zone=ZoneInfo("Europe/Oslo"))) == NOW


JOB = """
keys = ["billing.json"]
[kafka]
"bootstrap.servers" = "127.0.0.1:9092"
[x]
[[records]]
record = "Invoice"
at = "invoice"
other = ["id"]
[records.columns]
number = {field = "customer_number", kind = "customer_number", names = "customer"}
name = {field = "name"}
"""


def test_a_job_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_text(JOB)
    job = read_job(tmp_path / "job.toml", "x", {})
    assert job.keys == (tmp_path / "billing.json",)
    assert job.records[0].named == {"id", "number", "name"}
    job.records[0].check(["id", "number", "name"], "table invoice")
    with pytest.raises(NotAJob, match=r"does not name: phone; map each"):
        job.records[0].check(["id", "number", "name", "phone"], "table invoice")
    with pytest.raises(NotAJob, match="no column number"):
        job.records[0].check(["id", "name"], "table invoice")


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("keys = ", "kyes = ", "kyes is no setting"),
        ('keys = ["billing.json"]', "keys = []", "needs `keys`"),
        ('"bootstrap.servers"', '"group.id"', "bootstrap.servers"),
        ("[x]", "[x]\nspeed = 1", "speed is no setting"),
        (', kind = "customer_number", names = "customer"', "", "no column identifies anybody"),
        (', names = "customer"', "", "names"),
        ('names = "customer"', 'names = "person"', 'write names = "customer"'),
        ('{field = "name"}', '{field = "name", form = "loud"}', "form is one of"),
        ('{field = "name"}', '{field = "name", form = "lower"}', "mean nothing without"),
        ('{field = "name"}', '{field = "name", blank = []}', "blank is not of its type"),
        ('other = ["id"]', 'absent = ["name"]', "write a field as Invoice.name"),
        ('other = ["id"]', 'time_zone = "Mars/North"', "no time zone"),
        ('other = ["id"]', 'time_unit = "weeks"', "time_unit is one of"),
        ('other = ["id"]', "other = id", "cannot be read as TOML"),
    ],
)
def test_a_job_file_that_cannot_be_says_where(tmp_path: Path, before: str, after: str, told: str) -> None:
    assert before in JOB
    (tmp_path / "job.toml").write_text(JOB.replace(before, after))
    with pytest.raises(NotAJob, match=r".") as raised:
        read_job(tmp_path / "job.toml", "x", {})
    assert told in str(raised.value)


def test_a_missing_job_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotAJob, match="there is no file"):
        read_job(tmp_path / "job.toml", "x", {})


KEYED = replace(
    MAPPING, columns=(*MAPPING.columns, Column("login_id", "login_id", personal=False)), other=frozenset()
)
KEY = Identifier("", "L-1", record="Login", field="login_id")


@pytest.mark.parametrize("at", [None, NINE])
@pytest.mark.parametrize("key", ["L-1", 1001])
def test_a_row_is_told_by_its_own_key_whatever_its_time(key: str | int, at: datetime | None) -> None:
    """As text, as the contract has it; another row is not, and no key of another record."""
    row = {"login_id": key, "client_address": ADDRESSES[0], "cookie_id": "c-1", "occurred_at": at}
    told = replace(KEY, value=str(key))
    assert Rules(command_of([told], all_of(KEYED)), KEYED, TODAY).decide(row).delete
    assert not Rules(command_of([told], all_of(KEYED)), KEYED, TODAY).decide({**row, "login_id": "L-2"}).mine
    other = Rules(command_of([replace(told, record="Invoice")], all_of(KEYED)), KEYED, TODAY)
    assert other.idle
    assert not other.decide(row).mine


@pytest.mark.parametrize("named", [{"customer_number": OLA}, {"username": "ola"}])
def test_a_row_told_by_its_key_that_names_somebody_else_stays(named: dict[str, str]) -> None:
    """It has changed since, or nobody knew: whoever is named there has a right to it."""
    row = {"login_id": "L-1", "client_address": ADDRESSES[0], **named}
    own = [Identifier("customer_number", KARI), Identifier("username", "kari")]
    assert not Rules(command_of([KEY, *own], all_of(KEYED)), KEYED, TODAY).decide(row).mine
    mine = {**row, **{name: {"customer_number": KARI, "username": "kari"}[name] for name in named}}
    assert Rules(command_of([KEY, *own], all_of(KEYED)), KEYED, TODAY).decide(mine).delete


def test_of_a_row_told_by_its_key_only_what_is_to_go_goes() -> None:
    """A redaction takes what names the owner; an order for another party takes nothing as a whole."""
    row = {
        "login_id": "L-1",
        "client_address": ADDRESSES[0],
        "client_port": 443,
        "cookie_id": "c-1",
        "result": "ok",
    }
    order = Order("Login", (), tuple(all_of(KEYED)), None, ErasureAction.REDACT, ("agent",), (), ())
    found = Rules(command_of([KEY], (), orders=[said(order)]), KEYED, TODAY).decide(row)
    assert {item.name for item in found.blank} == {"client_address", "client_port", "cookie_id"}


def test_a_row_told_by_a_field_that_is_in_no_column_fails_the_command() -> None:
    """Else it would stay in silence."""
    with pytest.raises(UnknownField, match=r"Login\.login_id, by which a row is told"):
        Rules(command_of([KEY], all_of(MAPPING)), MAPPING, TODAY)


def test_a_key_is_no_identifier_of_a_person() -> None:
    """A handler that looks for values finds none in it."""
    command = command_of([KEY], ())
    assert command.always("") == []
    assert not KEY.covers(NINE)
    assert not KEY.covers(None)

"""What events say of who it was: columnar rules against single events, and what the police data may not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import RecordSchema
from streams.columns.tokens import EARLIEST, LATEST
from streams.tagging.tag import Tagged
from tests.support.claims import ASSIGNMENT, NOW, QUIET, RECORDS, TOKENIZER, Oracle, plain, tagged, token

ORACLE = Oracle(TOKENIZER)
EXAMPLES = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def expected(record: RecordSchema, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The oracle's claims with their coordinates."""
    claims = [
        claim | {"topic": "topic", "partition": number % 2, "offset": 100 + number}
        for number, event in enumerate(events)
        if ORACLE.judge(record, event) is None
        for claim in ORACLE.claims(record, event)
    ]
    return sorted(claims, key=lambda claim: (claim["offset"], claim["part"]))


def held_together(record: RecordSchema, events: Sequence[Mapping[str, Any]]) -> None:
    """Both roads of the decoder give the oracle's claims and refusals."""
    for slow in (False, True):
        found = tagged(record, events, slow=slow)
        reasons = {number: ORACLE.judge(record, event) for number, event in enumerate(events)}
        assert dict(found.bad) == {number: reason for number, reason in reasons.items() if reason}
        claims = plain(found.claims.table) + plain(found.retained.table, retained=True)
        claims.sort(key=lambda claim: (claim["offset"], claim["part"]))
        assert claims == expected(record, events)


SECONDS = st.sampled_from([None, None, 0, 60, 86_400, 2**32 - 1, -1, 2**62])
REPORTS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["start", "interim", "stop", "on", "off", "alloc", "release"]),
        "address": st.sampled_from([None, "198.51.100.7", "2001:db8::7", "::ffff:198.51.100.7", "2001:DB8::7", "x",
             "0.0.0.0", "255.255.255.254", "::"]),
        "delegated_prefix": st.sampled_from(
            [None, None, "2001:db8:1::/56", "2001:db8:1::1/58", "2001:db8::9/128", "2001:db8::/64",
             "2001:db8::/43", "x/56", "fe80::/64"]
        ),
        "port_from": st.sampled_from([None, None, 0, 1024, 65_536, -1]),
        "port_to": st.sampled_from([None, None, 1023, 2047, 65_535]),
        "customer_number": st.sampled_from([None, None, "700104"]),
        "username": st.sampled_from([None, "karinord", " KARINORD", "ola", "anonymous", "unknown@other.example"]),
        "mac": st.sampled_from([None, "02:00:5e:10:00:01", "02005E100001"]),
        "line_id": st.sampled_from([None, "olt3-1/2/17", "OLT3-1/2/17", "bras1|ge-1/0/0", "bras1|17", ""]),
        "client_id": st.sampled_from([None, "00:02:00:00:7a:69:42:09"]),
        "inside_address": st.sampled_from([None, "100.64.3.7", "100.64.3.8", "ute"]),
        "session_id": st.sampled_from(["0A00004F-17", "0a00004f-17", "7", ""]),
        "nas": st.sampled_from(["bras1.bgo", "BRAS1.bgo", "cgn1.osl", ""]),
        "session_seconds": SECONDS,
        "lease_seconds": SECONDS,
        "interim_seconds": SECONDS,
        "source": st.sampled_from(["radius", "dhcp", "cgnat", "nat_map"]),
        "purpose": st.sampled_from(["operations", "operations", "retention"]),
        "occurred_at": st.sampled_from([NOW, NOW + 1, EARLIEST, LATEST - 1, LATEST, 0]),
    }
)  # fmt: skip


def mostly_good(reports: list[dict[str, Any]], keep: list[bool]) -> list[dict[str, Any]]:
    """The reports, most of them mended: a batch of refusals alone would prove little."""
    return [
        report if foul or ORACLE.judge(ASSIGNMENT, report) is None else QUIET | _mended(report)
        for report, foul in zip(reports, keep, strict=False)
    ]


def _mended(report: dict[str, Any]) -> dict[str, Any]:
    names = ("kind", "username", "customer_number", "mac", "client_id", "source", "purpose")
    fits = {name: report[name] for name in names}
    fits |= {name: report[name] for name in ("address", "inside_address") if report[name] not in ("x", "ute")}
    if report["delegated_prefix"] not in ("2001:db8::/43", "x/56"):
        fits["delegated_prefix"] = report["delegated_prefix"]
    seconds = ("session_seconds", "lease_seconds", "interim_seconds")
    fits |= {name: report[name] for name in seconds if report[name] in (0, 60, 86_400)}
    if report["port_from"] == 1024 and report["port_to"] != 1023:
        fits |= {"port_from": 1024, "port_to": report["port_to"] or 1024}
    return fits | ({"line_id": report["line_id"]} if report["line_id"] else {})


@EXAMPLES
@given(st.lists(REPORTS, max_size=20), st.lists(st.booleans(), min_size=20, max_size=20))
def test_reports_give_the_claims_of_single_events(reports: list[dict[str, Any]], foul: list[bool]) -> None:
    """Any mix of reports, good and bad: the columnar claims are those found event by event, on both roads."""
    held_together(ASSIGNMENT, mostly_good(reports, foul))


POOLS: dict[str, list[str]] = {
    "customer_number": ["700104", "700105", " 700105"],
    "fodselsnummer": ["14838141278", "14838141278 ", "1"],
    "email": ["kari@example.no", "Kari@example.no"],
    "phone": ["+4740000101", "400 00 101", "x"],
    "username": ["karinord", "ola"],
    "mac": ["02:00:5e:10:00:01", "02005e100001"],
    "device_serial": ["RT-1", "rt-1", "STB-2"],
    "chat_handle": ["Kari N", "ola"],
    "social_handle": ["@kari", "kari"],
    "case_number": ["S-2026-1", "s-2026-1 ", "S-2026-2"],
    "account_number": ["99990012004", "9999.00.12004"],
    "cookie_id": ["c1", "C1"],
    "ip": ["192.0.2.7", "2001:db8::7"],
    "line": ["olt3-1/2/17", "OLT3-1/2/17", ""],
}


OTHERS: dict[str, list[Any]] = {"string": ["x"], "boolean": [True]}


def values(record: RecordSchema) -> st.SearchStrategy[dict[str, Any]]:
    """Events of any flat record, with few values each so that they meet."""
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for field in record.fields:
        pool: list[Any]
        name = field.key or (field.identifier.kind if field.identifier else None)
        if name:
            pool = POOLS[name]
        elif field.logical_type == "timestamp-millis":
            pool = [NOW, NOW, NOW, NOW + 1, 0, LATEST] if field.nullable else [NOW, NOW, NOW + 1, 0]
        else:
            pool = [*record.symbols(field.name)] or OTHERS.get(field.type, [1])
        fields[field.name] = st.sampled_from([*pool, None, None] if field.nullable else pool)
    return st.fixed_dictionaries(fields)


WITH_RULES = sorted(
    name
    for name, record in RECORDS.items()
    if record.flat and record.annotation.identity and name != ASSIGNMENT.name
)


@pytest.mark.parametrize("name", WITH_RULES)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_record_gives_the_claims_of_single_events(name: str, data: st.DataObject) -> None:
    """Registers, loans, logins and merges: the columnar claims are those of the rule, event by event."""
    held_together(RECORDS[name], data.draw(st.lists(values(RECORDS[name]), max_size=12)))


def test_the_records_with_rules_are_those_that_name_two() -> None:
    """An identity rule that somebody takes out is missed here."""
    assert {
        "ChatMessage",
        "ConsentDecision",
        "CustomerDetails",
        "Equipment",
        "Payment",
        "SocialMessage",
        "SupportCase",
    } <= set(WITH_RULES)


@EXAMPLES
@given(st.lists(REPORTS, max_size=12), st.lists(REPORTS, min_size=1, max_size=12))
def test_data_for_the_police_leave_no_address(
    operations: list[dict[str, Any]], retained: list[dict[str, Any]]
) -> None:
    """Reports of retained data show no address and no hardware in rows, claims or prefixes: only who it was."""
    usual = [report | {"purpose": "operations"} for report in mostly_good(operations, [False] * 12)]
    locked = [_locked(report) for report in mostly_good(retained, [False] * 12)]
    found = tagged(ASSIGNMENT, [*usual, *locked])
    alone = tagged(ASSIGNMENT, usual)
    assert plain(found.claims.table) == plain(alone.claims.table)
    assert found.prefixes.equals(alone.prefixes)
    rows = rows_of(found)
    assert [row for row in rows if row[1] < 100 + len(usual)] == rows_of(alone)
    names = ("karinord", "ola", "anonymous", "unknown@other.example")
    allowed = {token("customer_number", "700104"), *(token("username", name) for name in names)}
    assert {row[0] for row in rows if row[1] >= 100 + len(usual)} <= allowed
    assert {claim["offset"] for claim in plain(found.retained.table)} <= set(range(100 + len(usual), 200))


def _locked(report: dict[str, Any]) -> dict[str, Any]:
    """A retained report whose addresses are no other's."""
    own = {"address": "203.0.113.99", "mac": "02:00:5e:10:00:99", "delegated_prefix": "2001:db8:99::/56"}
    return report | own | {"purpose": "retention", "inside_address": "100.64.9.9", "line_id": "locked-1"}


def rows_of(found: Tagged) -> list[tuple[bytes, int]]:
    tokens = [bytes(item) for part in found.rows["token"] for item in part]
    offsets = [int(item) for part in found.rows["offset"] for item in part]
    return sorted(zip(tokens, offsets, strict=True))

"""Decoded columns become rows: who, where, when, in which role, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import RecordSchema, load_records
from schemas.tokens import IdentifierKind, Tokenizer, prefix_tokens
from schemas.vocabulary import Role
from sinks.ports.identity import PREFIX_SCHEMA
from sinks.ports.lineage import ROW_SCHEMA
from streams.columns.tokens import EARLIEST, LATEST, Coordinates
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.tag import Tagged, Tagger
from tests.support.kinds import CUSTOMER_NUMBER, IP, KINDS, PHONE
from tests.support.records import EVENT_TIME, body_of, damaged, record_of

TOKENIZER = Tokenizer(bytes(range(32)), "k1")
NOW = 1_770_000_000_000
OWNER, COUNTERPARTY, AGENT, MENTIONED = range(1, 5)
TRAFFIC = load_records()["TrafficRecord"]
CALL: dict[str, Any] = {field.name: None for field in TRAFFIC.fields} | {"occurred_at": NOW, "kind": "voice"}
IP, PHONE, CUSTOMER = IP, PHONE, CUSTOMER_NUMBER


def tag(
    record: RecordSchema, bodies: list[bytes], *, slow: bool = False, tagger: Tagger | None = None
) -> Tagged:
    """Tag bodies that lie at offset 100 and up, alternately in partitions 0 and 1."""
    tagger = tagger or Tagger(TOKENIZER, "v1", KINDS, ())
    decoder = ColumnDecoder(record, tagger.wanted(record))
    decoded = (decoder.decode_one_by_one if slow else decoder.decode)(Bodies.of(bodies))
    count = len(bodies)
    at = Coordinates(np.arange(count, dtype=np.int32) % 2, np.arange(100, 100 + count, dtype=np.int64))
    return tagger.tag(record, "topic", decoded, at)


def traffic(**values: Any) -> bytes:
    return body_of(TRAFFIC, CALL | values)


def rows_of(tagged: Tagged) -> list[tuple[Any, ...]]:
    """(token, partition, offset, role, tag set, time, port) of each row, sorted."""
    columns: dict[str, Any] = {
        name: np.concatenate(parts) if parts else [] for name, parts in tagged.rows.items()
    }
    tokens = [bytes(token) for token in columns.pop("token")]
    del columns["record"], columns["customer"]
    return sorted(zip(tokens, *(np.asarray(part).tolist() for part in columns.values()), strict=True))


def short(tagged: Tagged) -> list[tuple[bytes, int, int, int]]:
    """(token, offset, role, port) of each row, by offset and role."""
    rows = [(token, offset, role, port) for token, _, offset, role, _, _, port in rows_of(tagged)]
    return sorted(rows, key=lambda row: row[1:])


def token(kind: IdentifierKind, value: str) -> bytes:
    return TOKENIZER.token(kind, value)


def test_each_person_of_an_event_gets_a_row() -> None:
    """A call has two ends: one row each, with role, time and coordinates, under the tokenizer's tokens."""
    tagged = tag(TRAFFIC, [traffic(caller="+4740000001", callee="400 00 002")])
    mine, theirs = sorted(tagged.tag_sets, key=lambda tags: tags.of_another)
    assert (mine.of_another, theirs) == (False, replace(mine, of_another=True))
    assert rows_of(tagged) == sorted(
        [
            (token(PHONE, "+4740000001"), 0, 100, OWNER, mine.id, NOW, 0),
            (token(PHONE, "+4740000002"), 0, 100, COUNTERPARTY, theirs.id, NOW, 0),
        ]
    )
    assert (tagged.subjects.tolist(), dict(tagged.bad)) == ([2], {})


def test_the_port_goes_with_its_address_alone() -> None:
    """The address row carries the source port, rows of other identifiers none."""
    tagged = tag(TRAFFIC, [traffic(client_address="192.0.2.7", client_port=51_234, caller="+4740000001")])
    assert short(tagged) == [
        (token(PHONE, "+4740000001"), 100, OWNER, 0),
        (token(IP, "192.0.2.7"), 100, OWNER, 51_234),
    ]


@pytest.mark.parametrize(
    ("port", "expected"), [(None, 0), (0, 0), (-1, 0), (65_536, 0), (2**31 - 1, 0), (1, 1), (65_535, 65_535)]
)
def test_an_impossible_port_is_no_port(port: int | None, expected: int) -> None:
    """Ports outside 1..65535 are stored as unknown, never wrapped round into another one."""
    tagged = tag(TRAFFIC, [traffic(client_address="192.0.2.7", client_port=port)])
    assert short(tagged) == [(token(IP, "192.0.2.7"), 100, OWNER, expected)]


def test_an_event_that_names_nobody_is_counted() -> None:
    """Nulls give no row; an event of nothing but nulls is good, and counted as naming nobody."""
    tagged = tag(TRAFFIC, [traffic(), traffic(caller="+4740000001"), traffic()])
    assert short(tagged) == [(token(PHONE, "+4740000001"), 101, OWNER, 0)]
    assert (tagged.subjects.tolist(), dict(tagged.bad)) == ([0, 1, 0], {})


def test_an_invalid_identifier_makes_the_event_bad_as_a_whole() -> None:
    """No row is written for its other persons: half an event in the index would look like a whole one."""
    bad = traffic(caller="+4740000001", callee="anonymous")
    tagged = tag(TRAFFIC, [traffic(caller="+4740000003"), bad, traffic(callee="+4740000001")])
    assert short(tagged) == [
        (token(PHONE, "+4740000003"), 100, OWNER, 0),
        (token(PHONE, "+4740000001"), 102, COUNTERPARTY, 0),
    ]
    assert (tagged.subjects.tolist(), dict(tagged.bad)) == ([1, 0, 1], {1: "invalid_identifier"})


@pytest.mark.parametrize("time", [EARLIEST - 1, LATEST, 0, -1, 2**63 - 1, -(2**63)])
def test_a_time_that_cannot_be_makes_the_event_bad(time: int) -> None:
    """Times outside 1990 to 2100 are upstream faults, whatever else is wrong with the event."""
    foul = traffic(occurred_at=time, caller="not a number")
    edges = [traffic(occurred_at=at, caller="+4740000001") for at in (EARLIEST, LATEST - 1)]
    tagged = tag(TRAFFIC, [foul, *edges])
    assert [row[1:] for row in short(tagged)] == [(101, OWNER, 0), (102, OWNER, 0)]
    assert dict(tagged.bad) == {0: "time_out_of_range"}


def test_positions_are_those_of_the_messages() -> None:
    """Behind unreadable bodies a row still carries the coordinates of its own message."""
    bodies = [b"", traffic(caller="+4740000001"), b"\xff", traffic(caller="+4740000002", occurred_at=NOW + 1)]
    tagged = tag(TRAFFIC, bodies)
    assert {(row[0], row[1], row[2], row[5]) for row in rows_of(tagged)} == {
        (token(PHONE, "+4740000001"), 1, 101, NOW),
        (token(PHONE, "+4740000002"), 1, 103, NOW + 1),
    }
    assert dict(tagged.bad) == {0: "truncated", 2: "truncated"}
    assert tagged.subjects.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("bodies", [[], [b""], [b"\xff" * 30]])
def test_a_block_without_events_gives_no_rows(bodies: list[bytes]) -> None:
    """Nothing readable: no rows, no tag sets, every body accounted for."""
    tagged = tag(TRAFFIC, bodies)
    assert rows_of(tagged) == []
    assert (tagged.tag_sets, tagged.subjects.tolist()) == ((), [0] * len(bodies))
    assert len(tagged.bad) == len(bodies)


def test_columns_fit_the_index() -> None:
    """Name for name the columns of the index but the topic, in types that convert without loss."""
    tagged = tag(TRAFFIC, [traffic(client_address="2001:db8::1", client_port=443)])
    assert set(tagged.rows) == set(ROW_SCHEMA.names) - {"topic"}
    for name in ("partition", "offset", "role", "tag_set", "port", "record"):
        assert np.concatenate(tagged.rows[name]).dtype == ROW_SCHEMA.field(name).type.to_pandas_dtype()
    assert np.concatenate(tagged.rows["token"]).shape == (1, 16)


def test_every_role_has_its_code_and_shared_tags_are_one_set() -> None:
    """Each reference in its role gives a row; two of the owner share one tag set."""
    kind = {"kind": "customer_number"}
    record = record_of(
        {"name": "occurred_at", "type": EVENT_TIME},
        *(
            {
                "name": f"{role}_id",
                "type": "string",
                "innsyn": {"category": "C-01", "identifier": kind | {"role": role}},
            }
            for role in Role
        ),
        {
            "name": "second",
            "type": "string",
            "innsyn": {"category": "C-01", "identifier": kind | {"role": "owner"}},
        },
    )
    value = {f"{role}_id": f"K{role.code}" for role in Role}
    tagged = tag(record, [body_of(record, value | {"occurred_at": NOW, "second": "K9"})])
    assert sorted((role, found) for found, _, role, _ in short(tagged)) == sorted(
        (role, token(CUSTOMER, f"K{number}"))
        for role, number in [*((role.code, role.code) for role in Role), (OWNER, 9)]
    )
    assert len({s.id for s in tagged.tag_sets}) == len(tagged.tag_sets)
    assert {row[4] for row in rows_of(tagged)} == {s.id for s in tagged.tag_sets}


def test_a_customer_number_kept_as_a_number_is_its_decimal_text() -> None:
    """Then the token is that of the same number in a system that keeps it as text."""
    said = {"category": "C-01", "identifier": {"kind": "customer_number", "role": "owner"}}
    record = record_of(
        {"name": "occurred_at", "type": EVENT_TIME},
        {"name": "customer", "type": ["null", "long"], "innsyn": said},
    )
    bodies = [body_of(record, {"occurred_at": NOW, "customer": number}) for number in (10_020, None)]
    tagged = tag(record, bodies)
    assert short(tagged) == [(token(CUSTOMER, "10020"), 100, OWNER, 0)]
    assert tagged.subjects.tolist() == [1, 0]


def test_tags_name_the_topic_the_version_and_the_key() -> None:
    """What the worker was started with stands in every tag set."""
    (found,) = tag(TRAFFIC, [traffic(caller="+4740000001")]).tag_sets
    assert (found.topic, found.catalogue_version, found.key_id) == ("topic", "v1", "k1")
    assert found.schema == TRAFFIC.fingerprint.hex()


def test_an_ipv6_address_that_is_written_has_its_prefixes_once() -> None:
    """However often and however spelt it comes; an address of a bad event, or an IPv4 one, has none."""
    addresses = ["2001:db8:1::1", "2001:DB8:1:0::1", "2001:db8:2::1", "192.0.2.7", "::ffff:192.0.2.7", None]
    events = [traffic(client_address=address) for address in addresses * 2]
    bad = traffic(client_address="2001:db8:3::1", caller="unknown")
    found = tag(TRAFFIC, [*events, bad]).prefixes
    assert found.schema == PREFIX_SCHEMA
    rows = [(row["token"], row["prefix"], row["length"]) for row in found.to_pylist()]
    assert len(rows) == len(set(rows))
    assert set(rows) == {
        (token(IP, address), prefix, length)
        for address in ("2001:db8:1::1", "2001:db8:2::1")
        for prefix, length in prefix_tokens(TOKENIZER, address)
    }


PHONES = st.sampled_from([None, "+4740000001", "400 00 001", "40000002", "", "unknown", "ø"])
ADDRESSES = st.sampled_from([None, "192.0.2.7", "2001:db8::1", "2001:DB8:0::1", "::ffff:192.0.2.7", "x", ""])
EVENTS = st.fixed_dictionaries(
    {
        "occurred_at": st.sampled_from([NOW, NOW + 1, 0, EARLIEST, LATEST]),
        "client_address": ADDRESSES,
        "client_port": st.sampled_from([None, 0, 443, 70_000]),
        "caller": PHONES,
        "callee": PHONES,
    }
)


def expected_rows(events: list[dict[str, Any]]) -> list[tuple[bytes, int, int, int]]:
    """The rule in plain words, event by event."""
    rows = []
    for position, event in enumerate(events):
        named = [("client_address", IP, OWNER), ("caller", PHONE, OWNER), ("callee", PHONE, COUNTERPARTY)]
        present = [(field, kind, role) for field, kind, role in named if event[field] is not None]
        if event["occurred_at"] in (0, LATEST) or any(
            event[f] in ("", "x", "ø", "unknown") for f, _, _ in present
        ):
            continue
        for field, kind, role in present:
            port = event["client_port"] if field == "client_address" and event["client_port"] == 443 else 0
            rows.append((token(kind, event[field]), 100 + position, role, port))
    return sorted(rows)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(EVENTS, max_size=20), st.data())
def test_rows_are_those_of_the_rule_on_both_roads(events: list[dict[str, Any]], data: st.DataObject) -> None:
    """Any mix of good, bad and damaged events: the columnar road, the slow road and the rule give the same rows."""
    bodies = [traffic(**event) for event in events]
    tagged = tag(TRAFFIC, bodies)
    assert sorted(short(tagged)) == expected_rows(events)
    assert tagged.subjects.sum() == len(rows_of(tagged))
    damage = data.draw(st.lists(damaged(traffic(), traffic(caller="40000002")), max_size=5))
    mixed = bodies + damage
    tagger = Tagger(TOKENIZER, "v1", KINDS, ())
    fast, slow = tag(TRAFFIC, mixed, tagger=tagger), tag(TRAFFIC, mixed, tagger=tagger, slow=True)
    assert rows_of(fast) == rows_of(slow)
    assert (fast.tag_sets, fast.subjects.tolist()) == (slow.tag_sets, slow.subjects.tolist())
    assert dict(fast.bad) == dict(slow.bad)
    assert [row for row in rows_of(fast) if row[2] < 100 + len(events)] == rows_of(tagged)


def registered(*fields: tuple[str, str, str]) -> RecordSchema:
    """A record of identifiers: name, kind and role of each."""
    said = (
        {
            "name": name,
            "type": ["null", "string"],
            "innsyn": {"category": "C-01", "identifier": {"kind": kind, "role": role}},
        }
        for name, kind, role in fields
    )
    return record_of({"name": "occurred_at", "type": EVENT_TIME}, *said)


def test_a_row_says_which_customer_the_event_names_in_its_role() -> None:
    """Not the customer's own row; where none is named, or two, nobody can say."""
    record = registered(
        ("number", "customer_number", "owner"), ("former", "customer_number", "owner"), ("mail", "email", "owner"),
        ("payer", "customer_number", "counterparty"), ("phone", "phone", "counterparty"),
        ("login", "username", "agent"),
    )  # fmt: skip
    blank: dict[str, Any] = {field.name: None for field in record.fields} | {"occurred_at": NOW}
    events: list[dict[str, Any]] = [
        {"number": "K1", "mail": "a@example.no", "payer": "K2", "phone": "+4740000001", "login": "kari"},
        {"number": "K1", "former": "K1", "mail": "a@example.no"},
        {"number": "K1", "former": "K9", "mail": "a@example.no"},
        {"mail": "a@example.no"},
    ]
    rows = tag(record, [body_of(record, blank | event) for event in events]).rows
    tokens, customers, offsets = (np.concatenate(rows[name]) for name in ("token", "customer", "offset"))
    found = {
        (int(offset) - 100, one.tobytes()): customer.tobytes()
        for offset, one, customer in zip(offsets, tokens, customers, strict=True)
        if customer.any()
    }
    first, payer = (token(KINDS["customer_number"], number) for number in ("K1", "K2"))
    mail, phone = token(KINDS["email"], "a@example.no"), token(PHONE, "+4740000001")
    assert found == {(0, mail): first, (0, phone): payer, (1, mail): first}

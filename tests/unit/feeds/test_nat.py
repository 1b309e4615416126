"""Address translation: port blocks in syslog, and deterministic mappings by their configuration."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.feeds.lines.record import Record
from tests.support.company import model_feed
from tests.support.feeds import counted, only, outcomes, reasons

CGNAT = model_feed("cgnat-syslog", realms=["isp.example"])
MAP = model_feed("nat-map")
AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
COLUMNS = "valid_from,valid_to,inside_network,outside_network,first_port,ports_per_user"


def block(
    verb: str = "ALLOC",
    *,
    user: str = "nk17",
    inside: str = "100.64.0.2",
    ports: str = "1024-3071",
    minute: int = 0,
) -> str:
    named = f"subscriber={user}@isp.example " if user else ""
    return (
        f"2026-03-02T09:{minute:02}:00Z cgn1 NAT_PORT_BLOCK_{verb}: {named}{inside} -> 203.0.113.21:{ports}"
    )


def test_a_block_says_who_got_which_ports_of_a_shared_address() -> None:
    """The session is the block itself, so that its release finds it."""
    given = only(CGNAT, block())
    assert given == {
        "kind": "alloc",
        "source": "cgnat",
        "purpose": "operations",
        "address": "203.0.113.21",
        "port_from": 1024,
        "port_to": 3071,
        "inside_address": "100.64.0.2",
        "username": "nk17",
        "session_id": "cgn1/203.0.113.21:1024-3071/100.64.0.2",
        "nas": "cgn1",
        "occurred_at": AT,
    }
    assert only(CGNAT, block("RELEASE")) == given | {"kind": "release"}
    assert only(CGNAT, block("ACTIVE")) == given | {"kind": "interim"}


@pytest.mark.parametrize(
    "head",
    [
        "2026-03-02T10:00:00.000+01:00 cgn1 ",
        "<134>1 2026-03-02T09:00:00Z cgn1 jservices-nat 17 - - ",
        "2026-03-02T09:00:00+00:00 cgn1 (FPC Slot 0, PIC Slot 0) {nat}[jservices-nat]: JSERVICES_",
    ],
)
def test_headers_of_syslog_with_a_whole_time_are_read(head: str) -> None:
    """RFC 5424 and ISO times before the plain form of Junos, which names no subscriber."""
    found = only(CGNAT, f"{head}NAT_PORT_BLOCK_ALLOC: 100.64.0.2 -> 203.0.113.21:1024-3071 0x51efa3b5")
    assert (found["occurred_at"], found["nas"], "username" in found) == (AT, "cgn1", False)
    assert (
        only(CGNAT, f"{head}NAT_PORT_BLOCK_ALLOC: 2001:db8::2 -> 203.0.113.21:1-2")["inside_address"]
        == "2001:db8::2"
    )


def test_other_lines_of_the_log_are_no_data() -> None:
    """They are somebody else's."""
    assert (
        outcomes(
            CGNAT, "2026-03-02T09:00:00Z cgn1 sshd[7]: session opened", "Mar  2 09:00:00 cgn1 kernel: up", ""
        )
        == []
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Mar  2 09:00:00 cgn1 NAT_PORT_BLOCK_ALLOC: 100.64.0.2 -> 203.0.113.21:1-2", "no_year"),
        (block(ports="3071-1024"), "end_before_start"),
        (block(ports="1024-65536"), "bad_number"),
        (block(ports="-1-20"), "bad_number"),
        (block(inside="100.64.0.256"), "bad_address"),
        (block().replace("21:", "321:"), "bad_address"),
        (block().replace("03-02", "02-30"), "bad_time"),
        (block().replace("00Z", "00"), "bad_time"),
        (block().replace("ALLOC", "LOST"), "not_a_port_block"),
        (block().replace("->", "to"), "not_a_port_block"),
        (block()[5:], "not_syslog"),
    ],
)
def test_a_line_that_cannot_be_read_has_a_reason_and_a_number(line: str, reason: str) -> None:
    """The lines around it are read."""
    assert reasons(CGNAT, block(), line, block("RELEASE")) == [(2, reason)]
    assert len(outcomes(CGNAT, block(), line, block("RELEASE"))) == 3


def test_a_realm_is_part_of_the_name_unless_it_is_ours() -> None:
    """As in RADIUS."""
    assert counted(CGNAT, block()) == {"realm_removed": 1}
    other = model_feed("cgnat-syslog", realms=["other.example"])
    assert only(other, block())["username"] == "nk17@isp.example"
    assert counted(other, block()) == {"realm_kept": 1}


def test_a_block_of_a_placeholder_is_nobodys() -> None:
    """Left out and counted."""
    assert outcomes(CGNAT, block(inside="0.0.0.0")) == []
    assert counted(CGNAT, block(inside="0.0.0.0")) == {"placeholder_address": 1}


def test_a_block_dated_after_now_is_refused() -> None:
    """The clock is wrong, and nothing else says when it was."""
    early = model_feed("cgnat-syslog", now=lambda: 1_000_000_000_000)
    assert reasons(early, block()) == [(1, "future_time")]


def test_open_blocks_that_overlap_are_reported_and_sent() -> None:
    """A released one, one beside it, or one of the same user is none."""
    overlapping = block(user="nk18", inside="100.64.0.3", ports="3000-4000", minute=5)
    assert reasons(CGNAT, block(), overlapping) == [(2, "two_holders")]
    assert len(outcomes(CGNAT, block(), overlapping)) == 2
    assert reasons(CGNAT, block(), block("RELEASE", minute=4), overlapping) == []
    assert reasons(CGNAT, block(), overlapping.replace("3000", "3072")) == []
    assert reasons(CGNAT, block(), overlapping.replace("nk18", "nk17")) == []
    nameless = [block(user=""), overlapping.replace("subscriber=nk18@isp.example ", "")]
    assert reasons(CGNAT, *nameless) == [(2, "two_holders")]


def test_a_configuration_becomes_the_blocks_it_deals_out() -> None:
    """Inside addresses share the first outside address until its ports are used up (RFC 7422)."""
    row = "2026-03-02T09:00:00Z,2026-03-03,100.64.0.0/30,203.0.113.8/31,1024,32256"
    (found,) = outcomes(MAP, COLUMNS, row)
    assert not isinstance(found[1], str)
    assert [
        (event["kind"], event["inside_address"], event["address"], event["port_from"], event["port_to"])
        for event in found[1]
    ] == [
        (kind, f"100.64.0.{user}", f"203.0.113.{8 + user // 2}", first, first + 32255)
        for user, first in enumerate([1024, 33280, 1024, 33280])
        for kind in ("alloc", "release")
    ]
    assert {event["occurred_at"] for event in found[1]} == {AT, datetime(2026, 3, 3, tzinfo=UTC)}
    assert len({event["session_id"] for event in found[1]}) == 4
    assert {(event["source"], event["nas"]) for event in found[1]} == {("nat_map", "nat-map")}


def test_a_configuration_in_force_takes_nothing_back() -> None:
    """Without valid_to there is no release."""
    row = "2026-03-02,,100.64.0.0/31,203.0.113.8/32,1024,1000"
    (found,) = outcomes(model_feed("nat-map", server="cgn1"), COLUMNS, row)
    assert not isinstance(found[1], str)
    assert [(event["kind"], event["nas"]) for event in found[1]] == [("alloc", "cgn1")] * 2


def test_a_large_configuration_is_not_held_in_memory() -> None:
    """Its events are made while they are sent."""
    reader = MAP.reader()
    reader.read(Record(1, 1, [COLUMNS]))
    events = iter(reader.read(Record(2, 2, ["2026-03-02,,10.0.0.0/8,198.18.0.0/15,1024,64"])).events)
    assert next(events)["inside_address"] == "10.0.0.0"


@given(st.integers(1, 65_535), st.integers(1, 65_535), st.integers(0, 6), st.integers(0, 3))
def test_no_two_inside_addresses_share_a_port(
    first: int, ports: int, inside_bits: int, outside_bits: int
) -> None:
    """Whatever is dealt out; where it does not suffice, nothing is."""
    row = f"2026-03-02,,100.64.0.0/{32 - inside_bits},203.0.113.0/{32 - outside_bits},{first},{ports}"
    (found,) = outcomes(MAP, COLUMNS, row)
    if isinstance(found[1], str):
        assert found[1] == "map_too_small"
        assert (65_536 - first) // ports * 2**outside_bits < 2**inside_bits
        return
    dealt = sorted((event["address"], event["port_from"], event["port_to"]) for event in found[1])
    assert len(dealt) == 2**inside_bits
    assert all(one[0] != two[0] or one[2] < two[1] for one, two in pairwise(dealt))
    assert all(first <= start and end <= 65_535 for _, start, end in dealt)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2026-03-02,2026-03-01,100.64.0.0/31,203.0.113.8/32,1024,1000", "end_before_start"),
        ("2026-02-30,,100.64.0.0/31,203.0.113.8/32,1024,1000", "bad_time"),
        ("2026-03-02T09:00:00,,100.64.0.0/31,203.0.113.8/32,1024,1000", "bad_time"),
        (",,100.64.0.0/31,203.0.113.8/32,1024,1000", "bad_time"),
        ("2026-03-02,,100.64.0.0/33,203.0.113.8/32,1024,1000", "bad_address"),
        ("2026-03-02,,100.64.0.0/31,2001:db8::/64,1024,1000", "bad_address"),
        ("2026-03-02,,100.64.0.0/31,203.0.113.8/32,0,1000", "bad_number"),
        ("2026-03-02,,100.64.0.0/31,203.0.113.8/32,1024,-1", "bad_number"),
        ("2026-03-02,,100.64.0.0/31,203.0.113.8/32,1024", "column_count"),
        ('2026-03-02,,"100.64.0.0/31,203.0.113.8/32,1024,1000', "bad_quotes"),
    ],
)
def test_a_version_that_makes_no_sense_is_refused(row: str, reason: str) -> None:
    """By line and reason; the others count."""
    good = "2026-03-02,,100.65.0.0/31,203.0.113.9/32,1024,1000"
    assert reasons(MAP, COLUMNS, good, row, good) == [(3, reason)]


def test_two_versions_in_force_at_once_are_reported() -> None:
    """Not if they follow each other, use other ports or other addresses, or are the same."""
    one = "2026-03-02,2026-03-05,100.64.0.0/31,203.0.113.8/32,1024,1000"
    two = "2026-03-04,,100.64.0.2/31,203.0.113.8/32,1024,1000"
    assert reasons(MAP, COLUMNS, one, two) == [(3, "two_holders")]
    for apart in (
        two.replace("03-04", "03-05"), two.replace("1024", "65100").replace("1000", "100"),
        two.replace("3.8", "3.9"), one,
    ):  # fmt: skip
        assert reasons(MAP, COLUMNS, one, apart) == []

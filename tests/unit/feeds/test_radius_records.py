"""RADIUS accounting in detail files: clocks that are off, sessions at odds with each other, and what is no record."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.feeds.formats import radius
from tests.support.feeds import counted, only, outcomes, reasons
from tests.support.radius import HEADER, RADIUS, record, session


def arrived(event: str, header: str = HEADER, *more: str) -> list[str]:
    return record(f'Event-Timestamp = "{event}"', *more, without="Event-Timestamp", header=header)


@pytest.mark.parametrize(
    ("event", "more", "at", "off"),
    [
        (
            "Mar  2 2026 08:45:05 UTC",
            ["Timestamp = 1772442005"],
            datetime(2026, 3, 2, 8, 45, 5, tzinfo=UTC),
            0,
        ),
        (
            "Jan 22 2026 08:45:05 UTC",
            ["Timestamp = 1772442005"],
            datetime(2026, 3, 2, 9, 0, 5, tzinfo=UTC),
            1,
        ),
        ("Jan 22 2026 08:45:05 UTC", [], datetime(2026, 3, 2, 9, 0, 5, tzinfo=UTC), 1),
        (
            "Mar  2 2026 10:00:00 UTC",
            ["Timestamp = 1772442005"],
            datetime(2026, 3, 2, 9, 0, 5, tzinfo=UTC),
            1,
        ),
        ("Jan  1 2008 08:44:59 UTC", ["Acct-Delay-Time = 5"], datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC), 1),
        ("Mar  2 2026 20:00:00 UTC", [], datetime(2026, 3, 2, 20, tzinfo=UTC), 0),
    ],
)
def test_a_clock_that_is_off_by_more_than_the_bound_is_not_believed(
    event: str, more: list[str], at: datetime, off: int
) -> None:
    """Taken at arrival less delay and counted. Reports come late; a header without Timestamp may be any zone's."""
    lines = arrived(event, HEADER, *more)
    assert only(RADIUS, *lines)["occurred_at"] == at
    assert counted(RADIUS, *lines).get("clock_off", 0) == off


def test_what_is_dated_after_now_is_refused() -> None:
    """Where event time and arrival are both in the future, nothing says when it was."""
    lines = arrived("Mar  2 2027 09:00:00 UTC", "Tue Mar  2 09:00:05 2027")
    assert reasons(RADIUS, *lines) == [(1, "future_time")]


def test_a_delay_of_weeks_is_no_delay() -> None:
    """Acct-Delay-Time beyond the bound: taken at arrival, and counted."""
    lines = record("Acct-Delay-Time = 4000000", without="Event-Timestamp")
    assert only(RADIUS, *lines)["occurred_at"] == datetime(2026, 3, 2, 9, 0, 5, tzinfo=UTC)
    assert counted(RADIUS, *lines)["clock_off"] == 1


def test_a_server_without_an_address_of_its_own_is_its_name() -> None:
    """0.0.0.0 is every server's."""
    lines = record("NAS-IP-Address = 0.0.0.0", 'NAS-Identifier = "bras1.bgo"', without="NAS-IP")
    assert only(RADIUS, *lines)["nas"] == "bras1.bgo"


def test_a_report_after_its_sessions_stop_is_counted() -> None:
    """It is sent on, and opens nothing; whoever has the address by then is no second holder."""
    over = [*session("nk1", "A", "Start", 0), *session("nk1", "A", "Stop", 10)]
    late = session("nk1", "A", "Alive", 20)
    other = [*session("nk2", "B", "Start", 15), *session("nk2", "B", "Alive", 40)]
    assert counted(RADIUS, *over, *other, *late)["after_stop"] == 1
    assert reasons(RADIUS, *over, *other, *late) == []
    again = [*session("nk1", "A", "Start", 50), *session("nk1", "A", "Stop", 55)]
    assert "after_stop" not in counted(RADIUS, *over, *again)


def test_an_address_that_comes_later_in_a_session_had_another_holder_before() -> None:
    """The age of the session is not that of the address."""
    first = record(status="Start", without="Framed-IP", header="Mon Mar  2 08:00:00 2026")
    first = [line for line in first if "Event-Timestamp" not in line]
    other = [*session("nk2", "B", "Start", 0), *session("nk2", "B", "Stop", 30)]
    later = [line for line in session("nk17", "0A00004F", "Alive", 40) if line]
    assert reasons(RADIUS, *first, *other, *later, "\tAcct-Session-Time = 6000", "") == []


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (record("Framed-IP-Address = 198.51.100.700"), "bad_address"),
        (record("Delegated-IPv6-Prefix = 2001:db8::/200"), "bad_prefix"),
        (record("Delegated-IPv6-Prefix = 2001:db8::"), "bad_prefix"),
        (record("Framed-IPv6-Prefix = 192.0.2.0/24"), "bad_prefix"),
        (record("Acct-Session-Time = -15"), "end_before_start"),
        (record("Acct-Session-Time = soon"), "bad_number"),
        (record("Framed-IP-Address 198.51.100.7"), "bad_attribute"),
        (record('Class = "open'), "bad_attribute"),
        (record(status="Began"), "bad_status"),
        (record(without="Acct-Status-Type"), "missing_attribute"),
        (record(without="Acct-Session-Id"), "missing_attribute"),
        (record(without="NAS-IP"), "missing_attribute"),
        (record('Event-Timestamp = "Feb 30 2026 09:00:00 UTC"'), "bad_time"),
        (record('Event-Timestamp = "Mar  2 2026 09:00:00"'), "bad_time"),
        (record('Event-Timestamp = "Mar  2 2026 09:00:00 IST"'), "unknown_zone"),
        (record('Event-Timestamp = "Mar  2 2026 09:00:00 CST"'), "unknown_zone"),
        (record('Event-Timestamp = "Mar  2 2026 09:00:00 Europe/Oslo"'), "unknown_zone"),
        (record(r'User-Name = "bj\370rn"', without="User-Name"), "not_utf8"),
        (record(r'User-Name = "bj\\xf8rn"', without="User-Name"), "not_utf8"),
        (record(r'User-Name = "bj\\303\\270rn"', without="User-Name"), "not_utf8"),
        (record('Event-Timestamp = "Jan  1 1970 00:10:00 UTC"'), "bad_time"),
        (["hello", ""], "not_radius_detail"),
        ([HEADER, ""], "truncated"),
        (record()[3:], "truncated"),
    ],
)
def test_a_record_that_cannot_be_read_has_a_reason_and_a_line(lines: list[str], reason: str) -> None:
    """It is named by its first line, and the records around it are read."""
    assert reasons(RADIUS, *record(), *lines, *record()) == [(len(record()) + 1, reason)]
    assert len(outcomes(RADIUS, *record(), *lines, *record())) == 3


def test_a_last_record_that_is_cut_short_is_truncated() -> None:
    """It may end after any line; with all it needs it is a record."""
    whole = record()[:-1]
    for end in range(1, len(whole)):
        found = outcomes(RADIUS, *record(), *whole[:end])[1:]
        complete = any("NAS-IP" in line for line in whole[:end])
        assert [outcome == "truncated" for _, outcome in found] == [not complete]


def test_other_accounting_is_no_data() -> None:
    """Tunnels give nobody an address (RFC 2867)."""
    assert outcomes(RADIUS, *record(status="Tunnel-Start"), *record(status="9")) == []


def test_a_record_ends_at_a_blank_line_a_date_or_the_end() -> None:
    """Its number is that of its first line; blank lines before it are nobody's."""
    one, two = record()[:-1], record()
    found = list(radius.records(enumerate(["", *one, *two, "", *one], start=1)))
    assert [(item.first, item.last, item.open) for item in found] == [
        (2, 9, False),
        (10, 18, False),
        (20, 27, True),
    ]
    assert [len(item.lines or ()) for item in found] == [8, 8, 8]


def test_a_line_or_a_record_that_is_too_long_spoils_its_record_alone() -> None:
    """A file of something else must not end up in memory as one record."""
    lines = [*enumerate(record(), start=1)]
    broken: list[tuple[int, str | None]] = [*lines[:3], (4, None), *lines[4:]]
    assert [item.lines is None for item in radius.records(broken)] == [True]
    endless = list(radius.records(enumerate([*["\tA = 1"] * 5_000, "", *record()], start=1)))
    assert [(item.first, item.lines is None) for item in endless] == [(1, True), (5_002, False)]


def test_a_lost_stop_is_no_second_holder() -> None:
    """The next Start on the address is all that says so, and reports late by a retry change nothing."""
    first = [*session("nk1", "A", "Start", 0), *session("nk1", "A", "Alive", 10)]
    second = [*session("nk2", "B", "Start", 20), *session("nk2", "B", "Stop", 30)]
    assert reasons(RADIUS, *first, *second, *session("nk1", "A", "Alive", 10)) == []


def test_two_sessions_that_are_both_alive_are_reported_once_and_sent() -> None:
    """Only a report that came after the other's start shows it; each is an event all the same."""
    lines = [
        *session("nk1", "A", "Start", 0), *session("nk2", "B", "Start", 20), *session("nk2", "B", "Alive", 40),
        *session("nk1", "A", "Alive", 30), *session("nk1", "A", "Stop", 50),
    ]  # fmt: skip
    assert reasons(RADIUS, *lines) == [(25, "two_holders")]
    assert all(not isinstance(outcome, str) for _, outcome in outcomes(RADIUS, *lines))


@given(
    st.lists(st.sampled_from([*record(), "", "x", "\t", "\tA", '\tB = "', HEADER, "  C = 1"]), max_size=40)
)
def test_whatever_the_lines_every_one_belongs_to_one_record_or_is_blank(lines: list[str]) -> None:
    """Records follow each other without gaps but blank lines, and give events or a reason."""
    numbered = list(enumerate(lines, start=1))
    covered = [n for item in radius.records(numbered) for n in range(item.first, item.last + 1)]
    assert covered == sorted(set(covered))
    assert all(not line.strip() for number, line in numbered if number not in covered)
    for _, outcome in outcomes(RADIUS, *lines):
        assert outcome

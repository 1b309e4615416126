"""Kea's two logs: the lease file and the forensic log, IPv4 and IPv6."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.company import model_feed
from tests.support.feeds import only, outcomes, reasons

CSV = model_feed("kea-csv")
LOG = model_feed("kea-forensic")
V4 = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id"
V6 = (
    "address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,"
    "hostname,hwaddr,state,user_context,hwtype,hwaddr_source,pool_id"
)
RENEWED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
EPOCH = int(RENEWED.timestamp())
MAC = "02:00:5e:10:00:01"
LL = f"00:03:00:01:{MAC}"
LLT = f"00:01:00:01:2d:11:22:33:{MAC}"
UUID = "00:04:11:22:33:44"


def v4(
    *, hwaddr: str = MAC, client: str = "", term: int = 3600, end: int = EPOCH + 3600, state: str = "0"
) -> str:
    return f"192.0.2.10,{hwaddr},{client},{term},{end},1,0,0,box&#x2cone,{state},,0"


def v6(
    *, duid: str = LL, kind: int = 0, address: str = "2001:db8::5", length: int = 128, hwaddr: str = ""
) -> str:
    return f"{address},{duid},3600,{EPOCH + 3600},1,1800,{kind},7,{length},0,0,,{hwaddr},0,,1,0,0"


def test_an_active_row_says_when_the_lease_was_renewed_and_how_long_it_holds() -> None:
    """`expire` less the lifetime is the last renewal, not the first assignment."""
    assert only(CSV, V4, v4()) == {
        "kind": "interim",
        "source": "dhcp",
        "purpose": "operations",
        "address": "192.0.2.10",
        "mac": MAC,
        "lease_seconds": 3600,
        "session_id": f"192.0.2.10/{MAC}",
        "nas": "dhcp",
        "occurred_at": RENEWED,
    }
    assert only(model_feed("kea-csv", server="dhcp1.osl"), V4, v4())["nas"] == "dhcp1.osl"


def test_a_lease_without_end_has_no_seconds() -> None:
    """Kea writes 2^32 - 1 for it."""
    infinite = 0xFFFFFFFF
    found = only(CSV, V4, v4(term=infinite, end=EPOCH + infinite))
    assert ("lease_seconds" in found, found["occurred_at"]) == (False, RENEWED)


@pytest.mark.parametrize(
    ("row", "at"),
    [
        (v4(state="2"), EPOCH + 3600),
        (v4(state="3", term=0, end=EPOCH + 60), EPOCH + 60),
        (v4(state="0", term=0, end=EPOCH + 60), EPOCH + 60),
        (v4(state="1", hwaddr="", term=86400, end=EPOCH + 60 + 86400), EPOCH + 60),
    ],
)
def test_expired_released_and_declined_leases_are_over(row: str, at: int) -> None:
    """Expired and released at `expire`; declined when the waiting time began, though the row has no client."""
    found = outcomes(CSV, V4, v4(), row)[-1]
    assert not isinstance(found[1], str)
    (event,) = found[1]
    assert (event["kind"], event["occurred_at"]) == ("stop", datetime.fromtimestamp(at, UTC))
    assert event["session_id"] == f"192.0.2.10/{MAC}"


def test_a_removal_that_is_not_dated_is_no_end() -> None:
    """Kea writes the last renewal for it: taken for the end it would cut the lease short."""
    assert [line for line, _ in outcomes(CSV, V4, v4(), v4(term=0, end=EPOCH))] == [2]


def test_a_declined_address_nobody_had_is_no_data() -> None:
    """There is nobody to whom it says anything."""
    assert outcomes(CSV, V4, v4(state="1", hwaddr="")) == []


def test_clients_without_hardware_address_keep_their_identifier() -> None:
    """A client identifier of type 1 is an Ethernet address; any other stays what it is."""
    assert only(CSV, V4, v4(hwaddr="", client=f"01:{MAC}"))["mac"] == MAC
    found = only(CSV, V4, v4(hwaddr="", client="ff:00:11:22"))
    assert ("mac" in found, found["client_id"]) == (False, "ff:00:11:22")


def test_an_ipv6_lease_is_told_by_its_header() -> None:
    """The hardware address is the one given, or the one in the DUID; else the DUID itself identifies the client."""
    for row in (v6(), v6(duid=LLT), v6(duid=UUID, hwaddr=MAC)):
        found = only(CSV, V6, row)
        assert (found["address"], found["mac"], "client_id" in found) == ("2001:db8::5", MAC, False)
    found = only(CSV, V6, v6(duid=UUID))
    assert ("mac" in found, found["client_id"]) == (False, UUID)


def test_a_delegated_prefix_is_no_address() -> None:
    """Lease type 2; host bits are cut off."""
    found = only(CSV, V6, v6(kind=2, address="2001:db8:42:1::", length=56))
    assert (found["delegated_prefix"], "address" in found) == ("2001:db8:42::/56", False)
    assert found["session_id"] == f"2001:db8:42::/56/{LL}"


def test_the_session_stays_over_renewals_and_joined_files() -> None:
    """A header in the middle starts another file of the same server."""
    found = outcomes(CSV, V4, v4(), v4(end=EPOCH + 7200), V6, v6())
    assert [line for line, _ in found] == [2, 3, 5]
    sessions = [outcome[0]["session_id"] for _, outcome in found if not isinstance(outcome, str)]
    assert sessions[0] == sessions[1] != sessions[2]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (v4() + ",1", "column_count"),
        (v4().replace("192.0.2.10", "192.0.2.1000"), "bad_address"),
        (v4(state="9"), "bad_state"),
        (v4(term=-5), "end_before_start"),
        (v4(term=3600, end=60), "end_before_start"),
        (v4(end=3600), "bad_time"),
        (v4().replace(str(EPOCH + 3600), "soon"), "bad_number"),
        (v4(hwaddr="zz"), "bad_number"),
        (v4(hwaddr=""), "missing_value"),
    ],
)
def test_a_row_that_cannot_be_read_has_a_reason_and_a_line(row: str, reason: str) -> None:
    """The rows around it are read."""
    found = outcomes(CSV, V4, v4(), row, v4())
    assert [line for line, _ in found] == [2, 3, 4]
    assert found[1] == (3, reason)


def test_prefixes_of_impossible_length_and_rows_before_a_header_are_refused() -> None:
    """200 bits; no header at all; one that lacks columns."""
    assert outcomes(CSV, V6, v6(kind=2, length=200)) == [(2, "bad_prefix")]
    assert outcomes(CSV, v4()) == [(1, "no_header")]
    assert outcomes(CSV, "address,hwaddr", v4()) == [(1, "no_header"), (2, "no_header")]


def test_two_clients_with_one_address_at_once_are_reported() -> None:
    """A lease that was given back before is none of them."""
    other = v4(hwaddr="02:00:5e:10:00:02", end=EPOCH + 5400)
    assert reasons(CSV, V4, v4(), other) == [(3, "two_holders")]
    assert reasons(CSV, V4, v4(), v4(state="3", term=0, end=EPOCH + 60), other) == []
    assert reasons(CSV, V4, v4(), v4(term=0, end=EPOCH), other) == []


AT = "2026-03-02 10:00:00 CET "
GIVEN4 = f"has been assigned for 1 hrs 52 mins 15 secs to a device with hardware address: hwtype=1 {MAC}"
RELAY4 = " connected via relay at address: 10.0.0.1"


def test_a_forensic_line_says_the_same_lease_as_the_file() -> None:
    """Session, client and server agree, so that both logs of a server make one session."""
    logged = only(LOG, f"{AT}Address: 192.0.2.10 {GIVEN4}, client-id: 01:{MAC}{RELAY4}")
    assert logged == only(CSV, V4, v4(client=f"01:{MAC}")) | {"kind": "start", "lease_seconds": 6735}
    six = f"{AT}Address: 2001:db8::5 has been renewed for 1 hrs 0 mins 0 secs to a device with DUID: {LL}"
    assert only(LOG, f"{six} and hardware address: hwtype=1 {MAC} (from DUID)") == only(CSV, V6, v6())
    prefix = (
        f"{AT}Prefix: 2001:db8:42::/56 has been renewed for 1 hrs 0 mins 0 secs to a device with DUID: {UUID}"
    )
    assert only(LOG, prefix) == only(CSV, V6, v6(kind=2, address="2001:db8:42::", length=56, duid=UUID))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0 hrs 0 min 30 secs", 30), ("1 day 1 hrs 0 min 0 secs", 90_000), ("60 days 0 hrs 0 mins 10 secs", 5_184_010),
        ("infinite duration", None),
    ],
)  # fmt: skip
def test_durations_in_words_are_seconds(text: str, seconds: int | None) -> None:
    """In the spellings of the manual and of the program."""
    line = f"{AT}Address: 192.0.2.10 has been renewed for {text} to a device with hardware address: hwtype=1 {MAC}"
    found = only(LOG, line)
    assert (found.get("lease_seconds"), found["kind"]) == (seconds, "interim")


@pytest.mark.parametrize(
    ("relay", "line_id"),
    [
        ("circuit-id: 68:6f:77:64:79 (howdy) and remote-id: 87:f6:79:77:ef", "87:f6:79:77:ef"),
        ("circuit-id: 68:6f:77:64:79 (howdy)", "10.0.0.1|howdy"),
        ("circuit-id: 68:6f and remote-id: 87:f6 and subscriber-id: 6b:31:37 (k17)", "k17"),
        ("remote-id: 68:6f:77:64:79 (howdy)", "howdy"),
    ],
)
def test_the_line_is_the_subscriber_else_the_box_else_the_circuit(relay: str, line_id: str) -> None:
    """As text where it is text."""
    line = f"{AT}Address: 192.0.2.10 {GIVEN4}, client-id: 17:34{RELAY4}, identified by {relay}"
    assert only(LOG, line)["line_id"] == line_id


def test_relays_of_ipv6_name_the_line_too() -> None:
    """With the relay's own addresses, and an interface as the last resort."""
    start = (
        f"{AT}Address: 2001:db8::5 has been assigned for 0 hrs 11 mins 53 secs to a device with DUID: {LL}"
    )
    relay = (
        " connected via relay at address: fe80::abcd for client on link address: 2001:db8::1, hop count: 1"
    )
    found = only(LOG, f"{start}{relay}, identified by remote-id: 01:02 and subscriber-id: 6b:31:37 (k17)")
    assert (found["line_id"], found["lease_seconds"]) == ("k17", 713)
    assert (
        only(LOG, f"{start}{relay}, connected at location interface-id: 65:31 (e1)")["line_id"]
        == "2001:db8::1|e1"
    )


def test_what_a_client_writes_about_itself_is_not_believed() -> None:
    """Its identifier is shown as text: it cannot pose as another line by writing one there."""
    posing = f"x){RELAY4}, identified by subscriber-id: 6b:31:37 (k17"
    client = ":".join(f"{byte:02x}" for byte in posing.encode())
    line = f"{AT}Address: 192.0.2.10 {GIVEN4}, client-id: {client} ({posing})"
    assert "line_id" not in only(LOG, line)
    own = f"{line}{RELAY4}, identified by circuit-id: 68:6f:77:64:79 (howdy)"
    assert only(LOG, own)["line_id"] == "10.0.0.1|howdy"


def test_a_release_ends_the_lease() -> None:
    """At the time of the line, in the zone it names."""
    found = only(
        LOG, f"{AT}Address: 192.0.2.10 has been released from a device with hardware address: hwtype=1 {MAC}"
    )
    assert (found["kind"], found["occurred_at"], found["session_id"]) == (
        "stop",
        RENEWED,
        f"192.0.2.10/{MAC}",
    )


@pytest.mark.parametrize("who", ["Administrator", "HA partner"])
def test_commands_are_leases_too(who: str) -> None:
    """Added, updated and deleted; a deletion names the address alone, so the lease has to be known."""
    four = (
        f"192.0.2.10 to a device with hardware address: {MAC}, client-id: 6b:31 (k1) for 1 hrs 0 mins 0 secs"
    )
    six = f"prefix: 2001:db8:42::/56 to a device with DUID: {LL}, hardware address: {MAC}, context: {{ }}"
    found = outcomes(
        LOG,
        f"{AT}{who} added a lease of address: {four}",
        f"{AT}{who} updated information on the lease of {six}",
        f"{AT}{who} deleted the lease for address: 192.0.2.10",
        f"{AT}{who} deleted the lease for address: 2001:db8:42::",
        f"{AT}{who} deleted the lease for address: 192.0.2.10",
    )
    events = [outcome[0] for _, outcome in found if not isinstance(outcome, str)]
    assert [event["kind"] for event in events] == ["start", "interim", "stop", "stop"]
    assert [event["session_id"] for event in events] == [f"192.0.2.10/{MAC}", f"2001:db8:42::/56/{LL}"] * 2
    assert events[0]["lease_seconds"] == 3600
    assert found[-1] == (5, "unknown_lease")


def test_a_lease_deleted_by_its_client_has_to_be_the_only_one() -> None:
    """Which of two is meant the line does not say."""
    lease = f"{AT}Address: 192.0.2.10 {GIVEN4}"
    gone = f"{AT}Administrator deleted a lease for a device identified by: hw-address of {MAC.upper()}"
    found = outcomes(LOG, lease, gone)
    assert not isinstance(found[1][1], str)
    assert found[1][1][0]["kind"] == "stop"
    assert reasons(LOG, lease, lease.replace("2.10", "2.11"), gone) == [(3, "unknown_lease")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hello", "not_forensic"),
        (f"{AT}Address: 192.0.2.10 has been lost", "not_forensic"),
        (f"{AT}Address: 192.0.2.10 {GIVEN4} and more", "not_forensic"),
        (f"{AT}Address: 192.0.2.10 has been released from a device with no name", "not_forensic"),
        (f"{AT}Address: 192.0.2.300 {GIVEN4}", "bad_address"),
        (f"2026-02-30 10:00:00 CET Address: 192.0.2.10 {GIVEN4}", "bad_time"),
        (f"2026-03-02 10:00:00 XYZ Address: 192.0.2.10 {GIVEN4}", "unknown_zone"),
        (f"{AT}Prefix: 2001:db8::/200 has been released from a device with DUID: {LL}", "bad_prefix"),
    ],
)
def test_a_line_that_cannot_be_read_has_a_reason_and_a_number(line: str, reason: str) -> None:
    """The lines around it are read."""
    good = f"{AT}Address: 192.0.2.10 {GIVEN4}"
    assert [outcome if isinstance(outcome, str) else "" for _, outcome in outcomes(LOG, good, line, good)] == [
        "", reason, "",
    ]  # fmt: skip


@given(st.integers(0, 200), st.text(max_size=3))
def test_a_damaged_line_is_an_event_or_has_a_reason(place: int, put: str) -> None:
    """Anything written into a good line of either log; never another error."""
    line = f"{AT}Address: 192.0.2.10 {GIVEN4}, client-id: 17:34{RELAY4}, identified by circuit-id: 68:6f"
    for feed, lines in ((LOG, [line]), (CSV, [V4, v4()])):
        changed = lines[-1][:place] + put + lines[-1][place + len(put) :]
        assert len(outcomes(feed, *lines[:-1], changed.replace("\n", ""))) <= 1

"""RADIUS accounting in detail files: what a record says of whom, where and when."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.support.company import model_feed
from tests.support.feeds import counted, only, outcomes
from tests.support.radius import AT, HEADER, RADIUS, record


def test_a_start_says_who_got_which_address_on_which_line() -> None:
    """The user name loses its realm; without a circuit the line is the server's port."""
    assert only(
        RADIUS, *record('Calling-Station-Id = "02-00-5E-10-00-01"', "Acct-Interim-Interval = 600")
    ) == {
        "kind": "start",
        "source": "radius",
        "purpose": "operations",
        "address": "198.51.100.7",
        "username": "nk17",
        "mac": "02:00:5e:10:00:01",
        "line_id": "192.0.2.1|337",
        "session_id": "0A00004F",
        "nas": "192.0.2.1",
        "interim_seconds": 600,
        "occurred_at": AT,
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("Start", "start"), ("1", "start"), ("Stop", "stop"), ("2", "stop"), ("Interim-Update", "interim"),
        ("Alive", "interim"), ("3", "interim"), ("Accounting-On", "on"), ("7", "on"), ("Accounting-Off", "off"),
        ("8", "off"),
    ],
)  # fmt: skip
def test_every_status_has_a_kind(status: str, kind: str) -> None:
    """By name and by number (RFC 2866, section 5.1)."""
    assert only(RADIUS, *record(status=status))["kind"] == kind


@pytest.mark.parametrize(
    ("attribute", "at"),
    [
        ('Event-Timestamp = "May 17 2015 10:00:00 UTC"', datetime(2015, 5, 17, 10, tzinfo=UTC)),
        ('Event-Timestamp = "May  7 2015 12:00:00 CEST"', datetime(2015, 5, 7, 10, tzinfo=UTC)),
        ('Event-Timestamp = "Feb 17 2015 11:00:00 CET"', datetime(2015, 2, 17, 10, tzinfo=UTC)),
        ('Event-Timestamp = "May 17 2015 05:00:00 EST"', datetime(2015, 5, 17, 10, tzinfo=UTC)),
        ('Event-Timestamp = "May 17 2015 06:00:00 EDT"', datetime(2015, 5, 17, 10, tzinfo=UTC)),
        ('Event-Timestamp = "May 17 2015 13:00:00 +03"', datetime(2015, 5, 17, 10, tzinfo=UTC)),
        ('Event-Timestamp = "May 17 2015 05:30:00 -0430"', datetime(2015, 5, 17, 10, tzinfo=UTC)),
        ('Event-Timestamp = "Sun May 17 2015 10:00:00 GMT"', datetime(2015, 5, 17, 10, tzinfo=UTC)),
        ('Event-Timestamp = "2015-05-17T12:00:00+02:00"', datetime(2015, 5, 17, 10, tzinfo=UTC)),
        ("Event-Timestamp = 1431856800", datetime(2015, 5, 17, 10, tzinfo=UTC)),
        ("Acct-Delay-Time = 5", AT),
        ("Timestamp = 1431856800", datetime(2015, 5, 17, 10, tzinfo=UTC)),
        ("Acct-Session-Time = 1", datetime(2026, 3, 2, 9, 0, 5, tzinfo=UTC)),
    ],
)
def test_the_event_time_is_the_servers_else_arrival_less_delay(attribute: str, at: datetime) -> None:
    """Event-Timestamp in all spellings; else the record's Timestamp or date, less Acct-Delay-Time."""
    header = f"{at:%a %b %d %H:%M:%S %Y}" if "Timestamp" in attribute else HEADER
    assert only(RADIUS, *record(attribute, without="Event-Timestamp", header=header))["occurred_at"] == at


def test_a_delayed_retry_has_the_event_time_of_the_first() -> None:
    """With an Event-Timestamp the delay changes nothing; without, arrival and delay cancel out."""
    late = record("Acct-Delay-Time = 900", header="Mon Mar  2 09:15:00 2026")
    assert only(RADIUS, *late)["occurred_at"] == AT
    late = record("Acct-Delay-Time = 900", header="Mon Mar  2 09:15:00 2026", without="Event-Timestamp")
    assert only(RADIUS, *late)["occurred_at"] == AT


def test_a_stop_alone_tells_when_the_session_began() -> None:
    """A lost Start is rebuilt from the session time."""
    assert only(RADIUS, *record("Acct-Session-Time = 3600", status="Stop"))["session_seconds"] == 3600


def test_all_addresses_and_prefixes_of_a_record_become_events() -> None:
    """One event for each address, a prefix riding with each; host bits of a prefix are cut off."""
    (found,) = outcomes(
        RADIUS,
        *record(
            "Framed-IPv6-Address = 2001:DB8:1::0:7",
            "Delegated-IPv6-Prefix = 2001:db8:42:3::1/56",
            "Framed-IPv6-Prefix = 2001:db8:9::/64",
            "Framed-IPv6-Prefix = 2001:db8:a::/64",
        ),
    )
    assert not isinstance(found[1], str)
    assert [(event["address"], event["delegated_prefix"]) for event in found[1]] == [
        ("198.51.100.7", "2001:db8:42::/56"),
        ("2001:db8:1::7", "2001:db8:9::/64"),
        (None, "2001:db8:a::/64"),
    ]
    assert len({event["session_id"] for event in found[1]}) == 1


def test_a_session_without_address_is_an_event() -> None:
    """The address often follows in the first interim report."""
    assert "address" not in only(RADIUS, *record(without="Framed-IP-Address"))


@pytest.mark.parametrize(
    ("attributes", "line_id"),
    [
        (['NAS-Port-Id = "ge-1/0/0:100"', 'Agent-Circuit-Id = "bgo-olt3-1/2/17"'], "bgo-olt3-1/2/17"),
        (['Agent-Circuit-Id = "bgo-olt3-1/2/17"'], "bgo-olt3-1/2/17"),
        (["ADSL-Agent-Circuit-Id = 0x62676f2d6f6c7433"], "bgo-olt3"),
        (["ADSL-Agent-Circuit-Id = 0x00ff"], "0x00ff"),
        ([r'Agent-Circuit-Id = "olt \"3\" \303\270"'], 'olt "3" ø'),
        ([r'Agent-Circuit-Id = "olt3 \370"'], "0x6f6c743320f8"),
    ],
)
def test_the_line_is_the_circuit_where_one_is_named(attributes: list[str], line_id: str) -> None:
    """Bytes in hexadecimal are read as the text they mostly are."""
    assert only(RADIUS, *record(*attributes))["line_id"] == line_id


@pytest.mark.parametrize(
    ("station", "mac"),
    [
        ("0200.5e10.0001", "02:00:5e:10:00:01"),
        ("02005e100001", "02:00:5e:10:00:01"),
        ("0200-5e10-0001", "02:00:5e:10:00:01"),
        ("475812345678", None),
        ("+47 40 00 00 01", None),
        ("198.51.100.7", None),
        ("2001:db8::1", None),
        ("eth 1/2/3:10.20", None),
        ("ge-1/0/0:1073742009", None),
        ("0200-5e10.0001", None),
        ("02-00-5E-10-00-01:guest", None),
        ("00:00:00:00:00:00", None),
        ("ffff.ffff.ffff", None),
        ("", None),
        ("4740000001", None),
        ("02-00-5E-10-00", None),
    ],
)
def test_a_calling_station_is_only_a_mac_if_it_looks_like_one(station: str, mac: str | None) -> None:
    """Twelve digits may be a phone number; addresses and ports stand there too, and clients that have none say zero."""
    assert only(RADIUS, *record(f'Calling-Station-Id = "{station}"')).get("mac") == mac


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (r"bj\303\270rn@isp.example", "bjørn"),
        (r"\303\245se", "åse"),
        (r"\xc3\xa5se", "åse"),
        (r"ISP\\nk17", r"ISP\nk17"),
        ("bjørn", "bjørn"),
    ],
)
def test_escapes_in_a_name_are_the_bytes_of_its_letters(written: str, name: str) -> None:
    """FreeRADIUS writes what is not ASCII in octal; a backslash itself is written twice."""
    assert only(RADIUS, *record(f'User-Name = "{written}"', without="User-Name"))["username"] == name


def test_a_server_may_have_a_name_or_an_ipv6_address() -> None:
    """Whichever it sends."""
    named = record('NAS-Identifier = "bras1.bgo"', without="NAS-IP")
    assert only(RADIUS, *named)["nas"] == "bras1.bgo"
    six = record("NAS-IPv6-Address = 2001:DB8::0:1", without="NAS-IP")
    assert only(RADIUS, *six)["nas"] == "2001:db8::1"


def test_a_restart_needs_no_session() -> None:
    """Accounting-On ends what the server had; it may come without a session number."""
    found = only(RADIUS, *record(status="Accounting-On", without="Acct-Session-Id"))
    assert (found["session_id"], "address" in found) == ("accounting-on", False)


def named(name: str) -> list[str]:
    return record(f'User-Name = "{name}"', without="User-Name")


@pytest.mark.parametrize(
    ("name", "username", "said"),
    [
        ("nk17", "nk17", None),
        ("nk17@ISP.Example", "nk17", "realm_removed"),
        (r"ISP.EXAMPLE\\nk17", "nk17", "realm_removed"),
        ("fiber.example/nk17", "nk17", "realm_removed"),
        ("nk17@home@isp.example", "nk17@home", "realm_removed"),
        ("nk17@isp.example@fiber.example", "nk17", "realm_removed"),
        ("nk17@north.example", "nk17@north.example", "realm_kept"),
        ("nk17@isp.example.evil.example", "nk17@isp.example.evil.example", "realm_kept"),
        (r"NORTH\\nk17", r"NORTH\nk17", "realm_kept"),
        ("anonymous", None, "placeholder_name"),
        ("Anonymous@north.example", None, "placeholder_name"),
        ("@isp.example", None, "placeholder_name"),
    ],
)
def test_a_realm_is_part_of_the_name_unless_it_is_ours(
    name: str, username: str | None, said: str | None
) -> None:
    """RFC 7542, 2.2: whoever it is in another realm is somebody else; what was done is counted."""
    ours = model_feed("radius-detail", realms=["isp.example", "fiber.example"])
    assert only(ours, *named(name)).get("username") == username
    assert counted(ours, *named(name)) == ({said: 1} if said else {})


def test_without_a_declared_realm_none_is_taken_off() -> None:
    """Two realms are two people."""
    anybody = model_feed("radius-detail")
    assert only(anybody, *named("nk17@isp.example"))["username"] == "nk17@isp.example"


@pytest.mark.parametrize(
    "port",
    [
        "slot=0;subslot=0;port=8;vlanid=1",  # Huawei
        "1/1/7:100",  # Nokia
        "GigabitEthernet0/0/1.100:200",  # Cisco
        "ether2",  # MikroTik
        "ge-1/0/0.1073741824:100-200",  # Juniper
    ],
)
def test_a_port_names_a_line_only_with_its_server(port: str) -> None:
    """RFC 2869, 5.17: NAS-Port-Id identifies the port of the NAS."""
    lines = [
        only(RADIUS, *record(f'NAS-Port-Id = "{port}"', f"NAS-IP-Address = {server}", without="NAS-IP"))[
            "line_id"
        ]
        for server in ("192.0.2.51", "192.0.2.52")
    ]
    assert lines == [f"192.0.2.51|{port}", f"192.0.2.52|{port}"]


@pytest.mark.parametrize("circuit", ["eth 1/1/7:100", "0/1/2", "atm 3/0:8.35"])
def test_a_circuit_without_its_access_node_is_a_port(circuit: str) -> None:
    """TR-101 puts the node in front; what has none is the same behind every node."""
    assert only(RADIUS, *record(f'Agent-Circuit-Id = "{circuit}"'))["line_id"] == f"192.0.2.1|{circuit}"


@pytest.mark.parametrize(
    "placeholder",
    ["0.0.0.0", "255.255.255.254", "255.255.255.255", "127.0.0.1", "224.0.0.1", "169.254.1.1", "0.1.2.3"],
)
def test_a_placeholder_is_no_address(placeholder: str) -> None:
    """It is left out and counted; the report is one of its session all the same."""
    lines = record(f"Framed-IP-Address = {placeholder}", without="Framed-IP")
    assert "address" not in only(RADIUS, *lines)
    assert counted(RADIUS, *lines)["placeholder_address"] == 1
    both = record(
        f"Framed-IP-Address = {placeholder}", "Framed-IPv6-Prefix = 2001:db8:9::/64", without="Framed-IP"
    )
    assert only(RADIUS, *both)["delegated_prefix"] == "2001:db8:9::/64"


@pytest.mark.parametrize(
    "attribute",
    ["Framed-IPv6-Address = ::", "Framed-IPv6-Address = fe80::1", "Framed-IPv6-Prefix = ::/0",
     "Delegated-IPv6-Prefix = ::/64", "Framed-IPv6-Prefix = fe80::/64"],
)  # fmt: skip
def test_placeholders_of_ipv6_are_left_out(attribute: str) -> None:
    """And the IPv4 address of the report stays."""
    found = only(RADIUS, *record(attribute))
    assert found["address"] == "198.51.100.7"
    assert "delegated_prefix" not in found
    assert counted(RADIUS, *record(attribute))["placeholder_address"] == 1


@pytest.mark.parametrize("address", ["10.0.0.1", "100.64.0.1", "198.18.0.1", "192.0.2.9", "203.0.113.255"])
def test_private_shared_and_documentation_addresses_are_addresses(address: str) -> None:
    """They are assigned."""
    assert only(RADIUS, *record(f"Framed-IP-Address = {address}", without="Framed-IP"))["address"] == address

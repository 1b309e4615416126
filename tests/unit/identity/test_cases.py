"""Small feeds of kinds that were once answered wrongly, from the file to the answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.identity.identities import given
from tests.support.isp import NOBODY, Isp
from tests.support.kinds import CUSTOMER_NUMBER, IP

CASES = Path(__file__).parents[2] / "fixtures" / "cases"


def ingested(name: str, *, backwards: bool = False) -> Isp:
    isp = Isp()
    text = (CASES / f"{name}.detail").read_text("utf-8")
    if backwards:
        text = "\n\n".join(reversed(text.strip().split("\n\n"))) + "\n\n"
    isp.ingest("radius-detail", text)
    return isp


@pytest.mark.parametrize("backwards", [False, True])
def test_a_report_after_the_stop_opens_nothing(backwards: bool) -> None:
    """RFC 2866, 2 and 5.1: whatever its status, and whether it comes before the Stop or after it."""
    isp = ingested("03-interim-after-stop", backwards=backwards)
    for number, name in enumerate(("kari", "nils", "siv", "tor"), start=31):
        assert isp.who(f"203.0.113.{number}", "2026-03-03T11:59:00Z") == isp.user(name)
        assert isp.who(f"203.0.113.{number}", "2026-03-03T12:20:00Z") == NOBODY


def test_placeholders_are_no_addresses() -> None:
    """RFC 1122, 3.2.1.3 and RFC 2865, 5.8: no second holder, and the session keeps the address it had."""
    isp = ingested("04-address-not-an-address")
    assert isp.who("203.0.113.41", "2026-03-04T09:30:00Z") == isp.user("nils4")
    assert isp.who("203.0.113.42", "2026-03-04T09:30:00Z") == isp.user("siv4")
    assert isp.who("203.0.113.43", "2026-03-04T09:00:00Z") == isp.user("tor4")
    assert isp.who("203.0.113.44", "2026-03-04T09:00:00Z") == isp.user("une4")
    assert isp.who("203.0.113.42", "2026-03-04T10:10:00Z") == NOBODY
    assert isp.identities.links([given(isp.tokenizer, IP, "0.0.0.0")]) == [[]]
    assert isp.counted == {"placeholder_address": 6}


def test_a_port_is_a_port_of_its_server() -> None:
    """RFC 2869, 5.17: the same name on two servers is two lines, so neither ends nor is the other's."""
    isp = ingested("05-same-port-name-on-two-servers")
    assert isp.who("203.0.113.51", "2026-03-05T13:00:00Z") == isp.user("eva5")
    first, second = (isp.who(f"203.0.113.{number}", "2026-03-05T12:00:00Z") for number in (53, 54))
    assert first[0] == second[0] == "unique"
    assert first != second


def test_a_register_names_a_line_by_server_and_port() -> None:
    """So a session without a user name leads to the customer of the line."""
    isp = ingested("05-same-port-name-on-two-servers")
    columns = (
        "customer_number,username,name,fodselsnummer,phone,email,address,contract_start,contract_end,line_id"
    )
    rows = [
        "1001,,Per Vik,,,,,2020-01-01,,192.0.2.51|eth 1/1/7:100",
        "1002,,Ola Dahl,,,,,2020-01-01,,192.0.2.52 |ETH 1/1/7:100",
    ]
    isp.ingest("customers-csv", "\n".join([columns, *rows]))
    for address, number in (("203.0.113.53", "1001"), ("203.0.113.54", "1002")):
        expected = "unique", frozenset([isp.tokenizer.token(CUSTOMER_NUMBER, number)])
        assert isp.who(address, "2026-03-05T12:00:00Z") == expected


def test_names_that_differ_by_a_realm_are_different_people() -> None:
    """RFC 7542, 2.2."""
    isp = ingested("06-two-realms")
    found = [isp.who(f"203.0.113.{number}", "2026-03-06T11:00:00Z") for number in range(61, 65)]
    assert {resolution for resolution, _ in found} == {"unique"}
    assert len({subjects for _, subjects in found}) == 4
    assert isp.counted == {"realm_kept": 8}


@pytest.mark.parametrize(
    "registered", ["alice", "alice@north.example", r"NORTH.example\alice", "Alice@NORTH.example"]
)
def test_our_own_realms_are_no_part_of_a_name_wherever_it_stands(registered: str) -> None:
    """In reports, in the register and in questions alike; another realm stays another person's."""
    isp = Isp(["north.example", "home"])
    isp.ingest("radius-detail", (CASES / "06-two-realms.detail").read_text("utf-8"))
    columns = "customer_number,username,name,fodselsnummer,phone,email,address,contract_start,contract_end"
    isp.ingest("customers-csv", f"{columns}\n1001,{registered},Alice Vik,,,,,2020-01-01,")
    customer = "unique", frozenset([isp.tokenizer.token(CUSTOMER_NUMBER, "1001")])
    assert isp.who("203.0.113.61", "2026-03-06T11:00:00Z") == customer
    assert isp.who("203.0.113.62", "2026-03-06T11:00:00Z") == isp.user("alice@south.example")
    assert isp.user("alice") == isp.user("Alice@North.Example") != isp.user("alice@south.example")
    assert isp.user("bob@home@north.example") == isp.user("bob")


def test_an_address_that_came_later_was_anothers_before() -> None:
    """Acct-Session-Time is of the session, not of the address."""
    isp = ingested("08-address-later-in-session")
    assert isp.who("203.0.113.81", "2026-03-08T10:30:00Z") == isp.user("bo8")
    assert isp.who("203.0.113.81", "2026-03-08T11:30:00Z") == isp.user("eli8")
    assert isp.who("203.0.113.81", "2026-03-08T12:00:00Z") == NOBODY
    assert isp.who("2001:db8:8:1::7", "2026-03-08T09:30:00Z") == isp.user("eli8")
    assert isp.counted == {}


def test_an_address_given_back_within_a_session_is_the_next_ones() -> None:
    """The prefix goes on; the Stop, which names nothing, ends that."""
    isp = ingested("08b-address-given-back")
    assert isp.who("203.0.113.82", "2026-03-08T09:30:00Z") == isp.user("ada8")
    assert isp.who("203.0.113.82", "2026-03-08T12:00:00Z") == NOBODY
    assert isp.who("203.0.113.82", "2026-03-08T13:00:00Z") == isp.user("geir8")
    assert isp.who("203.0.113.82", "2026-03-08T14:30:00Z") == NOBODY
    assert isp.who("2001:db8:8:2::7", "2026-03-08T14:30:00Z") == isp.user("ada8")
    assert isp.who("2001:db8:8:2::7", "2026-03-08T15:00:00Z") == NOBODY


def test_a_clock_weeks_or_years_off_is_not_believed() -> None:
    """Taken when it arrived, and counted."""
    isp = ingested("16-clock-weeks-behind")
    assert isp.who("203.0.113.161", "2026-05-17T20:30:00Z") == isp.user("una16")
    assert isp.who("203.0.113.161", "2026-06-25T09:00:00Z") == isp.user("vik16")
    assert isp.who("203.0.113.163", "2026-06-25T09:00:00Z") == isp.user("wi16")
    assert isp.counted == {"clock_off": 4}


@pytest.mark.parametrize("backwards", [False, True])
def test_reports_of_one_session_are_one_persons(backwards: bool) -> None:
    """RFC 2866, 5.5 and 5.13: matched by the id of the session; a name that is missing or anonymous joins."""
    isp = ingested("17-stop-without-user-name", backwards=backwards)
    for number, name in ((171, "ine17"), (172, "jon17"), (173, "kim17")):
        assert isp.who(f"203.0.113.{number}", "2026-03-17T11:00:00Z") == isp.user(name)
        assert isp.who(f"203.0.113.{number}", "2026-03-17T13:00:00Z") == NOBODY
    assert isp.who("203.0.113.173", "2026-03-17T10:05:00Z") == isp.user("kim17")
    assert isp.counted == {"placeholder_name": 1}

"""Each rule of identity by an event that shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from schemas.tokens import delegated_tokens, prefix_tokens
from schemas.vocabulary import ClaimForm, Mark, Proof
from sinks.ports.identity import NOTHING, Rank
from streams.columns.tokens import EARLIEST, LATEST
from streams.tagging.tag import Tagger
from tests.support.claims import ASSIGNMENT, NOW, QUIET, RECORDS, TOKENIZER, plain, tagged, token
from tests.support.kinds import IP, KINDS
from tests.support.records import record_of


def assigned(**said: Any) -> list[dict[str, Any]]:
    """The claims of one report, which must be good."""
    found = tagged(ASSIGNMENT, [QUIET | said])
    assert not found.bad
    return plain(found.claims.table)


def test_a_session_names_its_holder_its_line_and_its_server() -> None:
    """One report, one claim: the address was the user name's, since the session began, until the next report is due."""
    (claim,) = assigned(
        kind="interim",
        address="203.0.113.24",
        username="karinord",
        mac="02:00:5e:10:00:01",
        line_id="olt3-1/2/17",
        session_seconds=600,
        interim_seconds=300,
    )
    assert claim["form"] == ClaimForm.SESSION.code
    assert claim["mark"] == Mark.SEEN.code
    assert (claim["token"], claim["length"]) == (token("ip", "203.0.113.24"), 0)
    assert (claim["subject"], claim["proof"]) == (token("username", "karinord"), Proof.SUBSCRIBER.code)
    assert (claim["port_from"], claim["port_to"]) == (0, 65_535)
    assert claim["line"] == TOKENIZER.key("line", "olt3-1/2/17")
    assert claim["server"] == TOKENIZER.key("server", "bras1.bgo")
    assert claim["group"] == TOKENIZER.key("session", "bras1.bgo\x000A00004F-17\x00v4")
    assert (claim["since"], claim["at"], claim["until"]) == (NOW - 600_000, NOW, NOW + 300_000)
    assert (claim["topic"], claim["partition"], claim["offset"], claim["part"]) == ("topic", 0, 100, 0)


def test_a_line_is_the_same_for_the_network_and_the_register() -> None:
    """The line that a session ran over leads to the customer whose line the register says it is."""
    (session,) = assigned(address="203.0.113.24", line_id="OLT3-1/2/17")
    owned = [claim for claim in details(line_id="olt3-1/2/17 ") if claim["proof"] == Proof.LINE_OWNER.code]
    assert [claim["token"] for claim in owned] == [session["subject"]]
    assert session["proof"] == Proof.LINE_OWNER.code


def test_a_household_has_its_prefix_beside_its_address() -> None:
    """Address and delegated prefix are claims of their own, of one session."""
    address, prefix = assigned(
        address="203.0.113.24", delegated_prefix="2001:db8:42::/56", username="karinord"
    )
    assert (prefix["token"], prefix["length"], prefix["part"]) == (
        *prefix_tokens(TOKENIZER, "2001:db8:42::1")[3],
        1,
    )
    assert address["group"] == prefix["group"]
    assert address["subject"] == prefix["subject"]


def test_a_prefix_of_unusual_length_is_written_as_those_it_holds() -> None:
    """A /58 is four /60: an address below it finds one of them."""
    claims = assigned(delegated_prefix="2001:db8:42::/58")
    assert {(claim["token"], claim["length"]) for claim in claims} == set(
        delegated_tokens(TOKENIZER, "2001:db8:42::/58", IP)
    )
    assert [claim["part"] for claim in claims] == [1, 2, 3, 4]
    assert len({claim["group"] for claim in claims}) == 1


@pytest.mark.parametrize(
    ("kind", "mark"), [("start", Mark.OPEN.code), ("interim", Mark.SEEN.code), ("stop", Mark.CLOSE.code)]
)
def test_a_report_that_names_no_address_is_one_of_its_session(kind: str, mark: Mark) -> None:
    """It may say whose the session is, and that it is over."""
    (claim,) = assigned(kind=kind, username="karinord")
    (other,) = assigned(kind="start", username="karinord", address="203.0.113.24")
    assert (claim["token"], claim["mark"], claim["group"]) == (NOTHING, mark, other["group"])
    assert claim["subject"] == token("username", "karinord")


@pytest.mark.parametrize(
    ("named", "rank"),
    [
        ({"mac": "02:00:5e:10:00:01", "username": "karinord"}, Rank.USERNAME),
        ({"mac": "02:00:5e:10:00:01", "line_id": "olt3-1/2/17"}, Rank.LINE),
        ({"mac": "02:00:5e:10:00:01"}, Rank.HARDWARE),
    ],
)
def test_a_claim_says_how_well_it_names_whose_the_session_is(named: dict[str, str], rank: Rank) -> None:
    """Other reports of the session may name the same person better."""
    (claim,) = assigned(address="203.0.113.24", **named)
    assert claim["rank"] == rank


@pytest.mark.parametrize(("kind", "mark"), [("on", Mark.ON.code), ("off", Mark.OFF.code)])
def test_a_server_that_starts_anew_is_all_its_report_says(kind: str, mark: Mark) -> None:
    """Nobody is named, whatever else the report carries."""
    (claim,) = assigned(
        kind=kind, address="203.0.113.24", username="karinord", session_seconds=5, session_id=""
    )
    named = {name: claim[name] for name in ("token", "subject", "group", "line")}
    assert set(named.values()) == {NOTHING}
    assert (claim["mark"], claim["server"]) == (mark, TOKENIZER.key("server", "bras1.bgo"))
    assert (claim["since"], claim["until"]) == (None, None)


def test_a_lease_for_ever_ends_with_our_times() -> None:
    """DHCP writes 2**32 - 1 seconds for a lease without end (RFC 2131, 3.3); nothing overflows."""
    for seconds in (2**32 - 1, 2**63 - 1):
        (claim,) = assigned(address="203.0.113.24", lease_seconds=seconds, source="dhcp")
        assert LATEST - 1000 < claim["until"] <= LATEST


def test_no_interval_is_no_end() -> None:
    """A server that sends no interim reports writes an interval of 0."""
    (claim,) = assigned(address="203.0.113.24", interim_seconds=0)
    assert claim["until"] is None


def details(**said: Any) -> list[dict[str, Any]]:
    record = RECORDS["CustomerDetails"]
    event: dict[str, Any] = {field.name: None for field in record.fields}
    event |= {"customer_number": "700104", "name": "Kari Nordmann", "updated_at": NOW}
    found = tagged(record, [event | said])
    assert not found.bad
    return plain(found.claims.table)


def test_a_register_says_what_each_slot_holds_and_which_are_empty() -> None:
    """A change of e-mail meets the old one in the same slot; a field without value empties its slot."""
    first, second = (details(email=value, valid_from=NOW - 1) for value in ("kari@example.no", None))
    assert [claim["group"] for claim in first] == [claim["group"] for claim in second]
    assert len({claim["group"] for claim in first}) == len(first)
    (held,) = [claim for claim in first if claim["token"] == token("email", "kari@example.no")]
    assert (held["form"], held["proof"], held["since"]) == (ClaimForm.STATE.code, Proof.HOLDER.code, NOW - 1)
    assert held["subject"] == token("customer_number", "700104")
    states = [claim for claim in second if claim["form"] == ClaimForm.STATE.code]
    assert {claim["token"] for claim in states} == {NOTHING}


def test_a_register_older_than_all_events_holds_from_their_beginning() -> None:
    """A customer since 1985 is no fault, and nothing of ours is that old."""
    state = next(
        claim for claim in details(email="kari@example.no", valid_from=473_385_600_000) if claim["since"]
    )
    assert state["since"] == EARLIEST


def test_a_merge_names_the_record_that_goes_on_or_takes_it_back() -> None:
    """Both are claims of the same slot, so the newest decides."""
    merged, split = (
        next(claim for claim in details(merged_into=into) if claim["form"] == ClaimForm.MERGE.code)
        for into in ("700105", None)
    )
    assert merged["token"] == split["token"] == token("customer_number", "700104")
    assert (merged["subject"], split["subject"]) == (token("customer_number", "700105"), NOTHING)
    assert merged["group"] == split["group"]


def test_a_failed_login_says_nothing() -> None:
    """Only the symbols that a rule names make a claim."""
    result = {"type": "enum", "name": "Result", "symbols": ["ok", "failed"]}
    rule = {"form": "login", "tokens": ["cookie"], "subject": ["customer", "user"], "proof": "user"}
    record = record_of(
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        _named("cookie", "cookie_id"),
        _named("customer", "customer_number"),
        _named("user", "username"),
        {"name": "result", "type": result},
        identity=[rule | {"source": "login", "mark": "result", "marks": {"ok": "open"}}],
    )
    quiet = {"occurred_at": NOW, "cookie": "c1", "customer": None, "user": "kari", "result": "ok"}
    events = [quiet, quiet | {"result": "failed"}, quiet | {"customer": "700104"}, quiet | {"user": None}]
    found = plain(tagged(record, events).claims.table)
    assert [(claim["offset"], claim["subject"]) for claim in found] == [
        (100, token("username", "kari")),
        (102, token("customer_number", "700104")),
    ]


def _named(name: str, kind: str) -> dict[str, Any]:
    annotation = {"category": "C-10", "identifier": {"kind": kind, "role": "owner"}}
    return {"name": name, "type": ["null", "string"], "innsyn": annotation}


def test_a_box_given_back_takes_its_hardware_address_along() -> None:
    """The return names the serial number alone, and closes both."""
    quiet = {"device_serial": "RT-1", "mac": None, "customer_number": "700104", "model": "R", "imei": None}
    lent = quiet | {"mac": "02:00:5e:10:00:01", "event": "delivered", "occurred_at": NOW}
    back = quiet | {"event": "returned", "occurred_at": NOW + 1}
    opened, closed = (plain(tagged(RECORDS["Equipment"], [event]).claims.table) for event in (lent, back))
    assert [claim["mark"] for claim in opened] == [Mark.OPEN.code] * 2
    assert [claim["mark"] for claim in closed] == [Mark.CLOSE.code] * 2
    assert [claim["group"] for claim in opened] == [claim["group"] for claim in closed]
    assert [claim["token"] for claim in closed] == [token("device_serial", "RT-1"), NOTHING]


def test_data_for_the_police_carry_their_own_purpose() -> None:
    """Rows of retained reports say the purpose, the basis and the rule of the variant, the others the record's."""
    events = [QUIET | {"purpose": purpose, "username": "karinord"} for purpose in ("operations", "retention")]
    found = tagged(ASSIGNMENT, events)
    by_rule = {tags.retention: tags for tags in found.tag_sets}
    assert set(by_rule) == {("T09",), ("T06",)}
    assert (by_rule["T06",].purposes, dict(by_rule["T06",].legal_basis)) == (("P-IPRET",), {"P-IPRET": "c"})
    ids = dict(zip(np.concatenate(found.rows["offset"]), np.concatenate(found.rows["tag_set"]), strict=True))
    assert ids == {100: by_rule["T09",].id, 101: by_rule["T06",].id}
    assert found.subjects.tolist() == [1, 1]


def test_records_without_rules_make_no_claims() -> None:
    """A web visit says nothing of whose the cookie is."""
    visit = RECORDS["WebVisit"]
    assert Tagger(TOKENIZER, "v1", KINDS, ()).wanted(visit) == [
        "occurred_at",
        "client_address",
        "cookie_id",
        "client_port",
        # By what it says of the consent to the cookie, and not of whose it is.
        "cookie_consent",
        "cookie_id",
    ]
    event = {field.name: None for field in visit.fields} | {
        "occurred_at": NOW,
        "client_address": "2001:db8::1",
        "cookie_id": "c1",
        "method": "GET",
        "status": 200,
        "page": "/",
        "cookie_consent": "necessary",
    }
    found = tagged(visit, [event])
    assert not found.bad
    assert found.claims.table.num_rows == found.retained.table.num_rows == 0
    prefixes = found.prefixes.to_pylist()
    assert {(item["prefix"], item["length"]) for item in prefixes} == set(
        prefix_tokens(TOKENIZER, "2001:db8::1")
    )
    assert {item["token"] for item in prefixes} == {token("ip", "2001:db8::1")}

"""Zeek's logs as JSON: the same events as of the tab-separated ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.company import model_feed
from tests.support.feeds import only, outcomes

DNS, SSL = model_feed("zeek-dns"), model_feed("zeek-ssl")
AT = datetime(2026, 3, 2, 9, 4, 10, 11_000, tzinfo=UTC)
LOOK_UP: dict[str, Any] = {
    "ts": 1772442250.011999, "uid": "C1", "id.orig_h": "203.0.113.24", "id.orig_p": 40112, "id.resp_h": "198.51.100.53",
    "id.resp_p": 53, "proto": "udp", "trans_id": 7, "rtt": 0.0145, "query": "www.example.no", "rejected": False,
    "answers": ["192.0.2.9"],
}  # fmt: skip
HANDSHAKE: dict[str, Any] = {
    "ts": "2026-03-02T09:04:10.011999Z", "id.orig_h": "203.0.113.24", "id.orig_p": 40112, "id.resp_h": "198.51.100.53",
    "version": "TLSv13", "server_name": "www.example.no", "established": True,
}  # fmt: skip


def test_json_and_tabs_tell_the_same() -> None:
    """Both may stand in one log."""
    fields = ["ts", "id.orig_h", "id.orig_p", "id.resp_h", "proto", "rtt", "query"]
    tabs = "\t".join(str(LOOK_UP[name]) for name in fields)
    found = outcomes(DNS, "#path\tdns", "\t".join(["#fields", *fields]), tabs, json.dumps(LOOK_UP))
    assert found[0][1] == found[1][1]
    assert only(DNS, json.dumps(LOOK_UP)) == {
        "occurred_at": AT, "kind": "dns", "client_address": "203.0.113.24", "client_port": 40112,
        "server_address": "198.51.100.53", "server_name": "www.example.no", "protocol": "udp", "duration_ms": 14,
    }  # fmt: skip
    assert only(SSL, json.dumps(HANDSHAKE))["protocol"] == "TLSv13"


@pytest.mark.parametrize(
    "ts",
    [
        1772442250.011,
        1772442250011,
        "1772442250.011",
        "2026-03-02T09:04:10.011Z",
        "2026-03-02T10:04:10.011+01:00",
    ],
)
def test_times_are_seconds_milliseconds_or_iso(ts: float | str) -> None:
    """As Zeek is set to write them."""
    assert only(DNS, json.dumps(LOOK_UP | {"ts": ts}))["occurred_at"] == AT.replace(microsecond=11_000)


def test_what_is_unset_is_missing() -> None:
    """And a duration may have an exponent."""
    line = json.dumps(
        {"ts": 1772442250, "query": "", "rcode": 3, "rtt": 9.1e-05, "id": {"orig_h": "2001:DB8::1"}}
    )
    assert only(DNS, line) == {
        "occurred_at": AT.replace(microsecond=0), "kind": "dns", "duration_ms": 0, "client_address": "2001:db8::1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"_path": "conn"}, "other_log"),
        ({"query": None, "trans_id": None, "rejected": None}, "other_log"),
        ({"ts": None}, "bad_time"),
        ({"ts": "2026-03-02T09:04:10"}, "bad_time"),
        ({"ts": 17724422500119}, "bad_time"),
        ({"ts": -1}, "bad_time"),
        ({"id.orig_h": "host.example"}, "bad_address"),
        ({"id.orig_p": 65536}, "bad_number"),
        ({"rtt": float("nan")}, "bad_number"),
        ({"query": ["a"]}, "not_in_schema"),
    ],
)
def test_json_that_cannot_be_read_has_a_reason(change: dict[str, Any], reason: str) -> None:
    """Another log has times, addresses and ports too."""
    line = json.dumps({name: value for name, value in (LOOK_UP | change).items() if value is not None})
    assert outcomes(DNS, json.dumps(LOOK_UP), line)[-1] == (2, reason)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"ts": 1', "not_json"),
        ("{" * 100_000, "not_json"),
        (json.dumps(HANDSHAKE | {"client_initial_dcid": "x"}), "other_log"),
        (json.dumps({"ts": 1772442250, "request_type": "TGS", "cipher": "aes256"}), "other_log"),
        (json.dumps(LOOK_UP), "other_log"),
        (json.dumps({"ts": 1, "id.orig_h": "203.0.113.1", "version": "1.1", "method": "GET"}), "other_log"),
    ],
)
def test_what_is_no_handshake_is_refused(line: str, reason: str) -> None:
    """QUIC, Kerberos, a look-up, a request, half a line."""
    assert outcomes(SSL, line) == [(1, reason)]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (r"bl\xc3\xa5b\xc3\xa6r.example", "blåbær.example"),
        (r"a\xff.example", r"a\xff.example"),
        (r"a\x00b", r"a\x00b"),
    ],
)
def test_escaped_bytes_are_the_letters_they_are(written: str, name: str) -> None:
    """In both forms; what is no UTF-8 stays as Zeek wrote it."""
    assert only(DNS, json.dumps(LOOK_UP | {"query": written}))["server_name"] == name
    assert only(DNS, "#fields\tts\tquery", f"1772442250\t{written}")["server_name"] == name

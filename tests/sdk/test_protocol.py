"""The SDK's side of the protocol is innsyn's: each reads what the other writes, and the vectors hold."""

from __future__ import annotations

import ast
import io
import json
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from innsyn_sdk.keys import Key, Keys, KeysUnreadable, read_keys
from innsyn_sdk.outcome import Outcome, done, failed, not_found, partial, withheld
from innsyn_sdk.protocol import Identifier, NotReadable, Refused, opened, receipt
from innsyn_sdk.wire import MOST, canonical, newest

from schemas.canonical import canonical as schemas_canonical
from schemas.jobkeys import Keys as SystemSide
from schemas.messages import ErasureReceipt, encoded, message_of, value_of
from schemas.own import own_record
from schemas.systemkeys import SystemKeyring
from schemas.vocabulary import CommandKind
from streams.answers.plan import CommandPlan
from streams.rights.protocol.authentic import bound_bytes, signed_bytes
from streams.rights.protocol.messages import command_message, decoded
from streams.rights.protocol.reasons import REASONS
from streams.rights.protocol.receipts import unproven
from streams.rights.protocol.rights_commands import Asked, rights_command
from tests.support.pages import ROOT
from tests.support.pairs import INNSYN_VERIFY, KEY_ID, SIGN, SYSTEM_KEY, UNSEAL
from tests.support.vectors import COMMAND

SDK = ROOT / "sdk" / "innsyn_sdk"
VERSIONS = ROOT / "schemas" / "companies" / "base" / "avro" / "versions"
VECTORS = json.loads((ROOT / "sdk" / "vectors.json").read_text("utf-8"))
NOW = datetime(2026, 3, 9, 7, 30, tzinfo=UTC)
NINE, TEN = (datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (9, 10))
KEY = Key(KEY_ID, UNSEAL, SIGN, INNSYN_VERIFY)
KEYS = Keys("web", (KEY,))
MESSAGE = bytes.fromhex(VECTORS["command"]["message"])


def test_the_vectors_hold() -> None:
    """The command opens to its identifiers; each of the others is refused."""
    command = opened(MESSAGE, KEYS, NOW)
    assert command.identifiers == (
        Identifier("customer_number", "k-100200"),
        Identifier("email", "kåre@example.no"),
        Identifier("ip", "192.0.2.7", at=datetime(2026, 3, 1, 12, tzinfo=UTC), port=40000),
        Identifier("cookie_id", "c-1"),
        Identifier("ip", "192.0.2.8", since=NINE, until=TEN, ports=(1000, 1999), proof="subscriber"),
        Identifier("ip", "2001:db8:1::/56", since=NINE, proof="line_owner", prefix=True),
        Identifier("", "V-1001", record="WebVisit", field="visit_id"),
    )
    assert (command.always("cookie_id"), command.always("ip")) == (["c-1"], [])
    assert (command.attempt, command.fields) == (1, COMMAND.fields)
    assert "k-100200" not in repr(command)
    for message in VECTORS["refused"].values():
        with pytest.raises(Refused, match="not_authentic"):
            opened(bytes.fromhex(message), KEYS, NOW)


@given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
def test_no_byte_of_a_command_can_be_changed(place: int, flip: int) -> None:
    """Unreadable or refused, and never an error of another kind."""
    changed = bytearray(MESSAGE)
    changed[place] ^= flip
    with pytest.raises((NotReadable, Refused)):
        opened(bytes(changed), KEYS, NOW)


@given(
    st.lists(
        st.tuples(st.sampled_from(["email", "phone"]), st.text(st.characters(codec="utf-8"), min_size=1)),
        min_size=1,
    ),
    st.lists(st.text(st.characters(codec="utf-8"))),
)
def test_what_innsyn_sends_opens(identifiers: list[tuple[str, str]], fields: list[str]) -> None:
    """Whatever characters are in it."""
    sent = command_message("r-1", CommandPlan("web", (), tuple(fields)), identifiers, SYSTEM_KEY, 3, NOW)
    command = opened(encoded(sent), KEYS, NOW)
    assert [(item.kind, item.value) for item in command.identifiers] == identifiers
    assert (command.fields, command.attempt) == (tuple(fields), 3)


DAY = date(2029, 3, 5)


def rights_value() -> dict[str, Any]:
    """A command to restrict, as innsyn sends it."""
    asked = Asked("r-1/web", "r-1", "web", CommandKind.RESTRICT, expected={"Invoice": 2})
    return value_of(rights_command(asked, [("customer_number", "k-100200")], SYSTEM_KEY, 1, NOW))


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("accepted"),
        done({"Invoice": 2, "Letter": 1}, {"Invoice": 4}),
        not_found(),
        partial(2, "T01", deleted={"Invoice": 1}, review_date=DAY),
        withheld(2, "T18", "GDPR art. 17 nr. 3 bokstav e", DAY),
        failed("store_unavailable", retryable=True),
    ],
)
def test_what_a_job_answers_innsyn_takes(outcome: Outcome) -> None:
    """Signed, whatever the microseconds of its clock; and remembered it is the same."""
    command = opened(MESSAGE, KEYS, NOW)
    said = receipt(command.value, outcome.said(), KEY, NOW + timedelta(microseconds=123_999))
    value = decoded(own_record("ErasureReceipt"), said)
    assert unproven(value, SystemSide("web", (SYSTEM_KEY,))) is None
    found = message_of(ErasureReceipt, value)
    assert (found.state, found.erased, found.held) == (outcome.state, outcome.erased, outcome.held)
    assert (found.command_id, found.attempt, found.system) == ("R-2026-0001/web", 1, "web")
    assert Outcome.read(outcome.text()) == outcome
    assert sum(item.deleted + item.redacted for item in found.outcomes) == outcome.erased
    assert unproven({**value, "erased": 99}, SystemSide("web", (SYSTEM_KEY,))) is not None


@pytest.mark.parametrize("value", [MOST + 1, -MOST - 1, 0.5, [{"count": 2**60}]])
def test_what_has_more_than_one_form_is_not_signed(value: Any) -> None:
    """As at innsyn: two readers would hold a signature against other bytes."""
    with pytest.raises(ValueError, match="no one form"):
        canonical({"a": value}, ())
    with pytest.raises(ValueError, match=r"."):
        schemas_canonical({"a": value})
    assert canonical({"b": MOST, "a": [-MOST, True]}, ()) == schemas_canonical(
        {"b": MOST, "a": [-MOST, True]}
    )


def test_a_command_with_such_a_number_is_refused() -> None:
    """innsyn signs none, so somebody else wrote it."""
    value = {**rights_value(), "expected": [{"record": "Invoice", "count": 2**60}]}
    schema, prefix = newest("rights_command")
    body = io.BytesIO()
    fastavro.schemaless_writer(body, schema, value)
    with pytest.raises(Refused, match="not_authentic"):
        opened(prefix + body.getvalue(), KEYS, NOW)


@pytest.mark.parametrize(
    ("now", "reason"),
    [(NOW + timedelta(days=31), "too_old"), (NOW - timedelta(minutes=31), "clock_off")],
)
def test_the_time_of_a_command_counts(now: datetime, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        opened(MESSAGE, KEYS, now)


def test_a_command_is_of_one_system_and_one_key() -> None:
    with pytest.raises(Refused, match="other_system"):
        opened(MESSAGE, Keys("crm", (KEY,)), NOW)
    with pytest.raises(Refused, match="key_unknown"):
        opened(MESSAGE, Keys("web", (Key("other", UNSEAL, SIGN, INNSYN_VERIFY),)), NOW)


def test_the_files_that_innsyn_exports_are_read(tmp_path: Path) -> None:
    """One, and two of one system; what is none is said in a sentence."""
    ring = SystemKeyring(tmp_path)
    paths = []
    for number, make in enumerate((ring.add, ring.rotate)):
        make("billing")
        path = tmp_path / f"{number}.json"
        ring.hand_over("billing", path.write_bytes)
        path.chmod(0o600)
        paths.append(path)
    keys = read_keys(paths)
    assert [key.id for key in keys.keys] == [key.id for key in ring.of("billing").keys]
    assert keys.system == "billing"
    for wrong in ([], [tmp_path / "no.json"], [tmp_path]):
        with pytest.raises(KeysUnreadable):
            read_keys(wrong)
    paths[0].chmod(0o644)
    with pytest.raises(KeysUnreadable, match="chmod 600"):
        read_keys(paths)
    lacking = tmp_path / "lacking.json"
    lacking.touch(0o600)
    lacking.write_bytes(ring.for_job("billing"))
    with pytest.raises(KeysUnreadable, match="lack unseal and sign"):
        read_keys([lacking])


def test_the_avro_files_are_innsyns() -> None:
    """The same to the byte, and the newest of each is there."""
    for record in (path.name for path in (SDK / "avro").iterdir()):
        here = {path.name: path.read_bytes() for path in (SDK / "avro" / record).iterdir()}
        versions = {path.name: path.read_bytes() for path in (VERSIONS / record).iterdir()}
        assert here.items() <= versions.items()
        assert max(versions, key=lambda name: int(name.partition(".")[0])) in here


def test_every_reason_that_the_sdk_gives_is_a_word_of_the_list() -> None:
    """Any other would not be kept."""
    given_here = {
        node.value
        for path in SDK.glob("*.py")
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("Refused", "failed")
        for node in ast.walk(call.args[0] if call.args else call)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value
    }
    assert len(given_here) > 6
    assert given_here - {"key_id"} <= REASONS.keys()


def test_it_needs_little_and_nothing_of_innsyns() -> None:
    """Three packages beside Python's own, and those of its extras; and importing it does nothing."""
    names = {
        name.partition(".")[0]
        for path in SDK.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for name in imported(node)
    }
    names -= {"prometheus_client", "psycopg", "pyarrow"}
    assert names - sys.stdlib_module_names == {"innsyn_sdk", "confluent_kafka", "cryptography", "fastavro"}
    assert len(ast.parse((SDK / "__init__.py").read_text("utf-8")).body) == 1


def imported(node: Any) -> list[str]:
    if isinstance(node, ast.Import):
        return [item.name for item in node.names]
    return [str(node.module)] if isinstance(node, ast.ImportFrom) else []


@pytest.mark.parametrize(
    ("said", "at", "port", "covers"),
    [
        ({}, None, 0, True),
        ({"at": NINE}, NINE + timedelta(milliseconds=999), 0, True),
        ({"at": NINE}, NINE + timedelta(seconds=1), 0, False),
        ({"at": NINE}, None, 0, False),
        ({"port": 4000}, NINE, 4000, True),
        ({"port": 4000}, NINE, 0, False),
        ({"since": NINE, "until": TEN}, NINE, 0, True),
        ({"since": NINE, "until": TEN}, TEN, 0, False),
        ({"since": NINE}, NINE - timedelta(microseconds=1), 0, False),
        ({"since": NINE}, None, 0, False),
        ({"until": TEN}, None, 0, False),
        ({"ports": (1000, 1999)}, NINE, 1999, True),
        ({"ports": (1000, 1999)}, NINE, 0, False),
        ({"ports": (0, 1999)}, NINE, 70_000, True),
    ],
)
def test_an_identifier_covers_its_time_and_ports(
    said: dict[str, Any], at: datetime | None, port: int, covers: bool
) -> None:
    """A neighbour's record an hour later stays."""
    assert Identifier("ip", "192.0.2.7", **said).covers(at, port) == covers


@pytest.mark.parametrize("said", [{}, {"at": NOW}, {"since": NOW}, {"until": NOW}])
def test_a_time_without_its_zone_is_one_error(said: dict[str, Any]) -> None:
    """Whatever the identifier says: never a record that is left in silence."""
    with pytest.raises(ValueError, match="without its zone"):
        Identifier("ip", "192.0.2.7", **said).covers(NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "ip", "value": "192.0.2.7", "only_on": "Sundays"},
        {"kind": "ip", "from": "2026-03-01T09:00:00Z"},
        {"kind": "ip", "value": "192.0.2.7", "prefix": "2001:db8::/32"},
        {"kind": "ip", "value": "192.0.2.7", "from": "2026-03-01T09:00:00"},
        {"kind": "ip", "value": "192.0.2.7", "ports": ["1", "2"]},
        {"kind": "ip", "value": 7},
        {},
        ["ip"],
        ["ip", "192.0.2.7", None],
        ["ip", "192.0.2.7", None, None, "only on Sundays"],
        ["ip", "192.0.2.7", "yesterday", None],
        {"record": "WebVisit", "field": "visit_id"},
        {"record": "WebVisit", "field": "visit_id", "value": 1001},
        {"record": "WebVisit", "field": "visit_id", "value": "V-1001", "kind": "ip"},
        "ip",
        7,
        None,
    ],
)
def test_a_limit_that_is_not_understood_is_not_taken_for_none(said: Any) -> None:
    """The command fails, and nobody's records go."""
    unsealed = value_of(COMMAND)
    sealed = SYSTEM_KEY.seal(json.dumps([["email", "kari@example.no"], said]).encode(), bound_bytes(unsealed))
    whole = replace(COMMAND, sealed_identifiers=sealed)
    sent = encoded(replace(whole, signature=SYSTEM_KEY.sign(signed_bytes(value_of(whole)))))
    with pytest.raises(Refused, match="command_not_understood"):
        opened(sent, KEYS, NOW)

"""What has run out is a command of its own: opened and checked as any other, and carried out by its own handler."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innsyn_sdk.expiry import Expiry, received
from innsyn_sdk.keys import Key, Keys
from innsyn_sdk.outcome import Outcome, done, not_found
from innsyn_sdk.protocol import Command, Identifier, NotReadable, Refused, opened
from innsyn_sdk.testing import NOW, Kit

from schemas.messages import RetentionCommand, RunOut, Selector, encoded, value_of
from streams.rights.protocol.authentic import KEPT, bound_bytes, signed_bytes
from streams.rights.protocol.messages import Named, retention_message
from tests.support.pages import ROOT
from tests.support.pairs import INNSYN_VERIFY, KEY_ID, SIGN, SYSTEM_KEY, UNSEAL
from tests.support.vectors import COMMAND, RUN_OUT, STAYING

KEYS = Keys("web", (Key(KEY_ID, UNSEAL, SIGN, INNSYN_VERIFY),))
BEFORE = NOW - timedelta(days=90)
OLD = RunOut(
    "WebVisit", ("C-21",), ("WebVisit.page",), Selector("kind", ("view",), True), BEFORE, "T13", "Art. 5", 7
)
KEPT_PEOPLE = [
    Named("customer_number", "k-100200"),
    Named("ip", "192.0.2.7", since=BEFORE, proof="subscriber"),
]
SENT = retention_message("x-20260309-1", "web", [OLD], KEPT_PEOPLE, SYSTEM_KEY, 2, NOW, date(2026, 4, 8))


def signed(said: RetentionCommand, plain: bytes = b"[]") -> bytes:
    """As innsyn would send it, whatever it says."""
    sealed = replace(said, sealed_kept=SYSTEM_KEY.seal(plain, bound_bytes(value_of(said), KEPT)))
    return encoded(replace(sealed, signature=SYSTEM_KEY.sign(signed_bytes(value_of(sealed)))))


def reason(message: bytes) -> str:
    """Why it is refused."""
    with pytest.raises(Refused) as refused:
        received(message, KEYS, NOW)
    return refused.value.reason


def test_it_opens_to_what_has_run_out_and_who_stays() -> None:
    found = received(encoded(SENT), KEYS, NOW)
    assert isinstance(found, Expiry)
    (old,) = found.records
    assert (old.record, old.fields, old.before, old.expected) == ("WebVisit", ("WebVisit.page",), BEFORE, 7)
    assert old.where == {"field": "kind", "values": ["view"], "or_empty": True}
    assert (old.rule, old.citation, found.deadline) == ("T13", "Art. 5", date(2026, 4, 8))
    assert (found.command_id, found.attempt, found.kind) == ("x-20260309-1/web", 2, "retention")
    assert found.kept == (
        Identifier("customer_number", "k-100200"),
        Identifier("ip", "192.0.2.7", since=BEFORE, proof="subscriber"),
    )
    assert "k-100200" not in repr(found)


def test_the_vectors_hold() -> None:
    """What has run out, and who stays, in every form of identifiers."""
    vectors = json.loads((ROOT / "sdk" / "vectors.json").read_text("utf-8"))
    found = received(bytes.fromhex(vectors["retention"]["command"]["message"]), KEYS, NOW)
    assert isinstance(found, Expiry)
    assert [(item.record, item.rule, item.expected) for item in found.records] == [
        (item.record, item.rule, item.expected) for item in RUN_OUT.records
    ]
    assert [(item.kind, item.prefix) for item in found.kept] == [
        (item[0], False) if isinstance(item, list) else (item["kind"], "prefix" in item) for item in STAYING
    ]
    erasure = received(bytes.fromhex(vectors["command"]["message"]), KEYS, NOW)
    assert isinstance(erasure, Command)
    assert (erasure.cut_off, erasure.purposes) == (COMMAND.cut_off, COMMAND.purposes)
    assert (erasure.deadline, dict(erasure.expected)) == (COMMAND.deadline, {"WebVisit": 41})
    assert [(item.rule, item.until) for item in erasure.kept] == [("T01", date(2031, 12, 31)), ("T18", None)]
    assert erasure.orders[0]["before"] == COMMAND.orders[0].before


def test_those_who_stay_are_never_taken_for_those_who_go() -> None:
    """Whoever opens commands to erase alone refuses it."""
    with pytest.raises(Refused, match="command_not_understood"):
        opened(encoded(SENT), KEYS, NOW)


MESSAGE = encoded(SENT)


@given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
def test_no_byte_of_it_can_be_changed(place: int, flip: int) -> None:
    """Neither a moment, nor a name on the list of those who stay; Avro spells some values in several ways."""
    changed = bytearray(MESSAGE)
    changed[place] ^= flip
    try:
        said = received(bytes(changed), KEYS, NOW)
    except (NotReadable, Refused):
        return
    assert said == received(MESSAGE, KEYS, NOW)


def test_what_runs_out_later_than_it_was_sent_is_refused() -> None:
    """One millisecond is enough; so is it of an order of a command to erase."""
    late = replace(OLD, before=NOW + timedelta(milliseconds=1))
    assert reason(signed(replace(SENT, records=(OLD, late)))) == "clock_off"
    assert isinstance(received(signed(replace(SENT, records=(replace(OLD, before=NOW),))), KEYS, NOW), Expiry)


@pytest.mark.parametrize(
    "records",
    [
        (),
        (replace(OLD, fields=()),),
        (OLD, replace(OLD, fields=("WebVisit.page", "Login.user"))),
        (replace(OLD, record="Web"),),
    ],
)
def test_what_names_no_field_or_another_record_s_is_not_understood(records: tuple[RunOut, ...]) -> None:
    """Nothing must be taken for everything."""
    assert reason(signed(replace(SENT, records=records))) == "command_not_understood"


@pytest.mark.parametrize(
    "plain",
    [
        b"{}",
        b"null",
        b'"all"',
        b'[["email"]]',
        b'[["email", "kari@example.no"], {"kind": "email", "value": "ola@example.no", "only_on": "Sundays"}]',
    ],
)
def test_a_list_of_those_who_stay_that_is_not_understood_fails_the_whole(plain: bytes) -> None:
    """Or somebody's records would go who was to be kept."""
    assert reason(signed(SENT, plain)) == "command_not_understood"


RECORDS = [{"record": "Invoice", "fields": ["Invoice.name"], "before": BEFORE, "rule": "T01"}]


def test_a_job_without_a_handler_says_so_for_good(tmp_path: Path) -> None:
    """And erases nobody."""
    kit = Kit(tmp_path, "shop")
    erased: list[Command] = []

    def erase(command: Command) -> Outcome:
        erased.append(command)
        return not_found()

    job = kit.job(erase)
    message = kit.message(kit.value_of_retention(RECORDS, [("customer_number", "700101")]))
    assert kit.answers(job, message) == [("failed", 0, "no_handler")]
    assert erased == []
    assert kit.said(job, message)[0]["retryable"] is False
    only = kit.job(expire=lambda _: not_found())
    assert only.topics == ["deletion.shop"]
    told = kit.message(kit.value([("customer_number", "700101")], ["Invoice.name"]))
    assert kit.answers(only, told) == [("failed", 0, "needs_person")]


def test_a_handler_is_called_once_and_its_outcome_remembered(tmp_path: Path) -> None:
    """Twice the same answer; an attempt that came too late is superseded."""
    kit, calls = Kit(tmp_path, "shop"), list[Expiry]()

    def expire(expiry: Expiry) -> Any:
        calls.append(expiry)
        return done({"Invoice": 3})

    job = kit.job(expire=expire, erase=lambda _: not_found())
    assert job.topics == ["deletion.shop"]
    value = kit.value_of_retention(RECORDS, [("customer_number", "700101")])
    second = kit.message({**value, "attempt": 2})
    assert kit.answers(job, second) == [("accepted", 0, None), ("done", 3, None)]
    assert kit.answers(job, second) == [("accepted", 0, None), ("done", 3, None)]
    assert kit.answers(job, kit.message(value)) == [("failed", 0, "superseded")]
    assert [item.kept for item in calls] == [(Identifier("customer_number", "700101"),)]


def test_a_dry_run_says_what_would_go(tmp_path: Path) -> None:
    kit = Kit(tmp_path, "shop")
    job = kit.job(expire=lambda _: done({"Invoice": 3}))
    found = job.look(kit.message(kit.value_of_retention(RECORDS)))
    assert isinstance(found, Expiry)


def test_what_was_sent_long_ago_is_too_old() -> None:
    with pytest.raises(Refused, match="too_old"):
        received(MESSAGE, KEYS, NOW + timedelta(days=31))
    with pytest.raises(Refused, match="clock_off"):
        received(MESSAGE, KEYS, datetime(2026, 3, 8, tzinfo=UTC))

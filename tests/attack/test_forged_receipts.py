"""Whoever can write to Kafka answers for a system: what was tried with receipts, and what the operator sees of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import encode
from schemas.errors import DecodeError
from schemas.jobkeys import Keys
from schemas.records import load_records
from streams.rights.protocol.authentic import signed_bytes
from streams.rights.protocol.messages import decoded, receipt_message
from streams.rights.protocol.receipts import unproven
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.support.pairs import JOB_KEY, SYSTEM_KEY
from tests.support.receipts import hear, proven
from tests.unit.rights.test_receipts import COOKIE, receipt
from tests.unit.rights.test_short import GONE, visit

RECORD = load_records()["ErasureReceipt"]
KEYS = Keys("web", (SYSTEM_KEY,))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """One person whose two visits the web is told to erase, and does not hear of it."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("web.visits", visit(1), visit(2))
        made.deaf = {"web"}
        yield made


def asked(office: Office) -> str:
    return office.erase(COOKIE, anchors=GONE).request_id


def of(request_id: str, **more: Any) -> dict[str, Any]:
    return receipt(**{"command_id": f"{request_id}/web", "request_id": request_id, "erased": 2, **more})


def nothing_done(office: Office, request_id: str, why: str) -> RequestState:
    """The answer was set aside with that reason, and the request waits as before."""
    request = office.service.get(request_id)
    assert (request.state, request.waiting_for) == (State.COMMANDED, ("web",))
    assert office.events(*COOKIE) == 2
    assert why in request.set_aside[-1].why
    assert any(line.endswith("set aside") for line in request.problems)
    return request


@pytest.mark.parametrize("erased", [0, 2])
def test_an_answer_without_a_signature_completes_nothing(office: Office, erased: int) -> None:
    """`done, erased 0` from any client of Kafka, and the same with the number that was planned."""
    request_id = asked(office)
    office.service.on_receipt(of(request_id, erased=erased))
    nothing_done(office, request_id, "is not signed")
    office.service.on_receipt(of(request_id, erased=erased, key_id="", signature=b"", attempt=1))
    nothing_done(office, request_id, "is not signed")


def test_an_answer_under_a_made_up_key_completes_nothing(office: Office) -> None:
    """Neither under an id that is not in force, nor under the id of the key that is."""
    request_id = asked(office)
    office.service.on_receipt(receipt_message(of(request_id), JOB_KEY))
    nothing_done(office, request_id, "with a key that is not in force")
    named = office.keyring.systems.of("web").current.id
    office.service.on_receipt(receipt_message(of(request_id), replace(JOB_KEY, id=named)))
    nothing_done(office, request_id, "has not the signature of what it says")


def test_a_system_cannot_answer_for_another(office: Office) -> None:
    """A's job with A's key: about B's command as A, as B, and under B's key id."""
    request_id = asked(office)
    crm = office.keyring.systems.job("crm").current
    office.service.on_receipt(receipt_message(of(request_id, system="crm"), crm))
    nothing_done(office, request_id, "names another system")
    office.service.on_receipt(receipt_message(of(request_id), crm))
    nothing_done(office, request_id, "with a key that is not in force")
    web = office.keyring.systems.of("web").current
    office.service.on_receipt(receipt_message(of(request_id), replace(crm, id=web.id)))
    nothing_done(office, request_id, "has not the signature")


def test_an_answer_to_an_earlier_attempt_is_none_to_the_last(office: Office) -> None:
    """Captured when it was true, written again when the command was sent anew: set aside."""
    request_id = asked(office)
    captured = proven(of(request_id, state="partial", erased=1, held=1), office.keyring, 1)
    office.service.on_receipt(captured)
    assert office.service.get(request_id).state is State.ATTENTION
    office.service.resend(request_id)
    office.service.on_receipt(captured)
    nothing_done(office, request_id, "answers an earlier attempt")


def test_an_answer_to_what_was_told_before_is_none_to_a_newer_plan(office: Office) -> None:
    """After a new plan was made, and before it is sent, the old attempt's answer is not that of the new one."""
    request_id = asked(office)
    captured = proven(of(request_id), office.keyring, 1)
    office.put("web.visits", visit(3))
    office.service.on_receipt(captured)
    request = office.service.get(request_id)
    told = request.commands[f"{request_id}/web"]
    assert (told.attempt, told.state) == (2, "sent")
    office.service.on_receipt(captured)
    request = office.service.get(request_id)
    assert (request.state, office.events(*COOKIE)) == (State.COMMANDED, 3)
    assert "answers an earlier attempt" in request.set_aside[-1].why


def test_an_answer_of_another_request_is_none_of_this(office: Office) -> None:
    """The same system, key, attempt and numbers: the command that it answers is another one."""
    first = asked(office)
    captured = proven(of(first), office.keyring, 1)
    office.service.on_receipt(captured)
    assert office.service.get(first).state is State.COMPLETED
    office.put("web.visits", visit(4), visit(5))
    second = asked(office)
    office.service.on_receipt({**captured, "request_id": second, "command_id": f"{second}/web"})
    nothing_done(office, second, "has not the signature")


def test_less_than_planned_stays_attention_however_authentic(office: Office) -> None:
    """In all and of one kind; only a person takes it for enough, and a forged repetition changes nothing."""
    request_id = asked(office)
    kinds = [{"record": "Login", "deleted": 2, "redacted": 0, "stayed_for": []}]
    for more in ({"erased": 0}, {"erased": 1}, {"erased": 2, "outcomes": kinds}):
        hear(office.service, of(request_id, **more))
        assert office.service.get(request_id).state is State.ATTENTION
        assert office.events(*COOKIE) == 2
    office.service.on_receipt(of(request_id))
    assert office.service.get(request_id).state is State.ATTENTION
    office.service.accept(request_id, "web", "looked at by hand")
    office.deliver()
    assert office.service.get(request_id).state is State.COMPLETED


def test_a_warning_of_a_job_is_shown_and_is_no_answer(office: Office) -> None:
    """It got a command that was altered: the one that innsyn sent is waited for still."""
    request_id = asked(office)
    hear(office.service, of(request_id, state="failed", erased=0, reason="not_authentic"))
    nothing_done(office, request_id, "see who may write to deletion.web")


def test_a_reason_that_is_no_word_of_the_list_is_not_kept(office: Office) -> None:
    """It may name somebody; the ledger and the answer say only that there was one."""
    request_id = asked(office)
    hear(office.service, of(request_id, state="failed", erased=0, reason="Kari Nordlie [/b]\x1b[2J" * 50))
    request = office.service.get(request_id)
    assert request.commands[f"{request_id}/web"].reason == "unlisted"
    assert "not on the list" in request.problems[0]
    assert "Kari" not in repr(office.ledger.stored) + repr(request.problems)


def test_old_answers_in_the_ledger_still_count(office: Office) -> None:
    """From before there were signatures: what the ledger took then, it took."""
    request_id = asked(office)
    content = {"state": "done", "erased": 2, "held": 0, "ground": None, "review_date": None, "reason": None}
    said = {"command_id": f"{request_id}/web", "reported_at": "2026-11-22T12:00:00Z", **content}
    events = office.ledger.events(request_id)
    office.ledger.append(request_id, len(events), "receipt", NOW, said)
    assert office.service.advance(request_id).state is State.COMPLETED


MESSAGE = encode(
    RECORD,
    receipt_message(
        receipt(
            "partial",
            erased=3,
            held=12,
            ground="T01",
            review_date=NOW.date() + timedelta(days=30),
            outcomes=[{"record": "WebVisit", "deleted": 2, "redacted": 1, "stayed_for": ["owner"]}],
        ),
        JOB_KEY,
    ),
)


@given(st.integers(0, len(MESSAGE) - 1), st.integers(1, 255))
def test_no_byte_of_a_receipt_can_be_changed(place: int, flip: int) -> None:
    """Unreadable, or not proven; a change of nothing but the framing leaves what it says."""
    changed = bytearray(MESSAGE)
    changed[place] ^= flip
    try:
        value = decoded(RECORD, bytes(changed))
    except DecodeError:
        return
    assert value == decoded(RECORD, MESSAGE) or unproven(value, KEYS) is not None


@given(
    st.dictionaries(
        st.sampled_from(
            ["erased", "held", "attempt", "state", "reason", "ground", "command_id", "request_id", "system"]
        ),
        st.integers(0, 5) | st.none() | st.sampled_from(["done", "web", "r-1/web", "1", ""]),
        min_size=1,
    )
)
def test_two_receipts_that_differ_have_different_bytes(changed: dict[str, Any]) -> None:
    """Also where a number becomes a text, a null an empty one, or a value moves to its neighbour."""
    before = receipt("withheld", ground="T01", reason="timeout")
    after = before | changed
    assert (signed_bytes(before) == signed_bytes(after)) == (
        before == after and [*map(type, before.values())] == [*map(type, after.values())]
    )

"""Requests that no channel of ours sealed, one or thousands, written by whoever may write to Kafka."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from schemas.codec import encode
from schemas.keys import Keyring
from schemas.records import load_records
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from streams.kafka.dead_letters import DeadLetters, DeadLetterStore
from streams.kafka.producer import EventProducer
from streams.rights.again import CANNOT_BE, TAKEN, again
from streams.rights.case import CaseFile
from streams.rights.intake import LARGEST_GIVEN, UNOPENED
from streams.rights.protocol.events import LateFound
from streams.rights.protocol.messages import REQUESTS, canonical_identifiers
from streams.tagging.retry import Retrier
from tests.support.company import model
from tests.support.index import memory_index
from tests.support.kinds import KINDS
from tests.support.office import NOW, Office
from tests.support.tagging import in_process_broker
from tests.support.taken import taken
from tests.support.telling import advance_and_tell
from tests.support.time_bounds import million_steps

RECORD = load_records()["RightsRequest"]
OLA = [("customer_number", "10043")]


class Message:
    """Where a message of Kafka lies."""

    topic, partition = REQUESTS, 0

    def __init__(self, offset: int = 0) -> None:
        self.offset = offset


class Aside:
    """What was set aside: offsets, reasons and payloads."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, str, bytes]] = []

    def __call__(self, topic: str, partition: int, offset: int, reason: str, payload: bytes) -> None:
        self.kept.append((offset, reason, payload))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        yield Office(tmp_path, memory_index(), stack)


def request(request_id: str, sealed: bytes, type: str = "erasure") -> bytes:
    said = {"request_id": request_id, "type": type, "sealed_identifiers": sealed, "channel": "web"}
    return encode(RECORD, {**said, "reason": None, "received_at": NOW})


def sealed_by(keyring: Keyring, request_id: str, identifiers: Any = OLA, reason: str | None = None) -> bytes:
    """As a channel seals that has the keys folder and writes to the topic by itself."""
    file = CaseFile(MemoryRequests(), keyring, lambda: NOW)
    return file.seal(request_id, canonical_identifiers(identifiers, KINDS), reason)


def took(office: Office, payload: bytes, offset: int = 0) -> list[str]:
    """Reasons with which the message was set aside; none: it is a request."""
    aside = Aside()
    taken(RECORD, payload, Message(offset), office.service.on_request, aside)
    return [reason for _, reason, _ in aside.kept]


def test_what_a_channel_of_ours_sealed_is_a_request(office: Office) -> None:
    assert took(office, request("r-own", sealed_by(office.keyring, "r-own"))) == []
    assert [item.request_id for item in office.service.requests()] == ["r-own"]


@pytest.mark.parametrize("sealed", [b"", b"?", b"\0" * 64, b"\xff" * 1_000])
def test_a_seal_that_is_none_is_a_dead_letter_and_no_request(office: Office, sealed: bytes) -> None:
    """It stood in the list at attention, for somebody to close by hand."""
    assert took(office, request("r-forged", sealed)) == [UNOPENED]
    assert office.service.requests() == []


def test_the_seal_of_another_request_is_none_of_this(office: Office) -> None:
    """Captured and sent again under a new id it would be carried out twice; under a known one it changes nothing."""
    sealed = sealed_by(office.keyring, "r-own")
    assert took(office, request("r-own", sealed)) == []
    assert took(office, request("r-other", sealed)) == [UNOPENED]
    before = office.service.get("r-own")
    assert took(office, request("r-own", b"?", "access")) == []
    assert office.service.get("r-own").type == before.type == "erasure"


def test_more_than_anybody_gives_is_a_dead_letter(office: Office) -> None:
    """Also under the request's own key, before anything is opened or kept."""
    most = sealed_by(
        office.keyring, "r-most", [("email", f"{n:0>240}@example.no") for n in range(100)], "x" * 4_000
    )
    assert took(office, request("r-most", most)) == []
    large = sealed_by(office.keyring, "r-large", OLA, "x" * LARGEST_GIVEN)
    assert took(office, request("r-large", large)) == ["request_too_large"]
    assert [item.request_id for item in office.service.requests()] == ["r-most"]


def test_what_is_in_the_ledger_needs_no_seal_to_be_gone_on_with(office: Office) -> None:
    """A request that was made here goes on when it is announced, also while its key is away."""
    made = office.service.create("access", OLA, reason=None, channel="web", received_at=NOW)
    office.keyring.destroy(f"request-{made.request_id}")
    assert took(office, request(made.request_id, b"?", "access")) == []
    assert office.service.get(made.request_id).state.value == "attention"


def test_a_thousand_forged_hide_no_real_one_and_cost_little(office: Office) -> None:
    """None of them is folded, advanced and listed from now on, each minute."""
    took(office, request("r-own", sealed_by(office.keyring, "r-own")))
    reasons: Counter[str] = Counter()

    def forge() -> None:
        for n in range(1_000):
            reasons.update(took(office, request(f"r-{n:04}", b"\0" * 200), n))

    assert million_steps(forge) < 250
    assert reasons == {UNOPENED: 1_000}
    assert [item.request_id for item in office.service.requests()] == ["r-own"]
    assert not [name for name in office.keyring.sealing_keys() if name.startswith("request-r-0")]


def test_it_is_taken_again_once_its_key_is_back(office: Office, tmp_path: Path) -> None:
    """A channel on a host with keys that this one lacks: the letter is kept, and retried it is a request, once."""
    elsewhere = Keyring(tmp_path / "elsewhere").made()
    payload = request("r-later", sealed_by(elsewhere, "r-later"))
    index = MemoryIndex()
    with in_process_broker() as broker:
        letters = model().topics[REQUESTS].dead_letter
        assert letters is not None
        broker.make(letters)
        dead = DeadLetters(
            EventProducer(broker.connection, linger_ms=0),
            office.keyring,
            load_records()["DeadLetter"],
            {REQUESTS: letters},
        )
        keep = DeadLetterStore(dead, index, lambda: datetime.now(UTC))
        taken(RECORD, payload, Message(3), office.service.on_request, keep)
        taken(RECORD, request("r-forged", b"?"), Message(4), office.service.on_request, keep)
        retrier = Retrier(
            broker.connection,
            {REQUESTS: letters},
            preparer=Mock(),
            index=index,
            keyring=office.keyring,
            record=load_records()["DeadLetter"],
            clock=lambda: datetime.now(UTC),
            takers={REQUESTS: again(REQUESTS, office.service.on_request, RECORD)},
        )
        later, forged = (REQUESTS, 0, 3), (REQUESTS, 0, 4)
        assert sorted(index.dead) == [later, forged]
        assert retrier.retry([later, forged]) == {later: UNOPENED, forged: UNOPENED}
        key = "seal/request-r-later"
        (tmp_path / "keys" / key).write_bytes((tmp_path / "elsewhere" / key).read_bytes())
        (tmp_path / "keys" / key).chmod(0o600)
        for _ in range(2):
            assert retrier.retry([later, forged]) == {later: TAKEN, forged: UNOPENED}
    assert [item.request_id for item in office.service.requests()] == ["r-later"]


def test_a_payload_that_is_none_stays_a_letter(office: Office) -> None:
    taken = again(REQUESTS, office.service.on_request, RECORD)
    assert taken(b"") != TAKEN
    assert taken(b"\0" * 40) not in (TAKEN, CANNOT_BE)


def reopened(office: Office) -> str:
    """An answered access request to which something came to light."""
    made = office.service.create("access", OLA, reason=None, channel="web", received_at=NOW)
    answered = advance_and_tell(office.service, made.request_id)
    office.service._file.decide(answered, LateFound(NOW, 1, 0, ("billing",), (), "events"))
    return made.request_id


def guessed(request_id: str) -> str:
    """As anybody could work it out who had read the source."""
    return f"r-{hashlib.sha256(f'{request_id}/follow-up'.encode()).hexdigest()[:16]}"


def test_nobody_can_send_a_request_under_the_id_of_a_follow_up(office: Office) -> None:
    """The id came from that of the request alone: whoever was there first had it, and the follow-up was lost."""
    old = reopened(office)
    took(office, request(guessed(old), sealed_by(office.keyring, guessed(old), [("customer_number", "1")])))
    made = office.service.follow_up(old)
    assert made.request_id != guessed(old)
    tokens = [
        [item.token for item in office.service._subjects.given(name)] for name in (made.request_id, old)
    ]
    assert (made.channel, tokens[0]) == ("late_finding", tokens[1])
    ids = {office.service._file.follow_up_id(old, 0), office.service._file.follow_up_id(old, 1)}
    assert len(ids) == 2
    assert made.request_id in ids


def test_a_follow_up_whose_id_is_taken_all_the_same_gets_another_and_says_so(office: Office) -> None:
    """By somebody who has the keys."""
    old = reopened(office)
    taken = office.service._file.follow_up_id(old, 0)
    assert took(office, request(taken, sealed_by(office.keyring, taken, [("customer_number", "1")]))) == []
    made = office.service.follow_up(old)
    assert made.request_id != taken
    assert (made.channel, office.service.get(taken).channel) == ("late_finding", "web")
    closed = office.service.get(old)
    assert (closed.state.value, closed.follow_up) == ("completed", made.request_id)
    (line,) = [line for line in closed.problems if taken in line]
    assert f"innsyn requests cancel {taken}" in line


def test_a_follow_up_that_was_interrupted_is_the_same_one_again(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded, and the process died before the old request named it."""
    old = reopened(office)
    with monkeypatch.context() as dies:
        dies.setattr(office.service._beside, "record", Mock(side_effect=SystemExit))
        with pytest.raises(SystemExit):
            office.service.follow_up(old)
    assert len(office.service.requests()) == 2
    made = office.service.follow_up(old)
    assert [item.request_id for item in office.service.requests()] == [old, made.request_id]
    closed = office.service.get(old)
    assert closed.problems == closed.remarks

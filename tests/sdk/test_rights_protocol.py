"""Of other rights than erasure the SDK's side is innsyn's: each reads what the other writes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from innsyn_sdk.copies import copied, sealed_parts
from innsyn_sdk.keys import SUITE, Key, Keys
from innsyn_sdk.outcome import Outcome, changed, failed, not_found, withheld
from innsyn_sdk.protocol import Refused, opened, receipt

from schemas.jobkeys import Keys as SystemSide
from schemas.messages import LARGEST_PART, CopyPart, RightsReceipt, encoded, message_of, value_of
from schemas.own import own_record
from schemas.vocabulary import CommandKind
from streams.rights.protocol.authentic import PART, bound_bytes, signed_bytes
from streams.rights.protocol.messages import decoded
from streams.rights.protocol.receipts import unproven
from streams.rights.protocol.rights_commands import Asked, rights_command
from tests.support.pairs import INNSYN_VERIFY, KEY_ID, SIGN, SYSTEM_KEY, UNSEAL

NOW = datetime(2026, 3, 9, 7, 30, tzinfo=UTC)
KEY = Key(KEY_ID, UNSEAL, SIGN, INNSYN_VERIFY)
KEYS = Keys("web", (KEY,))
PERSON = X25519PrivateKey.from_private_bytes(bytes(range(32)))
CONTENT = {"Customer.name": "Kåre «Å» Nordlie", "Customer.born": 1985}


def asked(kind: CommandKind) -> Asked:
    return Asked(
        "R-1/web",
        "R-1",
        "web",
        kind,
        categories=("C-01",),
        fields=("Customer.name",),
        purposes=("P-MARKETING",),
        ground="GDPR Art. 18(1)(a)",
        copy_key=PERSON.public_key().public_bytes_raw() if kind is CommandKind.ACCESS else None,
        deadline=date(2026, 4, 9),
        expected={"Customer": 1, "Login": 20},
        content=CONTENT if kind is CommandKind.RECTIFICATION else None,
    )


def sent(kind: CommandKind) -> bytes:
    return encoded(rights_command(asked(kind), [("customer_number", "k-100200")], SYSTEM_KEY, 2, NOW))


@pytest.mark.parametrize("kind", list(CommandKind))
def test_what_innsyn_sends_opens(kind: CommandKind) -> None:
    """With all that it says."""
    command = opened(sent(kind), KEYS, NOW)
    assert (command.kind, command.attempt, command.deadline) == (kind, 2, date(2026, 4, 9))
    assert command.always("customer_number") == ["k-100200"]
    assert command.content == (CONTENT if kind is CommandKind.RECTIFICATION else {})
    assert (command.purposes, command.expected) == (("P-MARKETING",), {"Customer": 1, "Login": 20})
    assert (command.fields, command.categories) == (("Customer.name",), ("C-01",))
    assert command.ground == "GDPR Art. 18(1)(a)"
    assert "Nordlie" not in repr(command)


def test_a_command_of_another_right_cannot_be_altered() -> None:
    """Any byte of it."""
    message = sent(CommandKind.RECTIFICATION)
    for place in range(10, len(message), 7):
        changed_message = bytearray(message)
        changed_message[place] ^= 1
        with pytest.raises(Exception, match=r".") as raised:
            opened(bytes(changed_message), KEYS, NOW)
        assert type(raised.value).__module__ == "innsyn_sdk.protocol"


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("accepted"),
        changed({"Customer": 1, "Login": 20}),
        not_found(),
        withheld(2, "T18", "GDPR art. 17 nr. 3 bokstav e", date(2029, 3, 5)),
        failed("store_unavailable", retryable=True),
        copied({"Customer": 1}, [b"sealed", b"more"]),
    ],
)
def test_what_a_job_answers_innsyn_takes(outcome: Outcome) -> None:
    command = opened(sent(CommandKind.ACCESS), KEYS, NOW)
    said = receipt(command.value, outcome.said_of_right(), KEY, NOW + timedelta(microseconds=123_999))
    value = decoded(own_record("RightsReceipt"), said)
    side = SystemSide("web", (SYSTEM_KEY,))
    assert unproven(value, side) is None
    assert unproven({**value, "parts": 99}, side) is not None
    found = message_of(RightsReceipt, value)
    assert (found.command_id, found.attempt, found.system, found.state) == (
        "R-1/web",
        2,
        "web",
        outcome.state,
    )
    assert [(item.record, item.count) for item in found.records] == list(outcome.records)
    assert (found.parts, found.review_date) == (outcome.parts, outcome.review_date)
    assert Outcome.read(outcome.text()) == outcome


def test_a_copy_is_what_innsyn_keeps_and_the_person_opens() -> None:
    """Each part bound to its place; the digest is over what they seal."""
    command = opened(sent(CommandKind.ACCESS), KEYS, NOW)
    plain = [b'[{"record":"Customer","values":{}}]', b"x" * (LARGEST_PART - 48)]
    parts = list(sealed_parts(command.value, plain, KEY, NOW))
    outcome = copied({"Customer": 1}, [sealed for _, sealed in parts])
    assert outcome.copy_digest == hashlib.sha256(b"".join(sealed for _, sealed in parts)).hexdigest()
    for number, (message, sealed) in enumerate(parts, start=1):
        value: dict[str, Any] = decoded(own_record("CopyPart"), message)
        assert unproven(value, SystemSide("web", (SYSTEM_KEY,))) is None
        part = message_of(CopyPart, value)
        assert (part.part, part.parts, part.attempt, part.sealed) == (number, 2, 2, sealed)
        assert len(part.sealed) <= LARGEST_PART
        assert SUITE.decrypt(part.sealed, PERSON, bound_bytes(value, PART)) == plain[number - 1]
    assert json.loads(plain[0])


def test_the_content_of_another_command_is_refused() -> None:
    """It is bound to the identifiers with which it was sent."""
    one, other = (
        rights_command(asked(CommandKind.RECTIFICATION), [("customer_number", name)], SYSTEM_KEY, 2, NOW)
        for name in ("k-1", "k-2")
    )
    mixed = replace(one, sealed_content=other.sealed_content)
    mixed = replace(mixed, signature=SYSTEM_KEY.sign(signed_bytes(value_of(mixed))))
    with pytest.raises(Refused, match="not_authentic"):
        opened(encoded(mixed), KEYS, NOW)

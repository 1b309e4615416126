"""Plays commands at a job without Kafka: what innsyn sends, and what somebody else may.

def test_the_job(tmp_path):
    kit = Kit(tmp_path, "billing")
    assert kit.play(erase, [("customer_number", "100042")], ["Invoice.name"]) == []
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fastavro import schemaless_reader, schemaless_writer

from innsyn_sdk.job import Erase, RightsJob
from innsyn_sdk.keys import SUITE
from innsyn_sdk.outcome import Outcome
from innsyn_sdk.protocol import CLOCKS_APART, OLDEST, Command, canonical, newest_command, newest_receipt
from innsyn_sdk.state import SqliteState

Answer = tuple[str, int, str | None]
"""State, records erased and reason of a receipt."""
NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)


@dataclass(frozen=True)
class _Pairs:
    """Both sides of one key, which no innsyn has."""

    id: str
    unseal: X25519PrivateKey
    job: Ed25519PrivateKey
    innsyn: Ed25519PrivateKey


class Kit:
    """Keys of a system that are made here, commands under them, and what a job answers."""

    def __init__(self, folder: Path, system: str, now: datetime = NOW) -> None:
        self.now = now
        self.system = system
        self._pairs, self._others = _pairs("testkey1"), _pairs("testkey2")
        self.key_file = folder / f"{system}.json"
        self.key_file.touch(0o600)
        entry = {
            "id": self._pairs.id,
            "unseal": self._pairs.unseal.private_bytes_raw().hex(),
            "sign": self._pairs.job.private_bytes_raw().hex(),
            "verify": self._pairs.innsyn.public_key().public_bytes_raw().hex(),
        }
        self.key_file.write_text(json.dumps({"system": system, "keys": [entry]}))

    def job(self, erase: Erase) -> RightsJob:
        """A job that remembers nothing yet."""
        return RightsJob([self.key_file], erase, SqliteState(":memory:"), clock=lambda: self.now, pauses=())

    def value(
        self, identifiers: Sequence[Sequence[Any]], fields: Sequence[str], **other: Any
    ) -> dict[str, Any]:
        """The fields of a command, neither sealed nor signed yet; `other` ones than usual."""
        usual = {
            "command_id": f"r-1/{self.system}",
            "request_id": "r-1",
            "system": self.system,
            "categories": [],
            "fields": list(fields),
            "reason": "request",
            "attempt": 1,
            "orders": [],
            "key_id": self._pairs.id,
            "issued_at": self.now,
        }
        return {"identifiers": [list(item) for item in identifiers], **usual, **other}

    def message(self, value: Mapping[str, Any]) -> bytes:
        """As innsyn sends it."""
        return self._sent(value, self._pairs, self._pairs)

    def answers(self, job: RightsJob, message: bytes) -> list[Answer]:
        """What the job says to a message. Raises AssertionError for a receipt that is not signed with its key."""
        said: list[Answer] = []

        def send(body: bytes, _: bytes) -> None:
            receipt: Any = schemaless_reader(io.BytesIO(body[10:]), newest_receipt()[0], None)
            try:
                self._pairs.job.public_key().verify(receipt["signature"], canonical(receipt, ("signature",)))
            except InvalidSignature:
                raise AssertionError("a receipt is not signed with the key of the job") from None
            said.append((receipt["state"], receipt["erased"], receipt["reason"]))

        job.handle(message, send)
        return said

    def play(self, erase: Erase, identifiers: Sequence[Sequence[Any]], fields: Sequence[str]) -> list[str]:
        """What is wrong with a job that erases so, a sentence each; empty: nothing.

        `identifiers`: of somebody of whom the store has something, which is erased by this.
        """
        calls: list[Command] = []

        def counted(command: Command) -> Outcome:
            calls.append(command)
            return erase(command)

        job, wrong = self.job(counted), list[str]()
        for why, message, reason in self._bad(identifiers, fields):
            said = self.answers(job, message)
            if calls:
                return [f"a command that is {why} was carried out"]
            if [answer[2] for answer in said] != ([reason] if reason else []):
                wrong.append(f"a command that is {why} was answered with {said}, not with {reason}")
        value = self.value(identifiers, fields)
        second, first = self.message({**value, "attempt": 2}), self.message(value)
        before = self.answers(job, second)
        if [answer[0] for answer in before][:1] != ["accepted"] or len(before) != 2:
            wrong.append(
                f"the command was answered with {before}, not with accepted and then what it came to"
            )
        elif before[1][0] not in ("done", "partial", "withheld"):
            wrong.append(f"the command came to {before[1]}, though the store has something of the person")
        if len(calls) == 1 and self.answers(job, second) != before:
            wrong.append("the same command again had another answer")
        if len(calls) > 1:
            wrong.append("the same command again was carried out again")
        if self.answers(job, first) != [("failed", 0, "superseded")]:
            wrong.append("an earlier attempt than one that came was not superseded")
        crashed = self.answers(self.job(erase), second)
        if crashed[-1][0] not in ("done", "partial", "withheld", "not_found"):
            wrong.append(f"what was erased before a crash came to {crashed[-1]} when it came again")
        return wrong

    def _bad(
        self, identifiers: Sequence[Sequence[Any]], fields: Sequence[str]
    ) -> list[tuple[str, bytes, str | None]]:
        """Commands that must not be carried out: what they are, and the reason to answer with; None: no answer."""
        ours, theirs = self._pairs, self._others
        value = self.value(identifiers, fields)
        good = self.message(value)
        late, early = self.now - OLDEST - timedelta(seconds=1), self.now + CLOCKS_APART + timedelta(seconds=1)
        another = self.value(identifiers, fields, system="another", command_id="r-1/another")
        return [
            ("cut short", good[:-3], None),
            ("no command", b"\xc3\x01 nonsense", None),
            ("too old", self.message({**value, "issued_at": late}), "too_old"),
            ("of a time to come", self.message({**value, "issued_at": early}), "clock_off"),
            ("for another system", self.message(another), "other_system"),
            ("sealed to another key", self._sent(value, theirs, ours), "not_authentic"),
            ("signed by another", self._sent(value, ours, theirs), "not_authentic"),
            ("not signed", self._sent(value, ours, None), "not_authentic"),
            ("under a key that the job lacks", self.message({**value, "key_id": "testkey3"}), "key_unknown"),
            ("altered", self._sent(value, ours, ours, fields=["Everything.else"]), "not_authentic"),
        ]

    def _sent(self, value: Mapping[str, Any], seal: _Pairs, sign: _Pairs | None, **altered: Any) -> bytes:
        plain = json.dumps(value["identifiers"]).encode()
        bare = {name: item for name, item in value.items() if name != "identifiers"}
        sealed = SUITE.encrypt(plain, seal.unseal.public_key(), canonical(bare, ()))
        whole = {**bare, "sealed_identifiers": sealed}
        signature = sign.innsyn.sign(canonical(whole, ())) if sign else b""
        schema, prefix = newest_command()
        body = io.BytesIO()
        schemaless_writer(body, schema, {**whole, **altered, "signature": signature}, strict=True)
        return prefix + body.getvalue()


def _pairs(key_id: str) -> _Pairs:
    job, innsyn = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    return _Pairs(key_id, X25519PrivateKey.generate(), job, innsyn)

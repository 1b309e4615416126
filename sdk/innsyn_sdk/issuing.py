"""innsyn's side of the protocol, for tests: commands as innsyn or somebody else may send them, and answers read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fastavro import schemaless_reader, schemaless_writer

from innsyn_sdk.keys import SUITE, KeysUnreadable
from innsyn_sdk.protocol import KEPT
from innsyn_sdk.wire import canonical, newest

_HALVES = ("unseal", "sign", "innsyn")
_SAME = ("command_id", "request_id", "system", "attempt")


class NotAnAnswer(Exception):
    """A message on the topic of receipts that no job may send; `str` says why."""


@dataclass(frozen=True)
class Pair:
    """One key with its private halves of both sides, which no innsyn has: a command under it is a test."""

    id: str
    unseal: X25519PrivateKey = field(repr=False)
    job: Ed25519PrivateKey = field(repr=False)
    innsyn: Ed25519PrivateKey = field(repr=False)

    @staticmethod
    def made(key_id: str) -> Pair:
        return Pair(
            key_id,
            X25519PrivateKey.generate(),
            Ed25519PrivateKey.generate(),
            Ed25519PrivateKey.generate(),
        )

    def of_job(self) -> dict[str, str]:
        """As a key file of the job has it."""
        return {
            "id": self.id,
            "unseal": self.unseal.private_bytes_raw().hex(),
            "sign": self.job.private_bytes_raw().hex(),
            "verify": self.innsyn.public_key().public_bytes_raw().hex(),
        }


def own_pair(folder: Path, system: str) -> tuple[Pair, Path]:
    """The key of tests of a system in the folder, made where there is none, and the key file for its job.

    Raises KeysUnreadable for a file that is none, OSError where the folder cannot be written.
    """
    ours, theirs = folder / f"{system}.innsyn.json", folder / f"{system}.json"
    if not ours.exists():
        # innsyn's file comes last: without it both are made anew, and a job never has a key that no test knows.
        pair = Pair.made(f"test{os.urandom(4).hex()}")
        _write(theirs, {"system": system, "keys": [pair.of_job()]})
        whole = {**pair.of_job(), "innsyn": pair.innsyn.private_bytes_raw().hex()}
        _write(ours, {"system": system, "keys": [whole]})
        return pair, theirs
    try:
        if stat.S_IMODE(ours.stat().st_mode) & 0o077:
            raise KeysUnreadable(f"{ours} can be read by others; run chmod 600 {ours}")
        stored = json.loads(ours.read_bytes())
        (entry,) = stored["keys"]
        unseal, sign, innsyn = (bytes.fromhex(entry[name]) for name in _HALVES)
        pair = Pair(
            str(entry["id"]),
            X25519PrivateKey.from_private_bytes(unseal),
            Ed25519PrivateKey.from_private_bytes(sign),
            Ed25519PrivateKey.from_private_bytes(innsyn),
        )
        if stored["system"] != system:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise KeysUnreadable(f"{ours} is no key of tests of {system}; remove it and {theirs}") from None
    if not theirs.exists():
        _write(theirs, {"system": system, "keys": [pair.of_job()]})
    return pair, theirs


def _write(path: Path, content: Any) -> None:
    """Whole or not at all, and for its owner alone."""
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(json.dumps(content) + "\n")
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


@dataclass(frozen=True)
class Answer:
    """A receipt of the job, its signature checked. `erased`: how many records were erased, or what else was asked.
    `said`: all that it says but when, and its signature."""

    state: str
    erased: int
    reason: str | None
    said: Mapping[str, Any] = field(repr=False)

    @property
    def short(self) -> tuple[str, int, str | None]:
        return self.state, self.erased, self.reason


@dataclass(frozen=True)
class Issuer:
    """Issues commands to a system at `now`. `other`: a key that the job lacks; `person`: what copies are sealed to."""

    system: str
    pair: Pair
    other: Pair
    now: datetime
    person: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate, repr=False)

    def value(
        self, identifiers: Sequence[Any], fields: Sequence[str], request_id: str = "r-1", **other: Any
    ) -> dict[str, Any]:
        """The fields of a command, neither sealed nor signed yet; `other` ones than usual."""
        usual = {
            "command_id": f"{request_id}/{self.system}",
            "request_id": request_id,
            "system": self.system,
            "categories": [],
            "fields": list(fields),
            "reason": "request",
            "attempt": 1,
            "orders": [],
            "cut_off": None,
            "purposes": [],
            "kept": [],
            "deadline": None,
            "expected": [],
            "key_id": self.pair.id,
            "issued_at": self.now,
        }
        named = [list(item) if isinstance(item, tuple) else item for item in identifiers]
        return {"identifiers": named, **usual, **other}

    def value_of_right(
        self, kind: str, identifiers: Sequence[Any], request_id: str = "r-1", **other: Any
    ) -> dict[str, Any]:
        """The same of another right than erasure; `content` of a rectification is sealed later as well."""
        usual = self.value(identifiers, (), request_id)
        unsaid = {"reason", "orders", "cut_off", "kept"}
        person = self.person.public_key().public_bytes_raw()
        return {
            **{name: item for name, item in usual.items() if name not in unsaid},
            "kind": kind,
            "content": None,
            "purposes": [],
            "ground": None,
            "copy_key": person if kind == "access" else None,
            "deadline": None,
            "expected": [],
            **other,
        }

    def value_of_retention(
        self,
        records: Sequence[Mapping[str, Any]],
        kept: Sequence[Any] = (),
        request_id: str = "x-20260309-1",
        **other: Any,
    ) -> dict[str, Any]:
        """The same of what has run out: `kept` are the identifiers of those whose records stay."""
        names = ("command_id", "request_id", "system", "attempt", "deadline", "key_id", "issued_at")
        usual = self.value(kept, (), request_id)
        run_out = [
            {"categories": [], "where": None, "citation": "", "expected": 0, **item} for item in records
        ]
        return {**{name: usual[name] for name in ("identifiers", *names)}, "records": run_out, **other}

    def message(
        self, value: Mapping[str, Any], *, seal: Pair | None = None, sign: Pair | None = None, **altered: Any
    ) -> bytes:
        """As innsyn sends it; sealed to, or signed with, another key, or `altered` after it was signed."""
        return self._framed({**self._sealed(value, seal or self.pair), "sign": sign or self.pair}, altered)

    def unsigned(self, value: Mapping[str, Any]) -> bytes:
        """Without a signature."""
        return self._framed({**self._sealed(value, self.pair), "sign": None}, {})

    def _sealed(self, value: Mapping[str, Any], pair: Pair) -> dict[str, Any]:
        bare = {name: item for name, item in value.items() if name not in ("identifiers", "content")}
        plain, to = json.dumps(value["identifiers"]).encode(), pair.unseal.public_key()
        name = KEPT if "records" in value else "sealed_identifiers"
        whole = {**bare, name: SUITE.encrypt(plain, to, canonical(bare, ()))}
        if "kind" in value:
            content = json.dumps(value["content"]).encode() if value["content"] is not None else None
            sealed = None if content is None else SUITE.encrypt(content, to, canonical(whole, ()))
            whole["sealed_content"] = sealed
        return whole

    @staticmethod
    def _framed(whole: dict[str, Any], altered: Mapping[str, Any]) -> bytes:
        pair: Pair | None = whole.pop("sign")
        signature = pair.innsyn.sign(canonical(whole, ())) if pair else b""
        schema, prefix = newest(_record_of(whole))
        body = io.BytesIO()
        schemaless_writer(body, schema, {**whole, **altered, "signature": signature}, strict=True)
        return prefix + body.getvalue()

    def answer(self, message: bytes) -> Answer:
        """A receipt read and its signature checked. Raises NotAnAnswer."""
        value = read_receipt(message)
        self._signed(value)
        said = {name: item for name, item in value.items() if name not in ("signature", "reported_at")}
        erased = value["erased"] if "erased" in value else sum(item["count"] for item in value["records"])
        return Answer(value["state"], erased, value["reason"], said)

    def part(self, message: bytes) -> dict[str, Any]:
        """The fields of a part of a copy, its signature checked. Raises NotAnAnswer."""
        value = _read(message, ("copy_part",))
        self._signed(value)
        return value

    def copy(self, messages: Sequence[bytes], answer: Answer) -> list[Any]:
        """What a copy holds: the messages of its parts, in the order in which they came, and its receipt.

        Raises NotAnAnswer for what innsyn would set aside.
        """
        records, digest = list[Any](), hashlib.sha256()
        if not 0 < len(messages) == answer.said["parts"]:
            raise NotAnAnswer(f"it tells of {answer.said['parts']} parts of a copy, and {len(messages)} came")
        for number, message in enumerate(messages, start=1):
            value = self.part(message)
            if (value["part"], value["parts"]) != (number, len(messages)):
                raise NotAnAnswer(
                    f"part {number} of a copy says that it is {value['part']} of {value['parts']}"
                )
            if any(value[name] != answer.said[name] for name in _SAME):
                raise NotAnAnswer("a part of a copy is of another command than its receipt")
            digest.update(value["sealed"])
            records += self._opened(value)
        if digest.digest() != answer.said["copy_digest"]:
            raise NotAnAnswer("the digest of a copy is not that of its sealed parts")
        counted = {item["record"]: item["count"] for item in answer.said["records"]}
        if Counter(name for name, _ in records) != counted:
            raise NotAnAnswer("a receipt counts other records than the copy holds")
        return records

    def _opened(self, part: Mapping[str, Any]) -> list[Any]:
        try:
            plain = SUITE.decrypt(part["sealed"], self.person, canonical(part, ("sealed", "signature")))
            return [(item["record"], item["values"]) for item in json.loads(plain)]
        except InvalidTag:
            raise NotAnAnswer("a part of a copy is not sealed to the key of the command") from None
        except (ValueError, TypeError, KeyError):
            raise NotAnAnswer('a part of a copy is no JSON array of {"record", "values"}') from None

    def _signed(self, value: Mapping[str, Any]) -> None:
        if value["key_id"] != self.pair.id:
            named = value["key_id"] or "without a name"
            raise NotAnAnswer(f"it is under the key {named}, which is not the one of the test")
        try:
            self.pair.job.public_key().verify(value["signature"], canonical(value, ("signature",)))
        except InvalidSignature:
            raise NotAnAnswer("it is not signed with the key of the job") from None


def read_receipt(message: bytes) -> dict[str, Any]:
    """The fields of a receipt, whoever signed it. Raises NotAnAnswer for what is none of the newest version."""
    return _read(message, ("erasure_receipt", "rights_receipt"))


def _read(message: bytes, records: Sequence[str]) -> dict[str, Any]:
    framed = {newest(record)[1]: newest(record)[0] for record in records}
    schema, start = framed.get(message[:10]), 10
    if schema is None and message[:1] == b"\0":
        # Of Confluent's framing the id is a registry's; what does not fit the newest version fails at its signature.
        schema, start = newest(records[0])[0], 5
    if schema is None:
        raise NotAnAnswer("it is of no newest version, as single object or in Confluent's framing")
    body = io.BytesIO(message[start:])
    try:
        value = schemaless_reader(body, schema, None)
    except Exception as error:  # noqa: BLE001 - a body may be anything, and its text is not to be shown
        raise NotAnAnswer(f"its body is no receipt ({type(error).__name__})") from None
    if body.read(1) or not isinstance(value, dict):
        raise NotAnAnswer("its body is longer than a receipt")
    return value


def _record_of(value: Mapping[str, Any]) -> str:
    if KEPT in value:
        return "retention_command"
    return "rights_command" if "kind" in value else "erasure_command"


def at_once() -> datetime:
    """Now, to the millisecond as a command has it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)

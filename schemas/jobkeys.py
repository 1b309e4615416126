"""The keys of an erasure job: with them it opens commands, sees that innsyn sent them, and signs its receipts.

A key file is JSON, readable by its owner alone: `{"system": "billing", "keys": [{"id": "5f2a9c01", "unseal": ...,
"sign": ..., "verify": ...}]}`, each 32 bytes as hex digits. `unseal` is a private X25519 key (RFC 7748) and `sign` a
private Ed25519 key (RFC 8032), both the system's; `verify` is the public Ed25519 key of innsyn's commands to it. A job
may have several files: what they say of one id is put together.

A command is sealed by HPKE (RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM), single shot, so
that all else it says is bound to it as `info` (section 8.1).
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from schemas.errors import KeyUnavailable
from schemas.ids import is_id

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_KEY = 32
_HALVES = ("unseal", "sign", "verify")


class _Named(Protocol):
    @property
    def id(self) -> str: ...


Key = TypeVar("Key", bound=_Named)


@dataclass(frozen=True)
class Keys(Generic[Key]):
    """The keys in force of one system, the oldest first; there is always one."""

    system: str
    keys: tuple[Key, ...]

    @property
    def current(self) -> Key:
        """What commands are sealed to."""
        return self.keys[0]

    @property
    def newest(self) -> Key:
        return self.keys[-1]

    def find(self, key_id: str) -> Key | None:
        return next((key for key in self.keys if key.id == key_id), None)


@dataclass(frozen=True)
class JobKey:
    """One key of a job. `id` names it in messages; the private halves never leave this object."""

    id: str
    _unseal: bytes = field(repr=False)
    _sign: bytes = field(repr=False)
    _verify: bytes = field(repr=False)

    def open(self, sealed: bytes, content: bytes) -> bytes:
        """What was sealed, bound to the `content` of a command. Raises KeyUnavailable if it is not as it was sealed."""
        try:
            return SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(self._unseal), content)
        except (InvalidTag, ValueError):
            raise KeyUnavailable(
                f"a command does not open with key {self.id}: altered, or another's"
            ) from None

    def from_innsyn(self, signature: bytes, content: bytes) -> bool:
        """Whether innsyn signed the `content` of a command under this key's id."""
        return signed(self._verify, signature, content)

    def sign(self, content: bytes) -> bytes:
        """Signature of the `content` of a receipt, 64 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self._sign).sign(content)


JobKeys = Keys[JobKey]


def signed(verify: bytes, signature: bytes, content: bytes) -> bool:
    """Whether the signature of the content is that of the Ed25519 key of which this is the public half."""
    try:
        Ed25519PublicKey.from_public_bytes(verify).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def read_job_keys(*paths: Path) -> JobKeys:
    """The keys in one or more files of a job. Raises KeyUnavailable where one is missing, open to others or no such
    file, where they are of different systems, and for a key of which no file has a part."""
    parts: dict[str, dict[str, bytes]] = {}
    systems = set()
    for path in paths:
        system, entries = read_entries(path)
        systems.add(system)
        for entry in entries:
            parts.setdefault(entry["id"], {}).update(halves(path, entry, _HALVES))
    said = " and ".join(map(str, paths))
    if len(systems) != 1:
        raise KeyUnavailable(f"{said} are key files of different systems; a job is of one")
    system = systems.pop()
    for key_id, found in parts.items():
        if lacking := [name for name in _HALVES if name not in found]:
            raise KeyUnavailable(
                f"{said} lack {' and '.join(lacking)} of key {key_id}; give the job the file of"
                f" `innsyn systems export {system}` as well"
            )
    keys = [JobKey(key_id, *(found[name] for name in _HALVES)) for key_id, found in parts.items()]
    return Keys(system, tuple(keys))


def read_entries(path: Path) -> tuple[str, list[Mapping[str, Any]]]:
    """System and keys of a key file, each with an `id` of its form. Raises KeyUnavailable as `read_job_keys`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyUnavailable(f"{path} can be read by others (mode {mode:o}); run chmod 600 {path}")
        return entries_of(path.read_bytes())
    except FileNotFoundError:
        raise KeyUnavailable(f"there are no keys of a system in {path}; see `innsyn systems`") from None
    except (OSError, ValueError):
        raise KeyUnavailable(
            f"{path} is not a readable key file of a system; restore it from your key backup"
        ) from None


def entries_of(text: bytes) -> tuple[str, list[Mapping[str, Any]]]:
    """The same of its content. Raises ValueError."""
    try:
        stored = json.loads(text)
        system, entries = stored["system"], list(stored["keys"])
        ids = [entry["id"] for entry in entries]
        if (
            not ids
            or len(set(ids)) < len(ids)
            or not all(map(_is_key_id, ids))
            or not is_id("system", system)
        ):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("not the content of a key file") from None
    return system, entries


def halves(path: Path, entry: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, bytes]:
    """Those of the named halves that an entry has. Raises KeyUnavailable for one that is none."""
    try:
        found = {name: bytes.fromhex(entry[name]) for name in names if name in entry}
    except (ValueError, TypeError):
        found = {"": b""}
    if any(len(half) != _KEY for half in found.values()):
        raise KeyUnavailable(f"{path} holds a key that is not 64 hex digits; restore it from your key backup")
    return found


def _is_key_id(value: object) -> bool:
    return isinstance(value, str) and value.isascii() and value.isalnum() and len(value) <= 32

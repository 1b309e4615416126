"""The key files of a job, as `innsyn systems export` writes them."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
"""What commands are sealed with (RFC 9180, base mode, single shot)."""
_HALVES = ("unseal", "sign", "verify")


class KeysUnreadable(Exception):
    """A key file is missing, open to others, or none; `str` says which, and what to do."""


@dataclass(frozen=True)
class Key:
    """One key of a job: it opens commands, sees that innsyn sent them, and signs receipts."""

    id: str
    _unseal: bytes = field(repr=False)
    _sign: bytes = field(repr=False)
    _verify: bytes = field(repr=False)

    def open(self, sealed: bytes, bound: bytes) -> bytes | None:
        """What was sealed to it and bound to these bytes, None if it was not."""
        try:
            return SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(self._unseal), bound)
        except (InvalidTag, ValueError):
            return None

    def from_innsyn(self, signature: bytes, content: bytes) -> bool:
        """Whether innsyn signed the content under this key's id."""
        try:
            Ed25519PublicKey.from_public_bytes(self._verify).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True

    def sign(self, content: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self._sign).sign(content)


@dataclass(frozen=True)
class Keys:
    """The keys of one system, the oldest first; there is always one."""

    system: str
    keys: tuple[Key, ...]

    def find(self, key_id: str) -> Key | None:
        return next((key for key in self.keys if key.id == key_id), None)

    @property
    def current(self) -> Key:
        """What innsyn seals to, if the job has it: it answers under this one to a command under a key that it lacks."""
        return self.keys[0]


def read_keys(paths: Iterable[Path | str]) -> Keys:
    """What one or more files say of each key, put together. Raises KeysUnreadable."""
    parts: dict[str, dict[str, bytes]] = {}
    systems = set()
    for path in map(Path, paths):
        system, entries = _read(path)
        systems.add(system)
        for key_id, halves in entries.items():
            parts.setdefault(key_id, {}).update(halves)
    if len(systems) != 1:
        raise KeysUnreadable(
            "the key files are of different systems, or there is none; a job is of one system"
        )
    for key_id, halves in parts.items():
        if lacking := [name for name in _HALVES if name not in halves]:
            raise KeysUnreadable(
                f"the key files lack {' and '.join(lacking)} of key {key_id}; give the job the file of"
                f" `innsyn systems export {systems.pop()}` as well"
            )
    keys = [Key(key_id, *(halves[name] for name in _HALVES)) for key_id, halves in parts.items()]
    return Keys(systems.pop(), tuple(keys))


def _read(path: Path) -> tuple[str, dict[str, dict[str, bytes]]]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeysUnreadable(f"{path} can be read by others (mode {mode:o}); run chmod 600 {path}")
        stored = json.loads(path.read_bytes())
        entries = {
            str(item["id"]): {name: bytes.fromhex(item[name]) for name in _HALVES if name in item}
            for item in stored["keys"]
        }
        if not entries or any(len(half) != 32 for halves in entries.values() for half in halves.values()):
            raise ValueError
        return str(stored["system"]), entries
    except FileNotFoundError:
        raise KeysUnreadable(f"there is no key file {path}; `innsyn systems export` writes it") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise KeysUnreadable(f"{path} is not a key file of a job; ask for it anew") from None

"""The key by which an installation signs what others check: tree heads and certificates. Ed25519 (RFC 8032).

It lies in `signing/` of the keys folder, its owner's alone; its public half is for everybody. The id of a key is the
beginning of its public half's SHA-256, so that it can be no other's.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.errors import InputError, KeyUnavailable
from schemas.private_files import read_file, refuse_open, write_once

FOLDER = "signing"
_FILE = "ed25519.json"
_KEY = 32
_PUBLIC = re.compile(r"[0-9a-f]{64}")
_MOST = 4_096


@dataclass(frozen=True)
class PublicKey:
    """What checks signatures. `raw`: 32 bytes."""

    raw: bytes

    @property
    def id(self) -> str:
        """16 hex digits."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @property
    def text(self) -> str:
        """64 hex digits, as people hand it on."""
        return self.raw.hex()

    def proves(self, signature: bytes, content: bytes) -> bool:
        """Whether the key's owner signed the content."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, content)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class SigningKey:
    """What signs. The private half never leaves this object."""

    _private: Ed25519PrivateKey = field(repr=False)

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._private.public_key().public_bytes_raw())

    def sign(self, content: bytes) -> bytes:
        """64 bytes, the same each time."""
        return self._private.sign(content)


class SigningKeyring:
    """The signing key of one installation, under `signing/` of the keys folder."""

    def __init__(
        self,
        keys_folder: Path,
        *,
        create: bool = True,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._folder = keys_folder / FOLDER
        self._create = create
        self._random = random

    @property
    def path(self) -> Path:
        return self._folder / _FILE

    def make(self) -> bool:
        """Make the key, unless there is one. Whether this call made it. The keys folder has to be there."""
        if self.path.exists():
            return False
        with suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
            self._folder.chmod(0o700)
        return write_once(self.path, json.dumps({"private": self._random(_KEY).hex()}).encode())

    def key(self) -> SigningKey:
        """The key; made at first need where this keyring may make keys.

        Raises KeyUnavailable where it is not there, cannot be read, or others can read it.
        """
        if not self.path.exists():
            if not self._create or not self._folder.parent.is_dir():
                raise KeyUnavailable(
                    f"there is no signing key in {self._folder}; restore the keys folder from your key backup, copy it"
                    " from the host that has it, or run `innsyn keys create`"
                )
            self.make()
        refuse_open(self._folder)
        content = read_file(self.path)
        try:
            private = bytes.fromhex(json.loads(content)["private"])
            return SigningKey(Ed25519PrivateKey.from_private_bytes(private))
        except (ValueError, KeyError, TypeError) as error:
            raise KeyUnavailable(
                f"{self.path} is not a readable signing key; restore it from your key backup"
            ) from error


def public_key(given: str) -> PublicKey:
    """The public key that somebody names: 64 hex digits, or a file that holds them. Raises InputError."""
    text = given.strip()
    if not _PUBLIC.fullmatch(text):
        try:
            with Path(given).open("rb") as file:
                text = file.read(_MOST).decode("ascii").strip()
        except (OSError, ValueError):
            text = ""
    if not _PUBLIC.fullmatch(text):
        raise InputError(
            "a public key is 64 hex digits, or a file that holds them; `innsyn keys show` prints that of its host"
        )
    return PublicKey(bytes.fromhex(text))

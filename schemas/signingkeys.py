"""The key by which an installation signs what others check: tree heads and certificates. Ed25519 (RFC 8032).

It lies in `signing/` of the keys folder, its owner's alone; its public half is for everybody. The id of a key is the
beginning of its public half's SHA-256, so that it can be no other's. A key that is replaced signs the one that follows,
so that whoever has its public half can trust that one too; its own private half is destroyed then.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.canonical import canonical
from schemas.errors import InputError, KeyUnavailable
from schemas.moments import from_iso
from schemas.private_files import LARGEST, destroy_private, read_file, refuse_open, write_once, write_whole
from schemas.times import iso, whole_milliseconds

FOLDER = "signing"
KIND = "innsyn-signing-key-v1"
"""Stands in what a key signs that is replaced, so that no signature passes for one of something else."""
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
class FormerKey:
    """A key that signed until another one replaced it. `signature`: its own, over `handed_on(replaced_by, until)`."""

    public: PublicKey
    until: datetime
    replaced_by: PublicKey
    signature: bytes

    def json(self) -> dict[str, str]:
        """As it is kept and shown."""
        return {
            "key_id": self.public.id,
            "public_key": self.public.text,
            "until": iso(self.until),
            "replaced_by": self.replaced_by.text,
            "signature": self.signature.hex(),
        }


def handed_on(replaced_by: PublicKey, until: datetime) -> bytes:
    """What a key signs that is replaced: canonical JSON (RFC 8785)."""
    return canonical({"kind": KIND, "public_key": replaced_by.text, "at": iso(until)})


@dataclass(frozen=True)
class SigningKey:
    """What signs. The private half never leaves this object. `former`: the keys before it, oldest first."""

    _private: Ed25519PrivateKey = field(repr=False)
    former: tuple[FormerKey, ...] = ()

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._private.public_key().public_bytes_raw())

    @property
    def every(self) -> tuple[PublicKey, ...]:
        """All keys with which the installation ever signed, in the order in which they were in force."""
        return (*(item.public for item in self.former), self.public)

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
            return _read(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise KeyUnavailable(
                f"{self.path} is not a readable signing key; restore it from your key backup"
            ) from error

    def rotate(self, now: datetime) -> SigningKey:
        """Replace the key by a new one, which it signs; its public half stays, its private half is destroyed here.

        Whoever runs meanwhile signs with the new one from then on. Raises KeyUnavailable; InputError after some 150.
        """
        with self._alone():
            old = self.key()
            fresh = self._random(_KEY)
            public = SigningKey(Ed25519PrivateKey.from_private_bytes(fresh)).public
            until = whole_milliseconds(now)
            last = FormerKey(old.public, until, public, old.sign(handed_on(public, until)))
            former = [item.json() for item in (*old.former, last)]
            content = json.dumps({"private": fresh.hex(), "former": former}).encode()
            if len(content) > LARGEST:
                raise InputError(
                    f"{self.path} holds as many former keys as it can; make another installation"
                )
            replaced = self.path.with_name(f".{_FILE}.replaced")
            if replaced.exists() and replaced.samefile(self.path):
                # Who died before the new one stood there left the key in force under its second name.
                replaced.unlink()
            destroy_private(replaced, self._random)
            # Under a second name, so that its bytes can be overwritten once the new one stands in its place.
            replaced.hardlink_to(self.path)
            write_whole(self.path, content)
            destroy_private(replaced, self._random)
            return self.key()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One rotation at a time."""
        self.key()
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _read(stored: Mapping[str, Any]) -> SigningKey:
    """Raises ValueError, KeyError, TypeError or AttributeError where it is none, or one key did not sign the next."""
    former = tuple(
        FormerKey(
            _public(item["public_key"]),
            from_iso(item["until"]),
            _public(item["replaced_by"]),
            bytes.fromhex(item["signature"]),
        )
        for item in stored.get("former", ())
    )
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(stored["private"])), former)
    for item, following in zip(former, key.every[1:], strict=True):
        if item.replaced_by != following or not item.public.proves(
            item.signature, handed_on(following, item.until)
        ):
            raise ValueError("a key did not sign the next")
    return key


def _public(text: str) -> PublicKey:
    if not _PUBLIC.fullmatch(text):
        raise ValueError("no public key")
    return PublicKey(bytes.fromhex(text))


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

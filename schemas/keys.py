"""The keyring: the token key and the sealing keys, in files outside the index, readable by their owner alone.

Sealing is AES-256-GCM (NIST SP 800-38D) with a fresh random 96-bit nonce for each message; a sealed value is
`nonce || ciphertext || tag`. Each sealing key has a name, so that what it sealed can be erased by destroying it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from schemas.errors import KeyUnavailable
from schemas.tokens import Tokenizer

_NONCE = 12
_KEY = 32
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,100}")


class Keyring:
    """Keys of one installation. Keys are made on first use when `create` is set, else a missing one is an error.

    `realms`: the operator's own, for the tokens of user names.
    """

    def __init__(
        self,
        folder: Path,
        *,
        create: bool = True,
        random: Callable[[int], bytes] = secrets.token_bytes,
        realms: Collection[str] = (),
    ) -> None:
        self._folder = folder
        self._create = create
        self._random = random
        self._realms = realms

    def __repr__(self) -> str:
        return f"Keyring({str(self._folder)!r})"

    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the key in force. Raises KeyUnavailable."""
        path = self._folder / "token.json"
        if not path.exists():
            if not self._create:
                raise KeyUnavailable(
                    f"no token key in {self._folder}; run `innsyn keys create` or set INNSYN_KEYS_DIR"
                )
            self._make_folders()
            _write_once(
                path, json.dumps({"id": self._random(4).hex(), "key": self._random(32).hex()}).encode()
            )
        try:
            stored = json.loads(path.read_bytes())
            return Tokenizer(bytes.fromhex(stored["key"]), str(stored["id"]), self._realms)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KeyUnavailable(
                f"{path} is not a readable token key; restore it from your key backup"
            ) from error

    def seal(self, name: str, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt under the named key, bound to `aad` (the coordinates it belongs to)."""
        nonce = self._random(_NONCE)
        return nonce + AESGCM(self._key(name, create=self._create)).encrypt(nonce, plaintext, aad)

    def open(self, name: str, sealed: bytes, aad: bytes) -> bytes:
        """Decrypt. Raises KeyUnavailable when the key was destroyed or the value or `aad` is not the sealed one."""
        try:
            return AESGCM(self._key(name, create=False)).decrypt(sealed[:_NONCE], sealed[_NONCE:], aad)
        except (InvalidTag, ValueError) as error:
            raise KeyUnavailable(
                f"the value sealed under {name} does not open: altered, or another key"
            ) from error

    def destroy(self, name: str) -> None:
        """Make everything sealed under the name unreadable. Safe to repeat."""
        path = self._path(name)
        with suppress(FileNotFoundError):
            # Overwritten first: on file systems that write in place the key is gone even from the free blocks.
            with path.open("r+b") as file:
                file.write(self._random(32))
                file.flush()
                os.fsync(file.fileno())
            path.unlink()

    def _make_folders(self) -> None:
        # One by one: `parents=True` would give the folder of the keys the default mode.
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self._folder / "seal").mkdir(exist_ok=True, mode=0o700)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise KeyUnavailable("a key name holds only a-z, 0-9, dot, dash and underscore")
        return self._folder / "seal" / name

    def _key(self, name: str, *, create: bool) -> bytes:
        path = self._path(name)
        if create and not path.exists():
            self._make_folders()
            _write_once(path, self._random(_KEY))
        try:
            key = path.read_bytes()
        except FileNotFoundError as error:
            raise KeyUnavailable(
                f"key {name} is not in the keyring: destroyed, or never made here"
            ) from error
        except OSError as error:
            raise KeyUnavailable(f"{path} cannot be read ({error.strerror}); check its owner") from error
        if len(key) != _KEY:
            raise KeyUnavailable(f"{path} is not a key of {_KEY} bytes; restore it from your key backup")
        return key


def _write_once(path: Path, content: bytes) -> None:
    """Create the file whole and private, or leave the one another process just made."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()

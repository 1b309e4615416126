"""The keyring: the token keys and the sealing keys, in files outside the index, readable by their owner alone.

Sealing is AES-256-GCM (NIST SP 800-38D) with a fresh random 96-bit nonce for each message; a sealed value is
`nonce || ciphertext || tag`. Each sealing key has a name, so that what it sealed can be erased by destroying it.

A token key is made by `make` alone, never because one is missing: under a new one nothing is found that is there.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schemas.copykeys import CopyKey
from schemas.errors import InvalidIdentifier, KeyUnavailable
from schemas.private_files import (
    destroy_private,
    finish_destroying,
    read_file,
    refuse_open,
    write_each_once,
    write_once,
)
from schemas.signingkeys import SigningKeyring
from schemas.systemkeys import SystemKeyring
from schemas.tokens import Tokenizer

_NONCE = 12
_KEY = 32
_LARGEST = 64 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,100}")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_FIRST = "token.json"
_CHECKED = b"innsyn token key check"
_NAMED = b"innsyn-id-v1"
_COPY = b"innsyn-copy-v1"


@dataclass(frozen=True)
class KnownKey:
    """A token key as the index knows it. `check`: `check_value` of the key, by which another of that id is told."""

    key_id: str
    check: str


def check_value(key: bytes) -> str:
    """What shows that two keys are the same and nothing else of them: HMAC-SHA256 of a constant, 32 hex digits."""
    return hmac.digest(key, _CHECKED, "sha256").hex()[:32]


class Keyring:
    """Keys of one installation. A sealing key is made on first use when `create` is set, else it is an error.

    `realms`: the operator's own, for the tokens of user names. Every method may raise KeyUnavailable, also for files
    and folders that others than their owner can read.
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

    @property
    def systems(self) -> SystemKeyring:
        """The keys of the systems of record."""
        return SystemKeyring(self._folder)

    @property
    def signing(self) -> SigningKeyring:
        """The key by which the installation signs what others check."""
        return SigningKeyring(self._folder, create=self._create, random=self._random)

    @property
    def folder(self) -> Path:
        return self._folder

    def made(self) -> Keyring:
        """The same, its first token key made unless there is one."""
        self.make()
        return self

    def required(self) -> Keyring:
        """The same, if it holds a token key."""
        if not self._token_keys():
            raise self._none(())
        return self

    def make(self) -> bool:
        """Make the first token key, unless there is one, and with it the signing key. Whether this call made it."""
        if self._token_keys():
            return False
        self._make_folders()
        made = write_once(self._folder / _FIRST, self._fresh())
        self.signing.make()
        return made

    def token_files(self) -> list[Path]:
        """The files of the token keys, the first one first; none where there is no folder."""
        try:
            files = [path for path in self._folder.iterdir() if _is_token_file(path.name)]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise KeyUnavailable(
                f"{self._folder} cannot be read ({error.strerror}); check its owner"
            ) from error
        return sorted(files, key=lambda path: (path.name != _FIRST, path.name))

    def held(self) -> dict[str, KnownKey]:
        """The token keys in the folder, by id."""
        return {key_id: KnownKey(key_id, check_value(key)) for key_id, key in self._token_keys().items()}

    def tokenizer(self, known: Sequence[KnownKey] = (), *, retired: bool = False) -> Tokenizer:
        """The tokenizer of the oldest key that the index knows, by which it is asked, with those of the newer ones.

        None given: of the folder's only one. Every key that is known has to be here, and to be the same key. `retired`:
        whether the index knew another one.
        """
        oldest, *newer = self._tokenizers(known)
        key = self._token_keys()[oldest.key_id]
        return Tokenizer(key, oldest.key_id, self._realms, newer=newer, retired=retired)

    def tagging(self, known: Sequence[KnownKey] = ()) -> Tokenizer:
        """The tokenizer of the key in force, the last one: new rows are made with it. Else as `tokenizer`."""
        *older, newest = self._tokenizers(known)
        return Tokenizer(self._token_keys()[newest.key_id], newest.key_id, self._realms, older)

    def _tokenizers(self, known: Sequence[KnownKey]) -> list[Tokenizer]:
        keys = self._token_keys()
        if not keys:
            raise self._none(known)
        if not known and len(keys) > 1:
            raise KeyUnavailable(
                f"{self._folder} holds {len(keys)} token keys and no index says which is in force; leave one there"
            )
        for item in known:
            self._prove(item, keys)
        wanted = [item.key_id for item in known] or list(keys)
        return [Tokenizer(keys[key_id], key_id, self._realms) for key_id in wanted]

    def add(self) -> KnownKey:
        """Make another token key, beside those there are. Nothing is made with it before an index knows it."""
        self._make_folders()
        while True:
            fresh = self._fresh()
            stored = json.loads(fresh)
            if stored["id"] not in self._token_keys():
                break
        write_once(self._folder / f"token-{stored['id']}.json", fresh)
        return self.held()[stored["id"]]

    def destroy_token_key(self, key_id: str) -> bool:
        """Make every token of that key unreadable for ever. Whether it was here. Safe to repeat."""
        for path in self.token_files():
            if json.loads(read_file(path))["id"] == key_id:
                destroy_private(path, self._random)
                return True
        return False

    def make_sealing(self, names: Iterable[str]) -> None:
        """Make those of the sealing keys that are not there, unless none is to be made. The disk is waited for once."""
        missing = [path for path in map(self._path, dict.fromkeys(names)) if not path.exists()]
        if not missing or not self._create:
            return
        if not self._folder.is_dir():
            raise KeyUnavailable(
                f"the key folder {self._folder} is gone; restore it from your key backup, or set INNSYN_KEYS_DIR"
            )
        self._make_folders()
        write_each_once({path: self._random(_KEY) for path in missing})

    def seal(self, name: str, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt under the named key, bound to `aad` (the coordinates it belongs to)."""
        return self.sealer(name)(plaintext, aad)

    def sealer(self, name: str) -> Callable[[bytes, bytes], bytes]:
        """`seal` under the named key, read once: for many at a time, not for keeping."""
        cipher = AESGCM(self._key(name, create=self._create))

        def seal(plaintext: bytes, aad: bytes) -> bytes:
            nonce = self._random(_NONCE)
            return nonce + cipher.encrypt(nonce, plaintext, aad)

        return seal

    def opener(self, name: str) -> Callable[[bytes, bytes], bytes]:
        """`open` under the named key, read once: for many at a time, not for keeping."""
        cipher = AESGCM(self._key(name, create=False))

        def opened(sealed: bytes, aad: bytes) -> bytes:
            try:
                return cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], aad)
            except (InvalidTag, ValueError) as error:
                raise KeyUnavailable(
                    f"the value sealed under {name} does not open: altered, or another key"
                ) from error

        return opened

    def unguessable(self, name: str, content: str) -> str:
        """16 hex digits that are the same each time and that nobody can work out without the named key.

        Of a key derived from it (HKDF-SHA256), so that nothing sealed with it shows anything of them.
        """
        key = HKDF(SHA256(), _KEY, salt=None, info=_NAMED).derive(self._key(name, create=False))
        return hmac.digest(key, content.encode(), "sha256").hex()[:16]

    def copy_key(self, name: str) -> CopyKey:
        """The key pair that copies are sealed to, of the named key: it is there and gone with that."""
        secret = HKDF(SHA256(), _KEY, salt=None, info=_COPY).derive(self._key(name, create=False))
        return CopyKey(secret)

    def open(self, name: str, sealed: bytes, aad: bytes) -> bytes:
        """Decrypt. Raises KeyUnavailable when the key was destroyed or the value or `aad` is not the sealed one."""
        return self.opener(name)(sealed, aad)

    def sealing_keys(self) -> list[str]:
        """Names of the sealing keys there are."""
        with suppress(FileNotFoundError):
            return sorted(
                path.name for path in (self._folder / "seal").iterdir() if _NAME.fullmatch(path.name)
            )
        return []

    def destroy(self, name: str) -> None:
        """Make everything sealed under the name unreadable. Safe to repeat."""
        destroy_private(self._path(name), self._random)

    def finish_destroying(self) -> None:
        """Destroy the keys that a process was destroying when it died. Safe to repeat."""
        for folder in (self._folder, self._folder / "seal", self.signing.path.parent):
            finish_destroying(folder, self._random)

    def _none(self, known: Sequence[KnownKey]) -> KeyUnavailable:
        if not known:
            return KeyUnavailable(
                f"no token key in {self._folder}; run `innsyn keys create`, or set INNSYN_KEYS_DIR to where the keys"
                " are"
            )
        return KeyUnavailable(
            f"the index was made with token key {known[-1].key_id}, and there is none in {self._folder}; restore the"
            " folder from your key backup or copy it from the host that has it, or set INNSYN_KEYS_DIR to where it is"
        )

    def _prove(self, item: KnownKey, keys: dict[str, bytes]) -> None:
        if item.key_id not in keys:
            raise KeyUnavailable(
                f"the index was made with token key {item.key_id}, and {self._folder} holds {', '.join(keys)};"
                " restore that key from your key backup or copy it from the host that has it, or set INNSYN_KEYS_DIR to"
                " where it is"
            )
        if check_value(keys[item.key_id]) != item.check:
            raise KeyUnavailable(
                f"the token key {item.key_id} in {self._folder} is not the one that the index was made with, only its"
                " id is the same; restore the folder from your key backup"
            )

    def _token_keys(self) -> dict[str, bytes]:
        keys: dict[str, bytes] = {}
        for path in self.token_files():
            refuse_open(self._folder)
            try:
                stored = json.loads(read_file(path))
                key_id, key = str(stored["id"]), bytes.fromhex(stored["key"])
                Tokenizer(key, key_id)
            except (ValueError, KeyError, TypeError, InvalidIdentifier) as error:
                raise _unreadable(path) from error
            if not _KEY_ID.fullmatch(key_id) or key_id in keys:
                raise _unreadable(path)
            keys[key_id] = key
        return keys

    def _fresh(self) -> bytes:
        return json.dumps({"id": self._random(4).hex(), "key": self._random(_KEY).hex()}).encode()

    def _make_folders(self) -> None:
        # One by one: `parents=True` would give the folders above the default mode; and whatever the umask.
        for folder in (*reversed(self._folder.parents), self._folder, self._folder / "seal"):
            if not folder.exists():
                with suppress(FileExistsError):
                    folder.mkdir(mode=0o700)
                    folder.chmod(0o700)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise KeyUnavailable("a key name holds only a-z, 0-9, dot, dash and underscore")
        return self._folder / "seal" / name

    def _key(self, name: str, *, create: bool) -> bytes:
        path = self._path(name)
        if create:
            self.make_sealing([name])
        if not path.exists():
            raise KeyUnavailable(f"key {name} is not in the keyring: destroyed, or never made here")
        refuse_open(self._folder)
        refuse_open(path.parent)
        key = read_file(path)
        if len(key) != _KEY:
            raise KeyUnavailable(f"{path} is not a key of {_KEY} bytes; restore it from your key backup")
        return key


def _is_token_file(name: str) -> bool:
    return name == _FIRST or (name.startswith("token-") and name.endswith(".json"))


def _unreadable(path: Path) -> KeyUnavailable:
    return KeyUnavailable(f"{path} is not a readable token key; restore it from your key backup")

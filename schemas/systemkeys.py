"""The key of a system of record: what innsyn and the erasure job of that system share, and nobody else has.

One file for each system under `systems/` of the keys folder, JSON, readable by its owner alone: all that the team of a
job is given. `{"system": "billing", "keys": [{"id": "5f2a9c01", "key": "<64 hex digits>"}]}`, the oldest key first.
Commands are sealed under the first key; a receipt is authentic under any of them. Rotation adds a key, and once the
job has the new file the old one is retired.

The key itself is used for nothing: HKDF-SHA256 (RFC 5869, no salt) makes one key of it for commands and another for
receipts, so that nothing made with the one passes for something of the other.
"""

from __future__ import annotations

import hmac
import json
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from schemas.errors import InputError, KeyUnavailable
from schemas.ids import is_id

COMMAND, RECEIPT = b"innsyn-command-v1", b"innsyn-receipt-v1"
FOLDER = "systems"
_NONCE = 12
_KEY = 32


@dataclass(frozen=True)
class SystemKey:
    """One key of a system. `id` names it in messages; the key never leaves this object."""

    id: str
    _key: bytes = field(repr=False)

    def seal(self, plaintext: bytes, content: bytes) -> bytes:
        """`nonce || ciphertext || tag` of AES-256-GCM, bound to the `content` of a command."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self._derived(COMMAND)).encrypt(nonce, plaintext, content)

    def open(self, sealed: bytes, content: bytes) -> bytes:
        """What was sealed. Raises KeyUnavailable if it or the content is not what was sealed under this key."""
        try:
            return AESGCM(self._derived(COMMAND)).decrypt(sealed[:_NONCE], sealed[_NONCE:], content)
        except (InvalidTag, ValueError):
            raise KeyUnavailable(
                f"a command does not open under key {self.id}: altered, or another's"
            ) from None

    def authenticator(self, content: bytes) -> bytes:
        """HMAC-SHA256 of the `content` of a receipt, 32 bytes."""
        return hmac.digest(self._derived(RECEIPT), content, "sha256")

    def proves(self, authenticator: bytes, content: bytes) -> bool:
        """Whether the authenticator is that of the content of a receipt, compared in constant time."""
        return hmac.compare_digest(authenticator, self.authenticator(content))

    def _derived(self, use: bytes) -> bytes:
        return HKDF(SHA256(), _KEY, salt=None, info=use).derive(self._key)


@dataclass(frozen=True)
class SystemKeys:
    """The keys in force of one system, the oldest first; there is always one."""

    system: str
    keys: tuple[SystemKey, ...]

    @property
    def current(self) -> SystemKey:
        """What commands are sealed under."""
        return self.keys[0]

    @property
    def newest(self) -> SystemKey:
        return self.keys[-1]

    def find(self, key_id: str) -> SystemKey | None:
        return next((key for key in self.keys if key.id == key_id), None)


def read_system_keys(path: Path) -> SystemKeys:
    """The keys in a file. Raises KeyUnavailable where it is missing, open to others or no such file."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise KeyUnavailable(f"{path} can be read by others (mode {mode:o}); run chmod 600 {path}")
        stored = json.loads(path.read_bytes())
        found = tuple(SystemKey(_checked(item["id"]), bytes.fromhex(item["key"])) for item in stored["keys"])
        system = stored["system"]
        if not found or any(len(key._key) != _KEY for key in found) or not is_id("system", system):
            raise ValueError
    except FileNotFoundError:
        raise KeyUnavailable(f"there is no key of a system in {path}; see `innsyn keys system`") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise KeyUnavailable(
            f"{path} is not a readable key of a system; restore it from your key backup"
        ) from None
    return SystemKeys(system, found)


class SystemKeyring:
    """The keys of all systems, under `systems/` of the keys folder.

    Every method raises KeyUnavailable for a file that cannot be read, InputError for a name that is no system's.
    """

    def __init__(self, keys_folder: Path, *, create: bool = True) -> None:
        self._folder = keys_folder / FOLDER
        self._create = create

    def path(self, system: str) -> Path:
        """Where the file of a system lies. What is given to its job's team is a copy of it."""
        if not is_id("system", system):
            raise InputError(
                "a system's name holds only a-z, 0-9 and underscore; `innsyn keys show` lists them"
            )
        return self._folder / f"{system}.json"

    def of(self, system: str) -> SystemKeys:
        """The keys in force; the first is made where there is none and this keyring may make keys."""
        path = self.path(system)
        if self._create and not path.exists():
            if not self._folder.parent.is_dir():
                raise KeyUnavailable(
                    f"the key folder {self._folder.parent} is not there; restore it from your key backup, run"
                    " `innsyn keys create`, or set INNSYN_KEYS_DIR"
                )
            self._folder.mkdir(exist_ok=True, mode=0o700)
            _write(path, _text(system, [_new()]), once=True)
        return read_system_keys(path)

    def systems(self) -> list[str]:
        """The systems that have a key, sorted."""
        return sorted(path.stem for path in self._folder.glob("*.json") if is_id("system", path.stem))

    def rotate(self, system: str) -> SystemKeys:
        """Add a key. The old one stays in force until `retire`, and commands are sealed under it until then."""
        return self._changed(system, lambda keys: [*keys, _new()])

    def retire(self, system: str) -> SystemKeys:
        """Leave only the newest key in force."""
        return self._changed(system, lambda keys: keys[-1:])

    def _changed(self, system: str, change: Callable[[list[SystemKey]], list[SystemKey]]) -> SystemKeys:
        path = self.path(system)
        known = list(read_system_keys(path).keys)
        _write(path, _text(system, change(known)), once=False)
        return read_system_keys(path)


def _new() -> SystemKey:
    return SystemKey(secrets.token_hex(4), secrets.token_bytes(_KEY))


def _checked(key_id: object) -> str:
    if not isinstance(key_id, str) or not key_id.isalnum() or len(key_id) > 32:
        raise ValueError
    return key_id


def _text(system: str, keys: list[SystemKey]) -> bytes:
    stored = [{"id": key.id, "key": key._key.hex()} for key in keys]
    return (json.dumps({"system": system, "keys": stored}, indent=2) + "\n").encode()


def _write(path: Path, content: bytes, *, once: bool) -> None:
    """The file whole and private; `once`: leave the one that another process just made."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if not once:
            temporary.replace(path)
            return
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

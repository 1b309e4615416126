"""What innsyn keeps of each system of record: the public halves of its keys, and what innsyn signs its commands with.

One file for each system under `systems/` of the keys folder, JSON, readable by its owner alone: `{"system": "billing",
"keys": [{"id": "5f2a9c01", "seal": ..., "verify": ..., "sign": ...}]}`, the oldest key first. `seal` is the system's
public X25519 key and `verify` its public Ed25519 key; `sign` is innsyn's private Ed25519 key for commands to that one
system. Commands are sealed to the first key; a receipt counts under any of them. Rotation adds a key, and once the job
has it the old one is retired. `"made": "team"` is said of a key whose private halves were never here.

The private halves (`schemas.jobkeys`) lie under `jobs/` until they are handed over; a team may also make its own and
give the public ones.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from schemas.errors import InputError, KeyUnavailable
from schemas.ids import is_id
from schemas.jobkeys import (
    SUITE,
    JobKeys,
    Keys,
    entries_of,
    halves,
    read_entries,
    read_job_keys,
    signed,
)
from schemas.private_files import write_whole

FOLDER, JOBS = "systems", "jobs"
_HALVES = ("seal", "sign", "verify")
_BY_TEAM = {"made": "team"}
# Of edwards25519 (RFC 8032, section 5.1): the prime, d, and the y of its points of order 8, 4, 2 and 1.
_PRIME = 2**255 - 19
_D = -121_665 * pow(121_666, -1, _PRIME) % _PRIME
_Y8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL = frozenset({_Y8, _PRIME - _Y8, 0, _PRIME - 1, 1})
Entry = Mapping[str, str]


@dataclass(frozen=True)
class SystemKey:
    """One key of a system, as innsyn has it. `id` names it in messages; the private half never leaves this object."""

    id: str
    _seal: bytes = field(repr=False)
    _sign: bytes = field(repr=False)
    _verify: bytes = field(repr=False)

    def seal(self, plaintext: bytes, content: bytes) -> bytes:
        """HPKE, bound to the `content` of a command: 32 bytes of encapsulated key, then ciphertext and tag."""
        return SUITE.encrypt(plaintext, X25519PublicKey.from_public_bytes(self._seal), content)

    def sign(self, content: bytes) -> bytes:
        """Signature of the `content` of a command, 64 bytes."""
        return Ed25519PrivateKey.from_private_bytes(self._sign).sign(content)

    def proves(self, signature: bytes, content: bytes) -> bool:
        """Whether the job signed the `content` of a receipt under this key's id."""
        return signed(self._verify, signature, content)


SystemKeys = Keys[SystemKey]


def read_system_keys(path: Path) -> SystemKeys:
    """The keys in a file of innsyn's. Raises KeyUnavailable where it is missing, open to others or no such file."""
    system, entries = read_entries(path)
    if any("seal" not in entry for entry in entries):
        raise KeyUnavailable(
            f"{path} holds a key that innsyn shared with the job, of an earlier version; run `innsyn systems rotate"
            f" {system}`, then `innsyn systems export {system} --to FILE` for its job"
        )
    keys = []
    for entry in entries:
        found = halves(path, entry, _HALVES)
        if len(found) < len(_HALVES):
            raise KeyUnavailable(
                f"{path} is not a readable key file of a system; restore it from your key backup"
            )
        keys.append(SystemKey(entry["id"], *(found[name] for name in _HALVES)))
    return Keys(system, tuple(keys))


class SystemKeyring:
    """The keys of all systems, under `systems/` and `jobs/` of the keys folder. None is made unless it is asked for.

    Every method raises KeyUnavailable for a file that cannot be read, InputError for a name that is no system's.
    """

    def __init__(self, keys_folder: Path) -> None:
        self._folder = keys_folder

    def path(self, system: str) -> Path:
        """Where innsyn's own file of a system lies."""
        return self._folder / FOLDER / self._name(system)

    def job_path(self, system: str) -> Path:
        """Where the key file of its job lies, until it is handed over; a job that runs here goes on reading it."""
        return self._folder / JOBS / self._name(system)

    def of(self, system: str) -> SystemKeys:
        """The keys in force. Raises KeyUnavailable, with what to run, where there is none."""
        path = self.path(system)
        if not path.exists():
            raise KeyUnavailable(
                f"no command can be sent to {system}, which has no key; run `innsyn systems add {system}`, then"
                f" `innsyn systems export {system} --to FILE` for its job"
            )
        return read_system_keys(path)

    def job(self, system: str) -> JobKeys:
        """The keys of its job, unless they were handed over."""
        return read_job_keys(self.job_path(system))

    def systems(self) -> list[str]:
        """The systems that have a key, sorted."""
        found = (self._folder / FOLDER).glob("*.json")
        return sorted(path.stem for path in found if is_id("system", path.stem))

    def made(self, system: str) -> SystemKeys:
        """The keys in force, the first one made here where there is none."""
        with self._changing(system):
            if not self.path(system).exists():
                self._add(system, [])
        return self.of(system)

    def add(self, system: str, public: bytes | None = None) -> SystemKeys:
        """Its first key: made here, or its team's by the public halves. Raises InputError where it has one."""
        with self._changing(system):
            if self.path(system).exists():
                raise InputError(
                    f"{system} has a key already; `innsyn systems rotate {system}` gives it another one"
                )
            self._add(system, [], public)
        return self.of(system)

    def rotate(self, system: str, public: bytes | None = None) -> SystemKeys:
        """Add a key. The old one stays in force until `retire`, and commands are sealed to it until then.

        A key that innsyn shared with the job in an earlier version ends at once.
        """
        with self._changing(system):
            _, known = read_entries(self.path(system))
            self._add(system, [entry for entry in known if "seal" in entry], public)
        return self.of(system)

    def retire(self, system: str) -> SystemKeys:
        """Leave only the newest key in force."""
        with self._changing(system):
            newest = self.of(system).newest.id
            for path in (self.path(system), self.job_path(system)):
                if path.exists():
                    left = [entry for entry in read_entries(path)[1] if entry["id"] == newest]
                    write_whole(path, _text(system, left)) if left else _destroy(path)
        return self.of(system)

    def for_job(self, system: str) -> bytes:
        """The key file for its job: of every key in force the private halves that are here.

        Of a key that its team made, and of all where none is here, it has what innsyn alone can tell: `verify`.
        """
        self.of(system)
        path, here = self.job_path(system), {}
        if path.exists():
            self.job(system)
            here = {entry["id"]: entry for entry in read_entries(path)[1]}
        told = [
            here.get(entry["id"], {"id": entry["id"], "verify": _public(entry["sign"])})
            for entry in read_entries(self.path(system))[1]
            if not here or entry["id"] in here or entry.items() >= _BY_TEAM.items()
        ]
        return _text(system, told)

    def hand_over(self, system: str, give: Callable[[bytes], object]) -> bool:
        """Give the key file for its job away, then destroy the private halves that lie here. Whether there were any.

        No other process changes the keys in between. What `give` raises leaves them here.
        """
        with self._changing(system):
            give(self.for_job(system))
            path = self.job_path(system)
            there = path.exists()
            if there:
                _destroy(path)
        return there

    def is_inside(self, path: Path) -> bool:
        """Whether a file would lie among the keys."""
        return path.resolve().is_relative_to(self._folder.resolve())

    def _add(self, system: str, known: Sequence[Entry], public: bytes | None = None) -> None:
        fresh, job = ([], []) if public is not None else _pair()
        if public is not None:
            fresh = _given(system, public, {entry["id"] for entry in known})
        if job:
            # First: a public half whose private one is nowhere would be in force for nobody.
            path = self.job_path(system)
            here = read_entries(path)[1] if known and path.exists() else []
            write_whole(path, _text(system, [*here, *job]))
        write_whole(self.path(system), _text(system, [*known, *fresh]))

    def _name(self, system: str) -> str:
        if not is_id("system", system):
            raise InputError(
                "a system's name holds only a-z, 0-9 and underscore; `innsyn systems show` lists them"
            )
        return f"{system}.json"

    @contextmanager
    def _changing(self, system: str) -> Iterator[None]:
        """Alone among all processes."""
        self._name(system)
        if not self._folder.is_dir():
            raise KeyUnavailable(
                f"the key folder {self._folder} is not there; restore it from your key backup, run"
                " `innsyn keys create`, or set INNSYN_KEYS_DIR"
            )
        for name in (FOLDER, JOBS):
            (self._folder / name).mkdir(exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / FOLDER, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _pair() -> tuple[list[Entry], list[Entry]]:
    """A fresh key: innsyn's half of it, and the job's."""
    key_id, unseal = secrets.token_hex(4), X25519PrivateKey.generate()
    job, innsyn = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    mine = {
        "id": key_id,
        "seal": unseal.public_key().public_bytes_raw().hex(),
        "verify": job.public_key().public_bytes_raw().hex(),
        "sign": innsyn.private_bytes_raw().hex(),
    }
    theirs = {
        "id": key_id,
        "unseal": unseal.private_bytes_raw().hex(),
        "sign": job.private_bytes_raw().hex(),
        "verify": innsyn.public_key().public_bytes_raw().hex(),
    }
    return [mine], [theirs]


def _given(system: str, public: bytes, known: set[str]) -> list[Entry]:
    """What innsyn keeps of a team's own public halves. Raises InputError."""
    half = "<64 hex digits>"
    wanted = f'{{"system": "{system}", "keys": [{{"id": "...", "seal": "{half}", "verify": "{half}"}}]}}'
    try:
        named, entries = entries_of(public)
        fresh = [entry for entry in entries if entry["id"] not in known]
        if named != system or not fresh:
            raise ValueError
        found = [
            (entry["id"], bytes.fromhex(entry["seal"]), bytes.fromhex(entry["verify"])) for entry in fresh
        ]
        for _, seal, verify in found:
            # A key that nothing can be sealed to is found now and not at the first command.
            SUITE.encrypt(b"", X25519PublicKey.from_public_bytes(seal))
            if not _proves_something(verify):
                raise ValueError
    except (ValueError, KeyError, TypeError):
        raise InputError(f"the public file has no new key of {system}; it holds {wanted}") from None
    if any("unseal" in entry or "sign" in entry for entry in entries):
        raise InputError(
            "the public file holds private halves: innsyn must not have them; give the public ones alone"
        )
    return [
        {
            "id": key_id,
            "seal": seal.hex(),
            "verify": verify.hex(),
            "sign": Ed25519PrivateKey.generate().private_bytes_raw().hex(),
            **_BY_TEAM,
        }
        for key_id, seal, verify in found
    ]


def _proves_something(verify: bytes) -> bool:
    """Whether it is an Ed25519 key: a point of the curve, and none of small order, under which anybody can sign."""
    if len(verify) != 32:
        return False
    y = (int.from_bytes(verify, "little") & (2**255 - 1)) % _PRIME
    # x² = (y² - 1) / (dy² + 1), which has a root just where the product of both does; -1/d is no square.
    squared = (y * y - 1) * (_D * y * y + 1) % _PRIME
    return y not in _SMALL and pow(squared, (_PRIME - 1) // 2, _PRIME) == 1


def _public(sign: str) -> str:
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(sign)).public_key().public_bytes_raw().hex()


def _text(system: str, keys: Sequence[Entry]) -> bytes:
    return (json.dumps({"system": system, "keys": list(keys)}, indent=2) + "\n").encode()


def _destroy(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    path.unlink()

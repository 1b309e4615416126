"""A key of a system that is the same each time, from both sides; the keys of `sdk/vectors.json`."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from schemas.jobkeys import JobKey
from schemas.keys import Keyring
from schemas.systemkeys import SystemKey, SystemKeyring, SystemKeys

KEY_ID = "00010203"
UNSEAL, SIGN, INNSYN = (bytes(range(first, first + 32)) for first in (0, 32, 64))
SEAL = X25519PrivateKey.from_private_bytes(UNSEAL).public_key().public_bytes_raw()
VERIFY, INNSYN_VERIFY = (
    Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw() for key in (SIGN, INNSYN)
)
SYSTEM_KEY = SystemKey(KEY_ID, SEAL, INNSYN, VERIFY)
JOB_KEY = JobKey(KEY_ID, UNSEAL, SIGN, INNSYN_VERIFY)


class ReadySystems(SystemKeyring):
    """Every system has a key as soon as it is told something."""

    def of(self, system: str) -> SystemKeys:
        return self.made(system) if not self.path(system).exists() else super().of(system)


class ReadyKeyring(Keyring):
    """The keys of an installation that has added every system."""

    @property
    def systems(self) -> SystemKeyring:
        return ReadySystems(self.folder)

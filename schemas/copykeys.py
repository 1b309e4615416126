"""The key pair that systems seal the copy of a person's data to: HPKE as of commands (`schemas.jobkeys`)."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from schemas.errors import KeyUnavailable
from schemas.jobkeys import SUITE


@dataclass(frozen=True)
class CopyKey:
    """Of one request; the private half, 32 bytes, never leaves this object."""

    _secret: bytes = field(repr=False)

    @property
    def public(self) -> bytes:
        """The X25519 public key, 32 bytes, as a command has it."""
        return X25519PrivateKey.from_private_bytes(self._secret).public_key().public_bytes_raw()

    def open(self, sealed: bytes, content: bytes) -> bytes:
        """What was sealed, bound to the `content` of a part. Raises KeyUnavailable if it is not as it was sealed."""
        try:
            return SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(self._secret), content)
        except (InvalidTag, ValueError):
            raise KeyUnavailable(
                "a part of a copy does not open: altered, or sealed to another request's key"
            ) from None


def sealed_to(public: bytes, plaintext: bytes, content: bytes) -> bytes:
    """As a job seals a part to the key of a command."""
    return SUITE.encrypt(plaintext, X25519PublicKey.from_public_bytes(public), content)

"""Files encrypted for one reader in the format of age v1 (age-encryption.org/v1), which `age --decrypt` opens.

Written here since it is a hundred lines over the package `cryptography`: X25519 or scrypt wrap a file key, and
ChaCha20-Poly1305 encrypts in chunks of 64 KiB, so that a file that was cut off does not open.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from schemas.errors import InputError

Random = Callable[[int], bytes]
SHORTEST_PASSPHRASE = 12
"""Characters: who has the file can try passphrases for as long as they like."""
_VERSION = b"age-encryption.org/v1"
_CHUNK = 64 * 1024
_WORK = 18
_LETTERS = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_NO_NONCE = bytes(12)


class Reader(Protocol):
    """Who shall read a file."""

    def stanza(self, file_key: bytes, random: Random) -> bytes:
        """The file key as only this reader can unwrap it, as the header has it."""


@dataclass(frozen=True)
class Recipient:
    """Who has the private half of a public X25519 key, 32 bytes."""

    public: bytes

    def stanza(self, file_key: bytes, random: Random) -> bytes:
        ours = X25519PrivateKey.from_private_bytes(random(32))
        share = ours.public_key().public_bytes_raw()
        shared = ours.exchange(X25519PublicKey.from_public_bytes(self.public))
        key = _derived(shared, share + self.public, _VERSION + b"/X25519")
        return b"-> X25519 " + _text(share) + b"\n" + _text(_wrapped(key, file_key)) + b"\n"


@dataclass(frozen=True)
class Passphrase:
    """Who knows a passphrase. Raises InputError for one that is guessed too soon."""

    text: str = field(repr=False)
    work: int = _WORK

    def __post_init__(self) -> None:
        if len(self.text) < SHORTEST_PASSPHRASE:
            raise InputError(
                f"the passphrase has fewer than {SHORTEST_PASSPHRASE} characters; take words that nobody guesses"
            )

    def stanza(self, file_key: bytes, random: Random) -> bytes:
        salt = random(16)
        key = Scrypt(_VERSION + b"/scrypt" + salt, 32, 1 << self.work, 8, 1).derive(self.text.encode())
        head = b"-> scrypt " + _text(salt) + f" {self.work}\n".encode()
        return head + _text(_wrapped(key, file_key)) + b"\n"


def recipient(text: str) -> Recipient:
    """The reader of a public key as `age-keygen` prints it (`age1...`, Bech32). Raises InputError."""
    try:
        public = _bech32(text.strip(), "age")
        # Refused where nothing can be shared with it.
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise InputError(
            "the key is no public key of age; give the line `age1...` that age-keygen prints"
        ) from None
    return Recipient(public)


def encrypted(
    pieces: Iterator[bytes], reader: Reader, random: Random = secrets.token_bytes
) -> Iterator[bytes]:
    """The file, in pieces, of plaintext that comes in pieces of any size."""
    file_key = random(16)
    head = _VERSION + b"\n" + reader.stanza(file_key, random) + b"---"
    mac = hmac.digest(_derived(file_key, None, b"header"), head, "sha256")
    yield head + b" " + _text(mac) + b"\n"
    nonce = random(16)
    yield nonce
    cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
    for number, (chunk, last) in enumerate(_chunks(pieces)):
        yield cipher.encrypt(number.to_bytes(11, "big") + bytes([last]), chunk, None)


def _chunks(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Of 64 KiB but the last, which is empty only if all is; each with whether it is the last."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) > _CHUNK:
            yield bytes(held[:_CHUNK]), False
            del held[:_CHUNK]
    yield bytes(held), True


def _wrapped(key: bytes, file_key: bytes) -> bytes:
    return ChaCha20Poly1305(key).encrypt(_NO_NONCE, file_key, None)


def _derived(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=salt, info=info).derive(secret)


def _text(content: bytes) -> bytes:
    return base64.b64encode(content).rstrip(b"=")


def _bech32(text: str, prefix: str) -> bytes:
    """What a Bech32 text (BIP 173) says, in bytes. Raises ValueError."""
    if text not in (text.lower(), text.upper()):
        raise ValueError("letters of both cases")
    found, _, data = text.lower().rpartition("1")
    values = [_LETTERS.index(letter) for letter in data]
    expanded = [ord(letter) >> 5 for letter in found] + [0] + [ord(letter) & 31 for letter in found]
    if found != prefix or len(values) < 6 or _polymod([*expanded, *values]) != 1:
        raise ValueError("another prefix or check sum")
    number = 0
    for value in values[:-6]:
        number = number << 5 | value
    size, left = divmod(5 * (len(values) - 6), 8)
    if left > 4 or number & ((1 << left) - 1):
        raise ValueError("bits that are left over")
    return (number >> left).to_bytes(size, "big")


def _polymod(values: list[int]) -> int:
    checked = 1
    for value in values:
        top = checked >> 25
        checked = (checked & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATORS):
            checked ^= generator if top >> bit & 1 else 0
    return checked

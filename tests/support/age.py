"""Opens files of age v1, for tests of what is written in that format."""

from __future__ import annotations

import base64
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

_VERSION = b"age-encryption.org/v1"
_CHUNK = 64 * 1024 + 16


def opened(file: bytes, *, identity: X25519PrivateKey | None = None, passphrase: str = "") -> bytes:
    """The plaintext. Raises InvalidTag, ValueError."""
    head, _, rest = file.partition(b"\n---")
    mac, _, payload = rest.partition(b"\n")
    file_key = _file_key(head.split(b"\n"), identity, passphrase)
    expected = hmac.digest(_derived(file_key, None, b"header"), head + b"\n---", "sha256")
    if mac[:1] != b" " or not hmac.compare_digest(expected, _bytes(mac[1:])):
        raise ValueError("the header was altered")
    cipher = ChaCha20Poly1305(_derived(file_key, payload[:16], b"payload"))
    body, plain = payload[16:], b""
    if not body:
        raise ValueError("cut off: there is always a last piece")
    pieces = [body[start : start + _CHUNK] for start in range(0, len(body), _CHUNK)]
    for number, piece in enumerate(pieces):
        last = bytes([number == len(pieces) - 1])
        plain += cipher.decrypt(number.to_bytes(11, "big") + last, piece, None)
    return plain


def _file_key(lines: list[bytes], identity: X25519PrivateKey | None, passphrase: str) -> bytes:
    if lines[0] != _VERSION:
        raise ValueError("another format")
    for at, line in enumerate(lines):
        words = line.split(b" ")
        if words[:2] == [b"->", b"X25519"] and identity is not None:
            share = _bytes(words[2])
            shared = identity.exchange(X25519PublicKey.from_public_bytes(share))
            salt = share + identity.public_key().public_bytes_raw()
            key = _derived(shared, salt, _VERSION + b"/X25519")
        elif words[:2] == [b"->", b"scrypt"] and passphrase:
            salt = _VERSION + b"/scrypt" + _bytes(words[2])
            key = Scrypt(salt, 32, 1 << int(words[3]), 8, 1).derive(passphrase.encode())
        else:
            continue
        return ChaCha20Poly1305(key).decrypt(bytes(12), _bytes(lines[at + 1]), None)
    raise ValueError("for somebody else")


def _derived(secret: bytes, salt: bytes | None, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=salt, info=info).derive(secret)


def _bytes(text: bytes) -> bytes:
    """What canonical base64 says, as the format demands it: bits that nothing reads may not differ either."""
    content = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    if base64.b64encode(content).rstrip(b"=") != text:
        raise ValueError("bits that are left over")
    return content

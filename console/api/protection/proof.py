"""Proof that a server knows the bearer token, asked for before the token and the identifiers are sent to it.

Whoever listens at an address can say that it is innsyn.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

CHALLENGE_HEADER = "Innsyn-Challenge"


def proof(token: str, challenge: str) -> str:
    """What only who has the token can say to that challenge; 64 hex digits."""
    return hmac.new(_key(token), challenge.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=16)
def _key(token: str) -> bytes:
    """Behind scrypt: anybody may have an answer, and shall not try tokens against it by the million."""
    return hashlib.scrypt(token.encode(), salt=b"innsyn: proof of a token", n=2**14, r=8, p=1)

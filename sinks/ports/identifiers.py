"""The identifiers that claims mention, sealed: what the index can have named to a system, and nobody can read in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES

IDENTIFIER_SCHEMA = pa.schema(
    [
        ("token", pa.binary(TOKEN_BYTES)),
        ("kind", pa.string()),
        ("length", pa.uint8()),
        ("key", pa.string()),
        ("sealed", pa.binary()),
    ]
)
"""One identifier for each token; of several rows of a token the one that was written last stands.

kind: of the company's identifier kinds. length: of an IPv6 prefix, whose value is in CIDR form; 0 for an identifier
itself. key: name of the sealing key, which is no part of the index. sealed: the canonical value, see
`schemas.keys.Keyring`, bound to `bound_to(token, kind)`.
"""


def bound_to(token: bytes, kind: str) -> bytes:
    """The additional data that a value is sealed with: under another token or kind it does not open."""
    return b"innsyn-identifier-v1\0" + kind.encode() + b"\0" + token


class IdentifierReader(Protocol):
    """Reads sealed identifiers, to name them to a system. No look-up does. Safe from several threads."""

    def sealed(self, tokens: Sequence[bytes]) -> pa.Table:
        """`IDENTIFIER_SCHEMA`: what is there of the tokens, each once, in no order. Raises IndexUnavailable."""

    def sealing_keys(self) -> set[str]:
        """Names of the keys that anything is sealed under. Raises IndexUnavailable."""

"""The keys by which systems tell their records apart, and the keyed hash by which the index knows them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.records import RecordSchema
from schemas.tokens import Tokenizer

Hashes = npt.NDArray[np.uint64]
_BYTES = 8
_NO_KEY = frozenset(
    (
        "null",
        "none",
        "nil",
        "nan",
        "n/a",
        "n.a.",
        "na",
        "unknown",
        "undefined",
        "ukjent",
        "ingen",
        "tbd",
        "empty",
    )
)
_ZEROS = "0 -_./?#*x"
"""Of these alone a placeholder may be made, such as `-`, `000` or the UUID of zeros."""


def record_key_fields(record: RecordSchema) -> list[str]:
    """The fields that tell the records of a system apart, in schema order."""
    return [field.name for field in record.fields if field.record_key]


def tells_nothing(value: str) -> bool:
    """Whether a key says no more than that there is none: what registers write for it, or zeros and signs alone. Two
    such records are two, although they are written alike."""
    word = value.strip().casefold()
    return word in _NO_KEY or not word.strip(_ZEROS)


def hashed_values(tokenizer: Tokenizer, record: str, values: Sequence[str]) -> list[bytes]:
    """16 bytes for each value of one field of a record's key; `b""` for one that tells nothing apart."""
    return [
        b"" if tells_nothing(value) else tokenizer.key("record", f"{record}\0{value}") for value in values
    ]


def shortened(hashes: npt.NDArray[np.uint8]) -> Hashes:
    """As numbers what `hashed_values` gives, n × 16 bytes."""
    return np.ascontiguousarray(hashes[:, :_BYTES]).view(np.uint64).ravel()


def with_part(known: Hashes, part: Hashes) -> Hashes:
    """The hashes of keys with one field more. Of a key of two fields `(1, 2)` is not `(2, 1)`."""
    return known * np.uint64(31) + part


def record_hash(tokenizer: Tokenizer, record: str, key: Sequence[str]) -> int:
    """The hash of one record's key, a value for each of its fields in schema order; 0 where it tells nothing apart."""
    known = np.zeros(1, np.uint64)
    for hashed in hashed_values(tokenizer.alone(), record, key):
        if not hashed:
            return 0
        known = with_part(known, shortened(np.frombuffer(hashed, np.uint8).reshape(1, -1)))
    return int(known[0])

"""Which record of its system an event tells of: a keyed hash of its record key, so that records can be counted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.records import RecordSchema
from schemas.tokens import Tokenizer
from streams.columns.tokens import token_column
from streams.tagging.decode.columnar import Decoded

RecordKeys = npt.NDArray[np.uint64]
"""For each event; 0 where nothing tells which record it is."""
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
_NOT_ONE_VALUE = (pa.types.is_nested, pa.types.is_dictionary)


def record_key_fields(record: RecordSchema) -> list[str]:
    """The fields that tell the records of a system apart, in schema order."""
    return [field.name for field in record.fields if field.record_key]


def record_keys(record: RecordSchema, decoded: Decoded, tokenizer: Tokenizer) -> RecordKeys | None:
    """The hashes of one record schema's events, None where it names no record key.

    Records of two schemas never share one. Where an event lacks a part of its key, has a placeholder
    there, or has several, nobody can tell.
    """
    columns = [decoded.columns[name] for name in record_key_fields(record)]
    if not columns or any(is_such(column.type) for column in columns for is_such in _NOT_ONE_VALUE):
        return None
    # Of no other key: rows that an older one made keep their hashes, and count as records of their own.
    hashed = partial(_hashed, tokenizer.alone(), record.name)
    parts = [token_column(column, hashed) for column in columns]
    present = np.logical_and.reduce([part.present & ~part.invalid for part in parts])
    known = np.zeros(len(present), np.uint64)
    for part in parts:
        hashes = np.ascontiguousarray(part.table[:, :_BYTES]).view(np.uint64).ravel()
        # Of a key of two fields `(1, 2)` is not `(2, 1)`.
        known = known * np.uint64(31) + (hashes[part.index] if len(hashes) else np.uint64(0))
    return np.where(present, known, np.uint64(0))


def tells_nothing(value: str) -> bool:
    """Whether a key says no more than that there is none: what registers write for it, or zeros and signs alone. Two
    such records are two, although they are written alike. Pure."""
    word = value.strip().casefold()
    return word in _NO_KEY or not word.strip(_ZEROS)


def _hashed(tokenizer: Tokenizer, name: str, values: Sequence[str]) -> list[bytes]:
    """`b""` for a value that tells nothing apart."""
    return [b"" if tells_nothing(value) else tokenizer.key("record", f"{name}\0{value}") for value in values]

"""Columns of identifiers become columns of tokens: each distinct value is hashed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas import moments
from schemas.counted import counted
from schemas.tokens import TOKEN_BYTES
from streams.columns.arrays import Flags, Ints

EARLIEST, LATEST = moments.EARLIEST, moments.LATEST
AHEAD = 3_600_000
"""Milliseconds that an event may be dated ahead of our clock, as Kafka lets messages by default
(`message.timestamp.after.max.ms`, KIP-937): clocks differ by seconds, and an hour off gives events to somebody else.
"""

TokenTable = npt.NDArray[np.uint8]
"""n × 16 bytes."""


@dataclass(frozen=True)
class Coordinates:
    """Where the bodies given to the decoder came from: one partition and offset for each."""

    partition: npt.NDArray[np.int32]
    offset: Ints


@dataclass(frozen=True)
class TokenColumn:
    """Tokens of one field: row i has `table[index[i]]` where `present`, and nobody where not.

    `distinct` are the values behind the table. `invalid`: a value is there that is no identifier.
    """

    distinct: Sequence[str]
    table: TokenTable
    index: npt.NDArray[np.int32]
    present: Flags
    invalid: Flags

    def __repr__(self) -> str:
        return f"TokenColumn({counted(len(self.index), 'row')})"

    def at(self, rows: Ints) -> TokenTable:
        """Tokens of these rows, NOTHING where nobody is."""
        there = self.present[rows]
        if there.all():
            return self.table[self.index[rows]]
        found = np.zeros((len(rows), TOKEN_BYTES), np.uint8)
        found[there] = self.table[self.index[rows[there]]]
        return found


def token_column(values: pa.Array, tokens: Callable[[Sequence[str]], Sequence[bytes]]) -> TokenColumn:
    """Tokens of an Arrow column; `tokens` gives `b""` for what is no identifier."""
    if not pa.types.is_string(values.type):
        # Identifiers that the schema keeps as numbers (a customer number as long) are their decimal text.
        values = pa.array(
            [None if value is None else str(value) for value in values.to_pylist()], pa.string()
        )
    encoded = values.dictionary_encode()
    # By way of numpy: Arrow's own to_pylist makes a scalar object of every value first.
    distinct = encoded.dictionary.to_numpy(zero_copy_only=False).tolist()
    made = tokens(distinct)
    present = values.is_valid().to_numpy(zero_copy_only=False)
    index = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
    invalid = np.zeros(len(values), np.bool_)
    if b"" in made:
        invalid = present & np.array([not token for token in made], np.bool_)[index]
        made = [token or bytes(TOKEN_BYTES) for token in made]
    return TokenColumn(distinct, token_table(made), index, present, invalid)


def listed_tokens(
    values: pa.ListArray, tokens: Callable[[Sequence[str]], Sequence[bytes]]
) -> tuple[Ints, TokenColumn]:
    """Tokens of a column of lists, and the row that each is of. Who stands twice in one list is there once."""
    rows: Ints = pc.list_parent_indices(values).to_numpy().astype(np.int64)
    found = token_column(values.flatten(), tokens)
    order = np.lexsort((found.index, rows))
    again = np.diff(rows[order], prepend=-1) == 0
    again &= np.diff(found.index[order], prepend=-1) == 0
    once = np.sort(order[~again])
    kept = TokenColumn(
        found.distinct, found.table, found.index[once], found.present[once], found.invalid[once]
    )
    return rows[once], kept


def token_table(tokens: Sequence[bytes]) -> TokenTable:
    return np.frombuffer(b"".join(tokens), np.uint8).reshape(-1, TOKEN_BYTES)


def binary_array(values: npt.NDArray[Any]) -> pa.Array:
    """An n × width table of bytes as an Arrow column of fixed width."""
    count, width = values.shape
    return pa.Array.from_buffers(pa.binary(width), count, [None, pa.py_buffer(np.ascontiguousarray(values))])


def numbers(values: pa.Array, missing: int) -> Ints:
    """An integer column, with a number of its own where nothing is said."""
    found: Ints = values.fill_null(missing).to_numpy(zero_copy_only=False)
    return found


def coded(values: pa.Array, codes: Mapping[str, int]) -> Ints:
    """The code of each word of a column; 0 for a word without one, and where nothing is said."""
    encoded = values.dictionary_encode()
    table = np.array([0, *(codes.get(word, 0) for word in encoded.dictionary.to_pylist())], np.int64)
    return table[numbers(encoded.indices, -1) + 1]


def first_present(columns: Sequence[TokenColumn], rows: Ints) -> tuple[TokenTable, npt.NDArray[np.int64]]:
    """For each row the token of the first column that has one, and which column that is; NOTHING and -1 for none."""
    found = np.zeros((len(rows), TOKEN_BYTES), np.uint8)
    chosen = np.full(len(rows), -1, np.int64)
    for number, column in enumerate(columns):
        here = np.flatnonzero((chosen < 0) & column.present[rows])
        found[here] = column.at(rows[here])
        chosen[here] = number
    return found, chosen

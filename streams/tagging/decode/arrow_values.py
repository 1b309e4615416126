"""Where values lie in a buffer of Avro bodies becomes a column of them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from schemas.resolution import Type
from streams.columns.arrays import Bytes, Ints


def arrow_values(kept: str, kind: Type, data: Bytes, values: Ints, lengths: Ints) -> pa.Array:
    """Values of a type at these places of the buffer, or that are these numbers, as a column of a contract's type."""
    if kept == "integer":
        return pa.array(values, pa.int64())
    if kept == "boolean":
        return pa.array(values.astype(np.bool_))
    if kept == "number":
        every = values[:, None] + np.arange(8)
        return pa.array(np.ascontiguousarray(data[every]).view("<f8").ravel())
    if kind.kind == "enum":
        return pa.array(kind.symbols, pa.string()).take(pa.array(values))
    # The buffer as texts: each value, and after it what lies before the next. Arrow copies every second one.
    edges = np.zeros(2 * len(values), np.int64)
    edges[::2], edges[1::2] = values, values + lengths
    buffers = [None, pa.py_buffer(edges), pa.py_buffer(data)]
    everything = pa.Array.from_buffers(pa.large_string(), max(len(edges) - 1, 0), buffers)
    return everything.take(pa.array(np.arange(0, len(edges), 2))).cast(pa.string())

"""Whose events were, by what identity knows now: what a customer consented to holds for their cookie too."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sinks.ports.identity import PREFIX_SCHEMA
from streams.identity.identities import Identities

_MILLIS = pa.timestamp("ms")


def subjects(identities: Identities, tokens: pa.ChunkedArray, at: pa.ChunkedArray) -> list[bytes]:
    """For each token at each moment the subject that it led to then, the token itself where that is nobody, or several.

    Raises IndexUnavailable.
    """
    if not len(tokens):
        return []
    distinct = pc.unique(tokens).cast(pa.binary())
    plain = tokens.cast(pa.binary()).combine_chunks()
    which = np.asarray(pc.index_in(plain, value_set=distinct))
    times = np.asarray(at.cast(_MILLIS).cast(pa.int64()).combine_chunks())
    resolved, names = identities.resolve(
        distinct, PREFIX_SCHEMA.empty_table(), which, times, np.zeros(len(which), np.int64)
    )
    known = names.to_pylist()
    return [
        bytes(known[subject]) if subject >= 0 else bytes(token)
        for subject, token in zip(resolved.subject.tolist(), plain.to_pylist(), strict=True)
    ]

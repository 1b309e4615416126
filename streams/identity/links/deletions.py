"""When a source deleted what it had said of a slot: by the order in which it wrote, and only then by its clock.

A deletion is dated by the database, or by when its tombstone was written; rows are dated by themselves, which may be
earlier or later by any delay. So what is deleted and written anew in one moment would be over, and what was written a
moment before it was deleted would not. Kafka keeps the order of a record's messages within its partition.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from schemas.vocabulary import Mark
from streams.identity.links.table import FOREVER, Claims, Flags, Ints, dense, packed


def in_turn(claims: Claims, table: pa.Table) -> Claims:
    """Claims of states; those that empty a slot are later than what their partition said of it before, and no later
    than what it says of it next. `table`: what the claims were read from."""
    over = (claims.mark == Mark.CLOSE.code) & (claims.token < 0)
    if not over.any():
        return claims
    topics = table["topic"].cast(pa.string()).combine_chunks().dictionary_encode()
    topics = topics if isinstance(topics, pa.Array) else pa.concat_arrays(topics.chunks)
    rows = claims.row
    partition, offset = (np.asarray(table[name])[rows] for name in ("partition", "offset"))
    place = dense(claims.group, np.asarray(topics.indices)[rows], partition)
    order = np.lexsort((offset, place))
    earlier = _latest(place[order], claims.at[order], over[order])
    backwards = order[::-1]
    later = -_latest(place.max() - place[backwards], -claims.since[backwards], over[backwards])[::-1]
    turn = np.empty(len(claims), np.int64)
    turn[order] = np.minimum(np.maximum(claims.at[order], earlier + 1), later)
    return replace(claims, at=np.where(over, turn, claims.at), since=np.where(over, turn, claims.since))


def _latest(place: Ints, times: Ints, over: Flags) -> Ints:
    """Of each claim the latest time of those of its place up to it that empty nothing; far in the past if none.
    Sorted by place."""
    earliest = int(times.min())
    said = np.where(over, 0, times - earliest + 1)
    width = int(said.max()) + 1
    found = np.maximum.accumulate(packed(place, said, width)) % width
    return np.where(found > 0, found + earliest - 1, -FOREVER)

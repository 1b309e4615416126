"""When a source deleted what it had said of a slot: by the order in which it wrote, and only then by its clock.

A deletion is dated by the database, or by when its tombstone was written; rows are dated by themselves, which may be
earlier or later by any delay. So what is deleted and written anew in one moment would be over, and what was written a
moment before it was deleted would not. Kafka keeps the order of a record's messages within its partition.

A row may come back with a date from before: restored as it was, or a table loaded anew each night. It does not undo the
deletion, and holds from it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pyarrow as pa

from schemas.vocabulary import Mark
from streams.identity.links.table import FOREVER, Claims, dense


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
    chosen = np.flatnonzero(np.isin(place, place[over]))
    chosen = chosen[np.lexsort((offset[chosen], place[chosen]))]
    at, since = claims.at.copy(), claims.since.copy()
    for one in np.split(chosen, np.flatnonzero(np.diff(place[chosen])) + 1):
        at[one], since[one] = _turned(at[one].tolist(), since[one].tolist(), over[one].tolist())
    return replace(claims, at=at, since=since)


def _turned(at: list[int], since: list[int], over: Sequence[bool]) -> tuple[list[int], list[int]]:
    """`at` and `since` of what one partition says of one slot, in its order. `over`: what empties it."""
    said = [FOREVER if gone else moment for moment, gone in zip(since, over, strict=True)]
    following = list(accumulate(reversed(said), min))[::-1]
    latest = floor = newest = -FOREVER
    for this, gone in enumerate(over):
        if gone:
            turn = max(at[this], latest + 1)
            # What comes next and is dated before what was deleted cannot say when: the deletion keeps its own time.
            floor = min(turn, following[this]) if following[this] > latest else turn
            at[this] = since[this] = lifted = floor
            newest = -FOREVER
            continue
        own = at[this]
        if own < floor and own >= newest:
            if own > newest:
                # A moment of its own for each, so that of several the newest holds alone.
                lifted, floor = floor, floor + 1
            at[this], since[this] = max(own, lifted), max(since[this], lifted)
        newest, latest = max(newest, own), max(latest, at[this])
    return at, since

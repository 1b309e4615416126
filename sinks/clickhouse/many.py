"""Many questions in one statement: which of them go together, and how each gets its own tag sets."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from sinks.clickhouse.values import Parameters, blob
from sinks.ports.lineage import Span

_PAIR = struct.Struct("<IQ")
_WANTED = struct.Struct("<IQI")
# What is said of so many spans fits into the address line of a server, which takes a mebibyte.
_SPANS_AT_ONCE = 4_000
# The embedded engine has none; each statement reads, or writes anew, much the same whatever it is asked of.
_SPANS_EMBEDDED = 40_000


def alike(said: Sequence[object]) -> list[list[int]]:
    """The places of those that say the same, in order of the first of each."""
    known: list[tuple[object, list[int]]] = []
    for place, item in enumerate(said):
        places = next((places for other, places in known if other == item), None)
        if places is None:
            known.append((item, [place]))
        else:
            places.append(place)
    return [places for _, places in known]


def at_once(places: Sequence[int], spans: Sequence[Sequence[Span]], *, embedded: bool) -> Iterator[list[int]]:
    """The places in portions, each with so few spans that they fit into one statement; one place may have more."""
    most = _SPANS_EMBEDDED if embedded else _SPANS_AT_ONCE
    some, many = list[int](), 0
    for place, said in zip(places, spans, strict=True):
        if some and many + len(said) > most:
            yield some
            some, many = [], 0
        some.append(place)
        many += len(said)
    if some:
        yield some


def of_each(tag_sets: Sequence[Sequence[int]], parameters: Parameters, name: str = "each") -> str:
    """SQL for a row of `matching` whose tag set is among those of its question; adds the parameters, named so."""
    if len(tag_sets) == 1:
        parameters[name] = list(tag_sets[0])
        return f"tag_set IN {{{name}:Array(UInt64)}}"
    data = b"".join(_PAIR.pack(number, item) for number, each in enumerate(tag_sets) for item in each)
    pairs = (
        f"SELECT reinterpretAsUInt32(substring(joined, place + 1, 4)),"
        f" reinterpretAsUInt64(substring(joined, place + 5, 8))"
        f" FROM (SELECT arrayJoin(range(0, {len(data)}, {_PAIR.size})) AS place)"
    )
    return f"(asked, tag_set) IN (WITH {blob(parameters, name, data)} AS joined {pairs})"


def questions_of(wanted: Sequence[tuple[int, Sequence[int]]], parameters: Parameters) -> str:
    """SQL for `asked`, `tag_set` and `question`, of each of the questions: of whose rows of `matching` it is, and
    which tag sets it wants; adds the parameters."""
    data = b"".join(
        _WANTED.pack(asked, tag_set, question)
        for question, (asked, tag_sets) in enumerate(wanted)
        for tag_set in tag_sets
    )
    return (
        f"WITH {blob(parameters, 'wanted', data)} AS joined SELECT"
        " reinterpretAsUInt32(substring(joined, place + 1, 4)) AS asked,"
        " reinterpretAsUInt64(substring(joined, place + 5, 8)) AS tag_set,"
        " reinterpretAsUInt32(substring(joined, place + 13, 4)) AS question"
        f" FROM (SELECT arrayJoin(range(0, {len(data)}, {_WANTED.size})) AS place)"
    )


def parted(rows: pa.Table, column: str, keys: Sequence[Sequence[bytes]]) -> list[pa.Table]:
    """For each question the rows that have one of its keys in the column."""
    if len(keys) == 1 or not rows.num_rows:
        return [rows] * len(keys)
    # In one piece: rows of many pieces are taken in time that grows with the pieces, for each question anew.
    whole = rows.unify_dictionaries().combine_chunks()
    encoded = whole[column].combine_chunks().dictionary_encode()
    codes = np.asarray(encoded.indices)
    known = {key: code for code, key in enumerate(encoded.dictionary.to_pylist())}
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(known)))
    taken, counts = [], []
    for wanted in keys:
        mine = [known[key] for key in dict.fromkeys(wanted) if key in known]
        some = [order[ends[code - 1] if code else 0 : ends[code]] for code in mine]
        counts.append(sum(map(len, some)))
        taken += some
    # All of them at once, and each question's as a part of that, without a copy.
    found = whole.take(pa.array(np.concatenate(taken) if taken else order[:0]))
    starts = np.cumsum([0, *counts])
    return [found.slice(start, count) for start, count in zip(starts.tolist(), counts, strict=False)]

"""Claims and links as columns: numpy arrays in step, tokens as small numbers with one list of their bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.entries import IdentitySource
from schemas.errors import InputError
from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Proof
from sinks.ports.identity import NOTHING, RANKS, Rank

# Of the width they were read in: times are 64 bits, marks and lengths 8.
Ints = npt.NDArray[np.integer[Any]]
Flags = npt.NDArray[np.bool_]

# Milliseconds; far outside of every event time, and safe to add to.
BEGINNING, FOREVER = -(2**60), 2**60
UNKNOWN = -1
"""Stands for a subject whose chain could not be followed to its end."""

# How well each rank names somebody, best first, by its code.
_ORDER = np.argsort([0, *RANKS])


@dataclass(frozen=True)
class _Columns:
    """Arrays in step, beside the list of tokens that some of them number."""

    names: pa.Array

    def where(self, chosen: Flags | Ints) -> Self:
        """Those chosen by a mask or by positions, in that order."""
        if chosen.dtype == np.bool_ and chosen.all():
            return self
        arrays = {
            item.name: getattr(self, item.name)[chosen] for item in fields(self) if item.name != "names"
        }
        return replace(self, **arrays)


@dataclass(frozen=True)
class Claims(_Columns):
    """Claims, one array element each. `token`, `subject`: numbers into `names`; -1 for none.

    `group`, `line`, `server`: numbers of their own, -1 for none. `since`: the event's own time where unknown;
    `has_since` tells. `until`: FOREVER where nothing is said. `rank`: how well the subject is named, least is best.
    Times in milliseconds.
    """

    form: Ints
    mark: Ints
    token: Ints
    length: Ints
    port_from: Ints
    port_to: Ints
    subject: Ints
    group: Ints
    line: Ints
    server: Ints
    at: Ints
    since: Ints
    has_since: Flags
    until: Ints
    proof: Ints
    rank: Ints
    source: Ints
    row: Ints
    learnt_at: Ints

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True)
class Links(_Columns):
    """Links, one array element each: `token` (behind a port of the range) was `subject`'s in [since, until).

    `row` is the claim (its position in the table read) that the link rests on last. The true begin lies between
    `begin` and `begun`, the end between `earliest` and `latest`. The rest: `model.Link`.
    """

    token: Ints
    subject: Ints
    since: Ints
    until: Ints
    port_from: Ints
    port_to: Ints
    length: Ints
    proof: Ints
    source: Ints
    begin: Ints
    begun: Ints
    end: Ints
    earliest: Ints
    latest: Ints
    learnt_at: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.token)

    @cached_property
    def codes(self) -> Mapping[bytes, int]:
        """The number of each token."""
        return {name: code for code, name in enumerate(self.names.to_pylist())}

    def name(self, code: int) -> bytes:
        """The token of a number."""
        return bytes(self.names[code].as_py())


def no_links(names: pa.Array) -> Links:
    """None at all."""
    columns = {item.name: np.zeros(0, np.int64) for item in fields(Links) if item.name != "names"}
    return Links(names=names, **columns)


def joined_links(parts: Sequence[Links]) -> Links:
    """Links that number the same names, one after the other."""
    columns = [item.name for item in fields(Links) if item.name != "names"]
    return replace(
        parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    )


def read_claims(table: pa.Table, sources: Sequence[str]) -> Claims:
    """A table of `KNOWN_CLAIM_SCHEMA` as arrays; `sources` gives each source its number."""
    table = table.combine_chunks()
    people, names = _numbers(table["token"], table["subject"])
    own = {name: _numbers(table[name])[0][0] for name in ("group", "line", "server")}
    at = _times(table["at"], None)
    known = ~np.asarray(table["since"].is_null())
    order = {name: number for number, name in enumerate(sources)}
    # Encoded anew: the index gives a dictionary with entries that no row has.
    encoded = _whole(table["source"]).cast(pa.string()).dictionary_encode()
    said = encoded.dictionary.to_pylist()
    if unknown := [name for name in said if name not in order]:
        raise InputError(f"claims name the source {unknown[0]}, which sources.yaml lacks; put it back")
    numbers = np.array([order[name] for name in said] or [0], np.int64)
    plain = {
        name: np.asarray(_whole(table[name]))
        for name in ("form", "mark", "length", "port_from", "port_to", "proof", "rank")
    }
    # Rows from before the rank was kept: of the lines alone it is known.
    unranked = np.where(plain["proof"] == Proof.LINE_OWNER.code, Rank.LINE, Rank.USERNAME)
    plain["rank"] = _ORDER[np.where(plain["rank"] == 0, unranked, plain["rank"])]
    return Claims(
        names=names,
        token=people[0],
        subject=people[1],
        **own,
        **plain,
        at=at,
        # A session that begins after its own report is a clock's fault: it began with the report.
        since=np.minimum(np.where(known, _times(table["since"], 0), at), at),
        has_since=known,
        until=_times(table["until"], FOREVER),
        source=numbers[np.asarray(encoded.indices)],
        row=np.arange(len(at)),
        learnt_at=_times(table["learnt_at"], None),
    )


def per_source(sources: Sequence[IdentitySource], name: str, none: int = FOREVER) -> Ints:
    """A habit of each source in milliseconds, `none` where the catalogue says null."""
    values = (getattr(source, name) for source in sources)
    return np.array([none if value is None else value * 1000 for value in values], np.int64)


def first_from(keys: Ints, times: Ints, asked_keys: Ints, asked_times: Ints) -> Ints:
    """For each key and time asked, the earliest of the times of that key that is not before it; FOREVER if none."""
    if not len(keys):
        return np.full(len(asked_keys), FOREVER)
    earliest, latest = int(times.min()), int(times.max())
    width = latest - earliest + 2
    placed = np.sort(packed(keys, times - earliest, width))
    asked = packed(asked_keys, np.clip(asked_times, earliest, latest + 1) - earliest, width)
    found = placed[np.minimum(np.searchsorted(placed, asked), len(placed) - 1)]
    fits = (found >= asked) & (found // width == asked_keys)
    return np.where(fits, found % width + earliest, FOREVER)


def packed(keys: Ints, values: Ints, width: int) -> Ints:
    """Key and value (below `width`) in one number, which sorts by key first."""
    highest = int(keys.max()) if len(keys) else 0
    # A hundred years of milliseconds leave room for two million keys.
    assert (highest + 1) * width < 2**63, "more tokens at once than one number can tell apart"
    return keys.astype(np.int64) * width + values


def each_of(counts: Ints) -> tuple[Ints, Ints]:
    """Each position as often as its count says, and beside it 0, 1, 2 ... for every position anew."""
    of = np.repeat(np.arange(len(counts)), counts)
    return of, np.arange(len(of)) - np.repeat(np.cumsum(counts) - counts, counts)


def dense(*columns: Ints) -> Ints:
    """One number for each distinct combination of the columns."""
    numbers: Ints = columns[0].astype(np.int64)
    for column in columns[1:]:
        low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
        if low < high:
            numbers = packed(np.unique(numbers, return_inverse=True)[1], column - low, high - low + 1)
    return np.unique(numbers, return_inverse=True)[1]


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    joined = column.combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)


def _numbers(*columns: pa.ChunkedArray) -> tuple[list[Ints], pa.Array]:
    """Each column as numbers into one list of distinct tokens; NOTHING is -1."""
    count = len(columns[0])
    encoded = pa.concat_arrays([_whole(column) for column in columns]).dictionary_encode()
    names = encoded.dictionary
    codes = np.asarray(encoded.indices)
    nothing = names.index(pa.scalar(NOTHING, pa.binary(TOKEN_BYTES))).as_py()
    if nothing >= 0:
        codes = np.where(codes == nothing, UNKNOWN, codes)
    return [codes[number * count : (number + 1) * count] for number in range(len(columns))], names


def _times(column: pa.ChunkedArray, missing: int | None) -> Ints:
    numbers = column.cast(pa.timestamp("ms")).cast(pa.int64())
    if missing is not None:
        numbers = numbers.fill_null(missing)
    return np.asarray(numbers, dtype=np.int64)

"""Claims are gathered in chunks of numpy columns and become Arrow tables of `sinks.ports.identity.CLAIM_SCHEMA`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.vocabulary import Mark, Proof
from sinks.ports.identity import (
    ALL_PORTS,
    CLAIM_KEYS,
    CLAIM_SCHEMA,
    NOTHING,
    Claims,
    OpenClaims,
    Rank,
    RetainedClaims,
)
from streams.columns.arrays import Flags, Ints
from streams.columns.tokens import Coordinates, TokenTable, binary_array

UNKNOWN_TIME = np.iinfo(np.int64).min
"""Stands for a time that nobody said; numpy and Arrow read it as none."""

_NUMBERS = {
    "length": np.uint8,
    "port_from": np.uint16,
    "port_to": np.uint16,
    "part": np.uint8,
    "rank": np.uint8,
}
_CODES = {"form": np.int8, "mark": np.int8, "proof": np.int8}
_TIMES = ("at", "since", "until")


class Chunks:
    """Claims of the events of one topic, rule by rule."""

    def __init__(self, topic: str, times: Ints, at: Coordinates) -> None:
        """`times` and `at`: event time (ms) and coordinates of each decoded row."""
        self._topic = topic
        self._times = times
        self._at = at
        self._rows: list[Ints] = []
        self._columns: dict[str, list[npt.NDArray[Any]]] = {}
        self._sources: dict[str, int] = {}

    def source(self, name: str) -> int:
        """The code under which a source stands in the `source` column."""
        return self._sources.setdefault(name, len(self._sources))

    def add(self, rows: Ints, *, form: int, part: int | Ints, source: int | Ints, **said: Any) -> None:
        """One claim for each of these rows. What is not said has its neutral value; see `CLAIM_SCHEMA`."""
        if not len(rows):
            return
        self._rows.append(rows)
        neutral: Mapping[str, Any] = {
            **dict.fromkeys(CLAIM_KEYS, np.frombuffer(NOTHING, np.uint8)),
            **dict.fromkeys(("since", "until"), UNKNOWN_TIME),
            "mark": Mark.OPEN.code,
            "proof": Proof.HOLDER.code,
            "rank": Rank.USERNAME,
            "length": 0,
            "port_from": ALL_PORTS[0],
            "port_to": ALL_PORTS[1],
        }
        values = {**neutral, "at": self._times[rows], **said, "form": form, "part": part, "source": source}
        for name, value in values.items():
            width = (len(NOTHING),) if name in CLAIM_KEYS else ()
            kind = (_NUMBERS | _CODES).get(name, np.uint8 if width else np.int64)
            column = np.broadcast_to(np.asarray(value, kind), (len(rows), *width))
            self._columns.setdefault(name, []).append(column)

    def claims(self, retained: Flags | None) -> Claims:
        """The claims; `retained`: of which decoded rows they are for the police alone."""
        if not self._rows:
            return Claims()
        rows = np.concatenate(self._rows)
        joined = {name: np.concatenate(chunks) for name, chunks in self._columns.items()}
        columns: dict[str, pa.Array] = {name: binary_array(joined[name]) for name in CLAIM_KEYS}
        columns |= {name: pa.array(joined[name].astype("datetime64[ms]")) for name in _TIMES}
        columns |= {name: pa.array(joined[name]) for name in (*_NUMBERS, *_CODES)}
        columns["source"] = _dictionary(joined["source"], list(self._sources))
        columns["topic"] = _dictionary(np.zeros(len(rows)), [self._topic])
        columns["partition"] = pa.array(self._at.partition[rows])
        columns["offset"] = pa.array(self._at.offset[rows])
        arrays = [columns[name] for name in CLAIM_SCHEMA.names]
        table = pa.Table.from_arrays(arrays, schema=CLAIM_SCHEMA)
        if retained is None or not retained.any():
            return Claims(open=OpenClaims(table))
        locked = retained[rows]
        return Claims(
            open=OpenClaims(table.filter(pa.array(~locked))),
            retained=RetainedClaims(table.filter(pa.array(locked))),
        )


def _dictionary(codes: npt.NDArray[Any], names: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))


def stacked(*tokens: TokenTable) -> pa.Array:
    """Tokens of several columns side by side, one value for each row."""
    return binary_array(np.concatenate(tokens, axis=1))

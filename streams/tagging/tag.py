"""Decoded columns become lineage rows: one row per event and subject reference.

Pure but for the token caches. `Tagger.tag` looks at one topic and one writer schema at a time; the worker adds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.records import RecordSchema, SubjectReference
from schemas.tags import TagSet, tag_set
from schemas.tokens import TOKEN_BYTES, IdentifierKind, Role, TokenCache, Tokenizer
from sinks.ports import ROLE_CODES
from streams.tagging.decode import Decoded, Ints

# 1990-01-01 to 2100-01-01 UTC in milliseconds: a time outside is an upstream fault, not an event of ours.
EARLIEST, LATEST = 631_152_000_000, 4_102_444_800_000


@dataclass(frozen=True)
class Coordinates:
    """Where the bodies given to the decoder came from: one partition and offset for each."""

    partition: npt.NDArray[np.int32]
    offset: Ints


@dataclass(frozen=True)
class Tagged:
    """Lineage rows of one topic and schema (columns of `sinks.ports.ROW_COLUMNS` without the topic).

    `bad` maps positions among the bodies to a reason; `subjects` counts the rows of each body.
    """

    rows: Mapping[str, list[Any]]
    tag_sets: tuple[TagSet, ...]
    subjects: Ints
    bad: Mapping[int, str] = field(default_factory=dict)


class Tagger:
    """Tags under one key and one catalogue version."""

    def __init__(self, tokenizer: Tokenizer, catalogue_version: str) -> None:
        self._key_id = tokenizer.key_id
        self._catalogue_version = catalogue_version
        self._caches = {kind: TokenCache(tokenizer, kind) for kind in IdentifierKind}

    def wanted(self, record: RecordSchema) -> list[str]:
        """Names of the fields that tagging needs of a record."""
        ports = [reference.port_field for reference in record.identifiers if reference.port_field]
        return [record.event_time, *(reference.field for reference in record.identifiers), *ports]

    def tag(self, record: RecordSchema, topic: str, decoded: Decoded, at: Coordinates) -> Tagged:
        """Rows of the decoded events. An event whose identifier or time cannot be one is bad as a whole."""
        times = decoded.columns[record.event_time].to_numpy(zero_copy_only=False)
        tokens = {
            reference.field: self._tokens(decoded.columns[reference.field], IdentifierKind(reference.kind))
            for reference in record.identifiers
        }
        in_time = (times >= EARLIEST) & (times < LATEST)
        valid = in_time.copy()
        for found in tokens.values():
            valid &= ~found.invalid
        bad = dict(decoded.bad)
        for position in np.flatnonzero(~valid):
            reason = "invalid_identifier" if in_time[position] else "time_out_of_range"
            bad[int(decoded.rows[position])] = reason

        builder = _Rows(times, at, decoded.rows)
        sets: list[TagSet] = []
        subjects = np.zeros(len(at.offset), np.int64)
        for reference in record.identifiers:
            found = tokens[reference.field]
            chosen = np.flatnonzero(found.present & valid)
            if not len(chosen):
                continue
            subjects[decoded.rows[chosen]] += 1
            tags = tag_set(
                record,
                topic,
                reference.role,
                catalogue_version=self._catalogue_version,
                key_id=self._key_id,
            )
            if tags not in sets:
                sets.append(tags)
            builder.add(chosen, found, tags, Role(reference.role), _ports(decoded, reference))
        return Tagged(builder.columns, tuple(sets), subjects, bad)

    def _tokens(self, values: pa.Array, kind: IdentifierKind) -> _Tokens:
        if not pa.types.is_string(values.type):
            # Identifiers that the schema keeps as numbers (a customer number as long) are their decimal text.
            values = pa.array(
                [None if value is None else str(value) for value in values.to_pylist()], pa.string()
            )
        encoded = values.dictionary_encode()
        # By way of numpy: Arrow's own to_pylist makes a scalar object of every value first.
        distinct = self._caches[kind].tokens(encoded.dictionary.to_numpy(zero_copy_only=False).tolist())
        present = values.is_valid().to_numpy(zero_copy_only=False)
        index = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False)
        invalid = np.zeros(len(values), np.bool_)
        if b"" in distinct:
            invalid = present & np.array([not token for token in distinct], np.bool_)[index]
            distinct = [token or bytes(TOKEN_BYTES) for token in distinct]
        table = np.frombuffer(b"".join(distinct), np.uint8)
        return _Tokens(table.reshape(-1, TOKEN_BYTES), index, present, invalid)


@dataclass(frozen=True)
class _Tokens:
    """Tokens of one field: row i has `table[index[i]]` where `present`, and nobody where not."""

    table: npt.NDArray[np.uint8]
    index: npt.NDArray[np.int32]
    present: npt.NDArray[np.bool_]
    invalid: npt.NDArray[np.bool_]


class _Rows:
    """Collects columns of rows, a chunk for each subject reference."""

    def __init__(self, times: Ints, at: Coordinates, rows: Ints) -> None:
        self._times = times
        self._partition = at.partition[rows]
        self._offset = at.offset[rows]
        self.columns: dict[str, list[Any]] = {
            name: [] for name in ("token", "partition", "offset", "role", "tag_set", "event_time", "port")
        }

    def add(
        self, chosen: npt.NDArray[np.intp], found: _Tokens, tags: TagSet, role: Role, ports: Ints | None
    ) -> None:
        count = len(chosen)
        self.columns["token"].append(found.table[found.index[chosen]])
        self.columns["partition"].append(self._partition[chosen])
        self.columns["offset"].append(self._offset[chosen])
        self.columns["role"].append(np.full(count, ROLE_CODES[role], np.int8))
        self.columns["tag_set"].append(np.full(count, tags.id, np.uint64))
        self.columns["event_time"].append(self._times[chosen])
        self.columns["port"].append(
            np.zeros(count, np.uint16) if ports is None else ports[chosen].astype(np.uint16)
        )


def _ports(decoded: Decoded, reference: SubjectReference) -> Ints | None:
    """Source ports, 0 where unknown or impossible."""
    if reference.port_field is None:
        return None
    ports: Ints = decoded.columns[reference.port_field].fill_null(0).to_numpy(zero_copy_only=False)
    return np.where((ports > 0) & (ports < 65_536), ports, 0)

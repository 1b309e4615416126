"""Which record of its system an event tells of: a keyed hash of its record key, so that records can be counted; and of
events that name nobody but by a place or a device the key itself, sealed, so that the record can be named."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.record_keys import hashed_values, record_key_fields, shortened, with_part
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKinds, Tokenizer
from schemas.vocabulary import Role
from sinks.ports.record_keys import RECORD_KEY_SCHEMA, bound_to
from streams.columns.arrays import Flags
from streams.columns.tokens import Coordinates, token_column
from streams.tagging.decode.columnar import Decoded
from streams.tagging.sealing import IdentifierSeals

RecordKeys = npt.NDArray[np.uint64]
"""For each event; 0 where nothing tells which record it is."""
_NOT_ONE_VALUE = (pa.types.is_nested, pa.types.is_dictionary)


def record_keys(record: RecordSchema, decoded: Decoded, tokenizer: Tokenizer) -> RecordKeys | None:
    """The hashes of one record schema's events, None where it names no record key.

    Records of two schemas never share one. Where an event lacks a part of its key, has a placeholder
    there, or has several, nobody can tell.
    """
    columns = [decoded.columns[name] for name in record_key_fields(record)]
    if not columns or any(is_such(column.type) for column in columns for is_such in _NOT_ONE_VALUE):
        return None
    # Of no other key: rows that an older one made keep their hashes, and count as records of their own.
    hashed = partial(hashed_values, tokenizer.alone(), record.name)
    parts = [token_column(column, hashed) for column in columns]
    present = np.logical_and.reduce([part.present & ~part.invalid for part in parts])
    known = np.zeros(len(present), np.uint64)
    for part in parts:
        hashes = shortened(part.table)
        known = with_part(known, hashes[part.index] if len(hashes) else np.zeros(1, np.uint64))
    return np.where(present, known, np.uint64(0))


def told_by_key(record: RecordSchema) -> str | None:
    """The field by which a system can be told one of its records. None: the contract names none, or several, or one
    that is an identifier, which is told as that."""
    fields = [field for field in record.fields if field.record_key]
    return fields[0].name if len(fields) == 1 and fields[0].identifier is None else None


class RecordKeySealing:
    """Seals the keys of records that name nobody but by a place or a device. Without `seals` nothing is kept."""

    def __init__(self, kinds: IdentifierKinds, seals: IdentifierSeals | None) -> None:
        self._kinds = kinds
        self._seals = seals

    def of(
        self,
        record: RecordSchema,
        topic: str,
        decoded: Decoded,
        keys: RecordKeys | None,
        good: Flags,
        at: Coordinates,
    ) -> pa.Table:
        """`RECORD_KEY_SCHEMA`, of the good events whose record `keys` tell. Raises KeyUnavailable."""
        field = told_by_key(record)
        if self._seals is None or field is None or keys is None:
            return RECORD_KEY_SCHEMA.empty_table()
        rows = np.flatnonzero(good & (keys != 0) & self._by_place_alone(record, decoded))
        if not len(rows):
            return RECORD_KEY_SCHEMA.empty_table()
        name, seal = self._seals.sealer()
        texts = [str(value) for value in decoded.columns[field].take(pa.array(rows)).to_pylist()]
        places = zip(at.partition[rows].tolist(), at.offset[rows].tolist(), texts, strict=True)
        sealed = [
            seal(text.encode(), bound_to(topic, partition, offset, record.name, field))
            for partition, offset, text in places
        ]
        columns = [
            pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int32), pa.array([topic])),
            at.partition[rows],
            at.offset[rows],
            *(pa.repeat(pa.scalar(text), len(rows)) for text in (record.name, field, name)),
            pa.array(sealed, pa.binary()),
        ]
        return pa.table(columns, RECORD_KEY_SCHEMA)

    def _by_place_alone(self, record: RecordSchema, decoded: Decoded) -> Flags:
        """Which events name their owner by a place or a device, and by nothing that is of a person.

        Others a system finds by what stands in them, or they are whoever's is named there.
        """
        places, persons = np.zeros((2, len(decoded.rows)), np.bool_)
        for item in record.identifiers:
            if item.role == Role.OWNER:
                among = persons if self._kinds[item.kind].names == "person" else places
                among |= _there(decoded.columns[item.field])
        return places & ~persons


def _there(column: pa.Array) -> Flags:
    """Where a column has a value; of a list, any."""
    if pa.types.is_list(column.type):
        column = pc.greater(pc.list_value_length(column), 0)
        return np.asarray(pc.fill_null(column, fill_value=False))
    return np.asarray(column.is_valid())

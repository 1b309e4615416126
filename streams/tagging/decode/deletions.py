"""What the source deleted. Where nothing of the record itself is left to say whose it was, the key of the message may.

A deletion that names nobody is no row that anybody finds, so it is a dead letter: `UNNAMED`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contract_file import MessageKey
from schemas.contracts import Contract
from streams.columns.arrays import Flags
from streams.columns.lines import Lines
from streams.kafka.batches import Key
from streams.tagging.decode.child import at
from streams.tagging.decode.columnar import Decoded

UNNAMED = "unnamed_deletion"
"""Reason of a deletion that names nobody: neither by what was before, nor by its key."""


def tell_alone(contract: Contract) -> bool:
    """Whether a tombstone is all that is said of a deletion. Of Debezium, whose change was there before it, it is the
    contract that says so, by reading the key."""
    return contract.message_key is not None or not contract.debezium


def deleted_rows(contract: Contract, wanted: Sequence[str], keys: Sequence[Key | None]) -> Decoded:
    """The rows of tombstones: nothing but the identifier in the key, and when it was written."""
    said = contract.message_key
    named = [None if key is None or said is None else _named(key.key, said) for key in keys]
    rows = [row for row, value in enumerate(named) if value is not None]
    columns: dict[str, pa.Array] = {name: pa.nulls(len(rows), _kind(contract, name)) for name in wanted}
    if said is not None:
        columns[said.field] = pa.array([named[row] for row in rows], pa.string())
    columns[contract.record.event_time] = pa.array([key.at for row in rows if (key := keys[row])], pa.int64())
    bad = {row: UNNAMED for row, value in enumerate(named) if value is None}
    gone = np.ones(len(rows), np.bool_)
    outside = {"": Lines(np.arange(len(rows)), columns, gone)}
    return Decoded(np.array(rows, np.int64), columns, bad, deleted=gone, lines=outside)


def named_by_key(
    said: MessageKey | None,
    columns: Mapping[str, pa.Array],
    deleted: Flags,
    people: Sequence[str],
    key: Callable[[int], bytes | None],
) -> tuple[dict[str, pa.Array], Flags]:
    """The columns with whom the keys name of those `deleted` rows that name nobody, and which rows still do not.

    `people`: columns of identifiers. `key`: that of the message of a row.
    """
    nobody = deleted.copy()
    for name in people:
        nobody &= ~_there(columns[name])
    if said is None or not nobody.any():
        return dict(columns), nobody
    values = columns[said.field].to_pylist()
    several = pa.types.is_list(columns[said.field].type)
    for row in np.flatnonzero(nobody).tolist():
        found = _named(key(row) or b"", said)
        if found is not None:
            values[row] = [found] if several else found
            nobody[row] = False
    return {**columns, said.field: pa.array(values, columns[said.field].type)}, nobody


def _there(column: pa.Array) -> Flags:
    """Which rows have a value, or of lists at least one."""
    there = (
        pc.greater(pc.list_value_length(column), 0) if pa.types.is_list(column.type) else column.is_valid()
    )
    found: Flags = there.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def _kind(contract: Contract, name: str) -> pa.DataType:
    field = contract.record.find(name)
    assert field is not None
    return pa.string() if field.identifier or field.free_text else pa.int64()


def _named(key: bytes, said: MessageKey) -> str | None:
    """The identifier in a key: the whole of it, or a field of a JSON object. None where there is none."""
    try:
        text = key.decode()
        # Kafka Connect's JSON converter writes a key that is a text with quotes around it.
        if not said.path and not text.startswith(("{", "[", '"')):
            return text or None
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and "schema" in value and "payload" in value:
        value = value["payload"]
    found = at(value, said.path) if said.path else value
    if isinstance(found, bool) or not isinstance(found, str | int):
        return None
    return str(found) or None

"""Tombstones: a message without a value says that the record under its key is gone. The key says whose it was."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.contract_file import MessageKey
from schemas.contracts import Contract
from streams.kafka.batches import Tombstone
from streams.tagging.decode.child import at
from streams.tagging.decode.columnar import Decoded


def deleted_rows(contract: Contract, wanted: Sequence[str], tombstones: Sequence[Tombstone]) -> Decoded:
    """The rows of tombstones whose key names somebody: nothing but the identifier, and when it was written."""
    said = contract.message_key
    named = [None if said is None else _named(item.key, said) for item in tombstones]
    rows = [row for row, value in enumerate(named) if value is not None]
    columns: dict[str, pa.Array] = {name: pa.nulls(len(rows), _kind(contract, name)) for name in wanted}
    if said is not None:
        columns[said.field] = pa.array([named[row] for row in rows], pa.string())
    columns[contract.record.event_time] = pa.array([tombstones[row].at for row in rows], pa.int64())
    return Decoded(np.array(rows, np.int64), columns, deleted=np.ones(len(rows), np.bool_))


def _kind(contract: Contract, name: str) -> pa.DataType:
    field = contract.record.find(name)
    assert field is not None
    return pa.string() if field.identifier or field.free_text else pa.int64()


def _named(key: bytes, said: MessageKey) -> str | None:
    """The identifier in a key: the whole of it, or a field of a JSON object. None where there is none."""
    try:
        text = key.decode()
        if not said.path:
            return text or None
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(value, dict) and "schema" in value and isinstance(value.get("payload"), dict):
        value = value["payload"]
    found = at(value, said.path)
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None

"""What is written of a batch beside its tags: rows as a table, dead letters, and an account of every offset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from sinks.ports.dead_letters import DeadRow
from sinks.ports.lineage import ROW_SCHEMA
from sinks.ports.offsets import OffsetRange
from streams.columns.tokens import binary_array
from streams.kafka.batches import Partition, TopicBatch
from streams.kafka.dead_letters import DeadMessage
from streams.tagging.tag import Tagged


def row_table(topic: str, parts: Sequence[Tagged]) -> pa.Table:
    """Rows of one topic as an Arrow table of ROW_SCHEMA."""
    joined = {
        name: np.concatenate([chunk for part in parts for chunk in part.rows[name]])
        for name in (parts[0].rows if parts else ())
        if any(part.rows[name] for part in parts)
    }
    if not joined:
        return ROW_SCHEMA.empty_table()
    count = len(joined["offset"])
    columns = {
        **{name: binary_array(joined[name]) for name in ("token", "customer")},
        "topic": pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([topic])),
    }
    columns |= {
        name: pa.array(joined[name]) for name in ("partition", "offset", "role", "tag_set", "port", "record")
    }
    columns["event_time"] = pa.array(joined["event_time"].astype("datetime64[ms]"))
    return pa.Table.from_arrays([columns[name] for name in ROW_SCHEMA.names], schema=ROW_SCHEMA)


def dead_message(
    batch: TopicBatch, position: int, reason: str, schema_key: str, now: datetime
) -> DeadMessage:
    payload = batch.values[position] or b""
    row = DeadRow(
        batch.topic,
        int(batch.partition[position]),
        int(batch.offset[position]),
        reason,
        schema_key,
        len(payload),
        now,
    )
    return DeadMessage(row, payload)


def ranges_of(
    batch: TopicBatch,
    epochs: Mapping[Partition, int],
    events: np.ndarray[Any, Any],
    subjects: np.ndarray[Any, Any],
    bad: set[int],
    tombstones: int,
) -> list[OffsetRange]:
    """One range for each partition of the batch, adding up to all its messages."""
    is_bad = np.zeros(len(batch.values), np.bool_)
    is_bad[list(bad)] = True
    empty = (
        np.array([value is None for value in batch.values])
        if tombstones
        else np.zeros(len(batch.values), np.bool_)
    )
    ranges = []
    for number in np.unique(batch.partition):
        mine = batch.partition == number
        offsets = batch.offset[mine]
        ranges.append(
            OffsetRange(
                batch.topic,
                int(number),
                int(offsets.min()),
                int(offsets.max()),
                epochs[batch.topic, int(number)],
                events=int(events[mine].sum()),
                rows=int(subjects[mine].sum()),
                dead=int(is_bad[mine].sum()),
                no_subject=int((events[mine] & (subjects[mine] == 0)).sum()),
                tombstones=int((empty[mine] & ~is_bad[mine]).sum()),
            )
        )
    return ranges

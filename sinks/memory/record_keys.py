"""Sealed record keys, in plain Python."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from schemas.vocabulary import Role
from sinks.memory.state import Event, MemoryState
from sinks.ports.record_keys import UNNAMED_SCHEMA, UnnamedRecords


class MemoryRecordKeys(MemoryState):
    """A `RecordKeyReader`."""

    def unnamed(self, question: UnnamedRecords) -> pa.Table:
        newest: dict[int, tuple[datetime, Event]] = {}
        with self.lock:
            wanted = {
                item
                for item in self.alike(question.tag_sets)
                if item in self.tag_sets and not self.tag_sets[item].several
            }
            named = {row.record for _, row, _ in self.under(question.named) if row.tag_set in wanted}
            for key, row, _ in self.under(question.spans):
                event, known = key[1:4], row.tag_set in wanted and row.record not in named
                if known and row.record and Role.of(key[4]) is Role.OWNER and event in self.record_keys:
                    newest[row.record] = max(
                        newest.get(row.record, (row.event_time, event)), (row.event_time, event)
                    )
            events = [event for _, event in sorted(newest.values(), reverse=True)[: question.most]]
            return pa.Table.from_pylist([self.record_keys[event] for event in events], UNNAMED_SCHEMA)

"""Rows of the index while a batch is tagged: columns that grow, their tag sets, and who is named how often."""

from __future__ import annotations

from typing import Any

import numpy as np

from schemas.tags import TagSet
from schemas.vocabulary import Role
from sinks.ports.lineage import ROW_SCHEMA
from streams.columns.arrays import Ints
from streams.columns.tokens import (
    Coordinates,
    TokenTable,
)
from streams.tagging.record_keys import RecordKeys


class Rows:
    """Collects columns of rows, a chunk for each subject reference. `counts`: rows of each decoded event; `keys`: which
    record it tells of, None where nobody can tell."""

    def __init__(self, times: Ints, at: Coordinates, keys: RecordKeys | None = None) -> None:
        self._times = times
        self._at = at
        self.keys = keys
        self.counts = np.zeros(len(times), np.int64)
        self.tag_sets: list[TagSet] = []
        self.columns: dict[str, list[Any]] = {name: [] for name in ROW_SCHEMA.names if name != "topic"}

    def counted(self, positions: Ints, count: int) -> Ints:
        """Rows of each of `count` bodies, of which the decoded events stand at `positions`."""
        subjects = np.zeros(count, np.int64)
        np.add.at(subjects, positions, self.counts)
        return subjects

    def add(self, rows: Ints, tokens: TokenTable, tags: TagSet, role: Role, ports: Ints | None) -> None:
        """A row for each of these events, an event may come twice. `ports` of all events."""
        count = len(rows)
        if not count:
            return
        if tags not in self.tag_sets:
            self.tag_sets.append(tags)
        np.add.at(self.counts, rows, 1)
        self.columns["token"].append(tokens)
        self.columns["partition"].append(self._at.partition[rows])
        self.columns["offset"].append(self._at.offset[rows])
        self.columns["role"].append(np.full(count, role.code, np.int8))
        self.columns["tag_set"].append(np.full(count, tags.id, np.uint64))
        self.columns["event_time"].append(self._times[rows])
        self.columns["port"].append(
            np.zeros(count, np.uint16) if ports is None else ports[rows].astype(np.uint16)
        )
        self.columns["record"].append(np.zeros(count, np.uint64) if self.keys is None else self.keys[rows])

"""What a personal data breach may have reached, in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from sinks.memory.state import Event, MemoryState, Row, RowKey, naive, within
from sinks.ports.exposed import EXPOSED_SCHEMA, Exposed, Reach
from sinks.ports.identity import NOTHING
from sinks.ports.lineage import Found, Holding


class MemoryExposed(MemoryState):
    """An `ExposedReader`."""

    def exposed_events(self, reach: Reach) -> Exposed:
        with self.lock:
            times: defaultdict[int, dict[Event, datetime]] = defaultdict(dict)
            names = self.names()
            for key, row in self._reached(reach):
                times[names.get(row.tag_set, row.tag_set)][key[1:4]] = row.event_time
            holdings = [
                Holding(self.tag_sets[name], len(events), min(events.values()), max(events.values()))
                for name, events in times.items()
            ]
        holdings.sort(key=lambda item: (item.tags.system, item.tags.topic, item.tags.id))
        by_topic = Counter(topic for topic, _, _ in set[Event]().union(*times.values()))
        return Exposed(Found(tuple(holdings), by_topic.total()), by_topic)

    def exposed(self, reach: Reach, page: int = 20_000) -> Iterator[pa.Table]:
        with self.lock:
            names = self.names()
            found: dict[tuple[Any, ...], Row] = {}
            for key, row in self._reached(reach):
                moment = (row.port, row.event_time) if row.customer == NOTHING else ()
                found[key[0], key[4], row.customer, names.get(row.tag_set, row.tag_set), *moment] = row
        rows: list[dict[str, Any]] = []
        for token, of_token in groupby(sorted(found, key=itemgetter(0)), key=itemgetter(0)):
            if len(rows) >= page:
                yield pa.Table.from_pylist(rows, EXPOSED_SCHEMA)
                rows = []
            for place in of_token:
                row = found[place]
                said = (token, place[1], row.customer, place[3], row.port, naive(row.event_time))
                rows.append(dict(zip(EXPOSED_SCHEMA.names, said, strict=True)))
        if rows:
            yield pa.Table.from_pylist(rows, EXPOSED_SCHEMA)

    def _reached(self, reach: Reach) -> Iterator[tuple[RowKey, Row]]:
        wanted = set(reach.events)
        for key, row in self.rows.items():
            if (
                reach.admits(self.tag_sets[row.tag_set])
                and within(row.event_time, reach.limits)
                and (not wanted or key[1:4] in wanted)
            ):
                yield key, row

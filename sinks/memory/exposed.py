"""What a personal data breach may have reached, in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
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
        places = sorted(found)
        for start in range(0, len(places), page):
            rows = [
                (key[0], key[1], row.customer, key[3], row.port, naive(row.event_time))
                for key in places[start : start + page]
                for row in (found[key],)
            ]
            columns = zip(*rows, strict=True)
            yield pa.table([list(column) for column in columns], EXPOSED_SCHEMA)

    def _reached(self, reach: Reach) -> Iterator[tuple[RowKey, Row]]:
        wanted, records = set(reach.events), set(reach.records)
        for key, row in self.rows.items():
            if (
                reach.admits(self.tag_sets[row.tag_set])
                and within(row.event_time, reach.limits)
                and (not wanted or key[1:4] in wanted)
                and (not records or row.record in records)
            ):
                yield key, row

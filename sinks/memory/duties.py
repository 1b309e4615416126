"""What checks of duties read, in plain Python. Contract: `sinks.ports.duties.DutyReader`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from typing import Any

import pyarrow as pa

from schemas.facts import UNKNOWN
from schemas.vocabulary import Role
from sinks.memory.state import MemoryState, naive
from sinks.ports.clocks import OWNERS
from sinks.ports.duties import MOST_ROWS, OWNED_SCHEMA, UNCONSENTED_SCHEMA, FactGroup, Row
from sinks.ports.facts import FACT_SCHEMA
from sinks.ports.held import HeldRow
from sinks.ports.identity import NOTHING


class MemoryDuties(MemoryState):
    """A `DutyReader`."""

    def facts_of_all(self, fact: str, about: Sequence[str] = ()) -> pa.Table:
        with self.lock:
            found = [
                {name: row[name] for name in FACT_SCHEMA.names}
                for row in self.said.values()
                if row["fact"] == fact and (not about or {*about}.intersection(row["about"]))
            ]
        return pa.Table.from_pylist(found, FACT_SCHEMA)

    def fact_groups(self, fact: str, rows: int = 3) -> Sequence[FactGroup]:
        grouped = defaultdict[tuple[str, str], list[HeldRow]](list)
        with self.lock:
            for row in self.said.values():
                if row["fact"] == fact:
                    place = row["topic"], row["partition"], row["offset"]
                    at = row["event_time"].replace(tzinfo=UTC)
                    grouped[row["topic"], row["says"]].append(HeldRow(*place, row["token"], at))
        found = []
        for (topic, says), each in sorted(grouped.items()):
            each.sort(key=lambda row: (row.at, row.partition, row.offset, row.token))
            events = len({(row.partition, row.offset) for row in each})
            found.append(FactGroup(topic, says, events, each[0].at, each[-1].at, each[:rows]))
        return found

    def first_of_days(self, tag_sets: Sequence[int]) -> pa.Table:
        first: dict[Any, dict[str, Any]] = {}
        for row in sorted(self._owned(set(tag_sets)), key=_place):
            first.setdefault((row["who"], row["tag_set"], row["event_time"].date()), row)
        return pa.Table.from_pylist(list(first.values()), OWNED_SCHEMA)

    def owned(
        self,
        tokens: Sequence[bytes],
        tag_sets: Sequence[int],
        after: Row | None = None,
        limit: int = MOST_ROWS,
    ) -> pa.Table:
        whose = set(tokens)
        found = sorted((row for row in self._owned(set(tag_sets)) if row["who"] in whose), key=_place)
        return pa.Table.from_pylist(_page(found, after, limit), OWNED_SCHEMA)

    def unconsented(
        self, purposes: Mapping[int, Sequence[str]], after: Row | None = None, limit: int = MOST_ROWS
    ) -> pa.Table:
        every = {item for of in purposes.values() for item in of}
        decisions = defaultdict[tuple[bytes, str], list[tuple[Any, bool]]](list)
        for row in self.facts_of_all("consent").to_pylist():
            given = row["says"] == "given"
            of_all = not given and (not row["about"] or UNKNOWN in row["about"])
            for purpose in every if of_all else row["about"]:
                decisions[row["token"], purpose].append((row["event_time"], given))
        found = []
        for row in self._owned(set(purposes)):
            for purpose in purposes[row["tag_set"]]:
                before = [item for item in decisions[row["who"], purpose] if item[0] <= row["event_time"]]
                # Of two at one moment the one that was given.
                if not before or not max(before)[1]:
                    found.append({**row, "purpose": purpose})
        return pa.Table.from_pylist(_page(sorted(found, key=_place), after, limit), UNCONSENTED_SCHEMA)

    def _owned(self, tag_sets: set[int]) -> Iterator[dict[str, Any]]:
        """Events of these tag sets with their owners, each once."""
        seen = set()
        with self.lock:
            for (token, topic, partition, offset, role), row in self.rows.items():
                if row.tag_set not in tag_sets or Role.of(role) not in OWNERS:
                    continue
                who = token if row.customer == NOTHING else row.customer
                place = (who, row.tag_set, topic, partition, offset, naive(row.event_time))
                if place not in seen:
                    seen.add(place)
                    yield dict(zip(OWNED_SCHEMA.names, place, strict=True))


def _place(row: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("event_time", "topic", "partition", "offset", "who")
    return *(row[name] for name in names), row.get("purpose", "")


def _page(rows: Sequence[dict[str, Any]], after: Row | None, limit: int) -> Sequence[dict[str, Any]]:
    """`rows`: in order."""
    behind = rows if after is None else [row for row in rows if _place(row) > _place(after)]
    return behind[:limit]

"""What checks read by token, in an index whose token keys changed: each identifier under every token that it had.

Checks compare tokens as they stand in the index. So what is asked for by token is told under each that its identifier
had, and what comes of everybody is named by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from sinks.ports.clocks import CLOCK_SCHEMA, ClockIndex, Owner
from sinks.ports.duties import MOST_ROWS, DutyReader, FactGroup, Row
from streams.identity.rekeyed import Same, renamed
from streams.rights.protocol.request import RequestState

_STANDS = "stands"


def about_every(requests: Sequence[RequestState], same: Same) -> Sequence[RequestState]:
    """The requests with their subjects under every key: they keep the tokens of their own time.

    Raises IndexUnavailable.
    """
    every = same.every({bytes.fromhex(token) for item in requests for token in item.subjects})
    return [
        replace(item, subjects=frozenset(_hex(every[bytes.fromhex(token)] for token in item.subjects)))
        for item in requests
    ]


def _hex(groups: Iterable[Iterable[bytes]]) -> Iterable[str]:
    return (token.hex() for group in groups for token in group)


class ClocksOfEvery:
    """A `ClockIndex` that looks under the tokens of all keys, and tells each token that is asked for what was said
    under any of its identifier. Things are named by one token."""

    def __init__(self, reader: ClockIndex, same: Same) -> None:
        self._reader = reader
        self._same = same

    def clock_events(self, tokens: Sequence[bytes], known_at: datetime | None = None) -> pa.Table:
        every = self._same.every(tokens)
        said = self._reader.clock_events(sorted(set().union(*every.values())), known_at)
        said = renamed(said, ("thing",), self._same)
        if all(len(group) == 1 for group in every.values()):
            return said
        by_token = defaultdict[bytes, list[dict[str, Any]]](list)
        for row in said.to_pylist():
            by_token[row["token"]].append(row)
        told = [
            {**row, "token": token}
            for token, group in every.items()
            for other in group
            for row in by_token[other]
        ]
        return pa.Table.from_pylist(told, CLOCK_SCHEMA)

    def owners(self, before: Mapping[str, datetime], after: bytes = b"", limit: int = 1_000) -> list[bytes]:
        """As `OwnerReader.owners`, and before them the other tokens of the same identifiers, of which no event says so
        itself: with the first of those that it does say it of. So the last one is where the next page goes on."""
        found = self._reader.owners(before, after, limit)
        every = self._same.every(found)
        grown = sorted(set().union(*(group for group in every.values() if len(group) > 1)))
        if not grown:
            return found
        started = {
            row["token"]
            for row in self._reader.clock_events(grown).to_pylist()
            if row["clock"] in before
            and row["started"] is not None
            and row["started"].replace(tzinfo=UTC) < before[row["clock"]]
        }
        others = {
            other
            for token in found
            if token == min(every[token] & started, default=token)
            for other in every[token] - started - {token}
        }
        return [*sorted(others), *found]

    def owners_of_rows(
        self, before: Mapping[int, datetime], after: bytes = b"", limit: int = 1_000
    ) -> list[Owner]:
        return self._reader.owners_of_rows(before, after, limit)

    def ended_by_day(self, clock: str, zone: ZoneInfo) -> Mapping[date, int]:
        return self._reader.ended_by_day(clock, zone)


class DutiesByOneName:
    """A `DutyReader` that names everybody by one token, by which identity knows them."""

    def __init__(self, reader: DutyReader, same: Same) -> None:
        self._reader = reader
        self._same = same

    def facts_of_all(self, fact: str, about: Sequence[str] = ()) -> pa.Table:
        return renamed(self._reader.facts_of_all(fact, about), ("token",), self._same)

    def fact_groups(self, fact: str, rows: int = 3) -> Sequence[FactGroup]:
        return self._reader.fact_groups(fact, rows)

    def first_of_days(self, tag_sets: Sequence[int]) -> pa.Table:
        return renamed(self._reader.first_of_days(tag_sets), ("who",), self._same)

    def owned(
        self,
        tokens: Sequence[bytes],
        tag_sets: Sequence[int],
        after: Row | None = None,
        limit: int = MOST_ROWS,
    ) -> pa.Table:
        every = sorted(set().union(*self._same.every(tokens).values()))
        return self._page(self._reader.owned(every, tag_sets, _as_it_stands(after), limit))

    def unconsented(
        self, purposes: Mapping[int, Sequence[str]], after: Row | None = None, limit: int = MOST_ROWS
    ) -> pa.Table:
        return self._page(self._reader.unconsented(purposes, _as_it_stands(after), limit))

    def _page(self, page: pa.Table) -> pa.Table:
        """Renamed, with the token that each row stands under: the next page goes on behind that."""
        return renamed(page.append_column(_STANDS, page["who"]), ("who",), self._same)


def _as_it_stands(row: Row | None) -> Row | None:
    if row is None:
        return None
    return {name: value for name, value in row.items() if name != _STANDS} | {"who": row[_STANDS]}

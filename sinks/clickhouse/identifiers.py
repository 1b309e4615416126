"""Sealed identifiers on ClickHouse: read to name them to systems, and taken away with the last that mentions them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence, Set

import pyarrow as pa

from schemas.together import asked
from sinks.clickhouse.by_event import Event, event_conditions
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.forgotten import WAS_FORGOTTEN
from sinks.clickhouse.many import parted
from sinks.clickhouse.values import Parameters, tokens_in
from sinks.ports.identifiers import IDENTIFIER_SCHEMA
from sinks.ports.identity import MENTIONED
from sinks.ports.same import SameTokens

_CLAIM = "topic, partition, offset, part"
# In one statement that deletes: as `sinks.clickhouse.spans` says of its own.
_ROWS_AT_ONCE = 4_000


class ClickHouseIdentifiers:
    """An `IdentifierReader` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def sealed(self, tokens: Sequence[bytes]) -> pa.Table:
        return asked(self._sealed_each, tokens)

    def _sealed_each(self, questions: Sequence[Sequence[bytes]]) -> list[pa.Table]:
        every = {token for tokens in questions for token in tokens}
        return parted(self._sealed(every), "token", questions)

    def _sealed(self, tokens: Set[bytes]) -> pa.Table:
        if not tokens:
            return IDENTIFIER_SCHEMA.empty_table()
        parameters: Parameters = {}
        wanted = tokens_in(parameters, "key", sorted(tokens))
        columns = ", ".join(IDENTIFIER_SCHEMA.names)
        found = self._index.query_arrow(
            f"SELECT {columns} FROM sealed_identifiers FINAL PREWHERE token IN {wanted}", parameters
        )
        typed = zip(IDENTIFIER_SCHEMA.names, IDENTIFIER_SCHEMA.types, strict=True)
        return pa.table([found[name].cast(kind) for name, kind in typed], IDENTIFIER_SCHEMA)

    def sealing_keys(self) -> set[str]:
        # Not FINAL: a key counts until no part of the table has a row of it any more.
        return {str(row[0]) for row in self._index.query("SELECT DISTINCT key FROM sealed_identifiers")}


class Unmentioned:
    """Finds the sealed identifiers that no claim mentions once the claims of some events are gone.

    The rows are read before the claims are looked at, and exactly these go: a tagger writes claims before identifiers,
    so what it writes meanwhile is seen here or stays. `same`: joins the tokens of several keys, since an identifier may
    be sealed under one and mentioned under another.
    """

    def __init__(self, index: ClickHouse, same: SameTokens) -> None:
        self._index = index
        self._same = same

    def conditions(
        self, each: Iterable[tuple[Collection[bytes], Collection[bytes]]], events: Sequence[Event]
    ) -> Iterator[tuple[str, Parameters]]:
        """The rows that go, as conditions, without the claims of `events`. Of each: tokens, and those of them that are
        kept."""
        wanted = set[bytes]().union(
            *(self._same.every(tokens) - self._same.every(kept) for tokens, kept in each)
        )
        marks: dict[bytes, list[int]] = {}
        for token, mark in self._rows(wanted):
            marks.setdefault(token, []).append(mark)
        mentions = Counter[bytes]()
        for token, count in self._mentions(self._same.every(marks), events).items():
            mentions[self._same.name(token)] += count
        gone = [
            (token, mark)
            for token in sorted(marks)
            if not mentions[self._same.name(token)]
            for mark in marks[token]
        ]
        for start in range(0, len(gone), _ROWS_AT_ONCE):
            some = gone[start : start + _ROWS_AT_ONCE]
            parameters: Parameters = {"marks": [mark for _, mark in some]}
            listed = tokens_in(parameters, "token", sorted({token for token, _ in some}))
            yield (
                f"token IN {listed} AND cityHash64(token, written_at) IN {{marks:Array(UInt64)}}",
                parameters,
            )

    def _rows(self, tokens: Collection[bytes]) -> list[tuple[bytes, int]]:
        if not tokens:
            return []
        parameters: Parameters = {}
        listed = tokens_in(parameters, "token", sorted(tokens))
        rows = self._index.query(
            f"SELECT token, cityHash64(token, written_at) FROM sealed_identifiers WHERE token IN {listed}",
            parameters,
        )
        return [(bytes(token), int(mark)) for token, mark in rows]

    def _mentions(self, tokens: Collection[bytes], events: Sequence[Event]) -> Counter[bytes]:
        """How many claims mention each of the tokens, without those of the events."""
        found = Counter[bytes]()
        if not tokens:
            return found
        # A claim lies once under each of its keys, whatever of it they are; older versions of it are counted once.
        # What stands for people who were forgotten mentions nobody.
        mentioned = " OR ".join(f"`{name}` = key" for name in MENTIONED)
        counted = (
            f"SELECT key, uniqExact({_CLAIM}) FROM identity_claims"
            f" WHERE NOT {WAS_FORGOTTEN} AND ({mentioned}) AND key IN "
        )
        parameters: Parameters = {}
        listed = tokens_in(parameters, "token", sorted(tokens))
        for token, count in self._index.query(f"{counted}{listed} GROUP BY key", parameters):
            found[bytes(token)] += int(count)
        for where, parameters in event_conditions(events):
            listed = tokens_in(parameters, "token", sorted(tokens))
            for token, count in self._index.query(f"{counted}{listed} AND {where} GROUP BY key", parameters):
                found[bytes(token)] -= int(count)
        return found

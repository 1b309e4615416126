"""Makes the index forget a person's rows and what hangs on them, or narrow them to what is still held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from schemas.tags import TagSet
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import rows_of
from sinks.clickhouse.spans import Piece, conditions, matching, pieces, token_conditions
from sinks.clickhouse.values import Parameters, tokens_in
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports import Forgotten, Span

Event = tuple[str, int, int]  # topic, partition, offset

# In one statement that deletes: as `sinks.clickhouse.spans` says of its own.
_EVENTS_AT_ONCE = 2_000


class ClickHouseEraser:
    """Contract: `sinks.ports.IndexEraser`."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._writer = ClickHouseWriter(index)

    def forget(self, spans: Sequence[Span], kept: Mapping[int, TagSet | None]) -> Forgotten:
        # The proofs are of no matter here, and without them more spans join to one piece.
        parts = pieces(replace(span, proof=None) for span in spans)
        tokens = sorted({span.token for span in spans})
        gone = [tag_set for tag_set, narrowed in kept.items() if narrowed is None]
        narrower = {
            tag_set: narrowed
            for tag_set, narrowed in kept.items()
            if narrowed is not None and narrowed.id != tag_set
        }
        if not parts or not (gone or narrower):
            return Forgotten()
        if gone:
            # Before the rows: it is by them that a call which takes up an interrupted one finds what hangs on them.
            for table, everybody in (("identity_claims", False), ("findings", True)):
                events = self._leaving(table, parts, tokens, gone, everybody=everybody)
                self._delete(table, _event_conditions(events))
        self._drop_older_versions(parts, tokens)
        removed = self._remove(parts, tokens, gone) if gone else 0
        narrowed_rows = self._narrow(parts, tokens, narrower) if narrower else 0
        self._remove_prefixes(tokens)
        return Forgotten(removed, narrowed_rows)

    def _leaving(
        self,
        table: str,
        parts: Sequence[Piece],
        tokens: Sequence[bytes],
        gone: Sequence[int],
        *,
        everybody: bool,
    ) -> list[Event]:
        """Events named in the table that lose all rows they have: under the tokens, or under everybody's."""
        parameters: Parameters = {"gone": list(gone)}
        event = "topic, partition, offset"
        leaving = (
            f"SELECT {event} FROM ({matching(parts, rows_of(tokens, '1', parameters), parameters)})"
            " WHERE tag_set IN {gone:Array(UInt64)}"
        )
        named = f"SELECT {event} FROM {table} WHERE ({event}) IN ({leaving})"
        limit = "1" if everybody else f"token IN {tokens_in(parameters, 'token', tokens)}"
        rows = self._index.query(
            f"SELECT {event} FROM (SELECT {event}, count() AS leave, 0 AS have FROM ({leaving}) GROUP BY {event}"
            # Not FINAL, which would merge the whole table: older versions of a row have its token and role.
            f" UNION ALL SELECT {event}, 0 AS leave, uniqExact(token, role) AS have FROM lineage"
            f" WHERE {limit} AND ({event}) IN ({named}) GROUP BY {event})"
            f" GROUP BY {event} HAVING sum(leave) = sum(have) ORDER BY {event}",
            parameters,
        )
        return [(str(topic), int(partition), int(offset)) for topic, partition, offset in rows]

    def _drop_older_versions(self, parts: Sequence[Piece], tokens: Sequence[bytes]) -> None:
        # Removing the newest version of a row that was tagged again would bring back the one it replaced.
        parameters: Parameters = {}
        versions = f"lineage PREWHERE token IN {tokens_in(parameters, 'token', tokens)}"
        years = self._index.query(
            "SELECT DISTINCT year FROM (SELECT toYear(event_time) AS year"
            f" FROM ({matching(parts, versions, parameters)})"
            " GROUP BY token, topic, partition, offset, role, year"
            " HAVING uniqExact(tag_set) > 1) ORDER BY year",
            parameters,
        )
        for (year,) in years:
            self._index.command(
                f"OPTIMIZE TABLE lineage {self._on_cluster()} PARTITION {int(year)} FINAL", erase=True
            )

    def _remove(self, parts: Sequence[Piece], tokens: Sequence[bytes], gone: Sequence[int]) -> int:
        removed = self._count(parts, tokens, gone)
        which = (
            (f"{where} AND tag_set IN {{gone:Array(UInt64)}}", {**parameters, "gone": list(gone)})
            for where, parameters in (conditions(parts) if removed else ())
        )
        self._delete("lineage", which)
        return removed

    def _delete(self, table: str, which: Iterable[tuple[str, Parameters]]) -> None:
        for where, parameters in which:
            self._index.command(
                f"DELETE FROM {table} {self._on_cluster()} WHERE {where}", parameters, erase=True
            )
        # The delete hides rows from every answer; this takes them out of the parts that are read from now on.
        # Not only when something was removed now: an interrupted call may have left rows hidden.
        if self._any_hidden(table):
            self._index.command(f"ALTER TABLE {table} {self._on_cluster()} APPLY DELETED MASK", erase=True)

    def _any_hidden(self, table: str) -> bool:
        cluster = self._index.cluster
        parts = f"clusterAllReplicas('{cluster}', system.parts)" if cluster else "system.parts"
        rows = self._index.query(
            f"SELECT count() FROM {parts} WHERE database = currentDatabase() AND table = {{table:String}}"
            " AND active AND has_lightweight_delete",
            {"table": table},
        )
        return bool(rows[0][0])

    def _narrow(self, parts: Sequence[Piece], tokens: Sequence[bytes], narrower: Mapping[int, TagSet]) -> int:
        rows = self._count(parts, tokens, list(narrower))
        if rows:
            self._writer.write_tag_sets(narrower.values())
            wholes = {"wholes": list(narrower), "narrowed": [tags.id for tags in narrower.values()]}
            for where, parameters in conditions(parts):
                self._index.command(
                    f"ALTER TABLE lineage {self._on_cluster()} UPDATE tag_set ="
                    " transform(tag_set, {wholes:Array(UInt64)}, {narrowed:Array(UInt64)}, tag_set)"
                    f" WHERE {where} AND tag_set IN {{wholes:Array(UInt64)}}",
                    {**parameters, **wholes},
                    erase=True,
                )
        return rows

    def _remove_prefixes(self, tokens: Sequence[bytes]) -> None:
        parameters: Parameters = {}
        asked = tokens_in(parameters, "token", tokens)
        rows = self._index.query(
            f"SELECT DISTINCT token FROM address_prefixes WHERE token IN {asked}"
            f" AND token NOT IN (SELECT token FROM lineage WHERE token IN {asked}) ORDER BY token",
            parameters,
        )
        self._delete("address_prefixes", token_conditions([bytes(token) for (token,) in rows]))

    def _count(self, parts: Sequence[Piece], tokens: Sequence[bytes], tag_sets: Sequence[int]) -> int:
        parameters: Parameters = {"counted": list(tag_sets)}
        rows = rows_of(tokens, "tag_set IN {counted:Array(UInt64)}", parameters)
        counted = self._index.query(f"SELECT count() FROM ({matching(parts, rows, parameters)})", parameters)
        return int(counted[0][0])

    def _on_cluster(self) -> str:
        return f"ON CLUSTER '{self._index.cluster}'" if self._index.cluster else ""


def _event_conditions(events: Sequence[Event]) -> Iterator[tuple[str, Parameters]]:
    """The events as conditions on a row, a few at once."""
    for start in range(0, len(events), _EVENTS_AT_ONCE):
        by_partition: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        for topic, partition, offset in events[start : start + _EVENTS_AT_ONCE]:
            by_partition[topic, partition].append(offset)
        parameters: Parameters = {}
        texts = []
        for number, ((topic, partition), offsets) in enumerate(by_partition.items()):
            parameters |= {
                f"topic{number}": topic,
                f"partition{number}": partition,
                f"offsets{number}": offsets,
            }
            texts.append(
                f"topic = {{topic{number}:String}} AND partition = {{partition{number}:Int32}}"
                f" AND offset IN {{offsets{number}:Array(Int64)}}"
            )
        yield f"(({') OR ('.join(texts)}))", parameters

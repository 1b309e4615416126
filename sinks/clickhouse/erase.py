"""Makes the index forget a person's rows, or narrow them to what is still held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.tags import TagSet
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import condition
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports import Forgotten, Span

Parameters = Mapping[str, object]


class ClickHouseEraser:
    """Contract: `sinks.ports.IndexEraser`."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._writer = ClickHouseWriter(index)

    def forget(self, spans: Sequence[Span], kept: Mapping[int, TagSet | None]) -> Forgotten:
        gone = [tag_set for tag_set, narrowed in kept.items() if narrowed is None]
        narrower = {
            tag_set: narrowed
            for tag_set, narrowed in kept.items()
            if narrowed is not None and narrowed.id != tag_set
        }
        if not spans or not (gone or narrower):
            return Forgotten()
        where, parameters = condition(spans)
        self._drop_older_versions(where, parameters)
        removed = self._remove(where, parameters, gone) if gone else 0
        return Forgotten(removed, self._narrow(where, parameters, narrower) if narrower else 0)

    def _drop_older_versions(self, where: str, parameters: Parameters) -> None:
        # Removing the newest version of a row that was tagged again would bring back the one it replaced.
        years = self._index.query(
            "SELECT DISTINCT year FROM (SELECT toYear(event_time) AS year"
            f" FROM lineage WHERE {where} GROUP BY token, topic, partition, offset, role, year"
            " HAVING uniqExact(tag_set) > 1) ORDER BY year",
            parameters,
        )
        for (year,) in years:
            self._index.command(
                f"OPTIMIZE TABLE lineage {self._on_cluster()} PARTITION {int(year)} FINAL", erase=True
            )

    def _remove(self, where: str, parameters: Parameters, gone: Sequence[int]) -> int:
        removed = self._count(where, parameters, gone)
        if removed:
            self._index.command(
                f"DELETE FROM lineage {self._on_cluster()} WHERE {where} AND tag_set IN {{gone:Array(UInt64)}}",
                {**parameters, "gone": gone},
                erase=True,
            )
        # The delete hides rows from every answer; this takes them out of the parts that are read from now on.
        # Not only when something was removed now: an interrupted call may have left rows hidden.
        if self._any_hidden():
            self._index.command(f"ALTER TABLE lineage {self._on_cluster()} APPLY DELETED MASK", erase=True)
        return removed

    def _any_hidden(self) -> bool:
        cluster = self._index.cluster
        parts = f"clusterAllReplicas('{cluster}', system.parts)" if cluster else "system.parts"
        rows = self._index.query(
            f"SELECT count() FROM {parts} WHERE database = currentDatabase() AND table = 'lineage'"
            " AND active AND has_lightweight_delete"
        )
        return bool(rows[0][0])

    def _narrow(self, where: str, parameters: Parameters, narrower: Mapping[int, TagSet]) -> int:
        rows = self._count(where, parameters, list(narrower))
        if rows:
            self._writer.write_tag_sets(narrower.values())
            wholes = {"wholes": list(narrower), "narrowed": [tags.id for tags in narrower.values()]}
            self._index.command(
                f"ALTER TABLE lineage {self._on_cluster()} UPDATE tag_set ="
                " transform(tag_set, {wholes:Array(UInt64)}, {narrowed:Array(UInt64)}, tag_set)"
                f" WHERE {where} AND tag_set IN {{wholes:Array(UInt64)}}",
                {**parameters, **wholes},
                erase=True,
            )
        return rows

    def _count(self, where: str, parameters: Parameters, tag_sets: Sequence[int]) -> int:
        rows = self._index.query(
            f"SELECT count() FROM lineage FINAL WHERE {where} AND tag_set IN {{counted:Array(UInt64)}}",
            {**parameters, "counted": list(tag_sets)},
        )
        return int(rows[0][0])

    def _on_cluster(self) -> str:
        return f"ON CLUSTER '{self._index.cluster}'" if self._index.cluster else ""

"""Fields that stand in no contract. Contract: `sinks.ports.untagged.UntaggedFields`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sinks.clickhouse.client import ClickHouse
from sinks.ports.untagged import UntaggedField


class ClickHouseUntaggedFields:
    """An `UntaggedFields` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def note(self, paths: Mapping[str, Sequence[str]], now: datetime) -> None:
        rows = [(topic, path, now, now) for topic, named in paths.items() for path in named]
        self._index.insert_rows("untagged_fields", ("topic", "path", "first_seen", "last_seen"), rows)

    def forget(self, topic: str, paths: Sequence[str]) -> None:
        cluster = f"ON CLUSTER '{self._index.cluster}'" if self._index.cluster else ""
        self._index.command(
            f"DELETE FROM untagged_fields {cluster} WHERE topic = {{topic:String}}"
            " AND path IN {paths:Array(String)}",
            {"topic": topic, "paths": list(paths)},
            erase=True,
        )

    def seen(self) -> Sequence[UntaggedField]:
        rows = self._index.query(
            "SELECT topic, path, min(first_seen), max(last_seen) FROM untagged_fields"
            " GROUP BY topic, path ORDER BY topic, path"
        )
        return [UntaggedField(str(topic), str(path), first, last) for topic, path, first, last in rows]

"""The shape, size and health of an index on ClickHouse. Contract: `sinks.ports.upkeep.Upkeep`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from schemas.tags import TagSet
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.mending import Mending
from sinks.clickhouse.migrate import migrate, pending
from sinks.clickhouse.parts import lost, sentences
from sinks.clickhouse.reader import ClickHouseReader
from sinks.ports.upkeep import MadeAnew

# The newest moments that were recorded: a late finding is what was written after an answer was given.
_NEWEST = (
    "SELECT max(at) FROM (SELECT max(written_at) AS at FROM ingest_ledger"
    " UNION ALL SELECT max(occurred_at) FROM request_events)"
)
_MADE_ANEW = (
    "SELECT topic, max(history) AS times, max(noted_at) FROM topic_histories"
    " GROUP BY topic HAVING times > 0 ORDER BY topic"
)


class ClickHouseUpkeep:
    """An `Upkeep` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def pending(self) -> Sequence[str]:
        return [migration.name for migration in pending(self._index)]

    def migrate(self, now: datetime) -> Sequence[str]:
        return [migration.name for migration in migrate(self._index, now)]

    def newest(self) -> datetime:
        ((newest,),) = self._index.query(_NEWEST)
        assert isinstance(newest, datetime)
        return newest

    def lost(self) -> Sequence[str]:
        return sentences(lost(self._index)) if self._index.embedded else ()

    def made_anew(self) -> Sequence[MadeAnew]:
        return [MadeAnew(str(topic), int(times), at) for topic, times, at in self._index.query(_MADE_ANEW)]

    def rows_by_tag_set(self) -> Sequence[tuple[TagSet, int]]:
        known = ClickHouseReader(self._index).tag_sets()
        counted = self._index.query("SELECT tag_set, count() FROM lineage FINAL GROUP BY tag_set")
        return [(known[int(row[0])], int(row[1])) for row in counted if int(row[0]) in known]

    def size(self) -> int:
        ((size,),) = self._index.query(
            "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
        )
        return int(size or 0)

    def mending(self) -> Mending | None:
        return None if self._index.space is None else Mending(self._index, self._index.space)

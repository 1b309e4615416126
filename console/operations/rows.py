"""How many rows the index has of each tag set."""

from __future__ import annotations

from collections.abc import Sequence

from console.wiring.answering import embedded_folder, open_index, refuse_pending
from schemas.errors import IndexUnavailable
from schemas.settings import Settings
from schemas.tags import TagSet
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.reader import ClickHouseReader


def rows_of_index(settings: Settings) -> Sequence[tuple[TagSet, int]] | None:
    """None: there is no index that can be read now."""
    folder = embedded_folder(settings)
    if folder is not None and not folder.is_dir():
        return None
    try:
        index = open_index(settings)
        try:
            refuse_pending(index)
            return tag_set_rows(index)
        finally:
            index.close()
    except IndexUnavailable:
        return None


def tag_set_rows(index: ClickHouse) -> Sequence[tuple[TagSet, int]]:
    """Every tag set that rows have, with their number. Raises IndexUnavailable."""
    known = ClickHouseReader(index).tag_sets()
    counted = index.query("SELECT tag_set, count() FROM lineage FINAL GROUP BY tag_set")
    return [(known[int(row[0])], int(row[1])) for row in counted if int(row[0]) in known]

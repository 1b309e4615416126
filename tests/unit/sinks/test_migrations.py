"""The numbers of migrations: the order they are applied in, so each is given once."""

from __future__ import annotations

from pathlib import Path

from sinks.clickhouse.migrate import migrations


def test_each_migration_has_a_number_of_its_own() -> None:
    """Counted from 1 without a gap; views have none."""
    names = [Path(item.name).name for item in migrations() if not item.view]
    assert [int(name.partition("_")[0]) for name in names] == list(range(1, len(names) + 1))

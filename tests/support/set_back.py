"""Writes to an index while the clock of the machine is set back. Run under libfaketime: `tests.attack.test_clocks`."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from console.wiring.clock import CLOCK, go_on_after, now
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.requests import ClickHouseRequests
from sinks.clickhouse.upkeep import ClickHouseUpkeep
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange


def main(folder: Path, offset: Path) -> None:
    """Three batches with a request's entry between them: right, ten minutes back, and back still in a new process."""
    index = ClickHouse(f"chdb://{folder}")
    migrate(index, now())
    go_on_after(ClickHouseUpkeep(index))
    writer, ledger = ClickHouseWriter(index), ClickHouseRequests(index)
    machine = []
    begun = writer.positions([("web.visits", 0)]).get(("web.visits", 0), 0)
    for number in range(begun, begun + 2):
        machine.append(datetime.now(UTC).timestamp())
        (epoch,) = writer.take_over([("web.visits", 0)], "test", now()).values()
        written = OffsetRange("web.visits", 0, number, number, epoch)
        writer.write(LineageBatch(ROW_SCHEMA.empty_table(), ranges=[written]), now)
        ledger.append("r-1", number, "noted", now(), {})
        offset.write_text("-600\n")
        os.utime(offset)
    told = {
        "machine": machine,
        "written": index.query(
            "SELECT toUnixTimestamp64Milli(written_at) FROM ingest_ledger ORDER BY first_offset"
        ),
        "epochs": index.query("SELECT epoch FROM ingest_ledger ORDER BY first_offset"),
        "noted": index.query(
            "SELECT toUnixTimestamp64Milli(occurred_at) FROM request_events ORDER BY sequence"
        ),
        "problems": list(CLOCK.problems()),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    index.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

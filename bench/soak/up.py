"""`innsyn` with a clock that a file moves: seconds from now, in the file that SOAK_CLOCK names.

What the engine said of each of its errors goes beside that file: the product itself keeps it to itself, and here are
no personal data.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import console.wiring.clock
import sinks.clickhouse.client

_FILE = Path(os.environ["SOAK_CLOCK"])


def moved() -> datetime:
    """What the product reads from the machine."""
    return datetime.now(UTC) + timedelta(seconds=float(_FILE.read_text() or 0))


def _told(error: Exception, why: Callable[[Exception], str] = sinks.clickhouse.client._why) -> str:
    with _FILE.with_name("engine.log").open("a") as file:
        file.write(f"{datetime.now(UTC):%X} {error}\n")
    return why(error)


if __name__ == "__main__":
    sinks.clickhouse.client._why = _told
    # Before anything else takes it from there.
    console.wiring.clock.CLOCK = console.wiring.clock.Forward(moved)
    from console.cli.main import run

    run()

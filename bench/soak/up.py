"""`innsyn` with a clock that a file moves: seconds from now, in the file that SOAK_CLOCK names."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import console.clock

_FILE = Path(os.environ["SOAK_CLOCK"])


def moved() -> datetime:
    """What the product reads from the machine."""
    return datetime.now(UTC) + timedelta(seconds=float(_FILE.read_text() or 0))


if __name__ == "__main__":
    # Before anything else takes it from there.
    console.clock.CLOCK = console.clock.Forward(moved)
    from console.cli.main import run

    run()

"""`innsyn bench`: the benchmarks of a source checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import InputError

_SOURCE = Path(__file__).parents[2]


def bench(
    events: Annotated[int, typer.Option(min=1, help="Events in the topic.")] = 2_000_000,
    rows: Annotated[int, typer.Option(min=25, help="Rows of the index that is measured.")] = 10_000_000,
) -> None:
    """Measure this machine: every reader on the same topic of a real broker, then the index.

    Needs the source checkout; takes minutes. The results also go to bench/results/latest.json there.

    Example: innsyn bench --events 500000
    """
    if not (_SOURCE / "bench" / "__main__.py").is_file():
        raise InputError(
            "the benchmarks are not part of an installation; run `make bench` in a source checkout"
        )
    command = [sys.executable, "-m", "bench", f"--events={events}", f"--rows={rows}"]
    raise typer.Exit(subprocess.run(command, cwd=_SOURCE, check=False).returncode)

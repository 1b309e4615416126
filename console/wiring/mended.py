"""What looks after the disk under an embedded index, as a role."""

from __future__ import annotations

import threading

from console.health.health import Look
from console.wiring.processes import Background
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.mending import Mending


def mended(index: ClickHouse, ended: threading.Event) -> list[tuple[Background, Look]]:
    """The role and what it says of itself; none for a server, which its own people look after."""
    if index.space is None:
        return []
    mending = Mending(index, index.space)
    return [(Background("parts", mending.run, ended), mending.problems)]

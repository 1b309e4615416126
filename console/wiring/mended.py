"""What looks after the disk under an embedded index, as a role."""

from __future__ import annotations

import threading

from console.health.health import Look
from console.wiring.processes import Background
from sinks.ports.upkeep import Upkeep


def mended(upkeep: Upkeep, ended: threading.Event) -> list[tuple[Background, Look]]:
    """The role and what it says of itself; none for a server, which its own people look after."""
    mending = upkeep.mending()
    if mending is None:
        return []
    return [(Background("parts", mending.run, ended), mending.problems)]

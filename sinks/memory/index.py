"""The index in plain Python, lost with the process: for tests of other layers, and to compare the real one with."""

from __future__ import annotations

from sinks.memory.changes import MemoryChanges
from sinks.memory.clocks import MemoryClocks
from sinks.memory.duties import MemoryDuties
from sinks.memory.erasure import MemoryEraser
from sinks.memory.expiry import MemoryExpiry
from sinks.memory.exposed import MemoryExposed
from sinks.memory.facts import MemoryFacts
from sinks.memory.held import MemoryHeld
from sinks.memory.identifiers import MemoryIdentifiers
from sinks.memory.identity import MemoryClaims
from sinks.memory.keys import MemoryKeys
from sinks.memory.lineage import MemoryReader, MemoryWriter
from sinks.memory.record_keys import MemoryRecordKeys


class MemoryIndex(
    MemoryWriter,
    MemoryReader,
    MemoryClaims,
    MemoryIdentifiers,
    MemoryClocks,
    MemoryFacts,
    MemoryDuties,
    MemoryRecordKeys,
    MemoryEraser,
    MemoryExpiry,
    MemoryExposed,
    MemoryHeld,
    MemoryKeys,
    MemoryChanges,
):
    """Every contract of the index in one object. Safe from several threads.

    Its dead letters, requests and what else there is beside it: `sinks.memory.sinks`.
    """

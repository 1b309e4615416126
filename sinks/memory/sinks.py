"""An index in plain Python as the ports that it is used through."""

from __future__ import annotations

from functools import partial

from sinks.memory.audit import MemoryAudit
from sinks.memory.copies import MemoryCopies
from sinks.memory.dead_letters import MemoryDeadLetters
from sinks.memory.evidence import MemoryEvidence
from sinks.memory.findings import MemoryControls, MemoryFindings
from sinks.memory.identity import RetainedMemoryClaims
from sinks.memory.index import MemoryIndex
from sinks.memory.preservation import MemoryPreservation
from sinks.memory.purge import MemoryPurge
from sinks.memory.rekey import MemoryRekeyer
from sinks.memory.requests import MemoryRequests
from sinks.memory.retained import MemoryRetained
from sinks.memory.suppression import MemorySuppression
from sinks.memory.untagged import MemoryUntaggedFields
from sinks.memory.upkeep import MemoryUpkeep
from sinks.memory.views import MemoryViewTables
from sinks.ports.forgotten import Sources
from sinks.ports.sinks import Sinks


def memory_sinks(sources: Sources | None = None) -> Sinks:
    """All ports of a new, empty index that is lost with the process. `sources`: as `clickhouse_sinks` takes them."""
    index, requests, audit = MemoryIndex(sources), MemoryRequests(), MemoryAudit()
    return Sinks(
        name="an index in memory",
        writer=lambda: index,
        reader=index,
        beside=index,
        claims=index,
        identifiers=index,
        clocks=index,
        facts=index,
        duties=index,
        record_keys=index,
        eraser=index,
        expiry=index,
        expirer=index,
        exposed=index,
        purge=MemoryPurge(),
        claims_as_is=index,
        claims_retained=RetainedMemoryClaims(index),
        beside_as_is=index,
        retained=MemoryRetained(index),
        marks=index,
        requests=requests,
        copies=MemoryCopies(),
        preservation=MemoryPreservation(),
        dead_letters=MemoryDeadLetters(index),
        audit=audit,
        findings=MemoryFindings(),
        controls=MemoryControls(),
        held=index,
        evidence=MemoryEvidence(requests, audit),
        untagged=MemoryUntaggedFields(),
        suppression=MemorySuppression(index),
        keys=index,
        pairs=index,
        rekeyer=partial(MemoryRekeyer, index),
        sql=None,
        upkeep=MemoryUpkeep(index, requests),
        views=MemoryViewTables(),
        reports=None,
        processed=None,
        close=lambda: None,
    )

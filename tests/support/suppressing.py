"""An office whose tagger knows what was erased, and whose rights worker looks whether it came back."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sinks.memory.index import MemoryIndex
from sinks.memory.suppression import MemorySuppression
from sinks.ports.lineage import Clock, IndexWriter, LineageBatch
from sinks.ports.resurrected import Arrival
from sinks.ports.suppression import SuppressionLedger
from streams.rights.protocol.request import RequestState
from streams.tagging.suppressed import Suppression
from tests.support.office import Office

if TYPE_CHECKING:
    from tests.support.index import Index

KARI, OLA = "10042", "10043"


class Watching:
    """An `IndexWriter` that writes with each batch what of it an erasure had taken away."""

    def __init__(self, writer: IndexWriter, ledger: SuppressionLedger) -> None:
        self.arrival = Arrival.PRODUCER
        self._writer = writer
        self._known = {item: Suppression(ledger, item) for item in Arrival}

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        back = self._known[self.arrival].caught(batch, clock())
        self._writer.write(replace(batch, resurrected=back), clock)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)


class Watchful(Office):
    """On an index in memory."""

    def __init__(self, folder: Path, index: Index, stack: ExitStack, records: Any = None) -> None:
        self.suppression = MemorySuppression(cast("MemoryIndex", index.writer))
        self.watching = Watching(index.writer, self.suppression)
        watched = replace(index, writer=self.watching)
        super().__init__(folder, watched, stack, records, sealing=True, suppression=self.suppression)

    def viewing(self, customer: str, at: datetime, *, arrival: Arrival = Arrival.PRODUCER) -> None:
        """A viewing of television, on a device of the customer."""
        self.watching.arrival = arrival
        viewing = {"customer_number": customer, "device_serial": f"STB{customer}0001", "kind": "live"}
        self.put("tv.viewings", {**viewing, "started_at": at})

    def contract(self, customer: str, at: datetime) -> None:
        """A new contract."""
        self.watching.arrival = Arrival.PRODUCER
        contract = {"contract_id": "K-1", "customer_number": customer, "product": "fibre", "kind": "started"}
        self.put("orders.contracts", {**contract, "occurred_at": at})

    def replay(self) -> None:
        self.watching.arrival = Arrival.REPLAY
        super().replay()

    def later(self, time: timedelta) -> None:
        """The clock goes on."""
        self.now += time

    def look(self) -> list[RequestState]:
        """What the rights worker does each minute."""
        self.service.recheck(self.now)
        return self.service.came_back(self.now)

"""An index in memory has no views."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from schemas.in_force import InForce
from sinks.ports.views import RequestRow


class MemoryViewTables:
    """A `ViewTables` that nobody reads."""

    def put_in_force(self, said: InForce, now: datetime) -> bool:
        return False

    def count_held(self, zone: str, now: datetime) -> None:
        return None

    def note_requests(self, rows: Sequence[RequestRow]) -> None:
        return None

    def note_found(self, rows: pa.Table) -> None:
        return None

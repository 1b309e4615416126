"""Restrictions of processing that stand (GDPR Art. 18, 21): an answer about a person names them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.times import iso


@dataclass(frozen=True)
class Restricted:
    """A restriction or objection that stands. `systems`: those that were told to store alone, each with the purposes
    that are restricted there; none where no system had such data yet. `since`: when it was planned."""

    request_id: str
    since: datetime
    systems: Mapping[str, Sequence[str]]

    def shown(self) -> dict[str, Any]:
        systems = {name: list(purposes) for name, purposes in self.systems.items()}
        return {"request_id": self.request_id, "since": iso(self.since), "systems": systems}


def restricted_line(request_id: str, since: str, systems: Mapping[str, Sequence[str]]) -> str:
    """The same in one line, of what `shown` gives."""
    where = "; ".join(f"{system}: {', '.join(purposes)}" for system, purposes in systems.items())
    where = where or "no system uses such data yet"
    return f"processing is restricted to storage since {since[:10]} by {request_id} ({where})"

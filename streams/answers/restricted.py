"""Restrictions of processing that stand (GDPR Art. 18, 21): an answer about a person names them, and says of each
holding for which purposes it is stored alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from schemas.tags import TagSet
from schemas.times import iso
from sinks.ports.lineage import Filter, Found, Holding, IndexReader, Span


@dataclass(frozen=True)
class Restricted:
    """A restriction or objection that stands. `systems`: those that were told to store alone, each with the purposes
    that are restricted there; none where no system had such data yet. `since`: when it was planned. `right`: which of
    the two it is. `records`: of each system the kinds of records that it was told of; none are named, all are meant.
    """

    request_id: str
    since: datetime
    systems: Mapping[str, Sequence[str]]
    right: str = ""
    records: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        systems = {name: list(purposes) for name, purposes in self.systems.items()}
        said = {"request_id": self.request_id, "type": self.right, "since": iso(self.since)}
        return {**said, "systems": systems}

    def purposes_of(self, tags: TagSet) -> list[str]:
        """For which purposes events with these tags are stored alone by it."""
        records = self.records.get(tags.system)
        if records and tags.record not in records:
            return []
        return sorted({*self.systems.get(tags.system, ())}.intersection(tags.purposes))


def stored_alone(holdings: Sequence[Holding], standing: Sequence[Restricted]) -> list[dict[str, Any]]:
    """The restrictions that any of the holdings is under, with the purposes; oldest first. Pure."""
    found = []
    for item in standing:
        purposes = sorted({name for holding in holdings for name in item.purposes_of(holding.tags)})
        if purposes:
            found.append({"request_id": item.request_id, "type": item.right, "purposes": purposes})
    return found


def narrowed(
    found: Found,
    standing: Sequence[Restricted],
    wanted: bool,
    reader: IndexReader,
    spans: Sequence[Span],
    limits: Filter,
    known_at: datetime | None,
) -> Found:
    """Of what was found under the spans within the limits, what is restricted, or else what is not.

    Raises IndexUnavailable.
    """
    chosen = [item for item in found.holdings if bool(stored_alone([item], standing)) == wanted]
    if len(chosen) == len(found.holdings) or not chosen:
        return found if chosen else Found()
    # An event that stands in both counts once in the total, so the index counts again.
    return reader.find(spans, replace(limits, tag_sets=[item.tags.id for item in chosen]), known_at)


def restricted_line(request_id: str, since: str, systems: Mapping[str, Sequence[str]], **_: str) -> str:
    """The same in one line, of what `shown` gives."""
    where = "; ".join(f"{system}: {', '.join(purposes)}" for system, purposes in systems.items())
    where = where or "no system uses such data yet"
    return f"processing is restricted to storage since {since[:10]} by {request_id} ({where})"

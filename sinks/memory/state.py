"""What an index in plain Python holds. The classes of this package ask it, each for one contract."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from schemas.tags import TagSet, same_but_for_key
from schemas.vocabulary import Proof
from sinks.ports.dead_letters import TAGGED, DeadRow, Done
from sinks.ports.forgotten import Sources
from sinks.ports.identity import NOTHING
from sinks.ports.keys import KeyEntry
from sinks.ports.lineage import Filter, Span
from sinks.ports.offsets import History, OffsetRange
from sinks.ports.resurrected import Resurrected
from sinks.ports.same import SameTokens

Partition = tuple[str, int]
Event = tuple[str, int, int]  # topic, partition, offset
RowKey = tuple[bytes, str, int, int, int]  # token, topic, partition, offset, role


@dataclass(frozen=True)
class Row:
    """What is said of an event beside its identity."""

    tag_set: int
    event_time: datetime
    port: int
    record: int = 0
    customer: bytes = NOTHING


class MemoryState:
    """All there is, and how it is looked at. `lock` is held by whoever looks or changes.

    The id of its token key is `key_id` of a claim, and the value of a prefix; that of a pair is of its newer token.
    """

    def __init__(self, sources: Sources | None = None) -> None:
        self.sources: Sources = sources or {}
        self.rows: dict[RowKey, Row] = {}
        self.tag_sets: dict[int, TagSet] = {}
        self.claims_known: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.retained: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.prefixes_known: dict[tuple[bytes, int, bytes], str] = {}
        self.findings: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.clocks: dict[tuple[bytes, str, int, int, int], dict[str, Any]] = {}
        self.said: dict[tuple[bytes, str, int, int, int], dict[str, Any]] = {}
        self.record_keys: dict[Event, dict[str, Any]] = {}
        self.identifiers: dict[bytes, dict[str, Any]] = {}
        self.pairs_known: dict[tuple[bytes, bytes, str], str] = {}
        self.register: list[KeyEntry] = []
        self.dead: dict[Event, DeadRow] = {}
        self.done: list[tuple[datetime, Done]] = []
        self.ranges: list[OffsetRange] = []
        self.written: list[tuple[datetime, OffsetRange]] = []
        self.epochs_known: dict[Partition, int] = {}
        self.histories_known: dict[Partition, History] = {}
        self.histories_noted: dict[Partition, datetime] = {}
        self.resurrected: list[Resurrected] = []
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.rows)

    def positions_at(self, known_at: datetime | None) -> dict[Partition, int]:
        found: dict[Partition, int] = {}
        for written_at, item in self.written:
            if known_at is None or written_at <= known_at:
                where = (item.topic, item.partition)
                found[where] = max(found.get(where, 0), item.last_offset + 1)
        return found

    def was_known(self, event: Event, positions: Mapping[Partition, int], known_at: datetime | None) -> bool:
        """Whether the event was in the index at a moment, when these were its positions."""
        if known_at is None:
            return True
        tagged = [at for at, item in self.done if item.where == event and item.outcome == TAGGED]
        # A dead letter lies in a range that was written without it: known from the retry on that tagged it.
        return event[2] < positions.get(event[:2], 0) and not (tagged and min(tagged) > known_at)

    def register_says(self, key_id: str) -> str | None:
        """What happened last to a token key, None: nothing that the register knows of."""
        said = [(entry.sequence, entry.kind) for entry in self.register if entry.key_id == key_id]
        return max(said)[1] if said else None

    def same_tokens(self) -> SameTokens:
        return SameTokens.joined_by(self.pairs_known)

    def names(self) -> dict[int, int]:
        order: dict[str, int] = {}
        for entry in self.register:
            order.setdefault(entry.key_id, entry.sequence + 1)
        return same_but_for_key(self.tag_sets.values(), order)

    def alike(self, tag_sets: Sequence[int]) -> list[int]:
        names = self.names()
        wanted = {names.get(item, item) for item in tag_sets}
        return sorted(wanted | {item for item, name in names.items() if name in wanted})

    def under(self, spans: Sequence[Span]) -> Iterator[tuple[RowKey, Row, set[Proof]]]:
        by_token: defaultdict[bytes, list[Span]] = defaultdict(list)
        for span in spans:
            by_token[span.token].append(span)
        for key, row in self.rows.items():
            matched = [
                span
                for span in by_token.get(key[0], ())
                if within(row.event_time, span) and span.port_from <= row.port <= span.port_to
            ]
            if matched:
                yield key, row, {span.proof for span in matched if span.proof is not None}

    def crowded(self, rows: Mapping[RowKey, Row]) -> set[tuple[str, int, int, int]]:
        """Event and role of the rows beside which others stand in the same role."""
        return {key[1:] for key, row in rows.items() if self.tag_sets[row.tag_set].several}


def naive(moment: datetime) -> datetime:
    """As Arrow's times without a zone: in UTC, whole milliseconds."""
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def within(moment: datetime, bounds: Span | Filter) -> bool:
    return (bounds.since is None or moment >= bounds.since) and (
        bounds.until is None or moment < bounds.until
    )

"""The index in plain Python, lost with the process: for tests of other layers, and to compare the real one with."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from schemas.errors import Fenced
from schemas.tags import TagSet, same_but_for_key
from schemas.tokens import Role
from sinks.ports.changes import MarkKey
from sinks.ports.dead_letters import DeadRow
from sinks.ports.erasure import NOTHING_GONE, Forgotten, RecordsGone
from sinks.ports.identity import KNOWN_CLAIM_SCHEMA, NOTHING, PREFIX_SCHEMA, ClaimKey, Mark, Proof
from sinks.ports.keys import PAIR_SCHEMA, KeyEntry
from sinks.ports.lineage import (
    BESIDE_SCHEMA,
    NO_LIMITS,
    ROLE_CODES,
    Filter,
    Found,
    Holding,
    LineageBatch,
    Others,
    Span,
)
from sinks.ports.offsets import History, OffsetRange

_ROLES = {code: role for role, code in ROLE_CODES.items()}
Partition = tuple[str, int]
Event = tuple[str, int, int]  # topic, partition, offset
RowKey = tuple[bytes, str, int, int, int]  # token, topic, partition, offset, role


@dataclass(frozen=True)
class _Row:
    tag_set: int
    event_time: datetime
    port: int


class MemoryIndex:
    """An `IndexWriter`, `IndexReader`, `ClaimReader`, `IndexEraser` and more. Safe from several threads."""

    def __init__(self) -> None:
        self.dead: dict[Event, DeadRow] = {}
        self.ranges: list[OffsetRange] = []
        self.retained: dict[tuple[Any, ...], dict[str, Any]] = {}
        self.findings: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._rows: dict[RowKey, _Row] = {}
        self._claims: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._prefixes: set[tuple[bytes, int, bytes]] = set()
        self._written: list[tuple[datetime, OffsetRange]] = []
        self._tag_sets: dict[int, TagSet] = {}
        self._pairs: dict[tuple[bytes, bytes, str], None] = {}
        self._register: list[KeyEntry] = []
        self._epochs: dict[Partition, int] = {}
        self._histories: dict[Partition, History] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._rows)

    def write(self, batch: LineageBatch, now: datetime) -> None:
        with self._lock:
            for item in batch.ranges:
                if self._epochs.get((item.topic, item.partition), 0) > item.epoch:
                    raise Fenced(
                        f"{item.topic}/{item.partition} was taken over by another worker"
                        f" (epoch {item.epoch} is old); what was read of it is dropped here and written there"
                    )
            self._tag_sets |= {tags.id: tags for tags in batch.tag_sets}
            self._pairs |= dict.fromkeys(zip(*batch.pairs.to_pydict().values(), strict=True))
            for row in batch.rows.to_pylist():
                key = (row["token"], row["topic"], row["partition"], row["offset"], row["role"])
                self._rows[key] = _Row(row["tag_set"], row["event_time"].replace(tzinfo=UTC), row["port"])
            _learn(self._claims, batch.claims, now)
            _learn(self.retained, batch.retained, now)
            self._prefixes |= {
                (row["prefix"], row["length"], row["token"]) for row in batch.prefixes.to_pylist()
            }
            for row in batch.findings.to_pylist():
                where = tuple(value for name, value in row.items() if name not in ("category", "score"))
                self.findings[where] = row
            self.dead |= {(row.topic, row.partition, row.offset): row for row in batch.dead}
            self.ranges += batch.ranges
            self._written += [(now, item) for item in batch.ranges]

    def take_over(
        self, partitions: Sequence[Partition], worker: str, now: datetime
    ) -> Mapping[Partition, int]:
        with self._lock:
            taken = {item: self._epochs.get(item, 0) + 1 for item in partitions}
            self._epochs |= taken
            return taken

    def epochs(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        with self._lock:
            return {item: self._epochs[item] for item in partitions if item in self._epochs}

    def positions(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        with self._lock:
            found = self._positions(None)
            return {item: found[item] for item in partitions if item in found}

    def histories(self, partitions: Sequence[Partition]) -> Mapping[Partition, History]:
        with self._lock:
            return {item: self._histories[item] for item in partitions if item in self._histories}

    def note_histories(self, histories: Sequence[History], now: datetime) -> None:
        with self._lock:
            self._histories |= {(item.topic, item.partition): item for item in histories}

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        with self._lock:
            positions = self._positions(known_at)
            limits = replace(limits, tag_sets=self._alike(limits.tag_sets))
            names = self._names()
            events: defaultdict[int, set[Event]] = defaultdict(set)
            times: defaultdict[int, list[datetime]] = defaultdict(list)
            proofs: defaultdict[int, set[Proof]] = defaultdict(set)
            for key, row, matched in self._under(spans):
                known = known_at is None or key[3] < positions.get(key[1:3], 0)
                if known and _within(row.event_time, limits) and limits.admits(self._tag_sets[row.tag_set]):
                    named = names.get(row.tag_set, row.tag_set)
                    events[named].add(key[1:4])
                    times[named].append(row.event_time)
                    proofs[named] |= matched
            holdings = [
                Holding(
                    self._tag_sets[item],
                    len(found),
                    min(times[item]),
                    max(times[item]),
                    tuple(sorted(proofs[item])),
                )
                for item, found in events.items()
            ]
        holdings.sort(key=lambda item: (item.tags.system, item.tags.topic, item.tags.id))
        return Found(tuple(holdings), len(set().union(*events.values())))

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        wanted, known = set(keys) - {NOTHING}, set(without)
        with self._lock:
            found = [
                row
                for row in self._claims.values()
                if row[of] in wanted
                and row["token"] not in known
                and (of != "server" or row["mark"] in (Mark.OFF, Mark.ON))
                and (known_at is None or row["learnt_at"] <= _naive(known_at))
            ]
        return pa.Table.from_pylist(found, KNOWN_CLAIM_SCHEMA)

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        return self._prefix_table(2, set(tokens))

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        return self._prefix_table(0, set(prefixes))

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        with self._lock:
            mine = {key: row for key, row, _ in self._under(spans)}
            names = self._names()
            roles, tag_sets = defaultdict[Event, set[Role]](set), defaultdict[Event, set[int]](set)
            for key, row in mine.items():
                roles[key[1:4]].add(_ROLES[key[4]])
                tag_sets[key[1:4]].add(names.get(row.tag_set, row.tag_set))
            identified = {row[of] for row in self._claims.values() for of in ("token", "subject")}
            pairs = [pair for older, newer, _ in self._pairs for pair in ((older, newer), (newer, older))]
            identified |= {one for one, other in pairs if other in identified}
            others, known = defaultdict[Event, set[Role]](set), defaultdict[Event, set[Role]](set)
            for key in self._rows.keys() - mine.keys():
                role = _ROLES[key[4]]
                # In one role stands one person, by whatever identifiers; only those mentioned may be several.
                if key[1:4] in roles and (role is Role.MENTIONED or role not in roles[key[1:4]]):
                    others[key[1:4]].add(role)
                    known[key[1:4]] |= {role} if key[0] in identified else set()
            counts = Counter(
                (tag_set, frozenset(roles[event]), frozenset(others[event]), frozenset(known[event]))
                for event in others
                for tag_set in tag_sets[event]
            )
        return [Others(*pattern, events) for pattern, events in counts.items()]

    def beside(self, spans: Sequence[Span], known_at: datetime | None = None) -> pa.Table:
        """Contract: `sinks.ports.lineage.BesideReader`."""
        first: dict[tuple[bytes, bytes, date], datetime] = {}
        with self._lock:
            positions = self._positions(known_at)
            mine = defaultdict[tuple[Any, ...], set[bytes]](set)
            for key, _, _ in self._under(spans):
                known = known_at is None or key[3] < positions.get(key[1:3], 0)
                if known and _ROLES[key[4]] is not Role.MENTIONED:
                    mine[key[1:]].add(key[0])
            for key, row in self._rows.items():
                for token in mine.get(key[1:], set()) - {key[0]}:
                    pair = token, key[0], row.event_time.date()
                    first[pair] = min(first.get(pair, row.event_time), row.event_time)
        rows = [(token, other, _naive(at)) for (token, other, _), at in first.items()]
        return pa.Table.from_pylist(
            [dict(zip(BESIDE_SCHEMA.names, row, strict=True)) for row in rows], BESIDE_SCHEMA
        )

    def marks(self, keys: Mapping[str, Sequence[bytes]]) -> Mapping[MarkKey, int]:
        """Contract: `sinks.ports.changes.IndexMarks`."""
        under: defaultdict[MarkKey, set[object]] = defaultdict(set)
        with self._lock:
            for place, claim in self._claims.items():
                for name in ("token", "subject", "group", "line", "server"):
                    under["claim", claim[name]].add((place, claim["learnt_at"]))
            for key, row in self._rows.items():
                under["row", key[0]].add((key, row))
            for item in self._prefixes:
                under["prefix", item[0]].add(item)
                under["address", item[2]].add(item)
        wanted = {(kind, key) for kind, some in keys.items() for key in some}
        return {key: hash(frozenset(found)) for key, found in under.items() if key in wanted}

    def going(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        with self._lock:
            positions = self._positions(known_at)
            mine = {key: row for key, row, _ in self._under(spans)}
            beside = self._beside(mine, kept, {span.token for span in spans})
            ended = self._ended(mine, kept, gone) | beside

            def count(keys: Iterable[RowKey]) -> int:
                return sum(known_at is None or key[3] < positions.get(key[1:3], 0) for key in keys)

            decided = {key: kept.get(row.tag_set, self._tag_sets[row.tag_set]) for key, row in mine.items()}
            narrowed = [key for key, tags in decided.items() if tags and tags.id != mine[key].tag_set]
            return Forgotten(
                count(key for key, tags in decided.items() if tags is None), count(narrowed), count(ended)
            )

    def forget(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
    ) -> Forgotten:
        if not any(narrowed is None or narrowed.id != tag_set for tag_set, narrowed in kept.items()):
            return Forgotten()
        removed: set[RowKey] = set()
        narrowed_rows = 0
        with self._lock:
            kept, gone = self._of_every_key(kept, gone)
            tokens = {span.token for span in spans}
            mine = {key: row for key, row, _ in self._under(spans)}
            ended = self._ended(mine, kept, gone) | self._beside(mine, kept, tokens)
            for key, row in mine.items():
                narrowed = kept.get(row.tag_set, self._tag_sets[row.tag_set])
                if narrowed is None:
                    del self._rows[key]
                    removed.add(key)
                elif narrowed.id != row.tag_set:
                    self._tag_sets[narrowed.id] = narrowed
                    self._rows[key] = replace(row, tag_set=narrowed.id)
                    narrowed_rows += 1
            for key in ended:
                del self._rows[key]
            events = {key[1:4] for key in removed}
            theirs = events - {key[1:4] for key in self._rows if key[0] in tokens}
            nobodys = events - {key[1:4] for key in self._rows}
            self._claims = {key: row for key, row in self._claims.items() if key[:3] not in theirs}
            self.findings = {key: row for key, row in self.findings.items() if key[:3] not in nobodys}
            unseen = (tokens | {key[0] for key in ended}) - {key[0] for key in self._rows}
            self._prefixes = {item for item in self._prefixes if item[2] not in unseen}
        return Forgotten(len(removed), narrowed_rows, len(ended))

    def pairs(self, tokens: Sequence[bytes]) -> pa.Table:
        wanted = set(tokens)
        with self._lock:
            found = [item for item in self._pairs if wanted.intersection(item[:2])]
        return pa.Table.from_pylist(
            [dict(zip(PAIR_SCHEMA.names, item, strict=True)) for item in found], PAIR_SCHEMA
        )

    def entries(self) -> Sequence[KeyEntry]:
        with self._lock:
            return list(self._register)

    def append(self, entry: KeyEntry) -> bool:
        with self._lock:
            if any(item.sequence == entry.sequence for item in self._register):
                return False
            self._register.append(entry)
            return True

    def used(self) -> set[str]:
        with self._lock:
            return {tags.key_id for tags in self._tag_sets.values()}

    def empty(self) -> bool:
        with self._lock:
            return not (self._tag_sets or self._claims or self.retained or self.ranges or self.dead)

    def _names(self) -> dict[int, int]:
        order: dict[str, int] = {}
        for entry in self._register:
            order.setdefault(entry.key_id, entry.sequence + 1)
        return same_but_for_key(self._tag_sets.values(), order)

    def _alike(self, tag_sets: Sequence[int]) -> list[int]:
        names = self._names()
        wanted = {names.get(item, item) for item in tag_sets}
        return sorted(wanted | {item for item, name in names.items() if name in wanted})

    def _of_every_key(
        self, kept: Mapping[int, TagSet | None], gone: Mapping[int, RecordsGone]
    ) -> tuple[Mapping[int, TagSet | None], Mapping[int, RecordsGone]]:
        wider = {
            other: narrowed and replace(narrowed, key_id=self._tag_sets[other].key_id)
            for tag_set, narrowed in kept.items()
            for other in self._alike([tag_set])
            if other not in kept
        }
        ended = {other: records for tag_set, records in gone.items() for other in self._alike([tag_set])}
        return {**wider, **kept}, {**ended, **gone}

    def _ended(
        self,
        mine: Mapping[RowKey, _Row],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone],
    ) -> set[RowKey]:
        """Rows of others in events whose record is gone."""
        theirs, roles = defaultdict[Event, set[RowKey]](set), defaultdict[Event, set[Role]](set)
        for key in self._rows.keys() - mine.keys():
            theirs[key[1:4]].add(key)
        for key in mine:
            roles[key[1:4]].add(_ROLES[key[4]])
        ended: set[RowKey] = set()
        for key, row in mine.items():
            event, records = key[1:4], gone.get(row.tag_set)
            removed = row.tag_set in kept and kept[row.tag_set] is None
            if records is not None and removed and _ROLES[key[4]] in records.roles:
                named = {_ROLES[other[4]] for other in theirs[event]} - roles[event]
                if records.stayed_for.isdisjoint(named):
                    ended |= theirs[event]
        return ended

    def _beside(
        self, mine: Mapping[RowKey, _Row], kept: Mapping[int, TagSet | None], tokens: Set[bytes]
    ) -> set[RowKey]:
        """Rows under another token of the person, outside its span, in an event of theirs and in the same role."""
        removing = {tag_set for tag_set, narrowed in kept.items() if narrowed is None}
        events = {key[1:] for key, row in mine.items() if row.tag_set in removing}
        return {
            key
            for key, row in self._rows.items()
            if key[0] in tokens and key not in mine and key[1:] in events and row.tag_set in removing
        }

    def _positions(self, known_at: datetime | None) -> dict[Partition, int]:
        found: dict[Partition, int] = {}
        for written_at, item in self._written:
            if known_at is None or written_at <= known_at:
                where = (item.topic, item.partition)
                found[where] = max(found.get(where, 0), item.last_offset + 1)
        return found

    def _prefix_table(self, place: int, wanted: set[bytes]) -> pa.Table:
        with self._lock:
            found = [item for item in self._prefixes if item[place] in wanted]
        return pa.Table.from_pylist(
            [dict(zip(PREFIX_SCHEMA.names, item, strict=True)) for item in found], PREFIX_SCHEMA
        )

    def _under(self, spans: Sequence[Span]) -> Iterator[tuple[RowKey, _Row, set[Proof]]]:
        by_token: defaultdict[bytes, list[Span]] = defaultdict(list)
        for span in spans:
            by_token[span.token].append(span)
        for key, row in self._rows.items():
            matched = [
                span
                for span in by_token.get(key[0], ())
                if _within(row.event_time, span) and span.port_from <= row.port <= span.port_to
            ]
            if matched:
                yield key, row, {span.proof for span in matched if span.proof is not None}


def _learn(known: dict[tuple[Any, ...], dict[str, Any]], claims: pa.Table, now: datetime) -> None:
    """Of a claim that is written again, the version that was learnt first stands."""
    for row in claims.to_pylist():
        where = (row["topic"], row["partition"], row["offset"], row["part"])
        learnt_at = _naive(now)
        if where not in known or learnt_at < known[where]["learnt_at"]:
            known[where] = {**row, "learnt_at": learnt_at}


def _naive(moment: datetime) -> datetime:
    """As Arrow's times without a zone: in UTC, whole milliseconds."""
    moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _within(moment: datetime, bounds: Span | Filter) -> bool:
    return (bounds.since is None or moment >= bounds.since) and (
        bounds.until is None or moment < bounds.until
    )

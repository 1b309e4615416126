"""Lineage, written and asked, in plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from schemas.errors import Fenced
from schemas.vocabulary import Proof, Role
from sinks.memory.offsets import MemoryOffsets
from sinks.memory.state import Event, MemoryState, Row, naive, within
from sinks.ports.identity import NOTHING
from sinks.ports.keys import retired
from sinks.ports.lineage import (
    BESIDE_SCHEMA,
    NO_LIMITS,
    Clock,
    Counts,
    CountsQuestion,
    Filter,
    FindQuestion,
    Found,
    Holding,
    LineageBatch,
    Others,
    Span,
)


class MemoryWriter(MemoryOffsets):
    """An `IndexWriter`."""

    def write(self, batch: LineageBatch, clock: Clock) -> None:
        with self.lock:
            for item in batch.ranges:
                if self.epochs_known.get((item.topic, item.partition), 0) > item.epoch:
                    raise Fenced(
                        f"{item.topic}/{item.partition} was taken over by another worker"
                        f" (epoch {item.epoch} is old); what was read of it is dropped here and written there"
                    )
            if self.register_says(batch.key_id) == "retired":
                raise retired(batch.key_id)
            self.tag_sets |= {tags.id: tags for tags in batch.tag_sets}
            pairs = zip(*batch.pairs.to_pydict().values(), strict=True)
            self.pairs_known |= dict.fromkeys(pairs, batch.key_id)
            for row in batch.rows.to_pylist():
                key = (row["token"], row["topic"], row["partition"], row["offset"], row["role"])
                at = row["event_time"].replace(tzinfo=UTC)
                said = row.get("record") or 0, row.get("customer") or NOTHING
                self.rows[key] = Row(row["tag_set"], at, row["port"], *said)
            now = clock()
            _learn(self.claims_known, batch.claims.table, batch.key_id, now)
            _learn(self.retained, batch.retained.table, batch.key_id, now)
            self.prefixes_known |= {
                (row["prefix"], row["length"], row["token"]): batch.key_id
                for row in batch.prefixes.to_pylist()
            }
            self.identifiers |= {
                row["token"]: {**row, "key_id": batch.key_id} for row in batch.identifiers.to_pylist()
            }
            for row in batch.clocks.to_pylist():
                place = (row["token"], row["topic"], row["partition"], row["offset"], row["part"])
                self.clocks[place] = {**row, "key_id": batch.key_id}
            for row in batch.facts.to_pylist():
                place = (row["token"], row["topic"], row["partition"], row["offset"], row["part"])
                self.said[place] = {**row, "key_id": batch.key_id}
            for row in batch.record_keys.to_pylist():
                self.record_keys[row["topic"], row["partition"], row["offset"]] = row
            for row in batch.findings.to_pylist():
                where = tuple(value for name, value in row.items() if name not in ("category", "score"))
                self.findings[where] = row
        meanwhile = batch.meanwhile()
        with self.lock:
            self.resurrected += (*batch.resurrected, *meanwhile)
            self.dead |= {(row.topic, row.partition, row.offset): row for row in batch.dead}
            self.ranges += batch.ranges
            now = clock()
            self.written += [(now, item) for item in batch.ranges]


class MemoryReader(MemoryState):
    """An `IndexReaderOfMany` and `BesideReader`."""

    def find(
        self, spans: Sequence[Span], limits: Filter = NO_LIMITS, known_at: datetime | None = None
    ) -> Found:
        with self.lock:
            positions = self.positions_at(known_at)
            limits = replace(limits, tag_sets=self.alike(limits.tag_sets))
            names = self.names()
            events: defaultdict[int, set[Event]] = defaultdict(set)
            times: defaultdict[int, list[datetime]] = defaultdict(list)
            proofs: defaultdict[int, set[Proof]] = defaultdict(set)
            for key, row, matched in self.under(spans):
                known = self.was_known(key[1:4], positions, known_at)
                if known and within(row.event_time, limits) and limits.admits(self.tag_sets[row.tag_set]):
                    named = names.get(row.tag_set, row.tag_set)
                    events[named].add(key[1:4])
                    times[named].append(row.event_time)
                    proofs[named] |= matched
            holdings = [
                Holding(
                    self.tag_sets[item],
                    len(found),
                    min(times[item]),
                    max(times[item]),
                    tuple(sorted(proofs[item], key=lambda proof: proof.code)),
                )
                for item, found in events.items()
            ]
        holdings.sort(key=lambda item: (item.tags.system, item.tags.topic, item.tags.id))
        return Found(tuple(holdings), len(set().union(*events.values())))

    def counts(
        self, spans: Sequence[Span], tag_sets: Sequence[int], known_at: datetime | None = None
    ) -> Counts:
        with self.lock:
            positions, wanted = self.positions_at(known_at), set(self.alike(tag_sets))
            theirs = {NOTHING, *(span.token for span in spans)}
            found = {
                (key[1:4], row.record or key[1:4])
                for key, row, _ in self.under(spans)
                if row.tag_set in wanted
                and row.customer in theirs
                and self.was_known(key[1:4], positions, known_at)
            }
        return Counts(len({event for event, _ in found}), len({record for _, record in found}))

    def others(self, spans: Sequence[Span]) -> Sequence[Others]:
        with self.lock:
            mine = {key: row for key, row, _ in self.under(spans)}
            names = self.names()
            shared = self.crowded(mine)
            roles, tag_sets = defaultdict[Event, set[Role]](set), defaultdict[Event, set[int]](set)
            for key, row in mine.items():
                roles[key[1:4]].add(Role.of(key[4]))
                tag_sets[key[1:4]].add(names.get(row.tag_set, row.tag_set))
            identified = {row[of] for row in self.claims_known.values() for of in ("token", "subject")}
            pairs = [
                pair for older, newer, _ in self.pairs_known for pair in ((older, newer), (newer, older))
            ]
            identified |= {one for one, other in pairs if other in identified}
            others, known = defaultdict[Event, set[Role]](set), defaultdict[Event, set[Role]](set)
            for key in self.rows.keys() - mine.keys():
                role = Role.of(key[4])
                # In one role stands one person, by whatever identifiers, unless the row says otherwise.
                among = role is Role.MENTIONED or key[1:] in shared
                if key[1:4] in roles and (among or role not in roles[key[1:4]]):
                    others[key[1:4]].add(role)
                    known[key[1:4]] |= {role} if key[0] in identified else set()
            counts = Counter(
                (tag_set, frozenset(roles[event]), frozenset(others[event]), frozenset(known[event]))
                for event in others
                for tag_set in tag_sets[event]
            )
        return [Others(*pattern, events) for pattern, events in counts.items()]

    def find_each(self, questions: Sequence[FindQuestion]) -> list[Found]:
        return [self.find(item.spans, item.limits, item.known_at) for item in questions]

    def counts_each(self, questions: Sequence[CountsQuestion]) -> list[Counts]:
        return [self.counts(item.spans, item.tag_sets, item.known_at) for item in questions]

    def others_each(self, questions: Sequence[Sequence[Span]]) -> list[Sequence[Others]]:
        return [self.others(spans) for spans in questions]

    def beside(self, spans: Sequence[Span], known_at: datetime | None = None) -> pa.Table:
        """Contract: `sinks.ports.lineage.BesideReader`."""
        first: dict[tuple[bytes, bytes, date], datetime] = {}
        with self.lock:
            positions = self.positions_at(known_at)
            mine = defaultdict[tuple[Any, ...], set[bytes]](set)
            for key, _, _ in self.under(spans):
                known = self.was_known(key[1:4], positions, known_at)
                if known and Role.of(key[4]) is not Role.MENTIONED:
                    mine[key[1:]].add(key[0])
            for key, row in self.rows.items():
                for token in mine.get(key[1:], set()) - {key[0]}:
                    pair = token, key[0], row.event_time.date()
                    first[pair] = min(first.get(pair, row.event_time), row.event_time)
        rows = [(token, other, naive(at)) for (token, other, _), at in first.items()]
        return pa.Table.from_pylist(
            [dict(zip(BESIDE_SCHEMA.names, row, strict=True)) for row in rows], BESIDE_SCHEMA
        )


def _learn(
    known: dict[tuple[Any, ...], dict[str, Any]], claims: pa.Table, key_id: str, now: datetime
) -> None:
    """Of a claim that is written again, the version that was learnt first stands."""
    for row in claims.to_pylist():
        where = (row["topic"], row["partition"], row["offset"], row["part"])
        learnt_at = naive(now)
        if where not in known or learnt_at < known[where]["learnt_at"]:
            known[where] = {**row, "learnt_at": learnt_at, "key_id": key_id}

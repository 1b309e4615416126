"""How old what is held is, and forgetting what has run out, in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from schemas.tags import TagSet
from sinks.memory.forgotten import without_events
from sinks.memory.identifiers import unseal
from sinks.memory.state import Event, MemoryState, Row, RowKey, within
from sinks.ports.expiry import DayCount, Expired, OldRecords, RunOut
from sinks.ports.lineage import Filter, Span


class MemoryExpiry(MemoryState):
    """An `ExpiryReader` and `IndexExpirer`."""

    def by_day(
        self, zone: ZoneInfo, kept: Sequence[Span] = (), known_at: datetime | None = None
    ) -> Sequence[DayCount]:
        events = defaultdict[tuple[int, date], set[Event]](set)
        theirs = defaultdict[tuple[int, date], set[Event]](set)
        with self.lock:
            names, stays = self.names(), self._events_of(kept)
            positions = self.positions_at(known_at)
            for key, row in self.rows.items():
                if not self.was_known(key[1:4], positions, known_at):
                    continue
                place = names.get(row.tag_set, row.tag_set), row.event_time.astimezone(zone).date()
                events[place].add(key[1:4])
                if key[1:4] in stays:
                    theirs[place].add(key[1:4])
            return [
                DayCount(self.tag_sets[tag_set], day, len(found), len(theirs[tag_set, day]))
                for (tag_set, day), found in events.items()
            ]

    def clocks_told(self) -> frozenset[str]:
        with self.lock:
            return frozenset(row["clock"] for row in self.clocks.values())

    def records(self, questions: Sequence[OldRecords], kept: Sequence[Span] = ()) -> Sequence[int]:
        with self.lock:
            stays = self._events_of(kept)
            return [self._records(question, stays) for question in questions]

    def _records(self, question: OldRecords, stays: Collection[Event]) -> int:
        every, some = set(self.alike(question.every)), set(self.alike(question.tag_sets))
        newest, meant, theirs = dict[object, datetime](), set[object](), set[object]()
        for key, row in self.rows.items():
            if row.tag_set in every:
                record = row.record or key[1:4]
                newest[record] = max(newest.get(record, row.event_time), row.event_time)
                if row.tag_set in some:
                    meant.add(record)
                if key[1:4] in stays:
                    theirs.add(record)
        bounds = Filter(since=question.since, until=question.before)
        return sum(within(newest[record], bounds) for record in meant - theirs)

    def expire(
        self, run_out: Sequence[RunOut], kept: Sequence[Span] = (), known_at: datetime | None = None
    ) -> Expired:
        with self.lock:
            ways, stays = self._ways_of_every_key(run_out), self._events_of(kept)
            positions = self.positions_at(known_at)
            decided = {
                key: way
                for key, row in self.rows.items()
                if key[1:4] not in stays
                and self.was_known(key[1:4], positions, known_at)
                and (way := _way(row, ways.get(row.tag_set, ()))) is not None
            }
            removed = {key for key, way in decided.items() if way.narrowed is None}
            for key, way in decided.items():
                if way.narrowed is None:
                    del self.rows[key]
                else:
                    self.tag_sets[way.narrowed.id] = way.narrowed
                    self.rows[key] = replace(self.rows[key], tag_set=way.narrowed.id)
            self._follow(removed)
        return Expired(len(removed), len(decided) - len(removed))

    def _events_of(self, kept: Sequence[Span]) -> set[Event]:
        """Events with a row under the spans."""
        return {key[1:4] for key, _, _ in self.under(kept)}

    def _ways_of_every_key(self, run_out: Iterable[RunOut]) -> Mapping[int, Sequence[RunOut]]:
        """By tag set, the earliest moment first; of one moment what goes before what is narrowed."""
        ways = defaultdict[int, list[RunOut]](list)
        for item in sorted(run_out, key=lambda item: (item.before, item.narrowed is not None)):
            for tag_set in self.alike([item.tag_set]):
                ways[tag_set].append(
                    replace(item, narrowed=_with_key(item.narrowed, self.tag_sets.get(tag_set)))
                )
        return ways

    def _follow(self, removed: Collection[RowKey]) -> None:
        """What goes with the last row of an event, and with the last one under a token."""
        left = {key[1:4] for key in self.rows}
        gone = {key[1:4] for key in removed} - left
        unseen = {key[0] for key in removed} - {key[0] for key in self.rows}
        self.claims_known, said = without_events(self.claims_known, gone, self.same_tokens(), self.sources)
        self.clocks = {key: row for key, row in self.clocks.items() if key[1:4] not in gone}
        self.said = {key: row for key, row in self.said.items() if key[1:4] not in gone}
        self.record_keys = {key: row for key, row in self.record_keys.items() if key not in gone}
        self.findings = {key: row for key, row in self.findings.items() if key[:3] not in gone}
        self.prefixes_known = {
            item: key_id for item, key_id in self.prefixes_known.items() if item[2] not in unseen
        }
        tokens = {key[0] for key in removed} | {row[name] for row in said for name in ("token", "subject")}
        unseal(self, tokens, {key[0] for key in self.rows})


def _way(row: Row, ways: Sequence[RunOut]) -> RunOut | None:
    """In which way the row has run out: it goes if it does by any."""
    fit = [way for way in ways if row.event_time < way.before]
    return next((way for way in fit if way.narrowed is None), fit[0] if fit else None)


def _with_key(narrowed: TagSet | None, whole: TagSet | None) -> TagSet | None:
    return narrowed if narrowed is None or whole is None else replace(narrowed, key_id=whole.key_id)

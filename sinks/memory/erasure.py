"""Forgetting, in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import Any

from schemas.tags import TagSet
from schemas.vocabulary import Role
from sinks.memory.forgotten import without_events
from sinks.memory.identifiers import unseal
from sinks.memory.state import Event, MemoryState, Row, RowKey
from sinks.ports.erasure import NOTHING_GONE, Forgotten, RecordsGone, ToForget
from sinks.ports.identity import NOTHING
from sinks.ports.lineage import (
    Span,
)


class MemoryEraser(MemoryState):
    """An `IndexEraserOfMany`."""

    def going(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        with self.lock:
            kept, gone = self._of_every_key(kept, gone)
            positions = self.positions_at(known_at)
            tokens = {span.token for span in spans}
            mine = {key: row for key, row, _ in self.under(spans)}
            ended = self._ended(mine, kept, gone, tokens) | self._beside(mine, kept, tokens)

            def count(keys: Iterable[RowKey]) -> int:
                return sum(self.was_known(key[1:4], positions, known_at) for key in keys)

            decided = {key: kept.get(row.tag_set, self.tag_sets[row.tag_set]) for key, row in mine.items()}
            narrowed = [key for key, tags in decided.items() if tags and tags.id != mine[key].tag_set]
            return Forgotten(
                count(key for key, tags in decided.items() if tags is None), count(narrowed), count(ended)
            )

    def forget(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        if not any(narrowed is None or narrowed.id != tag_set for tag_set, narrowed in kept.items()):
            return Forgotten()
        removed: set[RowKey] = set()
        narrowed_rows = 0
        with self.lock:
            kept, gone = self._of_every_key(kept, gone)
            removing = any(narrowed is None for narrowed in kept.values())
            tokens = {span.token for span in spans}
            positions = self.positions_at(known_at)
            every = {key: row for key, row, _ in self.under(spans)}
            mine = {key: row for key, row in every.items() if self.was_known(key[1:4], positions, known_at)}
            ended = self._ended(mine, kept, gone, tokens) | self._beside(mine, kept, tokens)
            for key, row in mine.items():
                narrowed = kept.get(row.tag_set, self.tag_sets[row.tag_set])
                if narrowed is None:
                    del self.rows[key]
                    removed.add(key)
                elif narrowed.id != row.tag_set:
                    self.tag_sets[narrowed.id] = narrowed
                    self.rows[key] = replace(row, tag_set=narrowed.id)
                    narrowed_rows += 1
            for key in ended:
                del self.rows[key]
            events = {key[1:4] for key in removed}
            theirs = events - {key[1:4] for key in self.rows if key[0] in tokens}
            nobodys = events - {key[1:4] for key in self.rows}
            own = {span.token for span in spans if span.proof is None}
            self.claims_known, said = without_events(
                self.claims_known, theirs, self.same_tokens(), self.sources, own
            )
            self.retained = {key: row for key, row in self.retained.items() if key[:3] not in theirs}
            # As claims go: with the last row of the person in the event.
            self.clocks = {key: row for key, row in self.clocks.items() if key[1:4] not in theirs}
            self.said = {key: row for key, row in self.said.items() if key[1:4] not in theirs}
            self.record_keys = {key: row for key, row in self.record_keys.items() if key not in theirs}
            if removing:
                self._unseal({*tokens, *(key[0] for key in ended)}, said, every.keys() - removed)
            self.findings = {key: row for key, row in self.findings.items() if key[:3] not in nobodys}
            unseen = (tokens | {key[0] for key in ended}) - {key[0] for key in self.rows}
            self.prefixes_known = {
                item: key_id for item, key_id in self.prefixes_known.items() if item[2] not in unseen
            }
        return Forgotten(len(removed), narrowed_rows, len(ended))

    def going_each(self, questions: Sequence[ToForget]) -> list[Forgotten]:
        return [self.going(item.spans, item.kept, item.gone, item.known_at) for item in questions]

    def forget_each(self, questions: Sequence[ToForget]) -> list[Forgotten]:
        return [self.forget(item.spans, item.kept, item.gone, item.known_at) for item in questions]

    def _unseal(self, tokens: set[bytes], said: Iterable[Mapping[str, Any]], stay: Iterable[RowKey]) -> None:
        """Take away the sealed identifiers of these tokens, and of the claims that are gone, which nothing mentions."""
        tokens |= {row[name] for row in said for name in ("token", "subject")}
        unseal(self, tokens, {key[0] for key in stay})

    def _of_every_key(
        self, kept: Mapping[int, TagSet | None], gone: Mapping[int, RecordsGone]
    ) -> tuple[Mapping[int, TagSet | None], Mapping[int, RecordsGone]]:
        wider = {
            other: narrowed and replace(narrowed, key_id=self.tag_sets[other].key_id)
            for tag_set, narrowed in kept.items()
            for other in self.alike([tag_set])
            if other not in kept
        }
        ended = {other: records for tag_set, records in gone.items() for other in self.alike([tag_set])}
        return {**wider, **kept}, {**ended, **gone}

    def _ended(
        self,
        mine: Mapping[RowKey, Row],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone],
        tokens: Set[bytes],
    ) -> set[RowKey]:
        """Rows of others than of the tokens, in events whose record is gone."""
        theirs, roles = defaultdict[Event, set[RowKey]](set), defaultdict[Event, set[Role]](set)
        for key in self.rows.keys() - mine.keys():
            theirs[key[1:4]].add(key)
        for key in mine:
            roles[key[1:4]].add(Role.of(key[4]))
        ended: set[RowKey] = set()
        shared = self.crowded(mine)
        customers = self.same_tokens().every(claim["subject"] for claim in self.claims_known.values())
        own = {NOTHING, *tokens}
        for key, row in mine.items():
            event, records = key[1:4], gone.get(row.tag_set)
            if row.customer not in own:
                # Another customer's record, which no system deletes for the person.
                continue
            removed = row.tag_set in kept and kept[row.tag_set] is None
            if records is not None and removed and Role.of(key[4]) in records.roles:
                alone = {role for role in roles[event] if (*event, role.code) not in shared}
                named = {Role.of(other[4]) for other in theirs[event]} - alone
                if records.stayed_for.isdisjoint(named):
                    ended |= {
                        other
                        for other in theirs[event]
                        if other[0] not in customers or Role.of(other[4]) not in alone
                    }
        return ended

    def _beside(
        self, mine: Mapping[RowKey, Row], kept: Mapping[int, TagSet | None], tokens: Set[bytes]
    ) -> set[RowKey]:
        """Rows under another token of the person, outside its span, in an event of theirs and in the same role."""
        several = {tag_set for tag_set, tags in self.tag_sets.items() if tags.several}
        removing = {
            tag_set for tag_set, narrowed in kept.items() if narrowed is None and tag_set not in several
        }
        events = {key[1:] for key, row in mine.items() if row.tag_set in removing}
        return {
            key
            for key, row in self.rows.items()
            if key[0] in tokens and key not in mine and key[1:] in events and row.tag_set in removing
        }

"""Has the index forget what has run out, of everybody at once. Contract: `sinks.ports.expiry.IndexExpirer`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from schemas.tags import TagSet
from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.by_event import EVENT, PLACE, Event, event_conditions, place_conditions, place_of
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.expiry import under
from sinks.clickhouse.forgotten import claims_of, keep_forgotten, tidy_forgotten
from sinks.clickhouse.identifiers import Unmentioned
from sinks.clickhouse.known import known_by
from sinks.clickhouse.pairs import key_count, same_tokens
from sinks.clickhouse.reader import ClickHouseReader, rows_of
from sinks.clickhouse.spans import Piece, bounded, matching, pieces, token_conditions, tokens_of
from sinks.clickhouse.taking_out import on_cluster, take_out
from sinks.clickhouse.values import Parameters, millis, tokens_in
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.expiry import Expired, RunOut
from sinks.ports.forgotten import Sources
from sinks.ports.lineage import Span

# In one statement that changes rows: as `sinks.clickhouse.spans` says of its own.
KEPT_AT_ONCE, KEPT_EMBEDDED = 250, 10_000
_LOWEST = -(2**63)
Place = tuple[bytes, Event]
"""The rows of an event under a token."""
Edge = tuple[bytes, int]
"""Token and offset."""


@dataclass(frozen=True)
class _Stays:
    """What stays although it has run out: events with a row under the pieces, and those that came later.

    `later`: SQL for what was in the index by then, and its parameters.
    """

    parts: Sequence[Piece] = ()
    later: tuple[str, Parameters] = ("1", {})


@dataclass(frozen=True)
class _Due:
    """Which rows go: tag sets by the moment (ms) before which they have run out, but not what `stays`."""

    sets: Mapping[int, Sequence[int]]
    stays: _Stays

    def ways(self, parameters: Parameters) -> str:
        """SQL for rows that have run out, kept or not."""
        texts = []
        for number, (before, sets) in enumerate(sorted(self.sets.items())):
            parameters |= {f"sets{number}": list(sets), f"before{number}": before}
            texts.append(
                f"(tag_set IN {{sets{number}:Array(UInt64)}}"
                f" AND event_time < fromUnixTimestamp64Milli({{before{number}:Int64}}, 'UTC'))"
            )
        later, limits = self.stays.later
        parameters |= limits
        return f"(({' OR '.join(texts)}) AND {later})"

    def rows(self, parameters: Parameters) -> str:
        """SQL for the rows that go, in a question."""
        parts = self.stays.parts
        without = f" AND NOT {under(parts, parameters)}" if parts else ""
        return f"({self.ways(parameters)}{without})"

    def beside(self, parameters: Parameters) -> str:
        """SQL for what has run out of others in the events of those who are kept, and stays with these."""
        parts = self.stays.parts
        columns = f"token, {EVENT}, role"
        rows = rows_of(tokens_of(parts), "1", parameters)
        own = f"SELECT {columns} FROM ({matching(parts, rows, parameters)})"
        return (
            f"SELECT DISTINCT token, {EVENT} FROM lineage FINAL WHERE {self.ways(parameters)}"
            f" AND {under(parts, parameters)} AND ({columns}) NOT IN ({own})"
        )

    def conditions(self, beside: Collection[Place], at_once: int) -> Iterator[tuple[str, Parameters]]:
        """The same as conditions that stand alone, as a statement that changes rows needs them: for a range of tokens
        and offsets each, in which so much is kept as one statement can name. `beside`: as the question found it."""
        for low, high, parts, places in in_ranges(self.stays.parts, beside, at_once):
            parameters: Parameters = {}
            texts = []
            if parts:
                text, parameters = bounded(parts)
                texts.append(f"NOT ({text})")
            if places:
                parameters["beside"] = sorted(place_of(event, token) for token, event in places)
                texts.append(f"{PLACE} NOT IN {{beside:Array(UInt64)}}")
            if low is not None:
                token = _constant(parameters, "low", low[0])
                texts.append(f"(token > {token} OR (token = {token} AND offset >= {{lowest:Int64}}))")
                parameters["lowest"] = low[1]
            if high is not None:
                token = _constant(parameters, "high", high[0])
                texts.append(f"(token < {token} OR (token = {token} AND offset < {{highest:Int64}}))")
                parameters["highest"] = high[1]
            yield " AND ".join([self.ways(parameters), *texts]), parameters


def in_ranges(
    parts: Sequence[Piece], places: Collection[Place], at_once: int
) -> Iterator[tuple[Edge | None, Edge | None, Sequence[Piece], Sequence[Place]]]:
    """Ranges of tokens and offsets that share out all rows, with what is kept in each: pieces, and places of rows.

    Of both together as many as `at_once`, unless one token has more pieces.
    """
    by_token: defaultdict[bytes, list[Piece]] = defaultdict(list)
    for part in parts:
        by_token[part.token].append(part)
    items: list[tuple[Edge, Place | None]] = [((token, _LOWEST), None) for token in by_token]
    items += [((place[0], place[1][2]), place) for place in places]
    items.sort(key=lambda item: item[0])
    chunks: list[list[tuple[Edge, Place | None]]] = [[]]
    size = 0
    for item in items:
        weight = 1 if item[1] is not None else len(by_token[item[0][0]])
        # Rows of one token and offset are in one range.
        if chunks[-1] and size + weight > at_once and chunks[-1][-1][0] != item[0]:
            chunks.append([])
            # Of a token that is cut in two the pieces are named in both.
            size = len(by_token[item[0][0]]) if item[1] is not None else 0
        chunks[-1].append(item)
        size += weight
    edges = [chunk[0][0] for chunk in chunks[1:]]
    for low, high, chunk in zip([None, *edges], [*edges, None], chunks, strict=True):
        tokens = sorted({edge[0] for edge, _ in chunk})
        yield (
            low,
            high,
            [part for token in tokens for part in by_token.get(token, ())],
            [place for _, place in chunk if place is not None],
        )


class ClickHouseExpirer:
    """An `IndexExpirer` on ClickHouse."""

    def __init__(self, index: ClickHouse, sources: Sources | None = None) -> None:
        self._index = index
        self._sources: Sources = sources or {}
        self._reader = ClickHouseReader(index)
        self._writer = ClickHouseWriter(index)

    def expire(
        self, run_out: Sequence[RunOut], kept: Sequence[Span] = (), known_at: datetime | None = None
    ) -> Expired:
        parts = pieces(replace(span, proof=None) for span in kept)
        stays = _Stays(parts, known_by(self._index, known_at))
        removing, narrowing = self._of_every_key(run_out)
        self._drop_older_versions([*removing, *(before for before, _ in narrowing)])
        removed = self._remove(_Due(removing, stays)) if removing else 0
        return Expired(removed, self._narrow(narrowing, stays) if narrowing else 0)

    def _of_every_key(
        self, run_out: Sequence[RunOut]
    ) -> tuple[Mapping[int, Sequence[int]], list[tuple[int, dict[int, TagSet]]]]:
        """What goes, by moment; and what each tag set is narrowed to, the earliest moment first."""
        known = self._reader.tag_sets()
        removing = defaultdict[int, list[int]](list)
        narrowing = defaultdict[int, dict[int, TagSet]](dict)
        for item in run_out:
            for tag_set in self._reader.alike([item.tag_set]):
                if item.narrowed is None:
                    removing[millis(item.before)].append(tag_set)
                else:
                    key_id = known[tag_set].key_id if tag_set in known else item.narrowed.key_id
                    narrowing[millis(item.before)][tag_set] = replace(item.narrowed, key_id=key_id)
        return removing, sorted(narrowing.items())

    def _drop_older_versions(self, moments: Sequence[int]) -> None:
        """Where a row was tagged again, its older version would come back with the removal of the newer one."""
        if not moments:
            return
        parameters: Parameters = {"last": max(moments)}
        where = "WHERE event_time < fromUnixTimestamp64Milli({last:Int64}, 'UTC') GROUP BY year"
        whole, newest = (
            {
                int(year): int(count)
                for year, count in self._index.query(
                    f"SELECT toYear(event_time) AS year, count() FROM lineage {final} {where}", parameters
                )
            }
            for final in ("", "FINAL")
        )
        for year in sorted(whole):
            if whole[year] != newest.get(year, 0):
                self._index.command(
                    f"OPTIMIZE TABLE lineage {on_cluster(self._index)} PARTITION {year} FINAL", erase=True
                )

    def _remove(self, due: _Due) -> int:
        parameters: Parameters = {}
        counted = self._index.query(
            f"SELECT count() FROM lineage FINAL WHERE {due.rows(parameters)}", parameters
        )
        # Before the rows: it is by them that a call which takes up an interrupted one finds what hangs on them.
        events = self._gone(due, "identity_claims")
        leaving = claims_of(self._index, events)
        self._unseal(due, events, leaving.mentioned)
        keep_forgotten(self._index, [leaving], self._sources)
        tidy_forgotten(self._index, leaving, self._sources)
        take_out(self._index, "identity_claims", event_conditions(events))
        for table in ("findings", "clock_events", "fact_events", "record_keys"):
            take_out(self._index, table, event_conditions(self._gone(due, table)))
        self._leave_events(due)
        prefixes = self._last_of(due, "address_prefixes")
        take_out(self._index, "address_prefixes", token_conditions(prefixes))
        take_out(self._index, "lineage", self._conditions(due) if counted[0][0] else ())
        return int(counted[0][0])

    def _conditions(self, due: _Due) -> Iterator[tuple[str, Parameters]]:
        parameters: Parameters = {}
        beside: list[Place] = []
        if due.stays.parts:
            rows = self._index.query(due.beside(parameters), parameters)
            beside = [(bytes(row[0]), (str(row[1]), int(row[2]), int(row[3]))) for row in rows]
        return due.conditions(beside, KEPT_EMBEDDED if self._index.embedded else KEPT_AT_ONCE)

    def _gone(self, due: _Due, table: str) -> list[Event]:
        """Events named in the table of which every row goes."""
        parameters: Parameters = {}
        rows = due.rows(parameters)
        leaving = f"SELECT {EVENT} FROM lineage FINAL WHERE {rows}"
        found = self._index.query(
            f"SELECT {EVENT} FROM lineage FINAL"
            f" WHERE ({EVENT}) IN (SELECT {EVENT} FROM {table} WHERE ({EVENT}) IN ({leaving}))"
            f" GROUP BY {EVENT} HAVING countIf({rows}) = count() ORDER BY {EVENT}",
            parameters,
        )
        return [(str(topic), int(partition), int(offset)) for topic, partition, offset in found]

    def _unseal(self, due: _Due, events: Sequence[Event], mentioned: set[bytes]) -> None:
        """Take away the sealed identifiers that no claim mentions without those of the events; not where a row stays,
        since a system has to be told by what it knows it."""
        parameters: Parameters = {}
        going = f"SELECT token FROM lineage FINAL WHERE {due.rows(parameters)}"
        sealed = self._index.query(
            f"SELECT DISTINCT token FROM sealed_identifiers WHERE token IN ({going}){self._under_other_keys(going)}",
            parameters,
        )
        wanted = mentioned | {bytes(token) for (token,) in sealed}
        if not wanted:
            return
        same = same_tokens(self._index, wanted)
        parameters = {}
        asked = tokens_in(parameters, "asked", sorted(same.every(wanted)))
        staying = self._index.query(
            f"SELECT DISTINCT token FROM lineage FINAL PREWHERE token IN {asked} WHERE NOT {due.rows(parameters)}",
            parameters,
        )
        kept = [bytes(token) for (token,) in staying]
        unmentioned = Unmentioned(self._index, same).conditions([(wanted, kept)], events)
        take_out(self._index, "sealed_identifiers", unmentioned)

    def _under_other_keys(self, tokens: str) -> str:
        """SQL for a token of the same identifier as one of these, which are SQL; nothing while there is one key."""
        keys = key_count(self._index)
        if keys < 2:
            return ""
        # From one key to the next: as many steps as there are others.
        for _ in range(keys - 1):
            tokens = f"SELECT arrayJoin([token, other]) FROM token_pairs WHERE token IN ({tokens})"
        return f" OR token IN ({tokens})"

    def _leave_events(self, due: _Due) -> None:
        """Take what goes out of `lineage_by_event`: whole events at once, of others each row."""
        whole = self._gone(due, "lineage_by_event")
        take_out(self._index, "lineage_by_event", event_conditions(whole))
        parameters: Parameters = {}
        going = f"SELECT {EVENT}, role, token FROM lineage FINAL WHERE {due.rows(parameters)}"
        rows = self._index.query(
            f"SELECT DISTINCT {EVENT}, token, toString(role) FROM lineage_by_event"
            f" WHERE ({EVENT}, role, token) IN ({going})",
            parameters,
        )
        by_role: defaultdict[str, set[tuple[Event, bytes]]] = defaultdict(set)
        for topic, partition, offset, token, role in rows:
            by_role[str(role)].add(((str(topic), int(partition), int(offset)), bytes(token)))
        for role, places in by_role.items():
            which = (
                (f"role = {{role:String}} AND {where}", {**parameters, "role": role})
                for where, parameters in place_conditions(places)
            )
            take_out(self._index, "lineage_by_event", which)

    def _last_of(self, due: _Due, table: str) -> list[bytes]:
        """Tokens in the table of which every row goes."""
        parameters: Parameters = {}
        rows = due.rows(parameters)
        found = self._index.query(
            f"SELECT token FROM lineage FINAL PREWHERE token IN (SELECT token FROM {table})"
            f" GROUP BY token HAVING countIf({rows}) = count() ORDER BY token",
            parameters,
        )
        return [bytes(token) for (token,) in found]

    def _narrow(self, narrowing: Sequence[tuple[int, Mapping[int, TagSet]]], stays: _Stays) -> int:
        """All in one step, since a row is decided by the tag set it has and not by one it was just given."""
        due = _Due({before: sorted(to) for before, to in narrowing}, stays)
        parameters: Parameters = {}
        counted = self._index.query(
            f"SELECT count() FROM lineage FINAL WHERE {due.rows(parameters)}", parameters
        )
        if not counted[0][0]:
            return 0
        self._writer.write_tag_sets(tags for _, to in narrowing for tags in to.values())
        texts, sets = list[str](), Parameters()
        for number, (before, to) in enumerate(narrowing):
            sets |= {f"wholes{number}": list(to), f"narrowed{number}": [tags.id for tags in to.values()]}
            sets[f"until{number}"] = before
            texts.append(
                f"event_time < fromUnixTimestamp64Milli({{until{number}:Int64}}, 'UTC')"
                f" AND tag_set IN {{wholes{number}:Array(UInt64)}}, transform(tag_set,"
                f" {{wholes{number}:Array(UInt64)}}, {{narrowed{number}:Array(UInt64)}}, tag_set)"
            )
        for where, parameters in self._conditions(due):
            self._index.command(
                f"ALTER TABLE lineage {on_cluster(self._index)} UPDATE tag_set ="
                f" multiIf({', '.join(texts)}, tag_set) WHERE {where}",
                {**parameters, **sets},
                erase=True,
            )
        return int(counted[0][0])


def _constant(parameters: Parameters, name: str, token: bytes) -> str:
    parameters[name] = token.hex()
    return f"toFixedString(unhex({{{name}:String}}), {TOKEN_BYTES})"

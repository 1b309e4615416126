"""Has the index forget what has run out, of everybody at once. Contract: `sinks.ports.expiry.IndexExpirer`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from schemas.tags import TagSet
from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.by_event import EVENT, Event, event_conditions, place_conditions
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.forgotten import claims_of, keep_forgotten, tidy_forgotten
from sinks.clickhouse.identifiers import Unmentioned
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.spans import token_conditions
from sinks.clickhouse.taking_out import on_cluster, take_out
from sinks.clickhouse.values import Parameters, millis, tokens_in
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.expiry import Expired, RunOut

# In one statement that changes rows: as `sinks.clickhouse.spans` says of its own.
KEPT_AT_ONCE = 1_000
_LOWEST = bytes(TOKEN_BYTES)


@dataclass(frozen=True)
class _Due:
    """Which rows go: tag sets by the moment (ms) before which they have run out, but not those under `kept`."""

    sets: Mapping[int, Sequence[int]]
    kept: Sequence[bytes]

    def ways(self, parameters: Parameters) -> str:
        """SQL for rows that have run out, kept or not."""
        texts = []
        for number, (before, sets) in enumerate(sorted(self.sets.items())):
            parameters |= {f"sets{number}": list(sets), f"before{number}": before}
            texts.append(
                f"(tag_set IN {{sets{number}:Array(UInt64)}}"
                f" AND event_time < fromUnixTimestamp64Milli({{before{number}:Int64}}, 'UTC'))"
            )
        return f"({' OR '.join(texts)})"

    def rows(self, parameters: Parameters) -> str:
        """SQL for the rows that go, in a question."""
        without = f" AND token NOT IN {tokens_in(parameters, 'kept', self.kept)}" if self.kept else ""
        return f"({self.ways(parameters)}{without})"

    def conditions(self) -> Iterator[tuple[str, Parameters]]:
        """The same as conditions that stand alone, as a statement that changes rows needs them: for a range of tokens
        each, in which so many are kept as one statement can name."""
        starts = range(0, len(self.kept), KEPT_AT_ONCE)
        chunks = [self.kept[start : start + KEPT_AT_ONCE] for start in starts] or [()]
        edges = [_LOWEST, *(chunk[0] for chunk in chunks[1:])]
        for low, high, chunk in zip(edges, [*edges[1:], None], chunks, strict=True):
            parameters: Parameters = {}
            text = self.ways(parameters)
            if chunk:
                text += f" AND token NOT IN {tokens_in(parameters, 'kept', chunk)}"
            if low != _LOWEST:
                text += f" AND token >= {_constant(parameters, 'low', low)}"
            if high is not None:
                text += f" AND token < {_constant(parameters, 'high', high)}"
            yield text, parameters


class ClickHouseExpirer:
    """An `IndexExpirer` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._reader = ClickHouseReader(index)
        self._writer = ClickHouseWriter(index)

    def expire(self, run_out: Sequence[RunOut], kept: Collection[bytes] = ()) -> Expired:
        stays = sorted(set(kept))
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
        keep_forgotten(self._index, leaving, ())
        take_out(self._index, "identity_claims", event_conditions(events))
        tidy_forgotten(self._index, leaving)
        for table in ("findings", "clock_events", "record_keys"):
            take_out(self._index, table, event_conditions(self._gone(due, table)))
        self._leave_events(due)
        prefixes = self._last_of(due, "address_prefixes")
        take_out(self._index, "address_prefixes", token_conditions(prefixes))
        take_out(self._index, "lineage", due.conditions() if counted[0][0] else ())
        return int(counted[0][0])

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
        sealed = self._index.query(
            "SELECT DISTINCT token FROM sealed_identifiers WHERE token IN"
            f" (SELECT token FROM lineage FINAL WHERE {due.rows(parameters)})",
            parameters,
        )
        unmentioned = Unmentioned(self._index)
        wanted = mentioned | {bytes(token) for (token,) in sealed}
        if not wanted:
            return
        parameters = {}
        asked = tokens_in(parameters, "asked", sorted(wanted))
        staying = self._index.query(
            f"SELECT DISTINCT token FROM lineage FINAL PREWHERE token IN {asked} WHERE NOT {due.rows(parameters)}",
            parameters,
        )
        kept = [bytes(token) for (token,) in staying]
        take_out(self._index, "sealed_identifiers", unmentioned.conditions(wanted, kept, events))

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

    def _narrow(self, narrowing: Sequence[tuple[int, Mapping[int, TagSet]]], kept: Sequence[bytes]) -> int:
        """All in one step, since a row is decided by the tag set it has and not by one it was just given."""
        due = _Due({before: sorted(to) for before, to in narrowing}, kept)
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
        for where, parameters in due.conditions():
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

"""Makes the index forget a person's rows and what hangs on them, or narrow them to what is still held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from schemas.tags import TagSet
from sinks.clickhouse.by_event import EVENT, Event, event_conditions, place_conditions
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.identifiers import Unmentioned
from sinks.clickhouse.reader import ClickHouseReader, known, rows_of
from sinks.clickhouse.spans import Piece, conditions, matching, pieces, token_conditions
from sinks.clickhouse.values import Parameters, tokens_in
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.erasure import NOTHING_GONE, Forgotten, RecordsGone
from sinks.ports.lineage import Span


class ClickHouseEraser:
    """Contract: `sinks.ports.erasure.IndexEraser`."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index
        self._writer = ClickHouseWriter(index)
        self._reader = ClickHouseReader(index)

    def going(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
        known_at: datetime | None = None,
    ) -> Forgotten:
        kept, gone = self._of_every_key(kept, gone)
        parts, tokens = _pieces(spans)
        removing, narrower = _decided(kept)
        if not parts or not (removing or narrower):
            return Forgotten()
        places = self._places(parts, tokens, removing, gone) if removing else set()
        return Forgotten(
            self._count(parts, tokens, removing, known_at) if removing else 0,
            self._count(parts, tokens, list(narrower), known_at) if narrower else 0,
            self._rows_at(places, known_at),
        )

    def forget(
        self,
        spans: Sequence[Span],
        kept: Mapping[int, TagSet | None],
        gone: Mapping[int, RecordsGone] = NOTHING_GONE,
    ) -> Forgotten:
        kept, gone = self._of_every_key(kept, gone)
        parts, tokens = _pieces(spans)
        removing, narrower = _decided(kept)
        if not parts or not (removing or narrower):
            return Forgotten()
        ended, theirs = 0, set[bytes]()
        if removing:
            # Before the rows: it is by them that a call which takes up an interrupted one finds what hangs on them.
            ended, theirs = self._end(parts, tokens, removing, gone)
            for table in ("identity_claims", "findings", "clock_events"):
                events = self._leaving(table, parts, tokens, removing)
                if table == "identity_claims":
                    self._unseal(parts, tokens, theirs, removing, events)
                self._delete(table, event_conditions(events))
            self._leave_events(parts, tokens, removing)
        self._drop_older_versions(parts, tokens)
        removed = self._remove(parts, tokens, removing) if removing else 0
        narrowed_rows = self._narrow(parts, tokens, narrower) if narrower else 0
        self._remove_prefixes(sorted({*tokens, *theirs}))
        return Forgotten(removed, narrowed_rows, ended)

    def _of_every_key(
        self, kept: Mapping[int, TagSet | None], gone: Mapping[int, RecordsGone]
    ) -> tuple[dict[int, TagSet | None], dict[int, RecordsGone]]:
        """The same for tag sets that are the same but for the key that made the tokens."""
        known = self._reader.tag_sets()
        wider = dict(kept)
        for tag_set, narrowed in kept.items():
            for other in self._reader.alike([tag_set]):
                if other not in kept:
                    wider[other] = narrowed and replace(narrowed, key_id=known[other].key_id)
        ended = {
            other: records for tag_set, records in gone.items() for other in self._reader.alike([tag_set])
        }
        return wider, ended | dict(gone)

    def _end(
        self,
        parts: Sequence[Piece],
        tokens: Sequence[bytes],
        removing: Sequence[int],
        gone: Mapping[int, RecordsGone],
    ) -> tuple[int, set[bytes]]:
        """Take away the rows of others in events whose record is gone, and those `_beside` the person's. How many, and
        under which tokens they were."""
        places = self._places(parts, tokens, removing, gone)
        ended = self._rows_at(places)
        for table in ("lineage", "lineage_by_event"):
            # Taken out of the parts together with the person's own, which come after: parts are written anew once.
            self._hide(table, place_conditions(places))
        return ended, {token for _, token in places}

    def _places(
        self,
        parts: Sequence[Piece],
        tokens: Sequence[bytes],
        removing: Sequence[int],
        gone: Mapping[int, RecordsGone],
    ) -> set[tuple[Event, bytes]]:
        """Event and token of the rows that go besides the person's own."""
        alike: defaultdict[RecordsGone, list[int]] = defaultdict(list)
        for tag_set in removing:
            if tag_set in gone:
                alike[gone[tag_set]].append(tag_set)
        places = {
            place
            for records, tag_sets in alike.items()
            for place in self._others_of(parts, tokens, records, tag_sets)
        }
        places.update(self._beside(parts, tokens, removing))
        return places

    def _rows_at(self, places: Collection[tuple[Event, bytes]], known_at: datetime | None = None) -> int:
        # Each event and token apart, as the rows are read by token and the events of each are few.
        ended = 0
        for where, parameters in place_conditions(places):
            rows = known(f"lineage WHERE {where}", known_at, parameters)
            counted = self._index.query(f"SELECT uniqExact(token, {EVENT}, role) FROM {rows}", parameters)
            ended += int(counted[0][0])
        return ended

    def _others_of(
        self, parts: Sequence[Piece], tokens: Sequence[bytes], records: RecordsGone, tag_sets: Sequence[int]
    ) -> list[tuple[Event, bytes]]:
        parameters: Parameters = {
            "ending": list(tag_sets),
            "roles": sorted(records.roles),
            "stayed_for": sorted(records.stayed_for),
            "crowded": self._crowded(),
        }
        mine = f"SELECT * FROM ({matching(parts, rows_of(tokens, '1', parameters), parameters)})"
        others = (
            f"SELECT {EVENT}, role, token FROM lineage_by_event WHERE ({EVENT}) IN"
            f" (SELECT {EVENT} FROM ({mine}) WHERE tag_set IN {{ending:Array(UInt64)}}"
            " AND toString(role) IN {roles:Array(String)})"
            f" AND ({EVENT}, role, token) NOT IN (SELECT {EVENT}, role, token FROM ({mine}))"
        )
        rows = self._index.query(
            f"SELECT DISTINCT {EVENT}, token FROM ({others}) WHERE ({EVENT}) NOT IN"
            f" (SELECT {EVENT} FROM ({others}) WHERE toString(role) IN {{stayed_for:Array(String)}}"
            # In the person's own role stands nobody else, unless the row says so.
            f" AND ({EVENT}, role) NOT IN (SELECT {EVENT}, role FROM ({mine})"
            " WHERE tag_set NOT IN {crowded:Array(UInt64)}))",
            parameters,
        )
        return [
            ((str(topic), int(partition), int(offset)), bytes(token))
            for topic, partition, offset, token in rows
        ]

    def _beside(
        self, parts: Sequence[Piece], tokens: Sequence[bytes], removing: Sequence[int]
    ) -> list[tuple[Event, bytes]]:
        """Where another identifier of the person has an event of theirs in the same role, outside its span.

        The report that ends a session is of the moment from which on the address is nobody's.
        """
        crowded = self._crowded()
        parameters: Parameters = {"removing": [item for item in removing if item not in crowded]}
        rows = rows_of(tokens, "tag_set IN {removing:Array(UInt64)}", parameters)
        mine = f"SELECT * FROM ({matching(parts, rows, parameters)})"
        found = self._index.query(
            f"SELECT DISTINCT {EVENT}, token FROM {rows} AND ({EVENT}, role) IN (SELECT {EVENT}, role FROM ({mine}))"
            f" AND ({EVENT}, role, token) NOT IN (SELECT {EVENT}, role, token FROM ({mine}))",
            parameters,
        )
        return [
            ((str(topic), int(partition), int(offset)), bytes(token))
            for topic, partition, offset, token in found
        ]

    def _crowded(self) -> list[int]:
        """The tag sets of rows beside which others stand in the same role."""
        return [item for item, tags in self._reader.tag_sets().items() if tags.several]

    def _leave_events(self, parts: Sequence[Piece], tokens: Sequence[bytes], removing: Sequence[int]) -> None:
        """Take what is removed out of `lineage_by_event`."""
        parameters: Parameters = {"removing": list(removing)}
        mine = (
            f"SELECT {EVENT}, role, token FROM ({matching(parts, rows_of(tokens, '1', parameters), parameters)})"
            " WHERE tag_set IN {removing:Array(UInt64)}"
        )
        rows = self._index.query(
            f"SELECT DISTINCT {EVENT}, token, toString(role) FROM lineage_by_event"
            f" WHERE ({EVENT}) IN (SELECT {EVENT} FROM ({mine})) AND ({EVENT}, role, token) IN ({mine})",
            parameters,
        )
        by_role: defaultdict[str, set[tuple[Event, bytes]]] = defaultdict(set)
        for topic, partition, offset, token, role in rows:
            by_role[str(role)].add(((str(topic), int(partition), int(offset)), bytes(token)))
        # By role too: in another role the same person may stay.
        which = (
            (f"role = {{role:String}} AND {where}", {**parameters, "role": role})
            for role, places in by_role.items()
            for where, parameters in place_conditions(places)
        )
        self._delete("lineage_by_event", which)

    def _leaving(
        self, table: str, parts: Sequence[Piece], tokens: Sequence[bytes], removing: Sequence[int]
    ) -> list[Event]:
        """Events named in the table that lose all rows they have: for claims under the tokens, for findings any."""
        parameters: Parameters = {"removing": list(removing)}
        leaving = (
            f"SELECT {EVENT} FROM ({matching(parts, rows_of(tokens, '1', parameters), parameters)})"
            " WHERE tag_set IN {removing:Array(UInt64)}"
        )
        named = f"SELECT {EVENT} FROM {table} WHERE ({EVENT}) IN ({leaving})"
        # Everybody's rows of an event with findings lie by event; those of the tokens lie together.
        source, limit = "lineage_by_event", "1"
        if table != "findings":
            source, limit = "lineage", f"token IN {tokens_in(parameters, 'token', tokens)}"
        rows = self._index.query(
            f"SELECT {EVENT}, sum(leave), sum(have) FROM"
            f" (SELECT {EVENT}, count() AS leave, 0 AS have FROM ({leaving}) WHERE ({EVENT}) IN ({named})"
            f" GROUP BY {EVENT}"
            # Not FINAL, which would merge the whole table: older versions of a row have its token and role.
            f" UNION ALL SELECT {EVENT}, 0 AS leave, uniqExact(token, role) AS have FROM {source}"
            f" WHERE {limit} AND ({EVENT}) IN ({named}) GROUP BY {EVENT})"
            f" GROUP BY {EVENT} ORDER BY {EVENT}",
            parameters,
        )
        leave = {
            (str(topic), int(partition), int(offset)): int(count)
            for topic, partition, offset, count, _ in rows
        }
        have = dict(zip(leave, (int(row[4]) for row in rows), strict=True))
        # Findings that came apart from the rows of their event: nobody writes them so, and only then all is looked at.
        apart = [event for event, count in have.items() if not count]
        for where, only in event_conditions(apart):
            counted = f"SELECT {EVENT}, uniqExact(token, role) FROM lineage WHERE {where} GROUP BY {EVENT}"
            for topic, partition, offset, count in self._index.query(counted, only):
                have[str(topic), int(partition), int(offset)] = int(count)
        return [event for event, count in leave.items() if count == have[event]]

    def _unseal(
        self,
        parts: Sequence[Piece],
        tokens: Sequence[bytes],
        theirs: Collection[bytes],
        removing: Sequence[int],
        events: Sequence[Event],
    ) -> None:
        """Take away the sealed identifiers that no claim mentions without those of the events.

        Not where a row of the person stays: when its day comes, a system has to be told by what it knows it.
        """
        parameters: Parameters = {"removing": list(removing)}
        rows = rows_of(tokens, "tag_set NOT IN {removing:Array(UInt64)}", parameters)
        staying = self._index.query(
            f"SELECT DISTINCT token FROM ({matching(parts, rows, parameters)})", parameters
        )
        unmentioned = Unmentioned(self._index)
        wanted = {*tokens, *theirs, *unmentioned.of(events)}
        kept = [bytes(token) for (token,) in staying]
        self._delete("sealed_identifiers", unmentioned.conditions(wanted, kept, events))

    def _drop_older_versions(self, parts: Sequence[Piece], tokens: Sequence[bytes]) -> None:
        # Removing the newest version of a row that was tagged again would bring back the one it replaced.
        parameters: Parameters = {}
        versions = f"lineage PREWHERE token IN {tokens_in(parameters, 'token', tokens)}"
        years = self._index.query(
            "SELECT DISTINCT year FROM (SELECT toYear(event_time) AS year"
            f" FROM ({matching(parts, versions, parameters)})"
            " GROUP BY token, topic, partition, offset, role, year"
            " HAVING uniqExact(tag_set) > 1) ORDER BY year",
            parameters,
        )
        for (year,) in years:
            self._index.command(
                f"OPTIMIZE TABLE lineage {self._on_cluster()} PARTITION {int(year)} FINAL", erase=True
            )

    def _remove(self, parts: Sequence[Piece], tokens: Sequence[bytes], removing: Sequence[int]) -> int:
        removed = self._count(parts, tokens, removing)
        which = (
            (f"{where} AND tag_set IN {{gone:Array(UInt64)}}", {**parameters, "gone": list(removing)})
            for where, parameters in (conditions(parts) if removed else ())
        )
        self._delete("lineage", which)
        return removed

    def _hide(self, table: str, which: Iterable[tuple[str, Parameters]]) -> None:
        for where, parameters in which:
            self._index.command(
                f"DELETE FROM {table} {self._on_cluster()} WHERE {where}", parameters, erase=True
            )

    def _delete(self, table: str, which: Iterable[tuple[str, Parameters]]) -> None:
        self._hide(table, which)
        # The delete hides rows from every answer; this takes them out of the parts that are read from now on.
        # Not only when something was removed now: an interrupted call may have left rows hidden.
        if self._any_hidden(table):
            self._index.command(f"ALTER TABLE {table} {self._on_cluster()} APPLY DELETED MASK", erase=True)

    def _any_hidden(self, table: str) -> bool:
        cluster = self._index.cluster
        parts = f"clusterAllReplicas('{cluster}', system.parts)" if cluster else "system.parts"
        rows = self._index.query(
            f"SELECT count() FROM {parts} WHERE database = currentDatabase() AND table = {{table:String}}"
            " AND active AND has_lightweight_delete",
            {"table": table},
        )
        return bool(rows[0][0])

    def _narrow(self, parts: Sequence[Piece], tokens: Sequence[bytes], narrower: Mapping[int, TagSet]) -> int:
        rows = self._count(parts, tokens, list(narrower))
        if rows:
            self._writer.write_tag_sets(narrower.values())
            wholes = {"wholes": list(narrower), "narrowed": [tags.id for tags in narrower.values()]}
            for where, parameters in conditions(parts):
                self._index.command(
                    f"ALTER TABLE lineage {self._on_cluster()} UPDATE tag_set ="
                    " transform(tag_set, {wholes:Array(UInt64)}, {narrowed:Array(UInt64)}, tag_set)"
                    f" WHERE {where} AND tag_set IN {{wholes:Array(UInt64)}}",
                    {**parameters, **wholes},
                    erase=True,
                )
        return rows

    def _remove_prefixes(self, tokens: Sequence[bytes]) -> None:
        parameters: Parameters = {}
        asked = tokens_in(parameters, "token", tokens)
        rows = self._index.query(
            f"SELECT DISTINCT token FROM address_prefixes WHERE token IN {asked}"
            f" AND token NOT IN (SELECT token FROM lineage WHERE token IN {asked}) ORDER BY token",
            parameters,
        )
        self._delete("address_prefixes", token_conditions([bytes(token) for (token,) in rows]))

    def _count(
        self,
        parts: Sequence[Piece],
        tokens: Sequence[bytes],
        tag_sets: Sequence[int],
        known_at: datetime | None = None,
    ) -> int:
        parameters: Parameters = {"counted": list(tag_sets)}
        rows = rows_of(tokens, "tag_set IN {counted:Array(UInt64)}", parameters)
        rows = known(rows, known_at, parameters)
        counted = self._index.query(f"SELECT count() FROM ({matching(parts, rows, parameters)})", parameters)
        return int(counted[0][0])

    def _on_cluster(self) -> str:
        return f"ON CLUSTER '{self._index.cluster}'" if self._index.cluster else ""


def _pieces(spans: Sequence[Span]) -> tuple[list[Piece], list[bytes]]:
    # The proofs are of no matter here, and without them more spans join to one piece.
    return pieces(replace(span, proof=None) for span in spans), sorted({span.token for span in spans})


def _decided(kept: Mapping[int, TagSet | None]) -> tuple[list[int], dict[int, TagSet]]:
    """The tag sets whose rows go, and those whose rows take a narrower one."""
    removing = [tag_set for tag_set, narrowed in kept.items() if narrowed is None]
    narrower = {
        tag_set: narrowed
        for tag_set, narrowed in kept.items()
        if narrowed is not None and narrowed.id != tag_set
    }
    return removing, narrower

"""Moves what was made with an older token key to the tokens of the key in force, as far as its pairs are known.

A row that is moved stays what it is: erased or narrowed, learnt when it was, counted once. Of each slice the new rows
are written before the old ones go, so that a crash leaves both, which answers count once, and the next run goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Role
from sinks.clickhouse.by_event import COLUMNS, EVENT, in_roles
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.going import Standing, by_role
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.taking_out import on_cluster
from sinks.clickhouse.values import Parameters, numbers_in, tokens_in
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.clocks import CLOCK_SCHEMA, UNNAMED
from sinks.ports.facts import FACT_SCHEMA
from sinks.ports.forgotten import is_forgotten
from sinks.ports.identifiers import IDENTIFIER_SCHEMA
from sinks.ports.identity import CLAIM_KEYS, KNOWN_CLAIM_SCHEMA, NOTHING, PREFIX_SCHEMA
from sinks.ports.keys import Reseal, Resting
from sinks.ports.lineage import ROW_SCHEMA

_TOKENS_AT_ONCE = 1_000
# In one statement that deletes: as `sinks.clickhouse.spans` says of its own.
_ROWS_AT_ONCE = 4_000
_CLAIM_TOKENS = ("key", *CLAIM_KEYS)


@dataclass(frozen=True)
class _Table:
    """A table besides lineage: what is read of it, which columns are tokens, and what identifies a row; `version`:
    where several of one identity may be different, which it is."""

    name: str
    schema: pa.Schema
    tokens: Sequence[str]
    identity: str
    version: str = ""


_CLAIMS = pa.schema([pa.field("key", pa.binary(TOKEN_BYTES)), *KNOWN_CLAIM_SCHEMA])
_SEALED = IDENTIFIER_SCHEMA.append(pa.field("written_at", pa.timestamp("ms")))
_PLACE = "topic, partition, offset"
_TABLES = (
    _Table("identity_claims", _CLAIMS, _CLAIM_TOKENS, f"key, {_PLACE}, part"),
    _Table("retained_claims", _CLAIMS, _CLAIM_TOKENS, f"key, {_PLACE}, part"),
    _Table("address_prefixes", PREFIX_SCHEMA, ("prefix", "token"), "prefix, length, token"),
    _Table("clock_events", CLOCK_SCHEMA, ("token", "thing"), f"token, {_PLACE}, part"),
    _Table("fact_events", FACT_SCHEMA, ("token",), f"token, {_PLACE}, part"),
    _Table("sealed_identifiers", _SEALED, ("token",), "token", "token, written_at"),
)
_ROW = f"token, {_PLACE}, toInt8(role)"
_ENUMS = {"form", "mark", "proof", "role"}


class Rekeyer:
    """From the older key to the newer one. `first`: the older is the index's first key, of rows that name none."""

    def __init__(self, index: ClickHouse, older: str, newer: str, *, first: bool, reseal: Reseal) -> None:
        self._index = index
        self._reseal = reseal
        self._older = older
        self._newer = newer
        self._names = [older, ""] if first else [older]

    def resting(self) -> Resting:
        """What still lies under the older key. Raises IndexUnavailable."""
        rows = self._index.query(
            "SELECT count(), max(event_time) FROM lineage WHERE tag_set IN {sets:Array(UInt64)}",
            {"sets": list(self._tag_sets())},
        )
        claims, retained, prefixes, clocks, facts, identifiers = (
            int(
                self._index.query(f"SELECT count() FROM {table.name} WHERE {self._mine}", self._parameters)[
                    0
                ][0]
            )
            for table in _TABLES
        )
        count = int(rows[0][0])
        newest = rows[0][1] if count else None
        return Resting(count, claims, retained, prefixes, newest, identifiers, clocks, facts)

    def move(self, stop: threading.Event) -> int:
        """Move all that has its pair, until `stop`; how much. Raises IndexUnavailable."""
        moved = self._move_rows(stop)
        for table in _TABLES:
            moved += self._move_table(table, stop)
        return moved

    @property
    def _mine(self) -> str:
        return "key_id IN {names:Array(String)}"

    @property
    def _parameters(self) -> Parameters:
        return {"names": list(self._names)}

    def _tag_sets(self) -> dict[int, int]:
        """Tag sets of the older key, and those that are the same of the newer."""
        known = ClickHouseReader(self._index).tag_sets().values()
        return {tags.id: replace(tags, key_id=self._newer).id for tags in known if tags.key_id == self._older}

    def _move_rows(self, stop: threading.Event) -> int:
        known = ClickHouseReader(self._index).tag_sets()
        sets = self._tag_sets()
        ClickHouseWriter(self._index).write_tag_sets(
            replace(known[item], key_id=self._newer) for item in sets
        )
        moved = 0
        wanted: Parameters = {"sets": list(sets)}
        for tokens in self._pages("lineage", "token", "tag_set IN {sets:Array(UInt64)}", wanted, stop):
            names = self._pairs(tokens)
            if not names:
                continue
            parameters = dict(wanted)
            chosen = f"token IN {tokens_in(parameters, 'token', sorted(names))}"
            where = f"lineage FINAL PREWHERE {chosen} WHERE tag_set IN {{sets:Array(UInt64)}}"
            rows, marks = self._read(ROW_SCHEMA, where, parameters, _ROW)
            beside, _ = self._read(
                pa.schema([ROW_SCHEMA.field(name) for name in COLUMNS]),
                f"lineage_by_event WHERE ({EVENT}) IN (SELECT {EVENT} FROM {where}) AND {chosen}",
                parameters,
                "token",
            )
            fresh = _renamed(rows, ("token",), names)
            tag_sets = pa.array([sets[item] for item in rows["tag_set"].to_pylist()], pa.uint64())
            fresh = fresh.set_column(fresh.schema.get_field_index("tag_set"), "tag_set", tag_sets)
            customers = sorted({*rows["customer"].to_pylist()} - {NOTHING})
            # One whose pair is not known: then nobody can say any more whose it is.
            known_as = dict.fromkeys(customers, NOTHING) | {NOTHING: NOTHING} | self._pairs(customers)
            fresh = _renamed(fresh, ("customer",), known_as)
            self._insert("lineage", fresh)
            self._insert("lineage_by_event", _renamed(beside, ("token",), names))
            # What was erased or narrowed since it was read goes again under the new token: the erasure did not see it.
            now, still = self._read(ROW_SCHEMA, where, parameters, _ROW)
            gone = _changed(rows, marks, now, still, "tag_set")
            for condition, listed in in_roles(by_role(_standing(fresh.filter(gone)))):
                self._delete("lineage_by_event", condition, listed)
            self._undo("lineage", ROW_SCHEMA, _ROW, fresh.filter(gone))
            rows, marks = rows.filter(pc.invert(gone)), marks.filter(pc.invert(gone))
            # The rows go last: each token of an event in the other table has to be known for somebody's.
            moving = set(_standing(beside)) & set(_standing(rows))
            for condition, listed in in_roles(by_role(moving)):
                self._delete("lineage_by_event", condition, listed)
            self._forget("lineage", _ROW, rows["token"], marks)
            moved += rows.num_rows
        self._clear("lineage", "lineage_by_event")
        return moved

    def _move_table(self, table: _Table, stop: threading.Event) -> int:
        moved = 0
        first = table.tokens[0]
        for tokens in self._pages(table.name, first, self._mine, self._parameters, stop):
            parameters = self._parameters
            chosen = f"`{first}` IN {tokens_in(parameters, 'token', tokens)}"
            source = f"{table.name} FINAL PREWHERE {chosen} WHERE {self._mine}"
            rows, marks = self._read(table.schema, source, parameters, table.identity)
            named = {token for name in table.tokens for token in rows[name].to_pylist()}
            # What stands for somebody who was forgotten is of no key.
            same = {NOTHING, UNNAMED, *filter(is_forgotten, named)}
            names = dict(zip(same, same, strict=True)) | self._pairs(sorted(named - same))
            # All of a claim, or nothing of it.
            whole = pa.array(
                [
                    all(token in names for token in row.values())
                    for row in rows.select(table.tokens).to_pylist()
                ],
                pa.bool_(),
            )
            rows, marks = rows.filter(whole), marks.filter(whole)
            fresh = self._resealed(rows, _renamed(rows, table.tokens, names))
            self._insert(
                table.name, fresh.append_column("key_id", pa.repeat(pa.scalar(self._newer), rows.num_rows))
            )
            now, still = self._read(table.schema, source, parameters, table.identity)
            gone = _changed(rows, marks, now, still, first)
            self._undo(table.name, table.schema, table.version or table.identity, fresh.filter(gone))
            rows, marks = rows.filter(pc.invert(gone)), marks.filter(pc.invert(gone))
            self._forget(table.name, table.identity, rows[first], marks)
            moved += rows.num_rows
        self._clear(table.name)
        return moved

    def _resealed(self, rows: pa.Table, fresh: pa.Table) -> pa.Table:
        """The rows under their new tokens, what is sealed in them sealed for these."""
        if "sealed" not in rows.schema.names:
            return fresh
        columns = [rows["token"], fresh["token"], rows["kind"], rows["key"], rows["sealed"]]
        made = map(self._reseal, *(column.to_pylist() for column in columns))
        return fresh.set_column(fresh.schema.get_field_index("sealed"), "sealed", pa.array(made, pa.binary()))

    def _pages(
        self, table: str, column: str, where: str, parameters: Parameters, stop: threading.Event
    ) -> Iterator[list[bytes]]:
        """The tokens in a column of the rows, in order, some at a time."""
        after = ""
        while not stop.is_set():
            rows = self._index.query(
                f"SELECT DISTINCT `{column}` FROM {table} WHERE {where}"
                f" AND `{column}` > toFixedString(unhex({{after:String}}), {TOKEN_BYTES})"
                f" ORDER BY `{column}` LIMIT {_TOKENS_AT_ONCE}",
                {**parameters, "after": after},
            )
            if not rows:
                return
            tokens = [bytes(row[0]) for row in rows]
            yield tokens
            after = tokens[-1].hex()

    def _pairs(self, tokens: Sequence[bytes]) -> dict[bytes, bytes]:
        """The token under the newer key, of those whose pair is known."""
        parameters: Parameters = {"older": self._older, "newer": self._newer}
        rows = self._index.query(
            f"SELECT token, other FROM token_pairs WHERE token IN {tokens_in(parameters, 'token', tokens)}"
            " AND NOT is_new AND key_id = {older:String} AND new_key_id = {newer:String}",
            parameters,
        )
        return {bytes(token): bytes(other) for token, other in rows}

    def _read(
        self, schema: pa.Schema, source: str, parameters: Parameters, identity: str
    ) -> tuple[pa.Table, pa.ChunkedArray]:
        """The rows, and a number for each that stands for its identity."""
        columns = ", ".join(
            f"toInt8(`{name}`) AS `{name}`" if name in _ENUMS else f"`{name}`" for name in schema.names
        )
        found = self._index.query_arrow(
            f"SELECT {columns}, cityHash64({identity}) AS identity_mark FROM {source}", parameters
        )
        typed = zip(schema.names, schema.types, strict=True)
        return pa.table([found[name].cast(kind) for name, kind in typed], schema), found["identity_mark"]

    def _insert(self, table: str, rows: pa.Table) -> None:
        if rows.num_rows:
            self._index.insert(table, rows)

    def _forget(self, table: str, identity: str, tokens: pa.ChunkedArray, marks: pa.ChunkedArray) -> None:
        """Delete exactly these rows: others under the same tokens may have come meanwhile."""
        first = identity.partition(",")[0]
        for start in range(0, len(marks), _ROWS_AT_ONCE):
            parameters: Parameters = {}
            some = sorted(set(tokens.slice(start, _ROWS_AT_ONCE).to_pylist()))
            listed = marks.slice(start, _ROWS_AT_ONCE).to_pylist()
            self._delete(
                table,
                f"{first} IN {tokens_in(parameters, 'token', some)}"
                f" AND cityHash64({identity}) IN {numbers_in(parameters, 'mark', listed)}",
                parameters,
            )

    def _undo(self, table: str, schema: pa.Schema, identity: str, fresh: pa.Table) -> None:
        """Take rows away that were written a moment ago."""
        if not fresh.num_rows:
            return
        names = [name.removeprefix("toInt8(").removesuffix(")") for name in identity.split(", ")]
        wanted = set(_keys(fresh, names))
        parameters: Parameters = {}
        tokens = tokens_in(parameters, "token", sorted(set(fresh[names[0]].to_pylist())))
        rows, marks = self._read(schema, f"{table} WHERE `{names[0]}` IN {tokens}", parameters, identity)
        chosen = pa.array([key in wanted for key in _keys(rows, names)], pa.bool_())
        self._forget(table, identity, rows[names[0]].filter(chosen), marks.filter(chosen))

    def _delete(self, table: str, where: str, parameters: Mapping[str, object]) -> None:
        self._index.command(
            f"DELETE FROM {table} {on_cluster(self._index)} WHERE {where}", parameters, erase=True
        )

    def _clear(self, *tables: str) -> None:
        """Take what was deleted out of the parts that are read from now on."""
        for table in tables:
            self._index.command(
                f"ALTER TABLE {table} {on_cluster(self._index)} APPLY DELETED MASK", erase=True
            )


def _renamed(rows: pa.Table, columns: Sequence[str], names: Mapping[bytes, bytes]) -> pa.Table:
    for name in columns:
        tokens = pa.array([names[token] for token in rows[name].to_pylist()], pa.binary(TOKEN_BYTES))
        rows = rows.set_column(rows.schema.get_field_index(name), name, tokens)
    return rows


def _changed(
    rows: pa.Table, marks: pa.ChunkedArray, now: pa.Table, still: pa.ChunkedArray, column: str
) -> pa.Array:
    """Which of the rows are there no more, or have another value in the column."""
    there = set(zip(still.to_pylist(), now[column].to_pylist(), strict=True))
    before = zip(marks.to_pylist(), rows[column].to_pylist(), strict=True)
    return pa.array([item not in there for item in before], pa.bool_())


def _keys(rows: pa.Table, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(rows[name].to_pylist() for name in names), strict=True)


def _standing(rows: pa.Table) -> list[Standing]:
    return [
        (Role.of(role).value, ((t, p, o), token))
        for role, t, p, o, token in _keys(rows, ("role", *_PLACE.split(", "), "token"))
    ]

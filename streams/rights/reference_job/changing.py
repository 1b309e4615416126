"""What a toy system of record does beside erasing: restrict (GDPR Art. 18, 21), free again, and correct (Art. 16).

A restriction is kept as whom it is about, for which purposes and categories, so that it also holds for what comes
later. It ends by its lift, or when nothing of the person is left: what is erased must not stay behind in that list.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from schemas.errors import InnsynError, InputError
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKinds
from streams.rights.protocol.columns import columns, record_named
from streams.rights.protocol.messages import Told, told_from_json, told_json
from streams.rights.reference_job.copying import CopyingStore
from streams.rights.reference_job.matching import quoted
from streams.rights.reference_job.rows import text_of
from streams.rights.reference_job.several import repeats
from streams.rights.reference_job.store import come

LIFT = "/lift"
"""After the command of a restriction, the command that ends it."""
_TABLES = """
CREATE TABLE IF NOT EXISTS _restrictions
    (command TEXT PRIMARY KEY, named TEXT NOT NULL, categories TEXT NOT NULL, purposes TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS _corrected (errand TEXT, record TEXT, row INTEGER, PRIMARY KEY (errand, record, row));
CREATE TABLE IF NOT EXISTS _changes (id TEXT PRIMARY KEY, outcome TEXT NOT NULL);
"""


class NeedsPerson(InnsynError):
    """A command that nobody but a person can carry out here."""


@dataclass(frozen=True)
class Changed:
    """How many records of each kind were restricted, freed or corrected. `at`: when, if the caller said so."""

    records: Mapping[str, int] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True)
class _Restriction:
    named: Told
    categories: frozenset[str]
    purposes: frozenset[str]

    def reaches(self, schema: RecordSchema) -> bool:
        """Whether events of the record hold such data, and are used for such a purpose; none named means all."""
        return not (self.categories and self.categories.isdisjoint(schema.categories)) and not (
            self.purposes and self.purposes.isdisjoint(_purposes(schema))
        )


class ChangingStore(CopyingStore):
    """A store that also restricts, frees and corrects. Errors: as `SqliteStore`.

    `once` of every method names the errand and, behind #, which attempt at it: the second time its first outcome is
    returned and nothing is done. Raises Superseded where a later attempt came before.
    """

    def __init__(self, path: Path, records: Mapping[str, RecordSchema], kinds: IdentifierKinds) -> None:
        super().__init__(path, records, kinds)
        with self._transaction() as connection:
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)

    def restrict(
        self,
        identifiers: Told,
        categories: Collection[str],
        purposes: Collection[str],
        *,
        once: str,
        now: datetime | None = None,
    ) -> Changed:
        """From now on the person's records are stored and not used for the purposes (none: for any); see `usable`.

        Nothing is kept where the system has none of theirs.
        """

        def work(connection: sqlite3.Connection, errand: str) -> dict[str, int]:
            asked = _Restriction(tuple(identifiers), frozenset(categories), frozenset(purposes))
            counts = self._reached(connection, asked)
            if counts:
                said = (json.dumps(told_json(asked.named)), sorted(categories), sorted(purposes))
                values = (errand, said[0], json.dumps(said[1]), json.dumps(said[2]))
                connection.execute("INSERT OR REPLACE INTO _restrictions VALUES (?, ?, ?, ?)", values)
            return counts

        return self._changed(once, now, work)

    def lift(self, *, once: str, now: datetime | None = None) -> Changed:
        """End the restriction of that command; its id with LIFT behind it is that of the errand."""

        def work(connection: sqlite3.Connection, errand: str) -> dict[str, int]:
            command = errand.removesuffix(LIFT)
            found = _restrictions(connection).get(command)
            if found is None:
                return {}
            connection.execute("DELETE FROM _restrictions WHERE command = ?", (command,))
            return self._reached(connection, found)

        return self._changed(once, now, work)

    def usable(self, record: str, purpose: str) -> Iterator[Mapping[str, str | None]]:
        """The rows of a record that may be used for a purpose: all but those of whom that is restricted."""
        schema = self._schema(record)
        with self._transaction() as connection:
            if record not in self._tables(connection):
                return
            stopped = {
                row
                for known in _restrictions(connection).values()
                if known.reaches(schema) and (not known.purposes or purpose in known.purposes)
                for row in self._matching(connection, record, known.named)
            }
            names = columns(schema)
            query = f"SELECT rowid, {', '.join(map(quoted, names))} FROM {quoted(record)} ORDER BY rowid"
            rows = connection.execute(query).fetchall()
        yield from (dict(zip(names, rest, strict=True)) for row, *rest in rows if row not in stopped)

    def rectify(
        self,
        identifiers: Told,
        content: Mapping[str, Any],
        *,
        once: str,
        now: datetime | None = None,
    ) -> Changed:
        """Write what is right into the person's records: all of it or nothing.

        `content`: `Record.field` to its value. Of a record that this system has not, it goes into fields of the same
        name and category. What is about another person in the same record stays. Of an errand each record counts once
        in all its attempts. Raises InputError for a field that is not known, NeedsPerson for one inside another or in
        a list: which item is meant a command does not say.
        """

        def work(connection: sqlite3.Connection, errand: str) -> dict[str, int]:
            for record, values in self._targets(content, self._tables(connection)).items():
                for row, roles in self._matching(connection, record, identifiers).items():
                    if self._write(connection, record, row, roles.keys(), values):
                        said = (errand, record, row)
                        connection.execute("INSERT OR IGNORE INTO _corrected VALUES (?, ?, ?)", said)
            query = "SELECT record, count(*) FROM _corrected WHERE errand = ? GROUP BY 1 ORDER BY 1"
            return dict(connection.execute(query, (errand,)).fetchall())

        return self._changed(once, now, work)

    def _targets(self, content: Mapping[str, Any], tables: Collection[str]) -> dict[str, dict[str, Any]]:
        """By record, what its columns shall say."""
        found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for path, value in content.items():
            record, _, name = path.partition(".")
            meant = record_named(self._records, record).find(name)
            if meant is None or not meant.personal:
                raise InputError(f"record {record} has no field {name} of a person; name one of its schema")
            for table in [record] if record in tables else tables:
                like = self._records[table].find(name)
                if like is None or like.category != meant.category:
                    continue
                if repeats(name) or name not in columns(self._records[table]):
                    raise NeedsPerson(f"{path} lies inside another field; a person has to correct it")
                found[table][name] = value
        return found

    def _write(
        self,
        connection: sqlite3.Connection,
        record: str,
        row: int,
        roles: Set[str],
        values: Mapping[str, Any],
    ) -> bool:
        """Whether something of the row is about the person, and says what is right now."""
        schema = self._records[record]
        mine = [name for name in values if _about(schema, name, roles)]
        if not mine:
            return False
        texts = [text_of(schema, name, values[name], self._kinds) for name in mine]
        wanted = ", ".join(f"{quoted(name)} = ?" for name in mine)
        connection.execute(f"UPDATE {quoted(record)} SET {wanted} WHERE rowid = ?", (*texts, row))
        return True

    def _changed(
        self,
        once: str,
        now: datetime | None,
        work: Callable[[sqlite3.Connection, str], dict[str, int]],
    ) -> Changed:
        with self._transaction() as connection:
            # Remembered by itself, since an attempt that fails has come as well.
            come(connection, once)
        with self._transaction() as connection:
            come(connection, once)
            earlier = connection.execute("SELECT outcome FROM _changes WHERE id = ?", (once,)).fetchone()
            if earlier is not None:
                return _CHANGED.validate_json(earlier[0])
            outcome = Changed(work(connection, once.partition("#")[0]), now)
            connection.execute(
                "INSERT INTO _changes VALUES (?, ?)", (once, _CHANGED.dump_json(outcome).decode())
            )
        # What was wrong, or whom a list named, must not stay behind in the log.
        self._checkpoint()
        return outcome

    def _tidy(self, connection: sqlite3.Connection) -> None:
        for command, known in _restrictions(connection).items():
            if not self._reached(connection, replace(known, purposes=frozenset())):
                connection.execute("DELETE FROM _restrictions WHERE command = ?", (command,))

    def _reached(self, connection: sqlite3.Connection, asked: _Restriction) -> dict[str, int]:
        """How many rows of each record a restriction is about; records without one are left out."""
        counts = {
            record: len(self._matching(connection, record, asked.named))
            for record in self._tables(connection)
            if asked.reaches(self._records[record])
        }
        return {record: count for record, count in counts.items() if count}


def _restrictions(connection: sqlite3.Connection) -> dict[str, _Restriction]:
    rows = connection.execute("SELECT command, named, categories, purposes FROM _restrictions").fetchall()
    return {
        command: _Restriction(
            told_from_json(json.loads(named)),
            frozenset(json.loads(categories)),
            frozenset(json.loads(purposes)),
        )
        for command, named, categories, purposes in rows
    }


def _purposes(schema: RecordSchema) -> set[str]:
    """For which events of the record are used, whatever they are of."""
    said = schema.annotation
    variants = [schema.variant(name, symbol) for name, known in said.variants.items() for symbol in known]
    return {purpose for item in (said, *variants) for purpose in item.purposes}


def _about(schema: RecordSchema, name: str, roles: Collection[str]) -> bool:
    """Whether the field is about somebody with one of the roles in the record."""
    known = schema.find(name)
    return known is not None and any(known.concerns(role) for role in roles)


_CHANGED = TypeAdapter(Changed)

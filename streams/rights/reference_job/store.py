"""A toy system of record on SQLite: what the reference erasure job erases from.

One table per record, one column per field (`streams.rights.protocol.columns`; text, lists and objects as JSON). A
person's rows are those where a field annotated as an identifier of that kind holds the value in its canonical form.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from schemas.errors import InputError, InvalidIdentifier, Unavailable
from schemas.messages import Order, Outcome, Selector
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKinds, canonical
from schemas.vocabulary import ErasureAction, Role
from streams.rights.protocol.columns import columns, columns_to_erase, record_named
from streams.rights.protocol.messages import Told
from streams.rights.reference_job.matching import add_functions, conditions, quoted, selected
from streams.rights.reference_job.several import Items, blank_items, items_of, repeats

_BUSY_SECONDS = 10
_TABLES = """
CREATE TABLE IF NOT EXISTS _holds (record TEXT, row INTEGER, ground TEXT, review_date TEXT, PRIMARY KEY (record, row));
CREATE TABLE IF NOT EXISTS _outcomes (id TEXT PRIMARY KEY, outcome TEXT);
CREATE TABLE IF NOT EXISTS _attempts (errand TEXT PRIMARY KEY, newest INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS _cleared
    (errand TEXT, record TEXT, row INTEGER, done TEXT, PRIMARY KEY (errand, record, row));
"""
# From before attempts were remembered: those that ended with an outcome.
_EARLIER_ATTEMPTS = (
    "INSERT OR IGNORE INTO _attempts SELECT substr(id, 1, instr(id, '#') - 1),"
    " max(CAST(substr(id, instr(id, '#') + 1) AS INTEGER)) FROM _outcomes WHERE instr(id, '#') GROUP BY 1"
)
_COME = (
    "INSERT INTO _attempts VALUES (?, ?) ON CONFLICT DO UPDATE SET newest = max(newest, excluded.newest)"
    " RETURNING newest"
)
_CLEAR = (
    "INSERT INTO _cleared VALUES (?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET done = excluded.done WHERE excluded.done = 'deleted'"
)
# What had nothing left to lose stays without it, as what was redacted does.
_COUNT_CLEARED = (
    "SELECT record, iif(done = 'deleted', 'deleted', 'redacted'), count(*) FROM _cleared WHERE errand = ?"
    " GROUP BY 1, 2 ORDER BY 1, 2"
)


class Superseded(InputError):
    """A later attempt at the same errand came before."""


@dataclass(frozen=True)
class Erased:
    """What one erasure did. `erased` rows are gone or lost the fields named.

    `held` rows were asked for but are held back here, by the retention rule `ground`, looked at on `review_date`.
    `at`: when, if the caller said so. `outcomes`: what became of the erased ones, by record.
    """

    erased: int = 0
    held: int = 0
    ground: str | None = None
    review_date: date | None = None
    at: datetime | None = None
    outcomes: tuple[Outcome, ...] = field(default=(), compare=False)


class SqliteStore:
    """Safe from several threads. Deleted content is overwritten in the file (secure_delete).

    Raises Unavailable when the file is locked by another process for long or cannot be written.
    """

    def __init__(self, path: Path, records: Mapping[str, RecordSchema], kinds: IdentifierKinds) -> None:
        self._path = path
        self._kinds = kinds
        self._records = records
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )
        add_functions(self._connection)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        with self._transaction() as connection:
            for statement in filter(str.strip, _TABLES.split(";")):
                connection.execute(statement)
            connection.execute(_EARLIER_ATTEMPTS)

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        self._checkpoint()
        with self._lock:
            self._connection.close()

    def put(self, record: str, value: Mapping[str, Any]) -> None:
        """Store one event of a record. Raises InputError for a record that is not in `schemas/`."""
        self.put_many([(record, value)])

    def put_many(self, events: Iterable[tuple[str, Mapping[str, Any]]]) -> None:
        """Store (record, value) events in one transaction. Raises InputError as `put`; nothing is stored then."""
        with self._transaction() as connection:
            for record, value in events:
                schema = self._schema(record)
                wanted = columns(schema)
                self._make(connection, record)
                names, marks = ", ".join(map(quoted, wanted)), ", ".join("?" * len(wanted))
                texts = [_text(schema, column, value.get(column), self._kinds) for column in wanted]
                connection.execute(f"INSERT INTO {quoted(record)} ({names}) VALUES ({marks})", texts)

    def hold(self, identifiers: Told, record: str, ground: str, review_date: date | None) -> int:
        """Hold back a person's rows of a record from any erasure, as in a dispute; returns how many."""
        with self._transaction() as connection:
            rows = self._owned(connection, record, identifiers)
            day = review_date.isoformat() if review_date else None
            held = [(record, row, ground, day) for row in rows]
            connection.executemany("INSERT OR REPLACE INTO _holds VALUES (?, ?, ?, ?)", held)
            return len(held)

    def count(self, identifiers: Told) -> int:
        """Rows in which any of the identifiers stands."""
        with self._transaction() as connection:
            tables = self._tables(connection)
            return sum(len(self._matching(connection, table, identifiers, whosever=True)) for table in tables)

    def erase(
        self,
        identifiers: Told,
        categories: Sequence[str],
        fields: Sequence[str],
        *,
        orders: Sequence[Order] = (),
        once: str | None = None,
        now: datetime | None = None,
    ) -> Erased:
        """Erase a person: whole rows where every personal field is to go, else just the fields named.

        `fields` as `Record.field`; empty: all fields of the categories. Of a row that is another's (the person is
        only mentioned, the other end, the agent) just what is about that role goes. `orders` say what holds instead
        for their records. All of it or nothing, also over a crash. `once` names the errand and, behind #, which
        attempt at it: the second time its first outcome is returned and nothing is erased. Of an errand every record
        counts that has nothing left of what was to go, once in all its attempts. Raises Superseded where a later
        attempt came before, whatever became of it; InputError for a field this store does not know.
        """
        errand = once.partition("#")[0] if once is not None else None
        with self._transaction() as connection:
            # Remembered by itself, since an attempt that fails has come as well.
            _come(connection, once)
        chosen = columns_to_erase(self._records, categories, fields, orders)
        with self._transaction() as connection:
            _come(connection, once)
            earlier = connection.execute("SELECT outcome FROM _outcomes WHERE id = ?", (once,)).fetchone()
            if earlier is not None:
                return _ERASED.validate_json(earlier[0])
            outcome = replace(self._erase(connection, identifiers, chosen, errand), at=now)
            if once is not None:
                stored = _ERASED.dump_json(outcome).decode()
                connection.execute("INSERT INTO _outcomes VALUES (?, ?)", (once, stored))
        self._checkpoint()
        return outcome

    def _erase(
        self,
        connection: sqlite3.Connection,
        identifiers: Told,
        orders: Sequence[Order],
        errand: str | None,
    ) -> Erased:
        outcomes: dict[str, Outcome] = {}
        held: list[tuple[str, str | None]] = []
        tables = self._tables(connection)
        for order in orders:
            if order.record not in tables:
                continue
            holds = _holds(connection, order.record)
            for row, roles in self._matching(connection, order.record, identifiers, order.where).items():
                if row in holds:
                    held.append(holds[row])
                    continue
                done = self._erase_row(connection, order, row, roles, identifiers)
                if done is not None and errand is not None:
                    connection.execute(_CLEAR, (errand, order.record, row, done))
                elif done in ("deleted", "redacted"):
                    _count(outcomes, order.record, done, 1)
        if errand is not None:
            counted = connection.execute(_COUNT_CLEARED, (errand,))
            for record, done, rows in counted.fetchall():
                _count(outcomes, record, done, rows)
        stays = {order.record: order.stays_for for order in orders}
        erased = Erased(
            sum(item.deleted + item.redacted for item in outcomes.values()),
            outcomes=tuple(
                replace(item, stayed_for=stays.get(item.record, ())) for item in outcomes.values()
            ),
        )
        if not held:
            return erased
        ground, day = max(held, key=lambda hold: (hold[1] or "9999-12-31", hold[0]))
        review = date.fromisoformat(day) if day else None
        return replace(erased, held=len(held), ground=ground, review_date=review)

    def _erase_row(
        self,
        connection: sqlite3.Connection,
        order: Order,
        row: int,
        roles: Mapping[str, frozenset[str]],
        identifiers: Told,
    ) -> Literal["deleted", "redacted", "clear"] | None:
        """What became of the row: clear had nothing left to lose; None if nothing of it was to go.

        `roles` of the person in it, with the fields that say so.
        """
        record, fields = self._records[order.record], frozenset(order.fields)
        table, items = quoted(order.record), None
        party = not roles.keys().isdisjoint(order.parties)
        stays = (order.action is ErasureAction.REDACT and not order.stays_for) or bool(
            self._named(connection, record, row, set(order.stays_for) - roles.keys())
        )
        if party and not stays:
            if fields >= {name for name in columns(record) if self._personal(order.record, name)}:
                connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
                return "deleted"
        else:
            redactions = {item.role: item.fields for item in order.redactions}
            of_roles = (
                redactions.get(role, [f"{record.name}.{name}" for name in record.redacted_for(role)])
                for role in roles
            )
            going = {name.partition(".")[2] for names in of_roles for name in names}
            fields &= going.union(*roles.values())
            # Of others who stand in the same array nothing goes.
            named = (
                (name, item.values, item.customers)
                for item in conditions(record, identifiers, self._kinds)
                for name in item.fields
            )
            items = items_of(connection, table, row, named)
        if not fields:
            return None
        return "redacted" if _blank(connection, table, row, fields, items) else "clear"

    def _named(
        self, connection: sqlite3.Connection, record: RecordSchema, row: int, roles: Set[str]
    ) -> list[str]:
        """Those of the roles in which the row names somebody."""
        named = [(item.role, item.field) for item in record.identifiers if item.role in roles]
        if not named:
            return []
        tests = ", ".join(f"{quoted(name)} NOT NULL" for _, name in named)
        query = f"SELECT {tests} FROM {quoted(record.name)} WHERE rowid = ?"
        found = connection.execute(query, (row,)).fetchone()
        return [role for (role, _), there in zip(named, found, strict=True) if there]

    def _owned(self, connection: sqlite3.Connection, record: str, identifiers: Told) -> list[int]:
        if record not in self._tables(connection):
            return []
        matching = self._matching(connection, record, identifiers)
        return [row for row, roles in matching.items() if Role.OWNER in roles]

    def _matching(
        self,
        connection: sqlite3.Connection,
        record: str,
        identifiers: Told,
        where: Selector | None = None,
        *,
        whosever: bool = False,
    ) -> dict[int, dict[str, frozenset[str]]]:
        """Row -> the roles in which the person is named there -> by which fields. `whosever`: see `conditions`."""
        found: dict[int, dict[str, frozenset[str]]] = {}
        chosen, values = selected(where)
        schema = self._schema(record)
        for condition in conditions(schema, identifiers, self._kinds, whosever=whosever):
            query = f"SELECT rowid FROM {quoted(record)} WHERE ({condition.where}) AND {chosen}"
            for (row,) in connection.execute(query, (*condition.values, *values)):
                roles = found.setdefault(row, {})
                roles[condition.role] = roles.get(condition.role, frozenset()) | condition.fields
        return found

    def _schema(self, record: str) -> RecordSchema:
        return record_named(self._records, record)

    def _make(self, connection: sqlite3.Connection, record: str) -> None:
        wanted = ", ".join(map(quoted, columns(self._schema(record))))
        # AUTOINCREMENT: a hold names a row, so a row number is never given twice.
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {quoted(record)} (_row INTEGER PRIMARY KEY AUTOINCREMENT, {wanted})"
        )

    def _personal(self, record: str, name: str) -> bool:
        field = self._records[record].find(name)
        return field is not None and field.personal

    def _tables(self, connection: sqlite3.Connection) -> list[str]:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        return [name for (name,) in rows.fetchall() if name in self._records]

    def _checkpoint(self) -> None:
        """Empty the write-ahead log into the file: an erased value must not stay behind in it."""
        with self._lock, suppress(sqlite3.Error):
            # A reader in the way only puts it off: the next erasure or closing does it.
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                # Errors of Python's own layer, such as a closed file, carry no code.
                code = getattr(error, "sqlite_errorname", type(error).__name__)
                raise Unavailable(
                    f"the store {self._path.name} failed ({code}); free the file and repeat"
                ) from error


def _come(connection: sqlite3.Connection, once: str | None) -> None:
    """Remember that the attempt has come. Raises Superseded where a later one has."""
    errand, _, attempt = (once or "").partition("#")
    if not attempt:
        return
    (newest,) = connection.execute(_COME, (errand, int(attempt))).fetchone()
    if newest > int(attempt):
        raise Superseded("a later attempt at the command came before; it is that one which counts")


def _blank(
    connection: sqlite3.Connection, table: str, row: int, fields: Set[str], items: Items | None
) -> bool:
    """Whether there was something in the fields. `items`: all that goes of those that repeat; None: all of them."""
    apart = {name for name in fields if items is not None and repeats(name)}
    there = [blank_items(connection, table, row, name, items or {}) for name in sorted(apart)]
    names = sorted(map(quoted, fields - apart))
    if not names:
        return any(there)
    blanks, some = (
        ", ".join(f"{name} = NULL" for name in names),
        " OR ".join(f"{name} NOT NULL" for name in names),
    )
    query = f"UPDATE {table} SET {blanks} WHERE rowid = ? AND ({some})"
    return connection.execute(query, (row,)).rowcount > 0 or any(there)


def _text(schema: RecordSchema, name: str, value: Any, kinds: IdentifierKinds) -> str | None:
    if value is None:
        return None
    field = schema.find(name)
    if isinstance(value, dict) and repeats(name):
        texts = {place: _text(schema, name, item, kinds) for place, item in value.items()}
        return json.dumps(texts, ensure_ascii=False)
    if field is not None and field.identifier is not None:
        try:
            return canonical(kinds[field.identifier.kind], str(value), field.identifier.form)
        except InvalidIdentifier:
            return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _count(outcomes: dict[str, Outcome], record: str, done: str, rows: int) -> None:
    before = outcomes.get(record, Outcome(record))
    outcomes[record] = replace(before, **{done: getattr(before, done) + rows})


def _holds(connection: sqlite3.Connection, record: str) -> dict[int, tuple[str, str | None]]:
    rows = connection.execute("SELECT row, ground, review_date FROM _holds WHERE record = ?", (record,))
    return {row: (ground, day) for row, ground, day in rows}


_ERASED = TypeAdapter(Erased)

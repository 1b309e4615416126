"""A toy system of record on SQLite: what the reference erasure job erases from.

One table per record, one column per field (`streams.rights.protocol.columns`; text, lists and objects as JSON). A
person's rows are those where a field annotated as an identifier of that kind holds the value in its canonical form.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from schemas.errors import InputError, Unavailable
from schemas.messages import Order, Outcome, RunOut
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKinds
from schemas.vocabulary import ErasureAction, Role
from streams.rights.protocol.columns import columns, columns_to_erase, record_named
from streams.rights.protocol.messages import Identifiers, Told
from streams.rights.reference_job.expiring import Meant, expire_row, run_out_of
from streams.rights.reference_job.matching import (
    ALL_ROWS,
    Limits,
    add_functions,
    conditions,
    quoted,
    selected,
)
from streams.rights.reference_job.outcomes import CLEAR, Erased, count, counted, holds_of
from streams.rights.reference_job.rows import blank, text_of
from streams.rights.reference_job.several import items_of

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


class Superseded(InputError):
    """A later attempt at the same errand came before."""


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
                texts = [text_of(schema, column, value.get(column), self._kinds) for column in wanted]
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
        cut_off: datetime | None = None,
        once: str | None = None,
        now: datetime | None = None,
    ) -> Erased:
        """Erase a person: whole rows where every personal field is to go, else just the fields named.

        `fields` as `Record.field`; empty: all fields of the categories. Of a row that is another's (the person is
        only mentioned, the other end, the agent) just what is about that role goes. `orders` say what holds instead
        for their records. A row whose time is at or after `cut_off` is not meant. All of it or nothing, also over a
        crash. `once` names the errand and, behind #, which
        attempt at it: the second time its first outcome is returned and nothing is erased. Of an errand every record
        counts that has nothing left of what was to go, once in all its attempts. Raises Superseded where a later
        attempt came before, whatever became of it; InputError for a field this store does not know.
        """

        def work(connection: sqlite3.Connection, errand: str | None) -> Erased:
            chosen = columns_to_erase(self._records, categories, fields, orders)
            return self._erase(connection, identifiers, chosen, cut_off, errand)

        return self._once(once, now, work)

    def expire(
        self,
        records: Sequence[RunOut],
        kept: Identifiers,
        *,
        once: str | None = None,
        now: datetime | None = None,
    ) -> Erased:
        """Erase what has run out, whoever it is about: whole rows where every personal field has, else those fields.

        A row that names one of `kept` in any field, within its limits, stays. `once`, errors: as `erase`; of an errand
        every record counts that lost something by it.
        """

        def work(connection: sqlite3.Connection, errand: str | None) -> Erased:
            there = self._tables(connection)
            run_out = run_out_of(connection, self._records, self._kinds, there, records, kept)
            return self._expired(connection, run_out, errand)

        return self._once(once, now, work)

    def _once(
        self,
        once: str | None,
        now: datetime | None,
        work: Callable[[sqlite3.Connection, str | None], Erased],
    ) -> Erased:
        errand = once.partition("#")[0] if once is not None else None
        with self._transaction() as connection:
            # Remembered by itself, since an attempt that fails has come as well.
            come(connection, once)
        with self._transaction() as connection:
            come(connection, once)
            earlier = connection.execute("SELECT outcome FROM _outcomes WHERE id = ?", (once,)).fetchone()
            if earlier is not None:
                return _ERASED.validate_json(earlier[0])
            outcome = replace(work(connection, errand), at=now)
            self._tidy(connection)
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
        cut_off: datetime | None,
        errand: str | None,
    ) -> Erased:
        outcomes: dict[str, Outcome] = {}
        held: list[tuple[str, str | None]] = []
        undated = set[tuple[str, int]]()
        tables = self._tables(connection)
        for order in orders:
            if order.record not in tables:
                continue
            holds = holds_of(connection, order.record)
            limits = (self._schema(order.record), order.where, order.before)
            if order.before is not None:
                found = self._matching(connection, order.record, identifiers, selected(*limits, undated=True))
                undated |= {(order.record, row) for row in found}
            meant = selected(*limits, cut_off=cut_off)
            for row, roles in self._matching(connection, order.record, identifiers, meant).items():
                if row in holds:
                    held.append(holds[row])
                    continue
                done = self._erase_row(connection, order, row, roles, identifiers)
                if done is not None and errand is not None:
                    connection.execute(CLEAR, (errand, order.record, row, done))
                elif done in ("deleted", "redacted"):
                    count(outcomes, order.record, done, 1)
        stays = {order.record: order.stays_for for order in orders}
        return counted(connection, errand, outcomes, held, len(undated), stays)

    def _expired(
        self, connection: sqlite3.Connection, run_out: Mapping[str, Meant], errand: str | None
    ) -> Erased:
        outcomes: dict[str, Outcome] = {}
        held: list[tuple[str, str | None]] = []
        for record, meant in run_out.items():
            holds = holds_of(connection, record)
            for row, fields in meant.rows.items():
                if row in holds:
                    held.append(holds[row])
                    continue
                done = expire_row(connection, self._records[record], row, fields)
                if done is not None and errand is not None:
                    connection.execute(CLEAR, (errand, record, row, done))
                elif done is not None:
                    count(outcomes, record, done, 1)
        undated = sum(item.undated for item in run_out.values())
        return counted(connection, errand, outcomes, held, undated, {})

    def _tidy(self, connection: sqlite3.Connection) -> None:
        """After something went: what is remembered of those of whom nothing is left goes as well."""

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
        return "redacted" if blank(connection, table, row, fields, items) else "clear"

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
        meant: Limits = ALL_ROWS,
        *,
        whosever: bool = False,
    ) -> dict[int, dict[str, frozenset[str]]]:
        """Row -> the roles in which the person is named there -> by which fields. `whosever`: see `conditions`."""
        found: dict[int, dict[str, frozenset[str]]] = {}
        chosen, values = meant
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


def come(connection: sqlite3.Connection, once: str | None) -> None:
    """Remember that the attempt has come. Raises Superseded where a later one has."""
    errand, _, attempt = (once or "").partition("#")
    if not attempt:
        return
    (newest,) = connection.execute(_COME, (errand, int(attempt))).fetchone()
    if newest > int(attempt):
        raise Superseded("a later attempt at the command came before; it is that one which counts")


_ERASED = TypeAdapter(Erased)

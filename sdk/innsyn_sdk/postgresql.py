"""A job that erases from PostgreSQL by a file: `python -m innsyn_sdk.postgresql job.toml` (`innsyn-sdk[postgresql]`).

    [postgresql]
    dsn = "host=db dbname=billing user=innsyn_erasure"   # of libpq; the password in a .pgpass file or a service
    schema = "innsyn_job"                                # where the job remembers what it did; made if it is not there
    vacuum = "plain"                                     # after an erasure: "no", "plain", "full" (it locks tables)
    cascades = ["invoice_line"]                          # tables whose rows may go with others by ON DELETE CASCADE

The rest is in `innsyn_sdk.mapping`. Rows go in the transaction that remembers the outcome; the command's offset is
committed once its receipt is stored, so whoever comes next sends the same answer and erases nothing more. Tables are
gone through in the order of the file: first those that refer to others.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

from innsyn_sdk import running
from innsyn_sdk.changing import Change
from innsyn_sdk.expiring import Expiring, expiring_of
from innsyn_sdk.expiry import Expiry
from innsyn_sdk.mapping import JobFile, NotAJob, RecordMapping
from innsyn_sdk.matching import NeedsPerson, Row, Rules, UnknownField, Whose, rules_of
from innsyn_sdk.outcome import Outcome, StoreUnavailable, failed
from innsyn_sdk.postgresql_queries import Table, candidates, deletion, older, quoted, setting, table_of
from innsyn_sdk.postgresql_values import read_as_written
from innsyn_sdk.protocol import Command
from innsyn_sdk.tally import Tally

try:
    import psycopg
except ImportError:  # the extra is not installed, or libpq is missing
    psycopg = None

SETTINGS: Mapping[str, type] = {"dsn": str, "schema": str, "vacuum": str, "cascades": list}
_VACUUM = {"no": None, "plain": "VACUUM (ANALYZE)", "full": "VACUUM (FULL, ANALYZE)"}
_TABLES = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE IF NOT EXISTS {schema}.attempts (command_id text PRIMARY KEY, newest integer NOT NULL);
CREATE TABLE IF NOT EXISTS {schema}.outcomes (
    command_id text, attempt integer, outcome text NOT NULL, ended_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (command_id, attempt));
CREATE TABLE IF NOT EXISTS {schema}.gone (command_id text, record text, deleted bigint NOT NULL,
    PRIMARY KEY (command_id, record));
CREATE TABLE IF NOT EXISTS {schema}.restrictions (command_id text PRIMARY KEY, said text NOT NULL);
"""
_BLANKED = """
CREATE TABLE {schema}.blanked (command_id text, record text, redacted bigint NOT NULL,
    PRIMARY KEY (command_id, record));
"""
_ROWS = 1_000
_log = logging.getLogger(__name__)


class PostgresqlStore:
    """Erases by a mapping, and remembers what it did in the same database. One connection, made anew where it broke."""

    def __init__(
        self,
        dsn: str,
        records: Sequence[RecordMapping],
        *,
        schema: str = "innsyn_job",
        vacuum: str = "plain",
        cascades: Sequence[str] = (),
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        """Raises NotAJob."""
        if psycopg is None:
            raise NotAJob("psycopg or libpq is missing; install innsyn-sdk[postgresql]")
        if vacuum not in _VACUUM:
            raise NotAJob(f"[postgresql]: vacuum is one of {', '.join(_VACUUM)}")
        self._dsn, self._records, self._schema = dsn, tuple(records), quoted(schema)
        self._vacuum, self._cascades, self._today = _VACUUM[vacuum], tuple(cascades), today
        self._connection: Any = None

    @property
    def state(self) -> PostgresqlStore:
        return self

    def check(self) -> None:
        """That every mapped table is there with the columns of the mapping. Raises NotAJob, StoreUnavailable."""
        with self._transaction() as cursor:
            for mapping in self._records:
                table_of(cursor, mapping, self._cascades)

    def close(self) -> None:
        """Safe to repeat."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def come(self, command_id: str, attempt: int) -> int:
        with self._transaction() as cursor:
            return self._come(cursor, command_id, attempt)

    def outcome(self, command_id: str, attempt: int) -> str | None:
        with self._transaction() as cursor:
            return self._known(cursor, command_id, attempt)

    def ended(self, command_id: str, attempt: int, outcome: str) -> None:
        with self._transaction() as cursor:
            self._ended(cursor, command_id, attempt, outcome)

    def erase(self, command: Command) -> Outcome:
        """Everything the command means and the outcome in one transaction. Raises StoreUnavailable."""
        return self._once(command, lambda: rules_of(command, self._records, self._today()))

    def expire(self, expiry: Expiry) -> Outcome:
        """The same of what has run out."""
        return self._once(expiry, lambda: expiring_of(expiry, self._records, self._today()))

    def _once(
        self, command: Command | Expiry, read: Callable[[], Sequence[Rules] | Sequence[Expiring]]
    ) -> Outcome:
        try:
            rules = read()
            with self._transaction() as cursor:
                # Holds the row: a second process with the same command waits here, and finds the outcome.
                if self._come(cursor, command.command_id, command.attempt) > command.attempt:
                    return failed("superseded")
                known = self._known(cursor, command.command_id, command.attempt)
                if known is not None:
                    return Outcome.read(known)
                outcome = self._erased(cursor, command, rules)
                self._ended(cursor, command.command_id, command.attempt, outcome.text())
        except (UnknownField, NotAJob) as error:
            _log.error("the job's file does not fit: %s", error)
            return failed("unknown_field")
        except NeedsPerson as error:
            _log.error("%s", error)
            return failed("needs_person")
        except psycopg.IntegrityError as error:
            _log.error(
                "constraint %s stands against it", error.diag.constraint_name or error.diag.column_name
            )
            return failed("needs_person")
        self._cleaned([item.mapping for item in rules if not item.idle])
        return outcome

    def _erased(
        self, cursor: Any, command: Command | Expiry, rules: Sequence[Rules] | Sequence[Expiring]
    ) -> Outcome:
        tally = Tally()
        for one in rules:
            if not one.idle:
                self._of_table(cursor, table_of(cursor, one.mapping, self._cascades), one, tally)
        # Over all attempts: what an earlier one deleted is not met again.
        self._sum(cursor, "gone", "deleted", command.command_id, tally.deleted)
        if isinstance(command, Expiry):
            # Nor is what it blanked counted again: earlier commands may have blanked it as well.
            self._make("blanked", _BLANKED)
            self._sum(cursor, "blanked", "redacted", command.command_id, tally.redacted)
        return tally.outcome()

    def _sum(self, cursor: Any, table: str, column: str, command_id: str, counts: Counter[str]) -> None:
        """Add what is counted to what is remembered of the command, and count all of it."""
        remember = (
            f"INSERT INTO {self._schema}.{table} VALUES (%s, %s, %s) ON CONFLICT (command_id, record)"
            f" DO UPDATE SET {column} = {table}.{column} + excluded.{column}"
        )
        for record, count in counts.items():
            cursor.execute(remember, (command_id, record, count))
        query = f"SELECT record, {column} FROM {self._schema}.{table} WHERE command_id = %s"
        for record, count in cursor.execute(query, (command_id,)).fetchall():
            counts[record] = count

    def _of_table(self, cursor: Any, table: Table, rules: Rules | Expiring, tally: Tally) -> None:
        query, values = (
            older(table, rules.before) if isinstance(rules, Expiring) else candidates(table, rules)
        )
        gone: dict[int, list[str]] = defaultdict(list)
        blank = _Settings()
        with self._connection.cursor("candidates", scrollable=False) as found:
            found.itersize = _ROWS
            for oid, place, *row in found.execute(query, values):
                verdict = rules.decide(dict(zip(table.types, row, strict=True)))
                tally.add(table.mapping.record, verdict)
                if verdict.delete and verdict.held is None:
                    gone[oid].append(place)
                elif verdict.blank:
                    blank.add(oid, place, {item.name: item.blank for item in verdict.blank})
        blank.done(cursor, table)
        for oid, places in gone.items():
            _do(cursor, deletion(table), [oid], places)

    @contextmanager
    def work(self) -> Iterator[_Pass]:
        """See `innsyn_sdk.changing.Rows`."""
        try:
            with self._transaction() as cursor:
                yield _Pass(self._connection, cursor, self._cascades)
        except NotAJob as error:
            raise UnknownField(str(error)) from None
        except psycopg.IntegrityError as error:
            name = error.diag.constraint_name or error.diag.column_name
            raise NeedsPerson(f"constraint {name} stands against it") from None

    def restrictions(self) -> dict[str, str]:
        with self._transaction() as cursor:
            found = cursor.execute(f"SELECT command_id, said FROM {self._schema}.restrictions").fetchall()
            return dict(found)

    def restrict(self, command_id: str, said: str) -> None:
        with self._transaction() as cursor:
            text = (
                f"INSERT INTO {self._schema}.restrictions VALUES (%s, %s) ON CONFLICT (command_id)"
                " DO UPDATE SET said = excluded.said"
            )
            cursor.execute(text, (command_id, said))

    def free(self, command_id: str) -> None:
        with self._transaction() as cursor:
            cursor.execute(f"DELETE FROM {self._schema}.restrictions WHERE command_id = %s", (command_id,))

    def _cleaned(self, mappings: Sequence[RecordMapping]) -> None:
        """Free what deleted rows left in the tables' files, and forget their values in the statistics."""
        if self._vacuum is None:
            return
        try:
            self._connection.autocommit = True
            for mapping in mappings:
                name = ".".join(map(quoted, mapping.at.split(".")))
                self._connection.execute(f"{self._vacuum} {name}")
        except psycopg.Error as error:
            _log.warning(
                "not vacuumed (%s): deleted rows stay in the files until it is", type(error).__name__
            )
        finally:
            if not self._connection.closed:
                self._connection.autocommit = False

    def _come(self, cursor: Any, command_id: str, attempt: int) -> int:
        text = (
            f"INSERT INTO {self._schema}.attempts VALUES (%s, %s) ON CONFLICT (command_id)"
            " DO UPDATE SET newest = greatest(attempts.newest, excluded.newest) RETURNING newest"
        )
        return int(cursor.execute(text, (command_id, attempt)).fetchone()[0])

    def _known(self, cursor: Any, command_id: str, attempt: int) -> str | None:
        text = f"SELECT outcome FROM {self._schema}.outcomes WHERE command_id = %s AND attempt = %s"
        found = cursor.execute(text, (command_id, attempt)).fetchone()
        return None if found is None else str(found[0])

    def _ended(self, cursor: Any, command_id: str, attempt: int, outcome: str) -> None:
        text = (
            f"INSERT INTO {self._schema}.outcomes (command_id, attempt, outcome) VALUES (%s, %s, %s)"
            " ON CONFLICT (command_id, attempt) DO NOTHING"
        )
        cursor.execute(text, (command_id, attempt, outcome))

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """A cursor in a transaction. Raises StoreUnavailable where the database is away or gives up on it."""
        try:
            with self._connected().transaction(), self._connection.cursor() as cursor:
                # A policy must not hide rows in silence: it is an error then.
                cursor.execute("SET LOCAL row_security = off")
                yield cursor
        except psycopg.IntegrityError:
            raise
        except psycopg.DataError as error:
            raise NeedsPerson(
                f"PostgreSQL holds a value that cannot be read ({type(error).__name__})"
            ) from None
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError):
                self.close()
            raise StoreUnavailable(f"PostgreSQL failed ({error.sqlstate or type(error).__name__})") from None

    def _connected(self) -> Any:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._dsn, application_name="innsyn-job")
            read_as_written(self._connection)
            # A warning may be all that a table which is not this role's to vacuum gives.
            self._connection.add_notice_handler(
                lambda said: _log.warning("PostgreSQL warns (%s, %s)", said.severity, said.sqlstate)
            )
            with self._connection.transaction():
                self._make("restrictions", _TABLES)
        return self._connection

    def _make(self, table: str, text: str) -> None:
        """What the job remembers in, if the table is not there; a role that may not make it can be given it."""
        there = self._connection.execute("SELECT to_regclass(%s)", (f"{self._schema}.{table}",)).fetchone()
        if there[0] is None:
            self._connection.execute("SELECT pg_advisory_xact_lock(hashtext('innsyn_job'))")
            self._connection.execute(text.format(schema=self._schema))


class _Settings:
    """What columns of rows shall say, put together where rows get the same."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, tuple[tuple[str, Any], ...]], list[str]] = defaultdict(list)

    def add(self, oid: int, place: str, said: Mapping[str, Any]) -> None:
        self._rows[oid, tuple(said.items())].append(place)

    def done(self, cursor: Any, table: Table) -> None:
        for (oid, said), places in self._rows.items():
            _do(
                cursor,
                setting(table, [name for name, _ in said]),
                [*(value for _, value in said), oid],
                places,
            )


class _Pass:
    """Rows read and changed in one transaction."""

    def __init__(self, connection: Any, cursor: Any, cascades: Sequence[str]) -> None:
        self._connection, self._cursor, self._cascades = connection, cursor, cascades

    def read(self, whose: Whose) -> Iterator[Row]:
        for _, _, row in self._rows(table_of(self._cursor, whose.mapping, self._cascades), whose, lock=False):
            yield row

    def change(self, mapping: RecordMapping, whose: Whose | None, decide: Change) -> int:
        table, settings = table_of(self._cursor, mapping, self._cascades), _Settings()
        count = 0
        for oid, place, row in self._rows(table, whose, lock=True):
            said = decide(row)
            count += said is not None
            if said:
                settings.add(oid, place, said)
        settings.done(self._cursor, table)
        return count

    def _rows(self, table: Table, whose: Whose | None, *, lock: bool) -> Iterator[tuple[int, str, Row]]:
        query, values = candidates(table, whose, lock=lock)
        with self._connection.cursor("candidates", scrollable=False) as found:
            found.itersize = _ROWS
            for oid, place, *row in found.execute(query, values):
                yield oid, place, dict(zip(table.types, row, strict=True))


def _do(cursor: Any, text: str, values: Sequence[Any], places: Sequence[str]) -> None:
    for begin in range(0, len(places), _ROWS):
        some = list(places[begin : begin + _ROWS])
        cursor.execute(text, [*values, some])
        if cursor.rowcount != len(some):
            # A trigger or a policy kept rows: the counts would say what did not happen.
            raise StoreUnavailable(f"{len(some) - cursor.rowcount} rows are still as they were")


def store_of(file: JobFile) -> PostgresqlStore:
    """The store of a job's file. Raises NotAJob."""
    if file.state is not None:
        raise NotAJob(f"{file.path}: `state` is kept in the database; take the line out")
    own = file.own["postgresql"]
    return PostgresqlStore(
        file.text("postgresql", "dsn"),
        file.records,
        schema=file.text("postgresql", "schema", "innsyn_job"),
        vacuum=file.text("postgresql", "vacuum", "plain"),
        cascades=[str(item) for item in own.get("cascades", ())],
    )


if __name__ == "__main__":
    sys.exit(running.main("postgresql", SETTINGS, store_of))

"""The PostgreSQL job on a real server: the rows that are meant and no other, once, whatever happens in between."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from innsyn_sdk.mapping import Column, Keep, NotAJob, RecordMapping
from innsyn_sdk.matching import Rules
from innsyn_sdk.outcome import Outcome, StoreUnavailable
from innsyn_sdk.postgresql import PostgresqlStore
from innsyn_sdk.protocol import Command, Identifier
from innsyn_sdk.testing import Kit

from tests.sdk.mapped import TODAY, all_of, command_of
from tests.support.postgresql import Server
from tests.support.time_bounds import HANGING_SECONDS

pytestmark = pytest.mark.kafka

KARI, OLA = "700101", "700102"
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)
LOGIN = RecordMapping(
    "Login",
    "shop.login",
    (
        Column("customer", "customer_number", "customer_number", "lower", person=True, customer=True),
        Column("phone", "phone", "phone", "digits", person=True, country="47"),
        Column("seen_from", "client_address", "ip", "address", port="port"),
        Column("port", "client_port"),
        Column("note", "note"),
    ),
    time="at",
    other=frozenset({"id"}),
)
TABLE = """
DROP SCHEMA IF EXISTS shop CASCADE; DROP SCHEMA IF EXISTS innsyn_job CASCADE; CREATE SCHEMA shop;
CREATE TABLE shop.login (id bigserial PRIMARY KEY, customer text, phone text, seen_from {address}, port int, note text,
 at {time}{more});
"""
INVOICE = RecordMapping(
    "Invoice",
    "shop.invoice",
    (
        Column("customer", "customer_number", "customer_number", person=True, customer=True),
        Column("name", "name", blank="-"),
        Column("amount", "amount"),
    ),
    other=frozenset({"id"}),
    keep=(Keep("keep_until", "T01", "bokføringsloven § 13"),),
)


@pytest.fixture
def database(postgresql: Server) -> Iterator[Any]:
    with postgresql.connect() as connection:
        connection.execute(TABLE.format(address="inet", time="timestamptz", more=""))
        yield connection


def store(postgresql: Server, *mappings: RecordMapping, **settings: Any) -> PostgresqlStore:
    return PostgresqlStore(postgresql.dsn, mappings or (LOGIN,), today=lambda: TODAY, **settings)


def put(database: Any, *rows: tuple[Any, ...]) -> None:
    text = (
        "INSERT INTO shop.login (customer, phone, seen_from, port, note, at) VALUES (%s, %s, %s, %s, %s, %s)"
    )
    for row in rows:
        database.execute(text, row)


def left(database: Any, columns: str = "customer, phone, note") -> list[tuple[Any, ...]]:
    return list(database.execute(f"SELECT {columns} FROM shop.login ORDER BY id").fetchall())


def erase(made: PostgresqlStore, command: Command) -> Outcome:
    try:
        return made.erase(command)
    finally:
        made.close()


FOR_KARI = command_of([Identifier("customer_number", KARI)], all_of(LOGIN))


def test_rows_go_and_others_stay(postgresql: Server, database: Any) -> None:
    """By a number in any spelling, by an address in its hour and behind its ports; not what a neighbour did there."""
    put(
        database,
        (f" {KARI} ", None, None, None, "hers", NINE),
        (None, "400 00 909", None, None, "her phone", NINE),
        (None, None, "2001:db8:0:0::7", 1500, "her hour", NINE),
        (None, None, "2001:db8::7", 1500, "an hour later", NINE + timedelta(hours=1)),
        (None, None, "2001:db8::7", 3000, "another port", NINE),
        (OLA, None, "2001:db8::7", 1500, "a guest", NINE),
        (None, None, "2001:db8::8", 1500, "another address", NINE),
        (OLA, "40000908", None, None, "his", NINE),
    )
    until = NINE + timedelta(hours=1)
    command = command_of(
        [
            Identifier("customer_number", KARI),
            Identifier("phone", "+4740000909"),
            Identifier("ip", "2001:db8::7", since=NINE, until=until, ports=(1000, 1999), proof="user"),
        ],
        all_of(LOGIN),
    )
    said = erase(store(postgresql), command)
    assert (said.state, said.deleted, said.redacted) == ("done", (("Login", 3),), ())
    assert [row[2] for row in left(database)] == [
        "an hour later", "another port", "a guest", "another address", "his",
    ]  # fmt: skip


def test_some_fields_are_blanked_and_count_once_more(postgresql: Server, database: Any) -> None:
    """A second attempt finds them as they are, and counts what the first one deleted as well."""
    put(database, (KARI, None, None, None, "private", NINE), (OLA, None, None, None, "his", NINE))
    some = command_of([Identifier("customer_number", KARI)], ["Login.note"])
    said = erase(store(postgresql), some)
    assert (said.state, said.redacted) == ("done", (("Login", 1),))
    assert left(database) == [(KARI, None, None), (OLA, None, "his")]
    assert erase(store(postgresql), replace(some, attempt=2)).redacted == (("Login", 1),)
    erase(store(postgresql), command_of(some.identifiers, all_of(LOGIN), attempt=3))
    put(database, (KARI, None, None, None, "late", NINE))
    said = erase(store(postgresql), command_of(some.identifiers, all_of(LOGIN), attempt=4))
    assert said.deleted == (("Login", 2),)


def test_an_invoice_is_held_with_its_rule(postgresql: Server, database: Any) -> None:
    database.execute(
        "CREATE TABLE shop.invoice (id bigserial, customer text, name text NOT NULL, amount int, keep_until date)"
    )
    database.execute(
        "INSERT INTO shop.invoice (customer, name, amount, keep_until) VALUES (%s, 'Kari', 1, '2031-12-31'),"
        " (%s, 'Kari', 2, NULL), (%s, 'Ola', 3, '2031-12-31')",
        (KARI, KARI, OLA),
    )
    command = command_of([Identifier("customer_number", KARI)], all_of(INVOICE))
    said = erase(store(postgresql, INVOICE), command)
    assert (said.state, said.held, said.erased, said.ground) == ("partial", 1, 1, "T01")
    assert (said.citation, said.review_date) == ("bokføringsloven § 13", date(2031, 12, 31))
    said = erase(store(postgresql, INVOICE), replace(command, command_id="r-2/s"))
    assert (said.state, said.held, said.review_date) == ("withheld", 1, date(2031, 12, 31))
    assert [row[0] for row in database.execute("SELECT amount FROM shop.invoice ORDER BY id").fetchall()] == [
        1,
        3,
    ]


def test_the_kit_finds_nothing_wrong(postgresql: Server, database: Any, tmp_path: Path) -> None:
    put(database, (KARI, "40 00 09 09", None, None, "hers", NINE))
    made = store(postgresql)
    assert Kit(tmp_path, "shop").play(made.erase, [("customer_number", KARI)], all_of(LOGIN)) == []
    made.close()


def test_the_outcome_is_in_the_transaction(postgresql: Server, database: Any) -> None:
    """A process that is killed before it could say what it did is followed by one that says the same."""
    put(database, (KARI, None, None, None, "hers", NINE))
    first = erase(store(postgresql), FOR_KARI)
    made = store(postgresql)
    assert Outcome.read(made.outcome("r-1/s", 1) or "") == first
    assert erase(made, FOR_KARI) == first
    later = store(postgresql)
    assert later.come("r-1/s", 2) == 2
    assert erase(later, FOR_KARI).reason == "superseded"


def test_two_processes_erase_once(postgresql: Server, database: Any) -> None:
    """Both say the same."""
    put(database, *((KARI, None, None, None, "hers", NINE) for _ in range(50)))
    said: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda: said.append(erase(store(postgresql), FOR_KARI))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANGING_SECONDS)
    assert [item.deleted for item in said] == [(("Login", 50),)] * 4


def test_an_erasure_that_is_cut_off_left_everything(postgresql: Server, database: Any) -> None:
    """The server ends the connection in the middle: nothing is gone and nothing is remembered; then all of it."""
    put(database, (KARI, None, None, None, "hers", NINE))
    database.execute(
        "CREATE FUNCTION shop.cut() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN OLD; END';"
        " CREATE TRIGGER cut BEFORE DELETE ON shop.login FOR EACH ROW EXECUTE FUNCTION shop.cut()"
    )
    made = store(postgresql)
    with pytest.raises(StoreUnavailable):
        made.erase(FOR_KARI)
    assert len(left(database)) == 1
    database.execute("DROP TRIGGER cut ON shop.login")
    assert made.outcome("r-1/s", 1) is None
    assert erase(made, FOR_KARI).deleted == (("Login", 1),)


@pytest.mark.parametrize(
    ("trouble", "state", "reason"),
    [
        (
            "CREATE TABLE shop.child (login bigint REFERENCES shop.login);"
            " INSERT INTO shop.child SELECT id FROM shop.login",
            "failed", "needs_person",
        ),
        ("ALTER TABLE shop.login ADD COLUMN shoe_size int", "failed", "unknown_field"),
    ],
)  # fmt: skip
def test_what_stands_against_it_is_told(
    postgresql: Server, database: Any, trouble: str, state: str, reason: str
) -> None:
    """A constraint, a column that nobody mapped: nothing is erased."""
    put(database, (KARI, None, None, None, "hers", NINE))
    database.execute(trouble)
    said = erase(store(postgresql), FOR_KARI)
    assert (said.state, said.reason, len(left(database))) == (state, reason, 1)


@pytest.mark.parametrize(
    "hidden",
    [
        "CREATE FUNCTION shop.no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        " CREATE TRIGGER no BEFORE DELETE ON shop.login FOR EACH ROW EXECUTE FUNCTION shop.no()",
        "CREATE ROLE clerk LOGIN; GRANT ALL ON SCHEMA shop TO clerk; GRANT ALL ON ALL TABLES IN SCHEMA shop TO clerk;"
        " GRANT CREATE ON DATABASE postgres TO clerk; ALTER TABLE shop.login ENABLE ROW LEVEL SECURITY",
    ],
)
def test_rows_that_are_kept_back_in_silence_are_an_error(
    postgresql: Server, database: Any, hidden: str
) -> None:
    """By a trigger, or by a policy that hides them: no `done` and no `not_found`."""
    put(database, (KARI, None, None, None, "hers", NINE))
    database.execute(hidden)
    dsn = postgresql.dsn.replace("user=owner", "user=clerk") if "clerk" in hidden else postgresql.dsn
    made = PostgresqlStore(dsn, [LOGIN], today=lambda: TODAY)
    try:
        with pytest.raises(StoreUnavailable):
            made.erase(FOR_KARI)
    finally:
        made.close()
        if "clerk" in hidden:
            database.execute("DROP SCHEMA innsyn_job CASCADE; DROP OWNED BY clerk; DROP ROLE clerk")
    assert len(left(database)) == 1


def test_a_table_that_is_not_as_mapped_is_refused_at_the_start(postgresql: Server, database: Any) -> None:
    """Each with what to do."""
    lacking = replace(LOGIN, at="shop.nowhere")
    forgotten = replace(LOGIN, other=frozenset())
    for mapping, told in ((lacking, "no table shop.nowhere"), (forgotten, "does not name: id")):
        refused(store(postgresql, mapping), told)
    database.execute("CREATE TABLE shop.line (login bigint REFERENCES shop.login ON DELETE CASCADE)")
    refused(store(postgresql), r"shop\.line would go with those of shop\.login")
    made = store(postgresql, cascades=["shop.line"])
    made.check()
    made.close()
    for address, time, told in (("bytea", "timestamptz", "inet or text"), ("text", "timestamp", "time_zone")):
        database.execute(TABLE.format(address=address, time=time, more=""))
        refused(store(postgresql), told)
    with pytest.raises(NotAJob, match="vacuum is one of"):
        store(postgresql, vacuum="often")
    with pytest.raises(StoreUnavailable):
        PostgresqlStore("host=127.0.0.1 port=1 user=x connect_timeout=2", [LOGIN]).check()


def refused(made: PostgresqlStore, told: str) -> None:
    with closing(made), pytest.raises(NotAJob, match=told):
        made.check()


def test_what_is_gone_is_gone_from_the_files(postgresql: Server, database: Any) -> None:
    """After `vacuum = "full"` neither table nor statistics hold a byte of it; the neighbour is there."""
    secret, other = "Hemmeligheten-7001", "Naboens-7002"
    put(database, *((KARI, None, None, None, secret, NINE) for _ in range(40)))
    put(database, *((OLA, None, None, None, other, NINE) for _ in range(40)))
    database.execute("ANALYZE shop.login")
    database.execute("CHECKPOINT")
    assert holds(postgresql, secret)
    erase(store(postgresql, vacuum="full"), FOR_KARI)
    database.execute("VACUUM FULL pg_statistic")
    database.execute("CHECKPOINT")
    assert not holds(postgresql, secret)
    assert holds(postgresql, other)


def holds(postgresql: Server, text: str) -> bool:
    """Whether a file of the databases has these bytes; not the write-ahead log, which keeps what came before."""
    files = [path for path in (postgresql.data / "base").rglob("*") if path.is_file()]
    return any(text.encode() in path.read_bytes() for path in files)


values = st.tuples(
    st.sampled_from([None, KARI, f" {KARI}", OLA, ""]),
    st.sampled_from([None, "+47 400 00 909", "0047 40000909", "40000909", "40000908"]),
    st.sampled_from([None, "192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", "2001:db8:1::7"]),
    st.sampled_from([None, 443, 1500]),
    st.just("note"),
    st.sampled_from([None, *(NINE + timedelta(hours=count) for count in range(-30, 30, 6))]),
)
limits: dict[str, st.SearchStrategy[Any]] = {
    "since": st.sampled_from([None, NINE, NINE - timedelta(hours=6)]),
    "until": st.sampled_from([None, NINE + timedelta(hours=6)]),
    "proof": st.sampled_from([None, "user"]),
}
identifiers = st.one_of(
    st.builds(Identifier, st.just("customer_number"), st.sampled_from([KARI, OLA]), **limits),
    st.builds(Identifier, st.just("phone"), st.just("+4740000909"), **limits),
    st.builds(Identifier, st.just("ip"), st.sampled_from(["192.0.2.7", "2001:db8::7"]), **limits),
    st.builds(Identifier, st.just("ip"), st.just("192.0.2.7"), at=st.just(NINE)),
    st.builds(Identifier, st.just("ip"), st.just("2001:db8::/48"), prefix=st.just(True), **limits),
)


@pytest.mark.parametrize(
    ("address", "time"), [("inet", "timestamptz"), ("text", "timestamp"), ("text", "text")]
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(values, max_size=8), named=st.lists(identifiers, min_size=1, max_size=3))
def test_sql_finds_every_row_that_is_meant(
    postgresql: Server, address: str, time: str, rows: list[tuple[Any, ...]], named: list[Identifier]
) -> None:
    """What goes are the rows that the one rule means, whatever the types of the columns."""
    from zoneinfo import ZoneInfo

    mapping = replace(LOGIN, zone=ZoneInfo("Asia/Tokyo") if time == "timestamp" else None)
    with postgresql.connect() as database:
        database.execute(TABLE.format(address=address, time=time, more=""))
        for row in rows:
            at = row[5]
            if at is not None and time == "timestamp":
                at = at.astimezone(ZoneInfo("Asia/Tokyo")).replace(tzinfo=None)
            put(database, (*row[:5], at.isoformat() if at is not None and time == "text" else at))
        command = command_of(named, all_of(mapping))
        names = ("customer", "phone", "seen_from", "port", "note", "at")
        there = left(database, ", ".join(names))
        rules = Rules(command, mapping, TODAY)
        stays = [row for row in there if not rules.decide(dict(zip(names, row, strict=True))).delete]
        said = erase(store(postgresql, mapping, vacuum="no"), command)
        assert left(database, ", ".join(names)) == stays
        assert said.erased == len(there) - len(stays)


def test_a_row_that_nothing_names_goes_by_its_key(postgresql: Server, database: Any) -> None:
    """A key that is a number is compared as text; a row that names another customer by now stays."""
    put(database, *[(None, None, "192.0.2.7", None, note, NINE) for note in ("hers", "not hers")])
    put(database, (OLA, None, "192.0.2.7", None, "his", NINE))
    keyed = replace(
        LOGIN, columns=(*LOGIN.columns, Column("id", "login_id", personal=False)), other=frozenset()
    )
    told = [Identifier("", str(number), record="Login", field="login_id") for number in (1, 3, 7)]
    said = erase(store(postgresql, keyed), command_of(told, all_of(LOGIN)))
    assert (said.state, said.deleted) == ("done", (("Login", 1),))
    assert [row[2] for row in left(database)] == ["not hers", "his"]

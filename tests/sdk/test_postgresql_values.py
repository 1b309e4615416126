"""What PostgreSQL holds and Python has not: it is erased, copied and told like any other value."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from innsyn_sdk.changing import Changing
from innsyn_sdk.copies import chunks
from innsyn_sdk.expiry import Expiry, RunOut
from innsyn_sdk.mapping import Column
from innsyn_sdk.outcome import Outcome
from innsyn_sdk.protocol import Identifier

from tests.sdk.mapped import all_of, command_of
from tests.sdk.test_postgresql import (
    FOR_KARI,
    INVOICE,
    KARI,
    LOGIN,
    NINE,
    OLA,
    database,
    erase,
    left,
    put,
    store,
)
from tests.support.postgresql import Server

__all__ = ["database"]
pytestmark = pytest.mark.kafka
NO_TIMES = ["infinity", "-infinity", "20000-01-01 00:00+00", "0044-03-15 00:00+00 BC", "0001-01-01 00:00+01"]
"""The last is of the year before the first one in UTC."""


@pytest.mark.parametrize("at", NO_TIMES)
def test_a_row_goes_whatever_its_time_is(postgresql: Server, database: Any, at: str) -> None:
    """By what names the person at any time; an address in its hour names nobody at no time."""
    put(
        database,
        (KARI, None, "2001:db8::7", None, "hers", at),
        (None, None, "2001:db8::7", None, "whose", at),
    )
    put(database, (OLA, None, None, None, "his", at))
    hour = Identifier("ip", "2001:db8::7", since=NINE, until=NINE + timedelta(hours=1), proof="user")
    said = erase(store(postgresql), replace(FOR_KARI, identifiers=(*FOR_KARI.identifiers, hour)))
    assert (said.state, said.deleted) == ("done", (("Login", 1),))
    assert [note for _, _, note in left(database)] == ["whose", "his"]


@pytest.mark.parametrize("zoned", [True, False])
def test_a_row_whose_time_is_none_has_not_run_out_and_is_told(
    postgresql: Server, database: Any, *, zoned: bool
) -> None:
    put(database, *((OLA, None, None, None, None, at) for at in [*NO_TIMES, NINE]))
    mapping = LOGIN
    if not zoned:
        database.execute("ALTER TABLE shop.login ALTER at TYPE timestamp USING at AT TIME ZONE 'UTC'")
        mapping = replace(LOGIN, zone=ZoneInfo("UTC"))
    line = RunOut("Login", (), tuple(all_of(LOGIN)), None, NINE + timedelta(days=30), "T30", "GDPR", 0)
    expiry = Expiry("x-1/s", "x-1", 1, NINE + timedelta(days=40), (line,), (), None, {})
    made = store(postgresql, mapping)
    said = made.expire(expiry)
    made.close()
    assert (said.state, said.erased, said.held, said.reason) == ("partial", 1, len(NO_TIMES), "undated")


def test_what_is_kept_until_before_all_days_goes_and_until_after_them_is_for_a_person(
    postgresql: Server, database: Any
) -> None:
    """There is no day on which what is kept for ever could be looked at again."""
    database.execute(
        "CREATE TABLE shop.invoice (id bigserial, customer text, name text NOT NULL, amount int, keep_until date)"
    )
    database.execute(
        "INSERT INTO shop.invoice (customer, name, keep_until) VALUES (%s, 'a', '-infinity')", (KARI,)
    )
    command = command_of([Identifier("customer_number", KARI)], all_of(INVOICE))
    assert erase(store(postgresql, INVOICE), command).deleted == (("Invoice", 1),)
    database.execute(
        "INSERT INTO shop.invoice (customer, name, keep_until) VALUES (%s, 'a', 'infinity')", (KARI,)
    )
    said = erase(store(postgresql, INVOICE), replace(command, attempt=2))
    assert (said.state, said.reason) == ("failed", "needs_person")
    assert database.execute("SELECT count(*) FROM shop.invoice").fetchone() == (1,)


def test_a_copy_says_what_the_table_says(postgresql: Server, database: Any) -> None:
    """Times, days and ranges of them without end, what takes how long, and addresses."""
    columns = {
        "born": ("date", "-infinity", "-infinity"),
        "days": ("daterange", "[2026-03-01,infinity)", "[2026-03-01,infinity)"),
        "hours": (
            "tsmultirange",
            '{[-infinity,"2026-03-01 09:00:00")}',
            '{[-infinity,"2026-03-01 09:00:00")}',
        ),
        "moments": ("timestamptz[]", "{infinity,-infinity}", ["infinity", "-infinity"]),
        "took": ("interval", "1 mon", "1 mon"),
        "opens": ("time", "24:00", "24:00:00"),
        "ports": ("int4range", "[1,5)", "[1,5)"),
    }
    for name, (kind, value, _) in columns.items():
        database.execute(f"ALTER TABLE shop.login ADD COLUMN {name} {kind} DEFAULT '{value}'")
    put(database, (KARI, None, "2001:db8::7", None, "hers", "infinity"))
    mapping = replace(LOGIN, columns=(*LOGIN.columns, *(Column(name, name) for name in columns)))
    made = store(postgresql, mapping)
    found = Changing(made, [mapping], made).export(replace(FOR_KARI, kind="access", fields=()))
    made.close()
    assert not isinstance(found, Outcome)
    (part,), counts = chunks(found)
    (values,) = (item["values"] for item in json.loads(part))
    assert {name: values[name] for name in columns} == {name: text for name, (_, _, text) in columns.items()}
    assert (values["at"], values["client_address"], counts) == ("infinity", "2001:db8::7", {"Login": 1})


@pytest.mark.parametrize("form", ["exact", "lower", "digits"])
def test_a_number_is_found_in_a_column_of_any_type(postgresql: Server, database: Any, form: str) -> None:
    """Filled up with blanks, with decimals that say nothing, or as a number that is none of whole ones."""
    types = [
        "char(12)",
        "numeric",
        "numeric(12,2)",
        "double precision",
        "real",
        "bigint",
        "char(12)[]",
        "numeric(12,2)[]",
    ]
    for kind in types:
        database.execute("DELETE FROM shop.login")
        database.execute("ALTER TABLE shop.login DROP COLUMN customer")
        database.execute(f"ALTER TABLE shop.login ADD COLUMN customer {kind}")
        for value, note in ((KARI, "hers"), (OLA, "his"), (f"{KARI}0", "another's")):
            held = f"{{{value}}}" if kind.endswith("[]") else value
            database.execute(f"INSERT INTO shop.login (customer, note) VALUES (%s::{kind}, %s)", (held, note))
        mapping = replace(LOGIN, columns=(replace(LOGIN.columns[0], form=form), *LOGIN.columns[1:]))
        said = erase(store(postgresql, mapping), replace(FOR_KARI, command_id=f"r-1/{kind}"))
        assert (kind, said.state, said.deleted) == (kind, "done", (("Login", 1),))
        assert (kind, [note for _, _, note in left(database)]) == (kind, ["his", "another's"])

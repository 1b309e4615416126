"""`innsyn sql`: a query over the views, as a table, CSV, JSON or Parquet."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import httpx
import typer

from console.cli.options import user_name
from console.cli.show.output import say, screen, shown, table
from console.client import connect
from console.instance import find_sql
from console.wiring.private import write_private_bytes
from schemas.counted import counted
from schemas.errors import InputError, QuestionTooLong, Unavailable
from schemas.settings import Settings, load_settings

_GRACE_SECONDS = 10.0
# Types of numbers begin so.
_NUMBERS = ("UIn", "Int", "Flo", "Dec")


class Shown(StrEnum):
    """How the answer is given."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


# Of ClickHouse. JSON is one document, a list of objects.
_FORMATS = {
    Shown.TABLE: "JSONCompactStrings",
    Shown.CSV: "CSVWithNames",
    Shown.JSON: "JSONEachRow",
    Shown.PARQUET: "Parquet",
}
_SETTINGS = {"output_format_json_array_of_rows": "1", "output_format_json_quote_64bit_integers": "0"}


def sql(
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="One statement; - reads it from standard input.")
    ] = "",
    format: Annotated[Shown, typer.Option("--format", help="How the answer is given.")] = Shown.TABLE,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None,
    grants: Annotated[
        bool,
        typer.Option("--grants", help="Print what makes a read-only user of a ClickHouse server instead."),
    ] = False,
) -> None:
    """Ask in SQL. `SHOW TABLES` says which views there are; docs/queries.md what else can be asked, and the limits.

    Example: innsyn sql 'SELECT system, sum(events) FROM v_daily GROUP BY system' --format csv --out systems.csv
    """
    if grants:
        _print_grants(load_settings())
        return
    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise InputError("there is no query; give one, such as 'SHOW TABLES', or - and one on standard input")
    if format is Shown.PARQUET and out is None and sys.stdout.isatty():
        raise InputError("Parquet is not for a terminal; give --out FILE")
    if format is Shown.TABLE and out is not None:
        raise InputError("a table goes to the terminal; give --format csv, json or parquet with --out")
    body = _answer(load_settings(), text, _FORMATS[format])
    if format is Shown.TABLE:
        _show(body)
    elif out is not None:
        try:
            write_private_bytes(out, body)
        except OSError as error:
            raise InputError(f"{out} cannot be written ({error.strerror}); give another file") from None
        say(f"{out}: {len(body):,} bytes", err=True)
    else:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()


def _print_grants(settings: Settings) -> None:
    from console.wiring.answering import open_answering
    from console.wiring.api_token import sql_token

    with open_answering(settings) as opened:
        reader = opened.sinks.sql
        assert reader is not None
        digest = hashlib.sha256(sql_token(settings).encode()).hexdigest()
        for statement in reader.grants(settings.sql_user, digest):
            say(f"{statement};")


def _answer(settings: Settings, text: str, format: str) -> bytes:
    """From the running innsyn, else from the embedded index that nobody has open. Either way it is on record."""
    client = connect(settings)
    if client is None:
        return _directly(settings, text, format)
    client.close()
    there = find_sql(settings)
    if there is None:
        raise Unavailable(
            "the innsyn that runs answers no SQL; start it with INNSYN_SQL=true, or set INNSYN_SQL_TOKEN"
        )
    seconds = settings.sql_seconds + _GRACE_SECONDS
    try:
        answer = httpx.post(
            there.address,
            params={"default_format": format, **_SETTINGS},
            content=text.encode("utf-8", "surrogateescape"),
            auth=(there.user, there.token),
            timeout=seconds,
            trust_env=False,
        )
    except httpx.HTTPError as error:
        raise Unavailable(
            f"innsyn at {there.address} does not answer ({type(error).__name__}); see `innsyn doctor`"
        ) from None
    if answer.is_success:
        _check_format(answer.headers.get("X-ClickHouse-Format", format), format)
        return answer.content
    said = " ".join(answer.text.split()).removesuffix(" (innsyn)")
    if (
        answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
        and "X-ClickHouse-Exception-Code" not in answer.headers
    ):
        raise Unavailable(f"innsyn at {there.address} fails (HTTP {answer.status_code}); see its log")
    raise (Unavailable if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else InputError)(said)


def _directly(settings: Settings, text: str, format: str) -> bytes:
    # Imported here: the engine alone takes half a second, which an answer over HTTP does not need.
    from console.wiring.answering import open_answering
    from schemas.patience import Patience, patience
    from sinks.open import embedded_folder
    from sinks.ports.audit import AuditEntry
    from sinks.ports.sql import SqlError, SqlQuery, SqlSeen

    if embedded_folder(settings) is None:
        raise Unavailable(
            "no innsyn answers and the index is a server's; start `innsyn serve` or set INNSYN_API_TOKEN"
        )
    at, begun, seen, rows, status = datetime.now(UTC), time.monotonic(), list[SqlSeen](), 0, 500
    with open_answering(settings) as opened:
        reader = opened.sinks.sql
        assert reader is not None
        try:
            with patience(Patience(settings.sql_seconds)):
                found = reader.ask(SqlQuery(text, format, settings=_SETTINGS), seen)
            rows, status = found.rows, 200
            _check_format(found.format, format)
            return found.body
        except SqlError as error:
            status = 400
            raise InputError(f"Code: {error.code}. {error}") from None
        except QuestionTooLong as error:
            raise InputError(str(error)) from None
        finally:
            known = seen[0] if seen else SqlSeen()
            entry = AuditEntry(
                at=at,
                action="command sql",
                caller=f"user {user_name()}",
                subjects=known.tokens,
                key_id=opened.tokenizer.key_id if known.tokens else "",
                shape=known.shape,
                views=known.views,
                size=rows,
                status=status,
                milliseconds=round((time.monotonic() - begun) * 1000),
            )
            # Before anybody sees the answer.
            opened.sinks.audit.write([entry])


def _check_format(given: str, wanted: str) -> None:
    """Raises InputError for an answer in a format that the query named: it would be read as another."""
    if given != wanted:
        raise InputError("the query names a FORMAT of its own; leave it out and give --format")


def _show(body: bytes) -> None:
    found = json.loads(body) if body else {"meta": [], "data": []}
    names = [column["name"] for column in found["meta"]]
    numbers = [
        column["name"] for column in found["meta"] if column["type"].removeprefix("Nullable(")[:3] in _NUMBERS
    ]
    rows = table(*names, right=numbers)
    for row in found["data"]:
        rows.add_row(*("–" if value is None else shown(value) for value in row))
    out = screen()
    if names:
        out.print(rows)
    count = len(found["data"])
    out.print(counted(count, "row"))

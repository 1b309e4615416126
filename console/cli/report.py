"""`innsyn report`: how much there is of what, as tables, CSV or JSON."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.options import Json
from console.cli.show.output import marked, print_json, screen, table
from console.client import require
from schemas.errors import InputError
from schemas.settings import load_settings
from sinks.ports.reports import MOST_ROWS, REPORTS, Dimension

if TYPE_CHECKING:
    from rich.table import Table

_NUMBERS = (int, float)


def report(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Which; without it they are listed.")
    ] = None,
    by: Annotated[
        list[Dimension] | None,
        typer.Option("--by", help="Count by this instead, without a NAME; repeatable for combinations."),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="DIMENSION=VALUE", help="With --by: of this value alone; repeatable."
        ),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="DAY", help="From that day on.")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="DAY", help="Before that day.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=MOST_ROWS, help="At most so many rows.")
    ] = 1_000,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")] = False,
    as_json: Json = False,
) -> None:
    """Show how much there is of what: events and people by purpose, what expires when, requests, coverage. No person.

    Example: innsyn report expiry --until 2026-12-31 --csv
    """
    if name is not None and by:
        raise InputError("a NAME says what is counted by; give --by without one")
    if where and not by:
        raise InputError("--where narrows what is counted --by; give --by as well")
    if name is None and not by:
        _list(as_csv=as_csv, as_json=as_json)
        return
    if name is not None and name not in REPORTS:
        raise InputError("there is no report of that name; `innsyn report` lists those there are")
    asked: dict[str, Any] = {"since": _day(since, "--since"), "until": _day(until, "--until"), "limit": limit}
    asked = {key: value for key, value in asked.items() if value is not None}
    narrowed = _where(where or ())
    with require(load_settings()) as client:
        if by:
            found = client.aggregate({**asked, "by": [item.value for item in by], "where": narrowed})
        else:
            found = client.report(str(name), {key: str(value) for key, value in asked.items()})
    if as_json:
        print_json(found)
    elif as_csv:
        _print_csv(found["columns"], found["items"])
    else:
        out = screen()
        out.print(rows_table(found) if found["items"] else "There is nothing of it.")
        out.print(marked("[dim]{}[/dim]", found["note"]))
    if found["more"] and not as_json:
        screen(stderr=True).print(f"There are more than {limit:,} rows; --limit takes up to {MOST_ROWS:,}.")


def rows_table(found: Mapping[str, Any]) -> Table:
    """Columns in which nothing stands are left out; numbers stand to the right."""
    columns = [name for name in found["columns"] if any(_said(item[name]) for item in found["items"])]
    numbers = [
        name
        for name in columns
        if all(isinstance(item[name], _NUMBERS) or item[name] is None for item in found["items"])
        and not any(isinstance(item[name], bool) for item in found["items"])
    ]
    heads = {name: name.replace("_", " ") for name in columns}
    rows = table(*heads.values(), right=[heads[name] for name in numbers])
    for item in found["items"]:
        rows.add_row(*(_cell(item[name]) for name in columns))
    return rows


def _said(value: object) -> bool:
    return value not in (None, "", [], False)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, _NUMBERS):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    text = "–" if value in (None, "") else str(value)
    # A moment: the second is enough, and all of them are in UTC.
    return text[:19].replace("T", " ") if text[10:11] == "T" and text.endswith("Z") else text


def _print_csv(columns: Sequence[str], items: Sequence[Mapping[str, Any]]) -> None:
    written = csv.writer(sys.stdout, lineterminator="\n")
    written.writerow(columns)
    for item in items:
        written.writerow([_plain(item[name]) for name in columns])


def _plain(value: object) -> object:
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, bool):
        return str(value).lower()
    return value


def _list(*, as_csv: bool, as_json: bool) -> None:
    if as_json:
        items = [{"name": item.name, "summary": item.summary} for item in REPORTS.values()]
        print_json({"items": items})
        return
    if as_csv:
        _print_csv(
            ["name", "summary"], [{"name": item.name, "summary": item.summary} for item in REPORTS.values()]
        )
        return
    rows = table("report", "what it shows", "days")
    for item in REPORTS.values():
        rows.add_row(item.name, item.summary, "--since --until" if item.takes_days else "")
    out = screen()
    out.print(rows)
    out.print(marked("[dim]Or --by: {}.[/dim]", ", ".join(Dimension)))


def _day(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InputError(f"{option} takes a day such as 2026-03-01") from None


def _where(given: Sequence[str]) -> dict[str, list[str]]:
    wanted: dict[str, list[str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in list(Dimension):
            raise InputError(f"--where takes DIMENSION=VALUE, with one of {', '.join(Dimension)}")
        wanted.setdefault(name, []).append(value)
    return wanted

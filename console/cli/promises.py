"""`innsyn promises`: what the policy promises, and whether it is kept."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from console.cli.controls import verdict
from console.cli.findings import place
from console.cli.options import Json
from console.cli.show.output import day, marked, print_json, say, screen, table
from console.client import require
from schemas.errors import InputError
from schemas.settings import load_settings
from streams.duties.check import Verdict

_COLUMNS = ("promise", "line", "text", "verdict", "since", "open", "why")


def promises(
    promise: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="One of them, with its checks and what they found.")
    ] = None,
    state: Annotated[
        list[Verdict] | None, typer.Option("--state", help="Of this state alone; repeatable.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the privacy policy promises, line by line: kept, broken, or not observable, since when, and why.

    Kept is what every check of the promise finds kept. What nobody can see is never kept.

    Example: innsyn promises --state broken
    """
    with require(load_settings()) as client:
        every = client.promises()
    found = [
        item
        for item in every
        if promise in (None, item["promise"]) and (not state or Verdict(item["verdict"]) in state)
    ]
    if promise is not None and not any(item["promise"] == promise for item in every):
        raise InputError("there is no promise of that id; `innsyn promises` lists those there are")
    if as_json:
        print_json({"items": found})
    elif as_csv:
        _print_csv(found)
    elif promise is not None:
        for item in found:
            _show(item)
    elif not every:
        say("No promises: the company's folder has no catalogue/promises.yaml.")
    else:
        _list(found)


def why(item: Mapping[str, Any]) -> str:
    """Why it is not kept, in a line."""
    if item["verdict"] == Verdict.KEPT:
        return ""
    checks = [check for check in item["checks"] if check["verdict"] == item["verdict"]]
    said = [check["why"] for check in checks if check["why"]]
    found = [finding["says"] for finding in item["findings"]]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return said[0] if item["verdict"] == Verdict.NOT_OBSERVABLE else f"{found[0]}{more}" if found else ""


def _list(items: Sequence[Mapping[str, Any]]) -> None:
    out = screen()
    rows = table("promise", "", "since", "open", right=["open"])
    for item in items:
        told = marked("{}", item["text"]["en"])
        if because := why(item):
            told = marked("{}\n[dim]{}[/dim]", told, because)
        names = marked("{}\n{}", item["promise"], verdict(item["verdict"]))
        rows.add_row(names, told, day(item["since"]) or "–", f"{item['open']:,}")
    out.print(rows)
    counts = {word: sum(item["verdict"] == word for item in items) for word in Verdict}
    out.print(
        f" {counts[Verdict.KEPT]} kept, {counts[Verdict.BROKEN]} broken,"
        f" {counts[Verdict.NOT_OBSERVABLE]} not observable; `innsyn promises ID` says more"
    )


def _show(item: Mapping[str, Any]) -> None:
    out = screen()
    since = f" since {day(item['since'])}" if item["since"] else ""
    out.print(marked("[bold]{}[/bold] {}{}", item["promise"], verdict(item["verdict"]), since))
    out.print(marked(" line {}: «{}»", item["line"], item["text"]["nb"]))
    out.print(marked(" {}", item["text"]["en"]))
    rows = table("check", "result", "since", "last run", "why")
    for check in item["checks"]:
        rows.add_row(
            check["check"],
            verdict(check["verdict"]),
            day(check["since"]) or "–",
            day(check["last"]) or "–",
            check["why"] or "",
        )
    out.print(rows)
    if not item["findings"]:
        return
    rows = table("finding", "since", "what", "where")
    rows.columns[0].no_wrap = True
    for finding in item["findings"]:
        where = "\n".join(place(found) for found in finding["evidence"]) or "–"
        name = marked("{}\n[dim]{}[/dim]", finding["finding"], finding["state"])
        rows.add_row(name, day(finding["since"]), finding["says"], where)
    out.print(rows)


def _print_csv(items: Sequence[Mapping[str, Any]]) -> None:
    written = csv.writer(sys.stdout, lineterminator="\n")
    written.writerow(_COLUMNS)
    for item in items:
        plain = {**item, "text": item["text"]["en"], "why": why(item)}
        written.writerow([plain[name] for name in _COLUMNS])

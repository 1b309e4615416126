"""`innsyn controls`: the checks of duties, when each ran last, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from console.cli.options import Json
from console.cli.show.output import marked, print_json, screen, table
from console.client import require
from schemas.counted import counted
from schemas.settings import load_settings

_LOOKS = {"kept": "green", "broken": "red", "failed": "bold red", "not_observable": "yellow"}
app = typer.Typer(help="The checks of duties and their last runs: list, run.")


@app.callback(invoke_without_command=True, epilog="Example: innsyn controls --json")
def _group(context: typer.Context, as_json: Json = False) -> None:
    """The checks of duties; without a command, the list with the last run of each."""
    if context.invoked_subcommand is not None:
        return
    with require(load_settings()) as client:
        items = client.controls()
    if as_json:
        print_json({"items": items})
        return
    rows = table("check", "result", "since", "last run", "open", right=["open"])
    for item in items:
        last = item["last"]
        said = verdict(last["verdict"]) if last else marked("[dim]never ran[/dim]")
        if last and last["why"]:
            said = marked("{}\n[dim]{}[/dim]", said, last["why"])
        name = marked("{}\n[dim]{}[/dim]", item["check"], item["title"])
        rows.add_row(name, said, _second(item["since"]), _second(last and last["begun"]), f"{item['open']:,}")
    screen().print(rows)


@app.command(
    short_help="Run checks now, all if none are named.",
    epilog="Example: innsyn controls run held_without_a_rule",
)
def run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="As `innsyn controls` lists them.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run checks now and store what comes of it. Ends with 1 where a check failed; a broken duty is a result."""
    with require(load_settings()) as client:
        runs = client.run_controls(names or [])
    if as_json:
        print_json({"items": runs})
    else:
        _show(runs)
    if any(item["verdict"] == "failed" for item in runs):
        raise typer.Exit(1)


def verdict(word: str) -> Text:
    """The word in its colour."""
    return Text(word.replace("_", " "), _LOOKS.get(word, "dim"))


def _show(runs: Sequence[Mapping[str, Any]]) -> None:
    rows = table("check", "result", "found", "looked at", right=["found", "looked at"])
    for item in runs:
        said = verdict(item["verdict"])
        if item["why"]:
            said = marked("{}\n[dim]{}[/dim]", said, item["why"])
        rows.add_row(item["check"], said, f"{item['found']:,}", f"{item['looked_at']:,}")
    out = screen()
    out.print(rows)
    out.print(f" {counted(len(runs), 'check')}; `innsyn findings` says what was found")


def _second(text: str | None) -> str:
    return text[:19].replace("T", " ") if text else "–"

"""`innsyn retention`: what has run out by its retention rule, and what will."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from console.cli.options import Json
from console.cli.show.output import after, joined, marked, print_json, screen, table
from console.client import require
from schemas.settings import load_settings
from streams.rights.retention import MOST_MONTHS

app = typer.Typer(help="What runs out by its retention rule.", no_args_is_help=True)
_MEANS = {
    "delete": "nothing is left of it",
    "narrow": "the rest is kept longer",
    "expires": "deletes by itself",
}


@app.callback()
def _group() -> None:
    """What has run out by its retention rule, and what will."""


@app.command(
    short_help="Count what has run out, and what will.",
    epilog="Example: innsyn retention preview --months 6",
)
def preview(
    months: Annotated[
        int, typer.Option("--months", min=1, max=MOST_MONTHS, help="How many months ahead, with this one.")
    ] = 3,
    as_json: Json = False,
) -> None:
    """Count, for each system and retention rule, what has run out and what will in the months ahead, of what is held
    now. Nothing is deleted.

    An event counts in each line that speaks of one of its categories.
    """
    with require(load_settings()) as client:
        found = client.retention(months)
    if as_json:
        print_json(found)
        return
    out = screen()
    for line in found["unjudged"]:
        out.print(marked("[red]cannot be judged[/red]: {}", line))
    due = [item for item in found["items"] if item["overdue"] or any(item["months"].values())]
    if due:
        out.print(_running_out(due))
    else:
        until = found["months"][-1]
        out.print(
            f"Nothing has run out by {found['as_of']} for everybody, and nothing will until {until} ends."
        )
    if found["waiting"]:
        out.print("Runs out on another day for each person, as clocks of their own start:")
        out.print(_waiting(found["waiting"]))


def _running_out(items: Sequence[Mapping[str, Any]]) -> Table:
    rows = table("system, data", "rule", "run out", "ahead", right=["run out", "ahead"])
    for item in sorted(items, key=lambda item: (-item["overdue"], item["system"], item["rule"])):
        what = marked("{}\n[dim]{}[/dim]", item["system"], ", ".join(item["categories"]))
        by = marked(
            "{}: {}\n[dim]{}[/dim]",
            *(item["rule"], after(item["period"], item["clock"]), _MEANS[item["means"]]),
        )
        rows.add_row(what, by, _overdue(item), _ahead(item["months"]))
    return rows


def _overdue(item: Mapping[str, Any]) -> Text:
    count = f"{item['overdue']:,}"
    run_out = marked("[yellow]{}[/yellow]", count) if item["overdue"] else count
    kept = [marked("[dim]{} kept[/dim]", f"{item['kept']:,}")] if item["kept"] else []
    return joined([run_out, *kept])


def _ahead(months: Mapping[str, int]) -> Text:
    return joined([f"{month}  {count:,}" for month, count in months.items() if count] or ["–"])


def _waiting(items: Sequence[Mapping[str, Any]]) -> Table:
    rows = table("system, data", "by", "events", right=["events"])
    for item in items:
        what = marked("{}\n[dim]{}[/dim]", item["system"], ", ".join(item["categories"]))
        clocks = ", ".join(clock.replace("_", " ") for clock in item["clocks"])
        by = f"{', '.join(item['rules'])}: {clocks}" if clocks else "no active rule says when"
        rows.add_row(what, by, f"{item['events']:,}")
    return rows

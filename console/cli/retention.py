"""`innsyn retention`: what has run out by its retention rule, what will, and the runs that delete it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.cli.options import Digest, Json, approved
from console.cli.show.output import after, joined, marked, print_json, screen, table
from console.cli.show.standing import print_problem
from console.client import require
from console.wiring.company import company_in
from schemas.counted import counted
from schemas.errors import InputError
from schemas.settings import load_settings
from streams.rights.retention import MOST_MONTHS

app = typer.Typer(help="What runs out by its retention rule, and its deletion.", no_args_is_help=True)
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
    other: Annotated[
        Path | None,
        typer.Option("--company", metavar="DIR", help="Count by the retention rules of this folder as well."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Count, for each system and retention rule, what has run out and what will in the months ahead, of what is held
    now. Nothing is deleted.

    An event counts in each line that speaks of one of its categories. With --company the effect of other rules stands
    beside that of today's; nothing is put in force.
    """
    rules = {} if other is None else company_in(other).catalogue.retention_rules
    with require(load_settings()) as client:
        found = client.retention(months)
        by_other = None
        if other is not None:
            said = {name: rule.model_dump(mode="json") for name, rule in rules.items()}
            by_other = client.retention_by(months, said)
    if as_json:
        print_json(found if by_other is None else {"today": found, "other": by_other})
        return
    out = screen()
    _show_preview(out, found)
    if by_other is not None:
        out.print(marked("\nBy the rules of {}:", str(other)))
        _show_preview(out, by_other)


@app.command(
    short_help="Delete what has run out, now.",
    epilog="Example: innsyn retention run",
)
def run(as_json: Json = False) -> None:
    """Begin a retention run: every system is told what has run out by the day of its event, whoever it is about.

    People with an open request, a restriction or a preservation order keep theirs. The first run, one by other rules
    than the last and one after a long pause are approved by a second person first: `innsyn retention approve`.
    """
    with require(load_settings()) as client:
        begun = client.run_retention()
        found = client.request(begun["run"]) if begun["run"] else None
    if as_json:
        print_json(begun)
        return
    out = screen()
    if begun["why"] is not None:
        out.print(marked("No run was begun: {}.", begun["why"]))
    if found is not None:
        out.print(marked("{}: {}", begun["run"], found["state"]))
        out.print("`innsyn retention status` says how far it is.")
    if begun["people_why"] is not None:
        out.print(marked("Nothing of people goes by their own clocks: {}.", begun["people_why"]))
    elif begun["people"]:
        out.print(marked("Of {} something goes by clocks of their own.", counted(begun["people"], "person")))


@app.command(
    short_help="Approve a run that waits for that.",
    epilog="Example: innsyn retention approve x-20261122-1 --digest 0f9a61c3b27d4e58",
)
def approve(
    run_id: Annotated[
        str, typer.Argument(metavar="RUN", help="Its id, as `innsyn retention status` lists it.")
    ],
    digest: Digest = None,
    as_json: Json = False,
) -> None:
    """Approve what a run is to delete, as it was shown; under another token than it was begun under."""
    with require(load_settings()) as client:

        def found() -> Mapping[str, Any]:
            runs = client.retention_runs(1_000)["runs"]
            item: Mapping[str, Any] | None = next((item for item in runs if item["run"] == run_id), None)
            if item is None:
                raise InputError("there is no such run; `innsyn retention status` lists those there are")
            return item

        def show(item: Mapping[str, Any]) -> None:
            screen().print(_runs([item]))

        done = approved(client, run_id, digest, found, show, as_json=as_json)
    if as_json:
        print_json(done)
    else:
        screen().print(marked("{}: {}", run_id, done["state"]))


@app.command(short_help="The last runs, and what is overdue.", epilog="Example: innsyn retention status")
def status(
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1_000, help="How many runs, and people to look at.")
    ] = 10,
    as_json: Json = False,
) -> None:
    """List the newest retention runs, what they take and what they wait for, and count what no run has taken yet."""
    with require(load_settings()) as client:
        found = client.retention_runs(limit)
    if as_json:
        print_json(found)
        return
    out = screen()
    if found["overdue"] is not None:
        out.print(marked("{} that have run out are held.", counted(found["overdue"], "event")))
    if found["people_under_way"] or found["people_waiting"]:
        counts = found["people_under_way"], found["people_waiting"]
        out.print(
            marked("Of {} people something goes by clocks of their own; of {} a person has to look.", *counts)
        )
    for item in found["looked_for"]:
        out.print(marked("[bold]{}[/bold]", item["request"]))
        for line in item["problems"]:
            print_problem(out, line)
    if not found["runs"]:
        out.print("No run was ever begun.")
        return
    out.print(_runs(found["runs"]))


def _runs(items: Sequence[Mapping[str, Any]]) -> Table:
    rows = table("run", "takes", "state")
    for item in items:
        takes = [
            marked(
                "{} {}: {} before {}\n[dim]{}{}[/dim]",
                *(line["system"], line["record"], f"{line['expected']:,}", line["before"][:10], line["rule"]),
                "" if line["whole"] else f", only {', '.join(line['categories'])}",
            )
            for line in item["records"]
        ]
        state = [item["state"]]
        if item["awaits_approval"]:
            state.append(f"awaits approval of {item['digest']}")
        if item["waiting_for"]:
            state.append(f"waits for {', '.join(item['waiting_for'])}")
        rows.add_row(item["run"], joined(takes or ["–"]), joined([*state, *item["problems"]]))
    return rows


def _show_preview(out: Console, found: Mapping[str, Any]) -> None:
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
    rows = table("system, data", "by", "events", "people ahead", right=["events", "people ahead"])
    for item in items:
        what = marked("{}\n[dim]{}[/dim]", item["system"], ", ".join(item["categories"]))
        clocks = ", ".join(clock.replace("_", " ") for clock in item["clocks"])
        by = f"{', '.join(item['rules'])}: {clocks}" if clocks else "no active rule says when"
        people = "" if item["people"] is None else _ahead(item["people"])
        rows.add_row(what, by, f"{item['events']:,}", people)
    return rows

"""`innsyn requests`: which rights requests there are, and how far each is."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from console.cli.erase import plan_table
from console.cli.output import Json, day, print_json, screen, table
from console.client import require
from schemas.catalogue import load_catalogue
from schemas.errors import InputError
from schemas.settings import load_settings

app = typer.Typer(help="Rights requests and how far they are.")


@app.callback(invoke_without_command=True, epilog="Example: innsyn requests list --json")
def _group(
    context: typer.Context,
    follow_up: Annotated[
        str | None,
        typer.Option(
            "--follow-up",
            metavar="ID",
            help="Make a new request for what came to light after that one was answered.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Rights requests and how far they are; without a command, the list."""
    if follow_up is not None and context.invoked_subcommand is not None:
        raise InputError("--follow-up stands alone; leave the command behind it out")
    if follow_up is not None:
        _follow_up(follow_up, as_json)
    elif context.invoked_subcommand is None:
        list_requests(as_json)


@app.command("list", epilog="Example: innsyn requests list --json")
def list_requests(as_json: Json = False) -> None:
    """List all requests, oldest first."""
    with require(load_settings()) as client:
        found = client.requests()
    if as_json:
        print_json({"items": found})
        return
    rows = table("request", "type", "state", "received", "due", "waits for")
    for item in found:
        waits = ", ".join(item["waiting_for"]) or "; ".join(item["problems"]) or "–"
        rows.add_row(
            item["request_id"],
            item["type"],
            item["state"],
            day(item["received_at"]),
            item["due_at"],
            escape(waits),
        )
    screen().print(rows if found else "There are no requests.")


def _follow_up(request_id: str, as_json: bool) -> None:
    with require(load_settings()) as client:
        made = client.follow_up(request_id)
    if as_json:
        print_json(made)
    else:
        screen().print(
            f"request [bold]{made['request_id']}[/bold] {made['state']}, due {made['due_at']};"
            f" it follows {escape(request_id)} up"
        )


@app.command(epilog="Example: innsyn requests show r-5f2a9c01d7e34b68")
def show(
    request_id: Annotated[str, typer.Argument(metavar="ID", help="As `innsyn requests` lists it.")],
    as_json: Json = False,
) -> None:
    """Show one request: its plan, what each system answered, what was held and why."""
    with require(load_settings()) as client:
        request = client.request(request_id)
    if as_json:
        print_json(request)
        return
    out = screen()
    out.print(
        f"\n[bold]{request['request_id']}[/bold] {request['type']}, [bold]{request['state']}[/bold];"
        f" received {day(request['received_at'])} by {request['channel']}, due {request['due_at']}"
    )
    if request["follow_up"]:
        out.print(f"  what came to light later is dealt with by [bold]{request['follow_up']}[/bold]")
    for problem in request["problems"]:
        out.print(f"  [red]{escape(problem)}[/red]")
    if request["commands"]:
        rows = table("system", "state", "attempt", "erased", "held", right=["attempt", "erased", "held"])
        for item in request["commands"]:
            rows.add_row(
                item["system"], item["state"], *(f"{item[n]:,}" for n in ("attempt", "erased", "held"))
            )
        out.print(rows)
    if request["parts"]:
        out.print(plan_table(request["parts"], load_catalogue()))

"""`innsyn requests`: which rights requests there are, and how far each is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from console.cli.erase import headline, plan_table, say_open
from console.cli.options import Json
from console.cli.show.output import day, marked, print_json, screen, table
from console.client import require
from console.wiring.company import company_of
from schemas.errors import InputError
from schemas.settings import load_settings
from streams.answers.ambiguity import unproven

Id = Annotated[str, typer.Argument(metavar="ID", help="As `innsyn requests` lists it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept sealed.")]
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
    rows = table("request", "type", "state", "received", "due", "needs")
    # It is copied into the next command.
    rows.columns[0].no_wrap = True
    for item in found:
        rows.add_row(
            item["request_id"],
            item["type"],
            item["state"],
            day(item["received_at"]),
            item["due_at"],
            "; ".join(needs(item, shortly=True)) or "–",
        )
    screen().print(rows if found else "There are no requests.")


def needs(request: Mapping[str, Any], shortly: bool = False) -> list[str]:
    """What a person has to look at, refusals first; then what is only waited for.

    Shortly: of several things to look at the first one, and how many more there are.
    """
    problems, waits = request["problems"], ", ".join(request["waiting_for"])
    if shortly and len(problems) > 2:
        problems = [problems[0], f"{len(problems) - 1} more, see `innsyn requests show`"]
    return [*problems, *([f"waits for {waits}"] if waits else [])]


@app.command(
    short_help="Tell again whoever has not done all, or try again.",
    epilog="Example: innsyn requests resend r-5f2a9c01d7e34b68",
)
def resend(request_id: Id, as_json: Json = False) -> None:
    """Tell every system again that has not done all it was told, or try again what stopped the request."""
    with require(load_settings()) as client:
        _done(client.resend(request_id), as_json)


@app.command(
    short_help="Take a system's answer in doubt for enough.",
    epilog="Example: innsyn requests accept r-5f2a9c01d7e34b68 --system web --reason 'erased by hand on 3 May'",
)
def accept(
    request_id: Id,
    system: Annotated[str, typer.Option("--system", metavar="SYSTEM", help="Whose answer is enough.")],
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Take a system's answer for enough although it erased fewer or more records than the index can explain."""
    with require(load_settings()) as client:
        _done(client.accept(request_id, system, reason), as_json)


@app.command(
    short_help="End a request although not all was done.",
    epilog="Example: innsyn requests close r-5f2a9c01d7e34b68 --reason 'refused under Art. 17(3)(e)'",
)
def close(request_id: Id, reason: Reason, as_json: Json = False) -> None:
    """End a request although not all was done; what systems did not do in full stays in the index."""
    with require(load_settings()) as client:
        _done(client.close_request(request_id, reason), as_json)


@app.command(
    short_help="Take a request back: nothing more is sent.",
    epilog="Example: innsyn requests cancel r-5f2a9c01d7e34b68",
)
def cancel(
    request_id: Id,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; kept sealed.")] = None,
    as_json: Json = False,
) -> None:
    """Take a request back: nothing more is sent and the index forgets nothing; what was told stays told."""
    with require(load_settings()) as client:
        _done(client.cancel(request_id, reason), as_json)


def _done(request: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(request)
        return
    out = screen()
    out.print(headline(request))
    for line in needs(request):
        out.print(f"  {line}")


def _follow_up(request_id: str, as_json: bool) -> None:
    with require(load_settings()) as client:
        made = client.follow_up(request_id)
    if as_json:
        print_json(made)
    else:
        screen().print(marked("{}; it follows {} up", headline(made), request_id))
        say_open(made.get("also_open") or [])


@app.command(
    short_help="Show one request, with plan and answers.",
    epilog="Example: innsyn requests show r-5f2a9c01d7e34b68",
)
def show(
    request_id: Id,
    as_json: Json = False,
) -> None:
    """Show one request: its plan, what each system answered, what was held and why."""
    with require(load_settings()) as client:
        request = client.request(request_id)
    if as_json:
        print_json(request)
        return
    out = screen()
    names = request["request_id"], request["type"], request["state"]
    came = day(request["received_at"]), request["channel"], request["due_at"]
    out.print(marked("\n[bold]{}[/bold] {}, [bold]{}[/bold]; received {} by {}, due {}", *names, *came))
    if request["follow_up"]:
        out.print(marked("  what came to light later is dealt with by [bold]{}[/bold]", request["follow_up"]))
    for other in request["also_open"]:
        out.print(f"  {other['request_id']} ({other['type']}) of this person was open when it was made")
    for note in request["notes"]:
        why = note["reason"] or "no reason kept"
        out.print(
            f"  {note['what']} {note['system'] or ''} on {day(note['at'])}: {why}".replace("  on", " on")
        )
    if request["key_destroyed_at"]:
        destroyed = day(request["key_destroyed_at"])
        out.print(f"  what the person gave and wrote cannot be read since {destroyed}: its key was destroyed")
    for problem in request["problems"]:
        out.print(marked("  [red]{}[/red]", problem))
    if request["waiting_for"]:
        out.print(f"  waits for {', '.join(request['waiting_for'])}")
    if request["unlinked"]:
        out.print(marked("  [yellow]{}[/yellow]", unproven(request["unlinked"])))
    if request["commands"]:
        numbers = ("attempt", "planned", "erased", "held")
        rows = table("system", "state", *numbers, right=numbers)
        for item in request["commands"]:
            counts = ("–" if item[name] is None else f"{item[name]:,}" for name in numbers)
            rows.add_row(item["system"], item["state"], *counts)
        out.print(rows)
    if request["parts"]:
        out.print(plan_table(request["parts"], company_of(load_settings()).catalogue))

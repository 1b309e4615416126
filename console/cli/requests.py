"""`innsyn requests`: which rights requests there are, and how far each is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from console.cli.certificate import in_short, line_of
from console.cli.erase import say_open
from console.cli.options import Digest, Json, approved
from console.cli.show.commands_told import command_table, limits
from console.cli.show.output import day, marked, not_read, print_json, screen, table
from console.cli.show.plan import plan_table
from console.cli.show.standing import headline, needs, note_line, print_problem, show_standing
from console.client import require
from console.wiring.company import company_of
from schemas.counted import counted
from schemas.errors import InputError
from schemas.settings import load_settings
from schemas.vocabulary import CheckedHow, CheckedWhat, Doubt, Right, ToldBy
from streams.answers.ambiguity import unproven

Id = Annotated[str, typer.Argument(metavar="ID", help="As `innsyn requests` lists it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept sealed.")]
_SOON = 7
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


@app.command(
    "list",
    short_help="List all requests, by the day on which they are due.",
    epilog="Example: innsyn requests list --json",
)
def list_requests(
    as_json: Json = False,
    type: Annotated[
        Right | None,
        typer.Option("--type", help="Of this type alone; without it all that people made, so no retention."),
    ] = None,
) -> None:
    """List the requests of people: the open ones by the day on which they are due, then those that have ended."""
    with require(load_settings()) as client:
        every = client.requests()
    found = [item for item in every if (item["type"] == type if type else item["type"] != Right.RETENTION)]
    if as_json:
        print_json({"items": found})
        return
    out = screen()
    if found:
        _list(found)
    else:
        out.print(f"There are no requests{f' of type {type}' if type else ''}.")
    left = [item for item in every if item["type"] == Right.RETENTION] if type is None else []
    if left:
        still = sum(item["ended_at"] is None for item in left)
        out.print(
            f" besides {len(left):,} of what ran out by its retention rule, {still:,} of them open:"
            " `innsyn requests list --type retention`",
            soft_wrap=True,
        )


def _list(found: Sequence[Mapping[str, Any]]) -> None:
    out = screen()
    out.print(request_table(found))
    still = [item for item in found if item["ended_at"] is None]
    late = sum(item["overdue"] for item in still)
    soon = sum(item["days_left"] is not None and 0 <= item["days_left"] <= _SOON for item in still)
    out.print(f" {len(still):,} open, {late:,} overdue, {soon:,} due within {counted(_SOON, 'day')}")
    if any(item["problems"] for item in found):
        out.print(" `innsyn requests show ID` says what to do.")


def request_table(requests: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each, to be read at 80 columns."""
    rows = table("request", "type, state", "due", "needs")
    for column in rows.columns[:-1]:
        # Ids are copied into the next command.
        column.no_wrap = True
    for item in sorted(requests, key=lambda item: (item["ended_at"] is not None, item["due_at"] or "")):
        told = "; ".join(needs(item, shortly=True)) or "–"
        what = marked("{}\n[dim]{}[/dim]", item["type"], item["state"])
        rows.add_row(item["request_id"], what, _due(item), told)
    return rows


def _due(request: Mapping[str, Any]) -> Text | str:
    left, due = request["days_left"], request["due_at"] or "–"
    if request["ended_at"] is not None:
        return marked("[dim]{}[/dim]", due)
    if request["paused_since"]:
        return marked("{}\n[yellow]clock stands\nsince {}[/yellow]", due, day(request["paused_since"]))
    if left is None or left > _SOON:
        return str(due)
    if left < 0:
        return marked("{}\n[red]{} over[/red]", due, counted(-left, "day"))
    return marked("{}\n[yellow]{}[/yellow]", due, f"in {counted(left, 'day')}" if left else "today")


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
        _done(client.accept(request_id, system, reason), as_json, noted=True)


@app.command(
    short_help="Let an erasure complete although something stays unclear.",
    epilog="Example: innsyn requests waive r-5f2a9c01d7e34b68 --reason 'the messages are of a test'",
)
def waive(request_id: Id, reason: Reason, as_json: Json = False) -> None:
    """Let an erasure complete although nobody can tell whether messages that could not be read, or events of a shared
    identifier, are the person's."""
    with require(load_settings()) as client:
        _done(client.waive(request_id, reason), as_json)


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
        request = client.cancel(request_id, reason)
    _done(request, as_json)
    if as_json:
        return
    told = sorted({item["system"] for item in request["commands"] if item["attempt"]})
    out = screen()
    said = f"what was told before stays told: {', '.join(told)}" if told else "no system was told of it"
    out.print(f"  {said}; the index forgets nothing")
    if reason is None:
        out.print("  no reason is kept with it: --reason TEXT would have said to others why")


@app.command(
    short_help="Note that whoever makes it was asked who they are.",
    epilog="Example: innsyn requests ask r-5f2a9c01d7e34b68 --doubt unknown_sender",
)
def ask(
    request_id: Id,
    doubt: Annotated[Doubt, typer.Option("--doubt", help="Why there is reason to doubt it.")],
    as_json: Json = False,
) -> None:
    """Note that whoever makes a request was asked who they are: it waits, and the clock stands if that was at once."""
    with require(load_settings()) as client:
        _done(client.handle(request_id, "ask", {"doubt": doubt}), as_json)


@app.command(
    short_help="Note that it was checked who makes it.",
    epilog="Example: innsyn requests check r-5f2a9c01d7e34b68 --how call_back",
)
def check(
    request_id: Id,
    how: Annotated[CheckedHow, typer.Option("--how", help="How it was checked; no document is kept.")],
    what: Annotated[
        CheckedWhat, typer.Option("--what", help="That it is the person, or who may act for the person.")
    ] = CheckedWhat.IDENTITY,
    as_json: Json = False,
) -> None:
    """Note that it was checked who makes a request; what waited for that goes on."""
    with require(load_settings()) as client:
        _done(client.handle(request_id, "check", {"how": how, "what": what}), as_json)


@app.command(
    short_help="Give it more time, within the first month.",
    epilog="Example: innsyn requests extend r-5f2a9c01d7e34b68 --months 2 --reason 'eleven systems, paper files'",
)
def extend(
    request_id: Id,
    reason: Reason,
    months: Annotated[int, typer.Option("--months", min=1, max=2, help="1 or 2 months more.")],
    as_json: Json = False,
) -> None:
    """Give a request one or two months more (GDPR Art. 12(3)), once; the person has to be told, with the reason."""
    with require(load_settings()) as client:
        _done(client.handle(request_id, "extend", {"months": months, "reason": reason}), as_json)


@app.command(
    short_help="Approve the plan of a request that somebody else made.",
    epilog="Example: innsyn requests approve r-5f2a9c01d7e34b68 --digest 0f9a61c3b27d4e58",
)
def approve(
    request_id: Id,
    digest: Digest = None,
    as_json: Json = False,
) -> None:
    """Approve the plan or answer of a request, as it was shown; under another token than it was made under."""
    with require(load_settings()) as client:
        done = approved(
            client, request_id, digest, lambda: client.request(request_id), _show, as_json=as_json
        )
    _done(done, as_json)


@app.command(
    short_help="Note that the answer was sent.",
    epilog="Example: innsyn requests told r-5f2a9c01d7e34b68 --how letter",
)
def told(
    request_id: Id,
    how: Annotated[ToldBy, typer.Option("--how", help="How it was sent.")],
    as_json: Json = False,
) -> None:
    """Note that the answer was sent to the person: an access request is done with that."""
    with require(load_settings()) as client:
        _done(client.handle(request_id, "told", {"how": how}), as_json, noted=True)


@app.command(
    short_help="End a restriction; the person was told before.",
    epilog="Example: innsyn requests lift r-5f2a9c01d7e34b68 --told letter --reason 'the address was right'",
)
def lift(
    request_id: Id,
    how: Annotated[ToldBy, typer.Option("--told", help="How the person was told before (GDPR Art. 18(3)).")],
    reason: Reason,
    as_json: Json = False,
) -> None:
    """End the restriction that a request brought: every system that restricts is told so."""
    with require(load_settings()) as client:
        _done(client.handle(request_id, "lift", {"how": how, "reason": reason}), as_json)


@app.command(
    short_help="Note that a recipient of the data was told.",
    epilog="Example: innsyn requests notified r-5f2a9c01d7e34b68 --recipient cloud_provider --how email",
)
def notified(
    request_id: Id,
    recipient: Annotated[str, typer.Option("--recipient", metavar="ID", help="Who, as the request says.")],
    how: Annotated[ToldBy | None, typer.Option("--how", help="How it was told.")] = None,
    impossible: Annotated[
        str | None, typer.Option("--impossible", metavar="TEXT", help="Why it cannot be told; kept sealed.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Note that a recipient was told what became of the data (GDPR Art. 19), or why it cannot be."""
    body = {"recipient": recipient, "how": how, "impossible": impossible}
    with require(load_settings()) as client:
        _done(client.handle(request_id, "notified", body), as_json, noted=True)


def _done(request: Mapping[str, Any], as_json: bool, noted: bool = False) -> None:
    """Where it stands; `noted`: and the note that was made of it just now."""
    if as_json:
        print_json(request)
        return
    show_standing(request)
    for note in request["notes"][-1:] if noted else ():
        screen().print(note_line(note))


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
        if request["type"] == "erasure" and request["state"] in ("completed", "reopened"):
            request["certificate"] = in_short(client.certificate(request_id))
    if as_json:
        print_json(request)
    else:
        _show(request)


def _show(request: Mapping[str, Any]) -> None:
    out = screen()
    names = request["request_id"], request["type"], request["state"]
    came = day(request["received_at"]), request["channel"]
    until = f", due {request['due_at']}" if request["due_at"] else ""
    out.print(marked("\n[bold]{}[/bold] {}, [bold]{}[/bold]; received {} by {}{}", *names, *came, until))
    for line in limits(request):
        out.print(f"  {line}")
    if request["overdue"]:
        out.print(marked("  [red]overdue by {}[/red]", counted(-request["days_left"], "day")))
    if request["paused_since"]:
        stands = day(request["paused_since"]), request["due_at"]
        out.print(
            "  the clock stands since {}, until they say who they are; said today, it is due {}".format(
                *stands
            )
        )
    if request["follow_up"]:
        out.print(marked("  what came to light later is dealt with by [bold]{}[/bold]", request["follow_up"]))
    if certificate := request.get("certificate"):
        out.print(f"  {line_of(request['request_id'], certificate)}", soft_wrap=True)
    for other in request["also_open"]:
        out.print(f"  {other['request_id']} ({other['type']}) of this person was open when it was made")
    for note in request["notes"]:
        out.print(note_line(note))
    if request["key_destroyed_at"]:
        destroyed = day(request["key_destroyed_at"])
        out.print(f"  what the person gave and wrote cannot be read since {destroyed}: its key was destroyed")
    if request["awaits_approval"]:
        out.print(
            marked("  waits for the approval of what is shown here, [bold]{}[/bold]", request["digest"])
        )
    for problem in request["problems"]:
        print_problem(out, problem, "red")
    if request["waiting_for"]:
        out.print(f"  waits for {', '.join(request['waiting_for'])}")
    if untold := [item["recipient"] for item in request["recipients"] if not item["told"]]:
        when = "" if request["completed_at"] else " once it is done there"
        out.print(f"  to be told{when}, each by `innsyn requests notified`: {', '.join(untold)}")
    if letters := request.get("dead_letters"):
        out.print(
            marked("  [yellow]not read[/yellow] when it was planned or answered: {}", not_read(letters))
        )
    if request["unlinked"]:
        out.print(marked("  [yellow]{}[/yellow]", unproven(request["unlinked"])))
    if request["commands"]:
        out.print(command_table(request))
    if request["parts"]:
        out.print(plan_table(request["parts"], company_of(load_settings()).catalogue))

"""`innsyn erase`: plan an erasure, ask once, and follow it to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from typing import Annotated, Any

import typer

from console.cli.ask import ask
from console.cli.options import (
    At,
    Because,
    Clocks,
    Ids,
    Json,
    Port,
    Received,
    anchors,
    at_moment,
    identifiers,
    reads_stdin,
)
from console.cli.show.clocks import clock_lines
from console.cli.show.output import (
    about_identity,
    marked,
    print_json,
    say,
    screen,
)
from console.cli.show.plan import plan_table
from console.cli.show.standing import headline
from console.client import Client, require
from console.wiring.company import company_of
from schemas.calendars import Calendar
from schemas.counted import counted
from schemas.days import FIRST_DAY
from schemas.errors import InputError
from schemas.settings import load_settings

_POLL_SECONDS = 0.25
# Nothing comes of waiting on: it is done, or a person has to act.
_ENDS = ("completed", "closed", "cancelled")


def erase(
    ids: Ids,
    at: At = None,
    port: Port = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the person wrote; kept sealed.")
    ] = None,
    channel: Annotated[str, typer.Option(help="Where the request came in.")] = "cli",
    received: Received = None,
    clocks: Clocks = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and do nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Follow the request for so long.")
    ] = 0,
    because: Because = None,
    as_json: Json = False,
) -> None:
    """Erase a person from every system, except what the law or a contract holds.

    The plan says what is erased now and what is held until when, by which rule.

    Example: innsyn erase --id customer_number=10042 --clock contract_end=2026-01-31 --dry-run

    Exit status 1: not completed within --wait.
    """
    if not (yes or dry_run) and (as_json or reads_stdin(ids) or not sys.stdin.isatty()):
        raise InputError(
            "erasing asks first and nobody can answer here; give --yes, or --dry-run for the plan"
        )
    people = at_moment(identifiers(ids), at, port, addresses=True)
    # The day as well: the plan that is confirmed is the one that the request makes.
    person = {"identifiers": people, "anchors": anchors(clocks), **receipt(received)}
    if dry_run:
        _show_plan(ask("plan", person, because), people, as_json)
        return
    with require(load_settings(), because) as client:
        if not yes:
            plan = client.plan(person)
            _show_plan(plan, people, as_json=False)
            if plan["resolution"] == "ambiguous" and not plan["parts"]:
                return
            if _about_nobody(plan):
                say("innsyn: no request was made; check what was given, or make it by --yes", err=True)
                return
            typer.confirm("Erase now?", abort=True, err=True)
        made = client.create_request({**person, "type": "erasure", "reason": reason, "channel": channel})
        if not as_json:
            say_open(made.get("also_open") or [])
        say_made(made)
        request = followed(client, made["request_id"], wait)
    _tell(request, wait, as_json)


def _tell(request: Mapping[str, Any], wait: float, as_json: bool) -> None:
    """The request as it stands; exit status 1 where it was waited for and is not completed."""
    if as_json:
        print_json(request)
    else:
        screen().print(headline(request))
        if request["state"] == "completed":
            _show_end(request)
    if wait and request["state"] != "completed":
        waits = ", ".join(request["waiting_for"])
        late = [*request["problems"], *([f"waits for {waits}"] if waits else [])]
        where = f"see `innsyn requests show {request['request_id']}`"
        what = "; ".join(late) or "waits for the rights worker"
        say(f"innsyn: not completed in {wait:g} s: {what}; {where}", err=True)
        raise typer.Exit(1)


def receipt(received: str | None) -> dict[str, str]:
    """What the API takes of the day of receipt: its last second in the company's zone. Raises InputError."""
    if received is None:
        return {}
    calendar = company_of(load_settings()).catalogue.calendar
    return {"received_at": end_of_receipt(received, calendar, datetime.now(UTC)).isoformat()}


def end_of_receipt(received: str, calendar: Calendar, now: datetime) -> datetime:
    """The last second of that day, or now where it is today. Raises InputError for a day to come, and for no day.

    The last one, since whoever the identifiers led to on that day is meant.
    """
    try:
        day = date.fromisoformat(received)
    except ValueError:
        raise InputError("--received takes a day in ISO 8601, such as 2026-03-01") from None
    if day < FIRST_DAY:
        raise InputError(f"--received is no day that can be meant; give one from {FIRST_DAY} to today")
    if day > calendar.day(now):
        raise InputError("--received is a day to come; give the day on which the request came in")
    return min(datetime.combine(day, time_of_day(23, 59, 59), calendar.zone), now)


def _about_nobody(plan: Mapping[str, Any]) -> bool:
    """Whether nothing speaks of whom was named: a mistyped number looks like that."""
    found = plan["identity"] or plan["parts"] or plan["unjudged"] or plan["erased_before"]
    return plan["resolution"] == "none" and not found


def _show_plan(plan: Mapping[str, Any], people: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(plan)
        return
    out = screen()
    # Parts do not say by which proof they are the person's; the links of the whole plan do.
    proven = [{**part, "proofs": [link["proof"] for link in plan["identity"]]} for part in plan["parts"]]
    for line in about_identity(plan, proven, people):
        out.print(line)
    if not plan["parts"]:
        if plan["resolution"] != "ambiguous" and not plan["unjudged"]:
            nobody = ", and nobody is known under it" if _about_nobody(plan) else ""
            out.print(f"Nothing is held under what was given{nobody}.")
        if plan["resolution"] != "ambiguous":
            _say_warnings(plan["warnings"])
        return
    out.print(plan_table(plan["parts"], company_of(load_settings()).catalogue))
    systems = ", ".join(command["system"] for command in plan["commands"])
    events = counted(plan["total_events"], "event")
    out.print(marked(" [bold]{}[/bold]; told to erase: {}", events, systems or "nobody"))
    for copy in plan["copies"]:
        end = copy["until"] or "an unknown day"
        out.print(marked(" [dim]the copy on Kafka's {} expires by {}[/dim]", copy["topic"], end))
    for line in clock_lines(plan.get("clocks", ())):
        out.print(line)
    _say_warnings(plan["warnings"])


def _say_warnings(warnings: Sequence[str]) -> None:
    """What a person has to look after: the same words before confirming, and of the request at its end."""
    for warning in warnings:
        screen().print(marked("  [yellow]look after this[/yellow]: {}", warning))


def say_made(made: Mapping[str, Any]) -> None:
    """On standard error what has to be said of a request that was made just now, whichever right it is of."""
    if made.get("overdue"):
        request_id = made["request_id"]
        say(
            f"innsyn: {request_id} is overdue as it is entered: it was due on {made['due_at']}; is the year of"
            f" --received right? If not, `innsyn requests cancel {request_id}` and make it again",
            err=True,
        )
    if made.get("notice"):
        say(f"innsyn: {made['notice']}", err=True)


def say_open(others: Sequence[Mapping[str, Any]]) -> None:
    for other in others:
        waits = "; this one waits for it" if other["type"] == "erasure" else ""
        say(
            f"innsyn: request {other['request_id']} ({other['type']}, {other['state']}) of this person is open{waits}",
            err=True,
        )


def _show_end(request: Mapping[str, Any]) -> None:
    out = screen()
    for command in request["commands"]:
        deleted = sum(item["deleted"] for item in command.get("outcomes", ()))
        how = f" ({deleted:,} deleted, {command['erased'] - deleted:,} redacted)" if deleted else ""
        out.print(
            f"  {command['system']}: {counted(command['erased'], 'record')} erased{how}, {command['held']:,} held"
        )
    forgotten = request["forgotten"] or {}
    ended = forgotten.get("rows_ended", 0)
    out.print(
        f"  the index forgot {counted(forgotten.get('rows_removed', 0), 'row')}"
        f" and narrowed {forgotten.get('rows_narrowed', 0):,} to what is held"
        + (f"; {counted(ended, 'row')} of others ended with their records" if ended else "")
    )
    if request["held"]:
        out.print(plan_table(request["held"], company_of(load_settings()).catalogue))
    _say_warnings(request["problems"])


def followed(client: Client, request_id: str, wait: float, ends: Sequence[str] = _ENDS) -> dict[str, Any]:
    """The request when it is completed, or as it stands when the time is over."""
    deadline = time.monotonic() + wait
    shown = screen(stderr=True)
    with (
        shown.status(marked("{} received", request_id))
        if shown.is_terminal and wait
        else nullcontext() as status
    ):
        while True:
            request = client.request(request_id)
            if request["state"] in ends or time.monotonic() >= deadline:
                return request
            if status is not None:
                waits = ", ".join(request["waiting_for"])
                status.update(marked("{} {}: {}", request_id, request["state"], waits))
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))

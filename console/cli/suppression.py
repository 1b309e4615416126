"""`innsyn suppression`: what was erased and is looked out for, and what of it came back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from console.cli.options import Json
from console.cli.show.output import day, print_json, say
from console.client import require
from schemas.counted import counted
from schemas.errors import InputError
from schemas.settings import load_settings

app = typer.Typer(help="What was erased and is looked out for: show, lift.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="ID", help="As `innsyn requests` lists it.")]
_ENDINGS = {
    "lifted": "lifted by a person",
    "followed_up": "a later erasure stands in its place",
    "closed": "its request was closed",
}
_WAYS = {"producer": "by a producer", "replay": "by a replay", "retry": "by a retry of a dead letter"}


@app.command(
    short_help="Show what is looked out for, and what came back.",
    epilog="Example: innsyn suppression show r-5f2a9c01d7e34b68",
)
def show(
    request_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Of that erasure alone.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Show every erasure that is looked out for, until when, and from where what it took away came back."""
    with require(load_settings()) as client:
        found = client.suppression()
    if request_id is not None:
        found = [item for item in found if item["request_id"] == request_id]
        if not found:
            raise InputError(
                "nothing is looked out for of a request of that id; `innsyn suppression show` lists all"
            )
    if as_json:
        print_json({"items": found})
        return
    if not found:
        say("Nothing is looked out for: no erasure was carried out yet.")
        return
    for item in found:
        say(f"{item['request_id']}  {_until(item)}")
        for origin in item["came_back"]:
            say(f"    {_from(origin)}")


def _until(item: Mapping[str, Any]) -> str:
    if item["stands"]:
        return f"looked out for until {day(item['until'])}"
    if item["ending"] is None:
        return f"until {day(item['until'])}, which is over"
    return f"ended {day(item['ended_at'])}: {_ENDINGS[item['ending']]}"


def _from(origin: Mapping[str, Any]) -> str:
    where = f"{origin['topic']}/{origin['partition']}, offsets {origin['first_offset']:,} to {origin['last_offset']:,}"
    return (
        f"came back: {counted(origin['events'], 'event')} {_WAYS[origin['arrival']]} ({where}), last on"
        f" {day(origin['last_seen'])}"
    )


@app.command(
    short_help="End the look-out for what one erasure took away.",
    epilog="Example: innsyn suppression lift r-5f2a9c01d7e34b68 --reason 'the person asked for the old data back'",
)
def lift(
    request_id: Id,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept sealed.")],
    as_json: Json = False,
) -> None:
    """End the look-out for what one erasure took away: what comes back then stays, and is a late finding at most."""
    with require(load_settings()) as client:
        lifted = client.lift(request_id, reason)
    if as_json:
        print_json(lifted)
    else:
        say(f"what {request_id} took away is looked out for no more")

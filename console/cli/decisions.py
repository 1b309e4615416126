"""`innsyn decisions`: which decisions about a person were made by machine alone (GDPR Art. 22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from console.cli.options import At, Because, Ids, Json, KnownAt, Port, at_moment, identifiers, moment
from console.cli.show.output import about_identity, marked, print_json, screen, table
from console.client import require
from console.wiring.company import company_of
from schemas.catalogue import Catalogue
from schemas.counted import counted
from schemas.settings import load_settings

_BY = {"automated": "machine alone", "by_people": "people"}


def decisions(
    ids: Ids,
    at: At = None,
    port: Port = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From that time on.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before that time.")] = None,
    known_at: KnownAt = None,
    because: Because = None,
    as_json: Json = False,
) -> None:
    """Show which decisions about a person were made by machine alone, and which by people (GDPR Art. 22).

    Only what an event says is shown: one whose contract has no fact `decision` says nothing.

    Example: innsyn decisions --id customer_number=10042 --from 2026-01-01T00:00Z
    """
    people = at_moment(identifiers(ids), at, port)
    settings = load_settings()
    body = {
        "identifiers": people,
        "from": moment(since, "--from"),
        "to": moment(until, "--to"),
        "known_at": moment(known_at, "--known-at"),
    }
    with require(settings, because) as client:
        answer = client.decisions(body)
    if as_json:
        print_json(answer)
        return
    _show(answer, company_of(settings).catalogue)
    for line in about_identity(answer, (), people):
        screen().print(line)


def _show(answer: Mapping[str, Any], catalogue: Catalogue) -> None:
    out = screen()
    if answer["decisions"]:
        rows = table("decided", "by", "system", "event")
        for item in answer["decisions"]:
            place = f"{item['topic']}/{item['partition']}@{item['offset']}"
            rows.add_row(item["at"][:16], _BY.get(item["by"], "not clear"), item["system"] or "–", place)
        out.print(rows)
        made = f"{counted(answer['automated'], 'decision')} by machine alone"
        out.print(marked(" [bold]{}[/bold], {} by people\n", made, f"{answer['by_people']:,}"))
    else:
        out.print("No event says that anything was decided about whom was given.")
    for name, events in answer["automated_purposes"].items():
        what = f"{counted(events, 'event')} for {name} {catalogue.purposes[name].name.en}"
        out.print(marked("[dim]{}, which is decided by machine[/dim]", what))

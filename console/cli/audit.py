"""`innsyn audit`: who asked what about whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.options import Json, moment
from console.cli.show.output import joined, marked, print_json, screen, shared_out, table
from console.client import require
from schemas.errors import InputError
from schemas.settings import load_settings

if TYPE_CHECKING:
    from rich.table import Table

_WIDE = 110
"""Columns of a terminal from which on there is room for a moment in one line."""


def audit(
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Asked at that time or later.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Asked before that time.")] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", help="About whom: 12 or more digits of a token, as `innsyn identity` shows."
        ),
    ] = None,
    action: Annotated[
        str | None, typer.Option(metavar="ACTION", help="Such as 'POST /v1/access', or log-in.")
    ] = None,
    request: Annotated[str | None, typer.Option(metavar="ID", help="About that rights request.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 200,
    as_json: Json = False,
) -> None:
    """Show who asked what about whom, and which log-ins were refused, newest first. Reading this is recorded as well.

    Example: innsyn audit --since 2026-03-01T00:00Z --action 'POST /v1/access'
    """
    if subject is not None and (
        len(subject) < 12 or len(subject) % 2 or set(subject) - set("0123456789abcdef")
    ):
        raise InputError(
            "--subject takes 12 to 32 hexadecimal digits, an even number; never a value of the person"
        )
    asked = {
        "since": moment(since, "--since"),
        "until": moment(until, "--until"),
        "subject": subject,
        "action": action,
        "request_id": request,
    }
    with require(load_settings()) as client:
        found = client.audit({name: value for name, value in asked.items() if value is not None}, limit)
    if as_json:
        print_json({"items": found})
        return
    out = screen()
    out.print(audit_table(found, out.width) if found else "There is no such entry.")


def audit_table(found: Sequence[Mapping[str, Any]], width: int) -> Table:
    """A row for each entry, in a terminal of so many columns."""
    rows = table("when", "who, from", "asked", "about", "found", "for", right=("found",))
    # Neither a date nor the id of a request is broken; the day and the second in one line where there is room.
    wide = width >= _WIDE
    between = " " if wide else "\n"
    shared_out(rows, (0, 3, 4, 0, 0, 3), (20 if wide else 10, 0, 0, 18, 6, 0))
    for item in found:
        told = [*item["kinds"], *item["views"]]
        kinds = [marked("[dim]{}[/dim]", ", ".join(told))] if told else []
        refused = item["status"] >= 400
        rows.add_row(
            f"{item['at'][:10]}{between}{item['at'][11:19]}Z",
            f"{item['caller'] or '–'}\n{item['client'] or 'this machine'}",
            joined([item["action"], *kinds]),
            "\n".join(_about(item)) or "–",
            marked("[red]{}[/red]", item["status"]) if refused else f"{item['size']:,}",
            item["purpose"] or "–",
        )
    return rows


def _about(item: Mapping[str, Any]) -> list[str]:
    """Whom it was about, in as few words as there is room for."""
    more = item["subjects_total"] - 1
    named = item["subjects"][:1] + ([f"and {more:,} more"] if more > 0 else [])
    return [*named, *filter(None, [item["request_id"], item["resolution"] if not named else None])]

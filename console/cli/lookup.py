"""`innsyn lookup`: what is held about a person, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from console.cli.ask import ask
from console.cli.options import (
    Because,
    Changes,
    Clocks,
    Json,
    KnownAt,
    OptionalIds,
    Port,
    anchors,
    as_known,
    at_moment,
    identifiers,
    moment,
    record_key,
)
from console.cli.show.output import (
    about_identity,
    beside,
    day,
    deleted_at_source,
    joined,
    marked,
    print_json,
    screen,
    shared_out,
    table,
    unjudged,
)
from console.client import require
from console.wiring.company import company_of
from schemas.asked_for import AskedFor
from schemas.catalogue import Catalogue
from schemas.counted import counted
from schemas.errors import InputError
from schemas.settings import load_settings

if TYPE_CHECKING:
    from rich.console import Group


Key = Annotated[
    str | None,
    typer.Option(
        metavar="RECORD=VALUE",
        help="Instead of a person: one record, by the key its system knows it by; VALUE - is read as for --id.",
    ),
]
Restricted = Annotated[
    bool | None,
    typer.Option(
        "--restricted/--unrestricted",
        help="Only what a restriction or objection that stands has stored alone, or only the rest.",
    ),
]


def lookup(
    context: typer.Context,
    ids: OptionalIds = None,
    key: Key = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[KIND=]TIME", help="Only what was seen in that second (ISO 8601), as in access."
        ),
    ] = None,
    port: Port = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From that time on.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before that time.")] = None,
    category: Annotated[list[str] | None, typer.Option(help="Only this category; repeatable.")] = None,
    purpose: Annotated[list[str] | None, typer.Option(help="Only this purpose; repeatable.")] = None,
    system: Annotated[list[str] | None, typer.Option(help="Only this system; repeatable.")] = None,
    shared_with: Annotated[
        list[str] | None,
        typer.Option(metavar="RECIPIENT", help="Only what was given to this recipient; repeatable."),
    ] = None,
    restricted: Restricted = None,
    clocks: Clocks = None,
    known_at: KnownAt = None,
    changes: Changes = False,
    because: Because = None,
    as_json: Json = False,
) -> None:
    """Show what is held about a person, per system; with --key about one record.

    An address (--id ip=...) shows what was seen under it, whoever it was.

    Example: innsyn lookup --id customer_number=10042 --id email=- --from 2026-01-01T00:00Z
    """
    if key is not None:
        _refuse_beside_key(context)
        _show_record(record_key(key), because, as_json=as_json)
        return
    people = at_moment(identifiers(ids or ()), at, port)
    body = {
        **as_known(known_at, changes, as_json),
        "identifiers": people,
        "from": moment(since, "--from"),
        "to": moment(until, "--to"),
        "categories": category or [],
        "purposes": purpose or [],
        "systems": system or [],
        "recipients": shared_with or [],
        "restricted": restricted,
        "anchors": anchors(clocks),
    }
    answer = ask("query", body, because)
    if as_json:
        print_json(answer)
    else:
        _show(answer, sorted({item["kind"] for item in people}), company_of(load_settings()).catalogue)
        for line in about_identity(answer, answer["items"], people):
            screen().print(line)


def _refuse_beside_key(context: typer.Context) -> None:
    """Raises InputError where anything is given that narrows the question about a person."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source and source.name == "COMMANDLINE" and name not in ("key", "because", "as_json"):
            typed = next(item for item in context.command.params if item.name == name)
            option = "/".join((*typed.opts, *typed.secondary_opts))
            raise InputError(
                f"--key asks about one record, whatever is given with {option}; leave one of them out"
            )


def _show_record(key: Mapping[str, str], because: AskedFor | None, *, as_json: bool) -> None:
    with require(load_settings(), because) as client:
        answer = client.record({"record_key": key})
    if as_json:
        print_json(answer)
        return
    out = screen()
    if not answer["items"]:
        if not answer["unjudged"]:
            out.print(f"Nothing is held of this {answer['record']}.")
    else:
        out.print(items_table(answer["items"]))
        held = f"{counted(answer['total_events'], 'event')} of at least {counted(answer['people'], 'person')}"
        out.print(marked(" [bold]{}[/bold] tell of this {}\n", held, answer["record"]))
        _legend(answer, company_of(load_settings()).catalogue)
    if answer["key_retired"]:
        missed = "a token key was retired; what was tagged under it is not found by a record's key"
        out.print(marked("[yellow]look after this[/yellow]: {}", missed))
    for line in (*unjudged(answer), *beside(answer)):
        out.print(line)


def _show(answer: Mapping[str, Any], kinds: list[str], catalogue: Catalogue) -> None:
    out = screen()
    if not answer["items"]:
        if answer["resolution"] != "ambiguous" and not answer["unjudged"]:
            out.print(f"Nothing is held under the {', '.join(kinds)} given.")
        return
    out.print(items_table(answer["items"]))
    systems = len({item["system"] for item in answer["items"]})
    held = f"{counted(answer['total_events'], 'event')} in {counted(systems, 'system')}"
    out.print(
        marked(" [bold]{}[/bold] under the {} given ({})\n", held, ", ".join(kinds), answer["resolution"])
    )
    _legend(answer, catalogue)


def items_table(items: Sequence[Mapping[str, Any]]) -> Group:
    """What is held, a table for each topic of a system under one head, in the order of the answer."""
    from rich.console import Group

    places = groupby(items, key=lambda item: (item["system"], item["topic"]))
    return Group(
        *(_of_topic(*place, list(own), head=number == 0) for number, (place, own) in enumerate(places))
    )


def _of_topic(system: str, topic: str, items: Sequence[Mapping[str, Any]], *, head: bool) -> Table:
    rows = table(
        "categories", "purposes, → to", "keep until", "events", "seen", right=["events"],
        title=marked("{} [dim]{}[/dim]", system, topic),
    )  # fmt: skip
    rows.show_header = head
    shared_out(rows, (1, 1, 0, 0, 0), (0, 0, 13, 6, 10))
    for item in items:
        stopped = {name for one in item.get("restricted", ()) for name in one["purposes"]}
        purposes = [
            f"{name} {item['legal_basis'].get(name, '')}{' stored only' if name in stopped else ''}"
            for name in item["purposes"]
        ]
        rows.add_row(
            _categories(item),
            "\n".join([*purposes, *(f"→ {name}" for name in item["recipients"])]),
            _until(item),
            "–" if item["locked"] else f"{item['events']:,}",
            "locked" if item["locked"] else f"{day(item['first_seen'])}\n{day(item['last_seen'])}",
        )
        rows.add_section()
    return rows


def _categories(item: Mapping[str, Any]) -> Text:
    own = [name for name in item["categories"] if name not in item["detected"]]
    return joined([" ".join(own), *(marked("{} [dim]in texts[/dim]", name) for name in item["detected"])])


def _until(item: Mapping[str, Any]) -> Text:
    until = item["delete_after"] or ("locked" if item["locked"] else "not started")
    if item.get("overdue"):
        until = marked("[red]{} overdue[/red]", until)
    until = marked("{}\n[dim]{}[/dim]", until, item["retention_rule"] or "no rule")
    return joined([until, *deleted_at_source(item.get("source_deleted"))])


def _legend(answer: Mapping[str, Any], catalogue: Catalogue) -> None:
    """What the ids in the table stand for, two to a line."""
    from rich.columns import Columns

    named = []
    for part, entries in (
        ("categories", catalogue.categories),
        ("purposes", catalogue.purposes),
    ):
        for key in sorted({key for item in answer["items"] for key in item[part]}):
            entry = entries.get(key)
            named.append(marked("[dim]{} {}[/dim]", key, entry.name.en if entry else "of an older catalogue"))
    screen().print(Columns(named, padding=(0, 3), column_first=True))

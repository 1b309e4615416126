"""`innsyn certificate`: the certificate of an erasure, and its check, offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from console.cli.log import Key, read_file, said, the_keys, write_file
from console.cli.options import Json
from console.cli.show.output import day, marked, not_read, print_json, say, screen, table
from console.client import require
from schemas.settings import load_settings
from schemas.vocabulary import Right

app = typer.Typer(help="Certificates of erasure: show, verify.", no_args_is_help=True)


@app.command(
    short_help="Show the certificate of an erasure.",
    epilog="Example: innsyn certificate show r-5f2a9c01d7e34b68 --to certificate.json",
)
def show(
    request_id: Annotated[str, typer.Argument(metavar="ID", help="As `innsyn requests` lists it.")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="FILE", help="Write it there; replaced if it is there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the newest certificate of an erasure, or write it to a file. Exit status 1: there is none, and why.

    What happened since it was issued is said beside it, on standard error.
    """
    with require(load_settings()) as client:
        found = client.certificate(request_id)
    made = found["certificate"]
    if made is None:
        if as_json:
            print_json(found)
        else:
            say(f"there is no certificate of {request_id}: {found['why_not']}")
        raise typer.Exit(1)
    if (since := found["why_not"]) is not None:
        say(f"the certificate is as of {day(made['issued_at'])}, and the request went on: {since}", err=True)
    if to is not None:
        write_file(to, made)
        say(f"written; `innsyn certificate verify {to}` checks it, elsewhere with --key")
        return
    if as_json:
        print_json(made)
        return
    _print(made)


def in_short(found: Mapping[str, Any]) -> dict[str, Any]:
    """When it was issued, which of the request's it is, and why there is none of how the request stands; None for what
    is not. `found`: as GET /v1/requests/{id}/certificate gives it."""
    made = found["certificate"] or {}
    number = made.get("number", 1) if made else None
    return {"number": number, "issued_at": made.get("issued_at"), "why_not": found["why_not"]}


_STANDING = {
    "told": "told of the erasure",
    "impossible": "who cannot be told",
    "not_told": "not told of the erasure by then",
}
"""What became of whoever was given the data (GDPR Art. 19), when the certificate was issued."""


def line_of(request_id: str, short: Mapping[str, Any]) -> str:
    """`in_short` in a line."""
    if short["number"] is None:
        return f"no certificate: {short['why_not']}"
    since = f"; the request went on: {short['why_not']}" if short["why_not"] else ""
    issued = f"certificate {short['number']} issued {day(short['issued_at'])}"
    return f"{issued}, `innsyn certificate show {request_id}`{since}"


def _print(made: Mapping[str, Any]) -> None:
    out = screen()
    asked, index = made["request"], made["index"]
    run = made.get("run")
    if run is not None:
        out.print(f"{asked['id']} retention run of {run['as_of']}, completed {day(asked['completed_at'])}")
    elif asked["type"] == Right.RETENTION:
        out.print(f"{asked['id']} what ran out of a person, completed {day(asked['completed_at'])}")
    else:
        out.print(
            f"{asked['id']} {asked['type']}, received {day(asked['received_at'])}, due {asked['due']}, completed"
            f" {day(asked['completed_at'])}"
        )
    head, number = made["head"]["sequence"], made.get("number", 1)
    if number > 1:
        out.print(f"certificate {number}, in place of those before")
    out.print(
        f"bytes gone {day(index['purged_at'])}, issued {day(made['issued_at'])} under head {head} of the log"
    )
    rows = table(
        "system", "state", "told", "planned", "erased", "held", right=("told", "planned", "erased", "held")
    )
    for item in made["systems"]:
        state = f"{item['state']}, accepted by hand" if item["accepted_by_hand"] else item["state"]
        counts = (len(item["attempts"]), item["planned"], item["erased"], item["held"])
        rows.add_row(item["system"], state, *("–" if count is None else f"{count:,}" for count in counts))
    out.print(rows if made["systems"] else "No system held anything to erase.")
    if run is not None:
        out.print(_run_records(run["records"]))
    for part in made["held"]:
        because = " ".join(filter(None, (part["rule"], part["citation"])))
        out.print(f"held: {part['system']} {part['category']} until {part['until'] or '–'}, {because}")
    for item in made.get("recipients", ()):
        out.print(f"passed on to {item['recipient']}, {_STANDING[item['standing']]}")
    if letters := made.get("dead_letters"):
        out.print(f"not read when it was planned: {not_read(letters)}")
    for item in made["later"].get("follow_ups", ()):
        out.print(f"came to light later: erased by {item['request']}, completed {day(item['completed_at'])}")
    for act in made["by_hand"]:
        out.print(" ".join(filter(None, ("by hand:", act["what"], act["system"], "on", day(act["at"])))))


def _run_records(records: Sequence[Mapping[str, Any]]) -> Table | str:
    """What a retention run took: of which records, before which moment, by which rule."""
    if not records:
        return "Nothing had run out at a system that is told."
    rows = table("record", "before", "by", "records", "kept", right=("records", "kept"))
    for item in records:
        what = marked("{} {}\n[dim]{}[/dim]", item["system"], item["record"], ", ".join(item["categories"]))
        by = marked("{}\n[dim]{}[/dim]", item["rule"], item["citation"])
        rows.add_row(what, item["before"][:10], by, f"{item['expected']:,}", f"{item['kept']:,}")
    return rows


@app.command(
    short_help="Check a certificate, offline.",
    epilog="Example: innsyn certificate verify certificate.json --key innsyn.pub",
)
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `innsyn certificate show --to` wrote it.")],
    key: Key = None,
) -> None:
    """Check a certificate with the public key alone, offline. Exit status 1: it certifies nothing, and why."""
    # Imported here: a check needs neither index nor broker.
    from streams.evidence.certificate import verify as verified

    content, public = read_file(file), the_keys(key)
    said(lambda: verified(content, public))

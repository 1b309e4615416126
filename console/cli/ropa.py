"""`innsyn ropa`: records of processing activities, generated from what was observed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.options import Json
from console.cli.show.output import marked, print_json, print_text, screen, shown, table
from console.client import require
from schemas.errors import InputError
from schemas.settings import Settings, load_settings
from streams.ropa.formats import FORMATS, LANGUAGES, Format
from streams.ropa.record import Difference
from streams.ropa.said import difference
from streams.ropa.words import WORDS

if TYPE_CHECKING:
    from rich.table import Table


class Against(StrEnum):
    """What a record is compared with."""

    DECLARED = "declared"
    MONTH = "month"


def ropa(
    lang: Annotated[str, typer.Option(help="Language: nb or en.")] = LANGUAGES[0],
    format: Annotated[
        Format | None, typer.Option("--format", help="Write it in this format; a table without it.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Into this new file; else on standard output."),
    ] = None,
    diff: Annotated[
        Against | None,
        typer.Option("--diff", help="How it differs from what is declared, or from the month before."),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DAY", help="Of events from that day on.")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="DAY", help="Of events before that day.")
    ] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            "--broker", metavar="HOST:PORT", help="Of openlineage: the address by which topics are named."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the records of processing activities (GDPR Art. 30) as they follow from the events that were observed.

    An activity is a purpose, with its legal bases, categories, subjects, recipients, transfers, limits of erasure and
    measures of security. Nobody's name is in it.

    Example: innsyn ropa --format html --lang en --out ropa.html
    """
    days = {"since": _day(since, "--since"), "until": _day(until, "--until")}
    asked = {name: day for name, day in days.items() if day is not None}
    _check(lang, format, out, diff, as_json=as_json)
    settings = load_settings()
    if format is Format.OPENLINEAGE:
        asked["broker"] = broker or _broker(settings)
    with require(settings) as client:
        if diff is not None:
            found = client.ropa_difference({**asked, "against": diff.value})
        elif format is not None:
            written = client.ropa({**asked, "format": format.value, "lang": lang})
        else:
            found = client.ropa_json(asked)
    if format is not None:
        _write(written, out)
    elif as_json:
        print_json(found)
    elif diff is not None:
        _show_differences(found, lang)
    else:
        _show(found, lang)


def _check(
    lang: str, format: Format | None, out: Path | None, diff: Against | None, *, as_json: bool
) -> None:
    """Raises InputError for options that do not go together."""
    if lang not in LANGUAGES:
        raise InputError(f"--lang: unknown; use one of {', '.join(LANGUAGES)}")
    if format is not None and (diff is not None or as_json):
        raise InputError("--format is of the records themselves; give it without --diff and --json")
    if out is not None and format is None:
        raise InputError("--out needs a --format; give one")
    if format is not None and out is None and not FORMATS[format].text:
        raise InputError(f"--format {format} is no text; name a file with --out")
    if out is not None and out.exists():
        raise InputError(f"{shown(out)} is there already; name a new file")


def _broker(settings: Settings) -> str:
    """The first address of the broker in force. Raises BrokerUnavailable."""
    from console.wiring.run_file import broker

    return broker(settings).bootstrap.split(",")[0].strip()


def _write(written: bytes, out: Path | None) -> None:
    if out is None:
        print_text(written.decode())
        return
    try:
        out.write_bytes(written)
    except OSError as error:
        raise InputError(f"{shown(out)}: cannot be written ({error.strerror}); name another file") from None
    screen().print(marked("[dim]The records of processing:[/dim] {}", shown(out)))


def _show(record: Mapping[str, Any], lang: str) -> None:
    words, out = WORDS[lang], screen()
    if not record["activities"]:
        out.print(words["nothing"])
    else:
        out.print(marked("[bold]{}[/bold] {}", words["title"], record["controller"]["name"]))
        out.print(_activities(record["activities"], words, lang))
    for limit in record["known_limits"]:
        out.print(marked(" [dim]{}[/dim]", limit[lang]))


def _activities(activities: Sequence[Mapping[str, Any]], words: Mapping[str, str], lang: str) -> Table:
    heads = ("activity", "basis", "categories", "systems", "recipients", "people", "events", "last_day")
    numbers = ("systems", "recipients", "people", "events")
    rows = table(*(words[head] for head in heads), right=[words[name] for name in numbers])
    for item in activities:
        rows.add_row(
            shown(item["name"][lang]),
            ", ".join(basis["id"] for basis in item["legal_bases"]) or "–",
            ", ".join(category["id"] for category in item["categories"]),
            str(len(item["systems"])),
            str(len(item["recipients"])),
            f"{item['people_held']:,}",
            f"{item['events_tagged']:,}",
            item["last_day"],
        )
    return rows


def _show_differences(found: Mapping[str, Any], lang: str) -> None:
    words, out = WORDS[lang], screen()
    if not found["items"]:
        out.print(words["no_difference"])
    else:
        rows = table(*(words[name] for name in ("side", "kind", "activity", "value", "last_day")))
        for item in found["items"]:
            rows.add_row(*map(shown, difference(Difference.model_validate(item), lang)))
        out.print(rows)
    for limit in found["known_limits"]:
        out.print(marked(" [dim]{}[/dim]", limit[lang]))


def _day(text: str | None, option: str) -> str | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InputError(f"{option} takes a day such as 2026-03-01") from None

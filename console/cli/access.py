"""`innsyn access`: the answer to a person who asks what is held (GDPR Art. 15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from console.cli.ask import ask
from console.cli.erase import followed, receipt, say_made, say_open
from console.cli.options import (
    At,
    Because,
    Changes,
    Clocks,
    Ids,
    Json,
    KnownAt,
    Port,
    Received,
    anchors,
    as_known,
    at_moment,
    identifiers,
)
from console.cli.show.clocks import clock_lines
from console.cli.show.output import (
    about_identity,
    after,
    day,
    deleted_at_source,
    joined,
    marked,
    print_json,
    screen,
    shared_out,
    table,
)
from console.cli.show.standing import show_standing
from console.client import require
from schemas.counted import counted
from schemas.errors import InputError
from schemas.settings import load_settings
from schemas.vocabulary import Right

_IN_TEXTS = {"nb": "i fritekst", "en": "in texts"}


class Language(StrEnum):
    NB = "nb"
    EN = "en"


class Exercised(StrEnum):
    """A right that the command makes a request of."""

    ACCESS = Right.ACCESS.value
    PORTABILITY = Right.PORTABILITY.value


# Nothing comes of waiting on: it is answered, or a person has to act.
_STANDS = ("answered", "attention", "unchecked", "completed", "closed", "cancelled")


def access(
    ids: Ids,
    at: At = None,
    port: Port = None,
    clocks: Clocks = None,
    known_at: KnownAt = None,
    changes: Changes = False,
    language: Annotated[Language, typer.Option("--lang", help="Language of the names.")] = Language.EN,
    request: Annotated[
        Exercised | None,
        typer.Option(
            "--request",
            help="Not a look but the person's own request, of access or portability: systems that deliver are asked"
            " for their copies, and the answer has a deadline.",
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="With --request: what the person wrote; kept sealed.")
    ] = None,
    channel: Annotated[str, typer.Option(help="Where the request came in.")] = "cli",
    received: Received = None,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Follow the request for so long.")
    ] = 0,
    because: Because = None,
    as_json: Json = False,
) -> None:
    """Print the access answer: what is held, where, why, until when, from whom and who received it.

    An e-mail address or number that was the person's until some day is given with a time: --at email=TIME.

    Example: innsyn access --id customer_number=10042 --clock contract_end=2026-01-31
    """
    people = at_moment(identifiers(ids), at, port, addresses=True)
    if request is not None:
        if known_at is not None or changes:
            raise InputError("a request is answered as of now; leave --known-at and --changes out")
        asked = {"type": request, "reason": reason, "channel": channel, **receipt(received)}
        _requested({"identifiers": people, "anchors": anchors(clocks), **asked}, wait, because, as_json)
        return
    if reason is not None or received is not None:
        raise InputError("--received and --reason are of a request; give --request access or portability")
    known = as_known(known_at, changes, as_json)
    report = ask("access", {**known, "identifiers": people, "anchors": anchors(clocks)}, because)
    if as_json:
        print_json(report)
        return
    out = screen()
    for part in report_lines(report, language.value):
        out.print(part)
    for line in (*clock_lines(report.get("clocks", ())), *about_identity(report, report["entries"], people)):
        out.print(line)


def _requested(body: Mapping[str, Any], wait: float, because: str | None, as_json: bool) -> None:
    """Make the request and say where it stands."""
    with require(load_settings(), because) as client:
        made = client.create_request(body)
        say_made(made)
        if not as_json:
            say_open(made.get("also_open") or [])
        shown = followed(client, made["request_id"], wait, _STANDS)
    if as_json:
        print_json(shown)
    else:
        show_standing(shown)


def report_lines(report: Mapping[str, Any], lang: str) -> Iterator[Table | Text | str]:
    """What the terminal shows of an access report: a headline and a table for each system."""
    if not report["entries"]:
        if report["resolution"] != "ambiguous" and not report["unjudged"]:
            yield "Nothing is held under what was given."
        return
    yield marked(
        "\n[bold]{}[/bold] about this person on {} [dim](catalogue {}; letters: GDPR Art. 6(1))[/dim]\n",
        counted(report["total_events"], "event"),
        report["as_of"],
        report["catalogue_version"],
    )
    for system, entries in groupby(report["entries"], key=lambda entry: entry["system"]["id"]):
        yield _system(system, list(entries), lang)


def _system(system: str, entries: Sequence[Mapping[str, Any]], lang: str) -> Table:
    rows = table(
        "what", "why", "keep until", "from → to", "events", "seen", right=["events"],
        title=marked("{} [dim]({})[/dim]", entries[0]["system"]["name"][lang], system),
    )  # fmt: skip
    # The same widths in every system's table: what holds numbers and dates is fixed, the rest shares what is left,
    # however narrow the terminal is.
    shared_out(rows, (14, 14, 0, 11, 0, 0), (0, 0, 13, 0, 6, 10))
    # One row for the categories of which all the rest is the same, with their purposes below each other.
    alike: list[tuple[tuple[Text | str, ...], list[Text]]] = []
    for _, group in groupby(
        entries, key=lambda entry: (entry["category"]["id"], entry["locked"], entry["detected"])
    ):
        of_category = list(group)
        category = of_category[0]["category"]
        told = marked("{} [dim]{}[/dim]", category["name"][lang], category["id"])
        if of_category[0]["detected"]:
            told = marked("{} [dim]{}[/dim]", told, _IN_TEXTS[lang])
        rest = _rest(of_category, lang)
        same = next((told for other, told in alike if other == rest), None)
        if same is None:
            alike.append((rest, [told]))
        else:
            same.append(told)
    for rest, categories in alike:
        rows.add_row(joined(categories), *rest)
        rows.add_section()
    return rows


def _rest(entries: Sequence[Mapping[str, Any]], lang: str) -> tuple[Text | str, ...]:
    """All columns but the first, for one category. Its purposes differ, its events and rule do not."""
    first = entries[0]
    parties = dict.fromkeys(_parties(entry, lang) for entry in entries)
    locked = first["locked"]
    seen = "locked" if locked else f"{day(first['first_seen'])}\n{day(first['last_seen'])}"
    events = "–" if locked else f"{max(entry['events'] for entry in entries):,}"
    kept: list[Text] = []
    for until in (_until(entry["retention"]) for entry in entries):
        kept += [] if until in kept else [until]
    kept += deleted_at_source(max((entry.get("source_deleted") or "" for entry in entries), default=""))
    return (
        "\n".join(_why(entry, lang) for entry in entries),
        joined(kept),
        "\n".join(parties),
        events,
        seen,
    )


def _why(entry: Mapping[str, Any], lang: str) -> str:
    letters = ", ".join(basis["letter"] for basis in entry["legal_basis"])
    return f"{entry['purpose']['name'][lang]} ({letters})"


def _until(retention: Mapping[str, Any]) -> Text:
    if retention["rule"] is None:
        return marked("[red]no rule[/red]")
    until = retention["until"] or after(retention["period"], retention["clock"])
    until = marked("[red]{} overdue[/red]", until) if retention["overdue"] else until
    return marked("{}\n[dim]{}[/dim]", until, retention["rule"])


def _parties(entry: Mapping[str, Any], lang: str) -> str:
    sources = ", ".join(source["name"][lang] for source in entry["origin"])
    recipients = ", ".join(recipient["name"][lang] for recipient in entry["recipients"])
    return f"{sources}\n→ {recipients or '–'}"

"""`innsyn access`: the answer to a person who asks what is held (GDPR Art. 15)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.table import Table

from console.cli.ask import ask
from console.cli.output import (
    At,
    Changes,
    Clocks,
    Ids,
    Json,
    KnownAt,
    Port,
    about_identity,
    after,
    anchors,
    as_known,
    at_moment,
    day,
    identifiers,
    print_json,
    screen,
    table,
)

_IN_TEXTS = {"nb": "i fritekst", "en": "in texts"}


class Language(StrEnum):
    NB = "nb"
    EN = "en"


def access(
    ids: Ids,
    at: At = None,
    port: Port = None,
    clocks: Clocks = None,
    known_at: KnownAt = None,
    changes: Changes = False,
    language: Annotated[Language, typer.Option("--lang", help="Language of the names.")] = Language.EN,
    as_json: Json = False,
) -> None:
    """Print the access answer: what is held, where, why, until when, from whom and who received it.

    Example: innsyn access --id customer_number=10042 --clock contract_end=2026-01-31
    """
    people = at_moment(identifiers(ids), at, port, addresses=True)
    known = as_known(known_at, changes, as_json)
    report = ask("access", {**known, "identifiers": people, "anchors": anchors(clocks)})
    if as_json:
        print_json(report)
        return
    out = screen()
    for part in report_lines(report, language.value):
        out.print(part)
    for line in about_identity(report, report["entries"], people):
        out.print(line)


def report_lines(report: Mapping[str, Any], lang: str) -> Iterator[Table | str]:
    """What the terminal shows of an access report: a headline and a table for each system."""
    if not report["entries"]:
        if report["resolution"] != "ambiguous":
            yield "Nothing is held about this person."
        return
    yield (
        f"\n[bold]{report['total_events']:,} events[/bold] about this person on {report['as_of']}"
        f" [dim](catalogue {report['catalogue_version']}; letters: GDPR Art. 6(1))[/dim]\n"
    )
    for system, entries in groupby(report["entries"], key=lambda entry: entry["system"]["id"]):
        yield _system(system, list(entries), lang)


def _system(system: str, entries: Sequence[Mapping[str, Any]], lang: str) -> Table:
    rows = table(
        "what", "why", "keep until", "from → to", "events", "seen", right=["events"],
        title=f"{entries[0]['system']['name'][lang]} [dim]({system})[/dim]",
    )  # fmt: skip
    # The same widths in every system's table: what holds numbers and dates is fixed, the rest shares what is left,
    # however narrow the terminal is.
    rows.expand = True
    for column, width in zip(rows.columns, (0, 0, 11, 0, 8, 10), strict=True):
        column.width, column.ratio = width or None, None if width else 1
    # One row for the categories of which all the rest is the same, with their purposes below each other.
    alike: dict[tuple[str, ...], list[str]] = {}
    for _, group in groupby(
        entries, key=lambda entry: (entry["category"]["id"], entry["locked"], entry["detected"])
    ):
        of_category = list(group)
        category = of_category[0]["category"]
        told = f"{category['name'][lang]} [dim]{category['id']}[/dim]"
        if of_category[0]["detected"]:
            told += f" [dim]{_IN_TEXTS[lang]}[/dim]"
        alike.setdefault(_rest(of_category, lang), []).append(told)
    for rest, categories in alike.items():
        rows.add_row("\n".join(categories), *rest)
        rows.add_section()
    return rows


def _rest(entries: Sequence[Mapping[str, Any]], lang: str) -> tuple[str, ...]:
    """All columns but the first, for one category. Its purposes differ, its events and rule do not."""
    first = entries[0]
    parties = dict.fromkeys(_parties(entry, lang) for entry in entries)
    locked = first["locked"]
    seen = "locked" if locked else f"{day(first['first_seen'])}\n{day(first['last_seen'])}"
    events = "–" if locked else f"{max(entry['events'] for entry in entries):,}"
    kept = dict.fromkeys(_until(entry["retention"]) for entry in entries)
    return (
        "\n".join(_why(entry, lang) for entry in entries),
        "\n".join(kept),
        "\n".join(parties),
        events,
        seen,
    )


def _why(entry: Mapping[str, Any], lang: str) -> str:
    letters = ", ".join(basis["letter"] for basis in entry["legal_basis"])
    return f"{entry['purpose']['name'][lang]} ({letters})"


def _until(retention: Mapping[str, Any]) -> str:
    if retention["rule"] is None:
        return "[red]no rule[/red]"
    until = retention["until"] or after(retention["period"], retention["clock"])
    shown = f"[red]{until} overdue[/red]" if retention["overdue"] else until
    return f"{shown}\n[dim]{retention['rule']}[/dim]"


def _parties(entry: Mapping[str, Any], lang: str) -> str:
    sources = ", ".join(source["name"][lang] for source in entry["origin"])
    recipients = ", ".join(recipient["name"][lang] for recipient in entry["recipients"])
    return f"{sources}\n→ {recipients or '–'}"

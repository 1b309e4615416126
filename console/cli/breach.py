"""`innsyn breach`: how far a personal data breach reaches."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.options import Json, moment
from console.cli.show.output import marked, print_json, screen, shown, table
from schemas.counted import counted
from schemas.errors import InputError
from schemas.settings import load_settings
from streams.answers.breach_page import LANGUAGES

_LEVELS = {1: "ordinary", 2: "heightened", 3: "high", None: "unknown"}


def breach(
    topic: Annotated[list[str] | None, typer.Option(help="Events of this topic; repeatable.")] = None,
    system: Annotated[list[str] | None, typer.Option(help="Events of this system; repeatable.")] = None,
    events: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Events alone: a line of topic,partition,offset each.")
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From that time on.")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Before that time.")] = None,
    notify: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Write the customer numbers to notify to this new file. Needs the approver's token.",
        ),
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="HTML", help="Write the extent as a page for the notice.")
    ] = None,
    lang: Annotated[str, typer.Option(help="Language of the page: nb or en.")] = LANGUAGES[0],
    as_json: Json = False,
) -> None:
    """Show how many people a breach reaches, which categories, and whom the company can tell (GDPR Art. 33, 34).

    It counts what the index holds: by event time, half-open, on topics or in systems, or at coordinates. Whose an
    event is, is told by who had the identifier at its time, as in an answer to the person.

    Example: innsyn breach --topic support.chats --from 2026-03-01T00:00Z --to 2026-03-02T00:00Z --page breach.html
    """
    from console.client import require
    from console.wiring.company import company_of
    from console.wiring.private import write_private
    from schemas.asked_for import AskedFor
    from streams.answers.breach_page import page as as_page

    if lang not in LANGUAGES:
        raise InputError(f"--lang: unknown; use one of {', '.join(LANGUAGES)}")
    for path in (notify, page):
        if path is not None and path.exists():
            raise InputError(f"{shown(path)} is there already; name a new file")
    reached = {"topics": topic or [], "systems": system or [], "events": _events(events) if events else []}
    times = {"from": moment(since, "--from"), "to": moment(until, "--to")}
    settings = load_settings()
    with require(settings, AskedFor.SECURITY_INCIDENT) as client:
        answer = client.breach({**reached, **times, "named": notify is not None})
    numbers = answer.pop("notify", None)
    if notify is not None:
        write_private(notify, "".join(f"{number}\n" for number in ["customer_number", *(numbers or ())]))
    if page is not None:
        page.write_text(as_page(answer, company_of(settings).profile, lang), "utf-8")
    if as_json:
        print_json(answer)
        return
    _show(answer)
    for path, what in ((notify, "the customer numbers to notify"), (page, "the extent as a page")):
        if path is not None:
            screen().print(marked(" [dim]{}:[/dim] {}", what, shown(path)))


def _events(path: Path) -> list[dict[str, Any]]:
    """Raises InputError for a file that cannot be read, and for a line that is none."""
    try:
        lines = list(csv.reader(path.read_text("utf-8").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error):
        raise InputError(
            f"{shown(path)}: cannot be read; give a file of lines topic,partition,offset"
        ) from None
    found = []
    for number, line in enumerate(lines, 1):
        try:
            topic, partition, offset = (cell.strip() for cell in line)
            found.append({"topic": topic, "partition": int(partition), "offset": int(offset)})
        except ValueError:
            raise InputError(
                f"{shown(path)}:{number}: is not topic,partition,offset; mend the line"
            ) from None
    if not found:
        raise InputError(f"{shown(path)}: has no line; give one of topic,partition,offset for each event")
    return found


def _show(answer: Mapping[str, Any]) -> None:
    out = screen()
    if not answer["events"]:
        out.print("No event of these places and this time is in the index.")
    else:
        people = counted(answer["people"], "person")
        held = f"{counted(answer['events'], 'event')} of at least {people}"
        out.print(marked("[bold]{}[/bold], {} – {}", held, answer["first_seen"], answer["last_seen"]))
        out.print(_topics(answer["topics_reached"]))
        out.print(_categories(answer["categories"]))
        told = f"{answer['can_be_told']:,} can be told by customer number"
        out.print(marked(" {}, [bold]{}[/bold] cannot", told, f"{answer['cannot_be_told']:,}"))
    for name, said in (
        ("identifiers_of_several", "may be several people's: each may be one person more"),
        ("identifiers_of_nobody", "to nobody who is known: each may be one person more"),
    ):
        if answer[name]:
            verb = "lead " if name == "identifiers_of_nobody" else ""
            out.print(marked(" [yellow]{}[/yellow] {}{}", counted(answer[name], "identifier"), verb, said))
    if answer["unread"]:
        where = ", ".join(f"{topic} {count:,}" for topic, count in answer["unread"].items())
        out.print(marked(" [yellow]not read[/yellow]: messages that may be about more people ({})", where))


def _topics(topics: Sequence[Mapping[str, Any]]) -> Any:
    rows = table("topic", "system", "record", "events", "people", right=["events", "people"])
    for item in topics:
        names = (item["topic"], ", ".join(item["systems"]), ", ".join(item["records"]))
        rows.add_row(*map(shown, names), f"{item['events']:,}", f"{item['people']:,}")
    return rows


def _categories(categories: Sequence[Mapping[str, Any]]) -> Any:
    rows = table("category", "", "sensitivity", "people", right=["people"])
    for item in categories:
        words = {
            "national_id": "national id",
            "telecom_secrecy": "telecom secrecy",
            "in_texts_alone": "in texts alone",
        }
        marks = [said for name, said in words.items() if item[name]]
        level = ", ".join([_LEVELS[item["sensitivity"]], *marks])
        rows.add_row(shown(item["category"]), shown(item["name"]["en"]), level, f"{item['people']:,}")
    return rows

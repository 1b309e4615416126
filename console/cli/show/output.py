"""How all commands print: lines, tables, JSON, counts and times, and the sentences beside an answer."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from schemas.counted import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDTH = 100
# Controls (C0, DEL, C1), marks and overrides of direction, separators of lines, halves of characters.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROLS = re.compile(f"[\x00-\x1f]|{_OBEYED.pattern}")


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def print_json(data: Any, *, indent: int | None = 2) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    # JSON escapes what is below 0x20; a terminal obeys more than that.
    typer.echo(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def print_text(text: str) -> None:
    """A whole file as it is, such as an Avro schema, without a line break behind it: its SHA-256 is that of what is
    printed."""
    typer.echo(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text), nl=False)


def shown(text: object) -> str:
    """The text on one line, as a terminal prints and never obeys it: `\\x1b` instead of the character.

    That is control characters, what turns the direction of writing, and halves of characters that cannot be written.
    """
    return _CONTROLS.sub(_escaped, str(text))


def say(line: object, *, err: bool = False) -> None:
    """One line without a look of its own; what stands in it may come from anywhere."""
    typer.echo(shown(line), err=err)


def marked(template: str, *values: object) -> Text:
    """Our own look around values that are never read as markup: `marked("[bold]{}[/bold] of {}", a, b)`.

    A value may be a Text, which keeps its look.
    """
    from rich.text import Text

    made = Text()
    rest = Text.from_markup(template, emoji=False)
    for value in values:
        before, rest = rest.divide([rest.plain.index("{}")])
        made.append_text(before)
        filled = value.copy() if isinstance(value, Text) else Text(shown(value))
        for span in rest[0].spans:
            filled.stylize_before(span.style)
        made.append_text(filled)
        rest = rest[2:]
    return made.append_text(rest)


def joined(parts: Iterable[str | Text], between: str = "\n") -> Text:
    """The parts in one, each with its look."""
    from rich.text import Text

    return Text(between).join(part if isinstance(part, Text) else Text(shown(part)) for part in parts)


def screen(*, stderr: bool = False) -> Console:
    """Where tables go: as wide as the terminal, 100 columns where there is none.

    It prints texts as they are: markup is what `marked` makes.
    """
    from rich.console import Console

    class Screen(Console):
        def render_str(self, text: str, **how: Any) -> Text:
            # Line breaks are ours here: values went through `marked` or stand in a cell.
            return super().render_str("\n".join(map(shown, text.split("\n"))), **{**how, "markup": False})

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH
    return Screen(file=stream, width=width, highlight=False, markup=False, emoji=False)


def table(*columns: str, right: Sequence[str] = (), title: str | Text | None = None) -> Table:
    """An empty table in the one style of innsyn. `right`: columns of numbers."""
    from rich import box
    from rich.table import Table

    made = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        pad_edge=False,
        collapse_padding=True,
    )
    for name in columns:
        made.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return made


def shared_out(rows: Table, ratios: Sequence[int], widths: Sequence[int]) -> None:
    """Give columns a fixed width, or, where that is 0, a share of the rest by their ratio, however narrow the terminal:
    tables below each other stand in line, and a date is never broken."""
    rows.expand = True
    for column, ratio, width in zip(rows.columns, ratios, widths, strict=True):
        column.width, column.ratio = width or None, None if width else ratio


def about_identity(
    answer: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], people: Sequence[Mapping[str, Any]]
) -> Iterator[str | Text]:
    """What a person who reads an answer has to know of whose events it counts, a sentence each."""
    from schemas.vocabulary import ADDRESS
    from streams.answers.ambiguity import disagreement, needs_more, timeless, unproven

    yield from unjudged(answer)
    if answer["disagree"]:
        kinds = disagreement(answer["disagree"])
        yield marked(
            "[yellow]ambiguous[/yellow]: {}. Ask about each person apart, or give the time at which an"
            " identifier was theirs (--at KIND=TIME); `innsyn identity` with one of them shows whose it was when.",
            kinds,
        )
    elif answer["resolution"] == "ambiguous" and not parts and not answer["ambiguous_events"]:
        from console.wiring.company import company_of
        from schemas.settings import load_settings

        hint = needs_more(
            [item["kind"] for item in people],
            timeless((item["kind"] == ADDRESS, item.get("at")) for item in people),
            company_of(load_settings()).kinds.customer.name,
            place=any(item["kind"] == ADDRESS for item in people),
        )
        yield marked("[yellow]ambiguous[/yellow]: {}.", hint)
    if answer["ambiguous_events"]:
        number = answer["ambiguous_events"]
        yield marked(
            "[yellow]{}[/yellow] may be this person's or somebody else's, so in nobody's count.",
            counted(number, "event"),
        )
    if answer["unlinked"] and parts:
        yield marked("[dim]{}[/dim]", unproven(answer["unlinked"]))
    proofs = {proof for part in parts for proof in part.get("proofs", ())}
    if proofs & {"subscriber", "line_owner"}:
        yield marked(
            "[dim]Some of it is known by the subscription or the line: the subscriber need not be the user.[/dim]"
        )
    yield from beside(answer)
    changed = answer.get("changed_since")
    if changed:
        events = ""
        if "events_then" in changed:
            events = f"{counted(changed['events_then'], 'event')} then, {changed['events_now']:,} now; "
        yield (
            f"Since then: {events}links: {changed['links_new']:,} new,"
            f" {changed['links_ended_differently']:,} ended differently, {changed['links_gone']:,} gone."
        )


def unjudged(answer: Mapping[str, Any]) -> Iterator[Text]:
    """What is held and no rule of the catalogue judges."""
    for item in answer.get("unjudged", ()):
        what = f"{item['topic']} of {item['system']}: held, but it {item['why']}"
        yield marked("[red]cannot be judged[/red]: {}", what)


def beside(answer: Mapping[str, Any]) -> Iterator[Text]:
    """What other requests say of the person, and what is not in the index."""
    from streams.answers.erased import erased_line
    from streams.answers.restricted import restricted_line
    from streams.answers.unread import waiting_lines

    for item in answer.get("erased_before", ()):
        yield marked("[yellow]erased before[/yellow]: {}", erased_line(**item))
    for item in answer.get("restricted", ()):
        yield marked("[yellow]restricted[/yellow]: {}", restricted_line(**item))
    for line in waiting_lines(answer.get("waiting")) if "warnings" not in answer else ():
        yield marked("[yellow]look after this[/yellow]: {}", line)
    if letters := answer.get("dead_letters"):
        yield marked("[yellow]not read[/yellow]: {}", not_read(letters))


def not_read(letters: Mapping[str, int]) -> str:
    """That nobody knows whose messages are that could not be read, by topic, most first."""
    most = sorted(letters.items(), key=lambda item: (-item[1], item[0]))
    where = ", ".join(f"{topic} {count:,}" for topic, count in most)
    total = sum(letters.values())
    them = "it" if total == 1 else "them"
    return (
        f"{counted(total, 'message')} could not be read, and more of this person may stand in {them} ({where});"
        " see `innsyn deadletters list`"
    )


def deleted_at_source(when: str | None) -> list[Text]:
    """What is said beside data of which the source deleted a record; nothing where it did not."""
    return [marked("[yellow]deleted at the source {}[/yellow]", day(when))] if when else []


def day(text: str | None) -> str:
    """The date of an ISO 8601 time."""
    return text[:10] if text else ""


def after(period: str | None, clock: str) -> str:
    """When something ends whose clock has not started, in words: `3 months after contract end`.

    `period` is an ISO 8601 duration, None: at once.
    """
    units = {"Y": "year", "M": "month", "W": "week", "D": "day"}
    spans = [
        counted(int(number), units[unit])
        for number, unit in re.findall(r"(\d+)([YMWD])", (period or "").partition("T")[0])
    ]
    start = clock.replace("_", " ")
    return (
        f"{' '.join(spans)} after {start}"
        if spans
        else f"{period} after {start}"
        if period
        else f"at {start}"
    )

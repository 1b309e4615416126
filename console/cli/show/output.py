"""What all commands share: how a person is named, how times are written, tables, JSON, logs."""

from __future__ import annotations

import getpass
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.asked_for import AskedFor
from schemas.errors import InputError, InvalidIdentifier, place_of
from schemas.moments import from_iso
from schemas.tokens import IdentifierKind, canonical

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDTH = 100
# Controls (C0, DEL, C1), marks and overrides of direction, separators of lines, halves of characters.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROLS = re.compile(f"[\x00-\x1f]|{_OBEYED.pattern}")

Ids = Annotated[
    list[str],
    typer.Option(
        "--id",
        metavar="KIND=VALUE",
        help="Names the person; repeatable. KIND=- reads it from standard input.",
    ),
]
Clocks = Annotated[
    list[str] | None,
    typer.Option(
        "--clock",
        metavar="NAME=DATE",
        help="Day a retention clock started, such as contract_end=2026-01-31; repeatable.",
    ),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        "--at",
        metavar="[KIND=]TIME",
        help="When the identifiers were the person's (ISO 8601); KIND=TIME: those of that kind alone, repeatable.",
    ),
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65_535, help="Source port of that use, where the address is shared."),
]
KnownAt = Annotated[
    str | None,
    typer.Option("--known-at", metavar="TIME", help="Answer as the index would have at that moment."),
]
Changes = Annotated[bool, typer.Option("--changes", help="Also say what changed since --known-at.")]
Because = Annotated[
    AskedFor | None,
    typer.Option("--because", help="What it is asked for; stands in the audit record."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def identifiers(given: Sequence[str]) -> list[dict[str, str]]:
    """`KIND=VALUE` as the API takes them. `KIND=-` takes the next line of standard input.

    Raises InvalidIdentifier; its text never holds a value, nor what stood for the kind (it may be a value swapped in).
    """
    if not given:
        raise InvalidIdentifier("nobody is named; give --id KIND=VALUE, such as --id customer_number=-")
    return [_identifier(text) for text in given]


def _identifier(text: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidIdentifier("--id takes KIND=VALUE, such as email=-, but one has no '='")
    if name not in set(IdentifierKind):
        raise InvalidIdentifier(
            f"--id has an unknown kind before '='; use one of {', '.join(IdentifierKind)}"
        )
    if value == "-":
        value = sys.stdin.readline().strip()
        if not value:
            raise InvalidIdentifier(f"standard input holds no line for --id {name}=-; write one for each")
    canonical(IdentifierKind(name), value)
    return {"kind": name, "value": value}


def at_moment(
    people: Sequence[dict[str, str]],
    at: Sequence[str] | None,
    port: int | None,
    *,
    addresses: bool = False,
) -> list[dict[str, Any]]:
    """The identifiers with the moment and port of their use; `addresses`: the port goes with those alone.

    A time goes with every identifier, one of a kind with those of that kind; as many as there are of it go with them in
    their order. Raises InputError where there is nothing that it could go with.
    """
    times = _times(at or ())
    kinds = [item["kind"] for item in people]
    for kind, given in times.items():
        if kind is not None and (kind not in kinds or len(given) not in (1, kinds.count(kind))):
            raise InputError(
                f"--at {kind}= is given {len(given)} times for {kinds.count(kind)} --id {kind}=; give it once, or once"
                " for each, in their order"
            )
    if addresses and port is not None and "ip" not in kinds:
        raise InputError("--port says where an address was used; give it with --id ip=ADDRESS")
    found = []
    for number, item in enumerate(people):
        kind = item["kind"]
        given = times.get(kind) or times.get(None) or [None]
        more = {
            "at": given[kinds[:number].count(kind)] if len(given) > 1 else given[0],
            "port": port if kind == "ip" or not addresses else None,
        }
        found.append({**item, **{name: value for name, value in more.items() if value is not None}})
    return found


def _times(at: Sequence[str]) -> dict[str | None, list[str | None]]:
    """The moments by kind; None: of every kind that has none of its own."""
    times: dict[str | None, list[str | None]] = {}
    for text in at:
        before, equals, after_it = text.partition("=")
        kind = before if equals and before in set(IdentifierKind) else None
        times.setdefault(kind, []).append(moment(after_it if kind else text, "--at"))
    if len(times.get(None, ())) > 1:
        raise InputError("--at TIME is given twice; say which identifiers each goes with: --at KIND=TIME")
    return times


def as_known(known_at: str | None, changes: bool, as_json: bool) -> dict[str, Any]:
    """What the API takes to answer as at an earlier moment; for people always with what changed. Raises InputError."""
    if known_at is None:
        if changes:
            raise InputError("--changes compares with an earlier moment; give it with --known-at TIME")
        return {}
    return {"known_at": moment(known_at, "--known-at"), "changes": changes or not as_json}


def anchors(given: Sequence[str] | None) -> dict[str, str]:
    """`NAME=DATE` as the API takes the starts of retention clocks. Raises InputError."""
    # Not at the top: it brings pydantic, a quarter of a second that a mere --help need not wait for.
    from schemas.policy import RetentionAnchors

    known = [field.name for field in fields(RetentionAnchors)]
    found = {}
    for text in given or ():
        name, _, text = text.partition("=")
        try:
            started = date.fromisoformat(text)
        except ValueError:
            started = None
        if name not in known or started is None:
            raise InputError(
                f"--clock takes NAME=DATE, such as {known[0]}=2026-01-31; names: {', '.join(known)}"
            )
        found[name] = started.isoformat()
    return found


def reads_stdin(given: Iterable[str]) -> bool:
    """Whether standard input is taken by an identifier, so that nothing can be asked there."""
    return any(text.partition("=")[2] == "-" for text in given)


def moment(text: str | None, option: str) -> str | None:
    """A time with zone in ISO 8601, as the API takes it. Raises InputError."""
    if text is None:
        return None
    try:
        parsed = from_iso(text)
    except (ValueError, OverflowError):
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise InputError(f"{option} takes a time with zone in ISO 8601, such as 2026-03-01T12:00:00Z")
    return parsed.isoformat()


def user_name() -> str:
    """Who runs this command, as the system knows them."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return "command line"


def print_json(data: Any, *, indent: int | None = 2) -> None:
    text = json.dumps(data, ensure_ascii=False, indent=indent)
    # JSON escapes what is below 0x20; a terminal obeys more than that.
    typer.echo(_OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


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


def counted(count: int, thing: str) -> str:
    """`1 record`, `1,200 records`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def about_identity(
    answer: Mapping[str, Any], parts: Sequence[Mapping[str, Any]], people: Sequence[Mapping[str, Any]]
) -> Iterator[str | Text]:
    """What a person who reads an answer has to know of whose events it counts, a sentence each."""
    from rich.markup import escape

    from streams.answers.ambiguity import disagreement, needs_more, timeless, unproven

    for item in answer.get("unjudged", ()):
        what = f"{item['topic']} of {item['system']}: held, but it {item['why']}"
        yield f"[red]cannot be judged[/red]: {escape(what)}"
    if answer["disagree"]:
        kinds = disagreement(answer["disagree"])
        yield marked(
            "[yellow]ambiguous[/yellow]: {}. Ask about each person apart, or give the time at which an"
            " identifier was theirs (--at KIND=TIME); `innsyn identity` with one of them shows whose it was when.",
            kinds,
        )
    elif answer["resolution"] == "ambiguous" and not parts and not answer["ambiguous_events"]:
        hint = needs_more(
            [item["kind"] for item in people], timeless((item["kind"], item.get("at")) for item in people)
        )
        yield marked("[yellow]ambiguous[/yellow]: {}.", hint)
    if answer["ambiguous_events"]:
        number = answer["ambiguous_events"]
        yield marked(
            "[yellow]{} event{}[/yellow] may be this person's or somebody else's, so in nobody's count.",
            f"{number:,}",
            "" if number == 1 else "s",
        )
    if answer["unlinked"] and parts:
        yield marked("[dim]{}[/dim]", unproven(answer["unlinked"]))
    proofs = {proof for part in parts for proof in part.get("proofs", ())}
    if proofs & {"subscriber", "line_owner"}:
        yield marked(
            "[dim]Some of it is known by the subscription or the line: the subscriber need not be the user.[/dim]"
        )
    changed = answer.get("changed_since")
    if changed:
        events = ""
        if "events_then" in changed:
            events = f"{changed['events_then']:,} events then, {changed['events_now']:,} now; "
        yield (
            f"Since then: {events}links: {changed['links_new']:,} new,"
            f" {changed['links_ended_differently']:,} ended differently, {changed['links_gone']:,} gone."
        )


def day(text: str | None) -> str:
    """The date of an ISO 8601 time."""
    return text[:10] if text else ""


def after(period: str | None, clock: str) -> str:
    """When something ends whose clock has not started, in words: `3 months after contract end`.

    `period` is an ISO 8601 duration, None: at once.
    """
    units = {"Y": "year", "M": "month", "W": "week", "D": "day"}
    spans = [
        f"{number} {units[unit]}{'' if number == '1' else 's'}"
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


def quiet_libraries(level: str) -> None:
    """Keep the libraries' own log lines off standard error, unless `level` is debug: what matters of them becomes an
    error or a log line of ours, and theirs may quote a statement, an address or a value."""
    root = logging.getLogger()
    if level == "debug":
        logging.basicConfig(level=logging.INFO)
    elif not root.handlers:
        root.addHandler(logging.NullHandler())


def quiet_threads() -> None:
    """What ends a thread is told in one line without a value, not as a traceback of whoever wrote the thread."""

    def ended(given: Any) -> None:
        name = given.thread.name if given.thread else "a thread"
        _say_bug(f"{name} ended", given.exc_value)

    if os.environ.get("INNSYN_LOG_LEVEL") != "debug":
        threading.excepthook = ended
        sys.unraisablehook = lambda given: _say_bug("something was given up", given.exc_value)


def _say_bug(what: str, error: BaseException | None) -> None:
    if error is None or isinstance(error, SystemExit) or sys.stderr is None:
        return
    sys.stderr.write(f"innsyn: {what} ({place_of(error)}); INNSYN_LOG_LEVEL=debug shows more\n")


def configure_logging(level: str) -> None:
    """Structured log lines, JSON, on standard error; `level` as in INNSYN_LOG_LEVEL."""
    import structlog

    quiet_libraries(level)

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )

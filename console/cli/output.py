"""What all commands share: how a person is named, how times are written, tables, JSON, logs."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import InputError, InvalidIdentifier
from schemas.tokens import IdentifierKind, canonical

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

WIDTH = 100

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
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


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
        parsed = datetime.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise InputError(f"{option} takes a time with zone in ISO 8601, such as 2026-03-01T12:00:00Z")
    return parsed.isoformat()


def print_json(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def screen(*, stderr: bool = False) -> Console:
    """Where tables go: as wide as the terminal, 100 columns where there is none."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, width=None if stream.isatty() else WIDTH, highlight=False)


def table(*columns: str, right: Sequence[str] = (), title: str | None = None) -> Table:
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


def configure_logging(level: str) -> None:
    """Structured log lines, JSON, on standard error; `level` as in INNSYN_LOG_LEVEL."""
    import structlog

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

"""Where a request stands, in a line or a few."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.text import Text

from console.cli.show.output import day, marked, screen, shown

if TYPE_CHECKING:
    from rich.console import Console

# Between the parts of a problem, and before each command but the first of a part.
_PARTS = re.compile(r"; |, (?:or )?(?=`)")


def show_standing(request: Mapping[str, Any]) -> None:
    """The headline, what a person has to look at, and what is waited for."""
    out = screen()
    out.print(headline(request))
    for line in needs(request):
        print_problem(out, line)


def note_line(note: Mapping[str, Any]) -> str:
    """What a person did to a request, when, and why."""
    what = " ".join(filter(None, (note["what"], note["system"])))
    return f"  {what} on {day(note['at'])}: {note['reason'] or 'no reason kept'}"


def print_problem(out: Console, line: str, look: str = "") -> None:
    """A line of what a person has to look at. Each command of it stands whole on a line of its own, however narrow the
    terminal is, so that it can be pasted."""
    said = [part for part in _PARTS.split(line) if part]
    prose = "; ".join(part for part in said if "`" not in part)
    if prose:
        out.print(Text(f"  {shown(prose)}", style=look))
    for part in said:
        if "`" in part:
            out.print(Text(f"    {shown(part)}", style=look), soft_wrap=True)


def headline(request: Mapping[str, Any]) -> Text:
    """A request in one line: id, state, until when."""
    until = f", due {request['due_at']}" if request["due_at"] else ""
    return marked("request [bold]{}[/bold] {}{}", request["request_id"], request["state"], until)


def needs(request: Mapping[str, Any], shortly: bool = False) -> list[str]:
    """What a person has to look at, refusals first; then what is only waited for.

    Shortly: without the commands; of several things to look at the first one, and how many more there are.
    """
    problems, waits = request["problems"], ", ".join(request["waiting_for"])
    if shortly:
        problems = ["; ".join(part for part in line.split("; ") if "`" not in part) for line in problems]
        if len(problems) > 2:
            problems = [problems[0], f"{len(problems) - 1} more"]
    return [*problems, *([f"waits for {waits}"] if waits else [])]

"""Where a request stands, in a line or a few."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.text import Text

from console.cli.show.output import marked, screen


def show_standing(request: Mapping[str, Any]) -> None:
    """The headline, what a person has to look at, and what is waited for."""
    out = screen()
    out.print(headline(request))
    for line in needs(request):
        out.print(f"  {line}")


def headline(request: Mapping[str, Any]) -> Text:
    """A request in one line: id, state, until when."""
    return marked(
        "request [bold]{}[/bold] {}, due {}", request["request_id"], request["state"], request["due_at"]
    )


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

"""From which days retention clocks count, as a person reads it: one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console.cli.show.output import marked
from schemas.counted import counted

if TYPE_CHECKING:
    from rich.text import Text


def clock_lines(clocks: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """Which day counts and who says so; a given day that events contradict stands out."""
    for item in clocks:
        events = item["events"]
        said = f"{_state(events['day'])} by {_event(events)}" if events else ""
        if item["from"] == "events":
            yield marked(" [dim]{} {}[/dim]", item["clock"], said)
        elif item["from"] == "earlier":
            day = _state(item["day"])
            yield marked(" [dim]{} {} as an erasure before counted[/dim]", item["clock"], day)
        elif item["differs"]:
            given = _state(item["day"])
            yield marked(" [yellow]{} {} as it was given, but {}[/yellow]", item["clock"], given, said)
        else:
            yield marked(" [dim]{} {} as it was given[/dim]", item["clock"], _state(item["day"]))


def _state(day: str | None) -> str:
    return f"counts from {day}" if day else "has not started"


def _event(events: Mapping[str, Any]) -> str:
    place = f"{events['topic']} {events['partition']}/{events['offset']}"
    if events["things"] == 1:
        return place
    return f"{place} ({events['going_on']} of {counted(events['things'], 'thing')} going on)"

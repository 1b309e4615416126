"""What systems were told by a request, and how far they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from console.cli.show.output import table

_DONE = {
    "erasure": "erased",
    "access": "copied",
    "rectification": "corrected",
    "restrict": "restricted",
    "lift": "freed",
}


def command_table(request: Mapping[str, Any]) -> Table:
    """A row for each command: what of, where it is, and how many records were planned, done and held.

    What is told stands in a column of its own where it differs. A system that people tell has no attempts.
    """
    commands = request["commands"]
    kinds = {kind_of(item) for item in commands}
    several = len(kinds) > 1
    done = "done" if several else _DONE.get(next(iter(kinds)), "done")
    numbers = ("attempt", "planned", done, "held")
    rows = table("system", *(("command",) if several else ()), "state", *numbers, right=numbers)
    for item in commands:
        attempt = None if item.get("by_hand") else item["attempt"]
        counts = (attempt, item["planned"], item["erased"], item["held"])
        shown = ("–" if count is None else f"{count:,}" for count in counts)
        rows.add_row(item["system"], *((kind_of(item),) if several else ()), state_of(item), *shown)
    return rows


def kind_of(command: Mapping[str, Any]) -> str:
    """What the system is told: erasure, access, rectification, restrict or lift."""
    return command.get("kind") or "erasure"


def state_of(command: Mapping[str, Any]) -> str:
    """Where a command stands; of what people tell, `sent` would say that a message went out."""
    if command.get("accepted"):
        return "accepted"
    return "by hand" if command.get("by_hand") else str(command["state"])


def limits(request: Mapping[str, Any]) -> Iterator[str]:
    """Of what restricts: on which grounds, for which purposes, and whether it stands. Of what corrects: which fields
    each system has to correct, since people do it where no job does."""
    for item in request.get("rectified") or ():
        fields = ", ".join(item["fields"]) or f"fields of {', '.join(item['categories'])}"
        yield f"to be corrected in {item['system']}: {fields}"
    told = request.get("restricted") or ()
    if not told:
        return
    grounds = ", ".join(dict.fromkeys(item["ground"] for item in told))
    purposes = ", ".join(sorted({name for item in told for name in item["purposes"]}))
    stands = "stands" if request["restricts"] else "stands no longer"
    yield f"restricted to storage on {grounds}, for {purposes}; {stands}"

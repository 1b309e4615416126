"""What `innsyn doctor` prints: settings in force, and what it looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from console.cli.show.output import marked, screen, table
from schemas.counted import counted

if TYPE_CHECKING:
    from console.cli.doctor import Check

_MARKS = {"ok": ("✓", "green"), "wrong": ("✗", "red"), "off": ("–", "dim")}


def show_checks(
    settings: Sequence[Mapping[str, Any]], checks: Sequence[Check], home: Path, every: bool
) -> None:
    """Of the settings those that somebody set, or `every` one."""
    out = screen()
    chosen = [item for item in settings if every or item["set"]]
    rows = table("setting", "value", "from", title="Settings in force")
    for item in chosen:
        value = marked("[dim]unset[/dim]") if item["value"] is None else str(item["value"])
        rows.add_row(item["name"], value, "set" if item["set"] else marked("[dim]default[/dim]"))
    if chosen:
        out.print(rows)
    if rest := len(settings) - len(chosen):
        others = counted(rest, "other setting" if chosen else "setting")
        out.print(marked(" [dim]{} at the default: `innsyn doctor --all` shows each[/dim]", others))
    config = os.environ.get("INNSYN_CONFIG")
    out.print(marked(" [dim]file: {}[/dim]\n", config or home / "innsyn.toml"))
    rows = table("", "check", "", title="Checks")
    for check in checks:
        rows.add_row(Text(*_MARKS[check.state]), check.name, check.detail)
    out.print(rows)

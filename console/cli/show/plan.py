"""The plan of an erasure, as a person reads it: what becomes of what, in which system, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from console.cli.show.output import after, deleted_at_source, joined, marked, shared_out, table
from schemas.catalogue import Catalogue

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

Part = Mapping[str, Any]
Fate = tuple["Text", str, str]
"""Decision, why, and how many events."""


def plan_table(parts: Sequence[Part], catalogue: Catalogue) -> Group:
    """What becomes of each category, a table for each topic of a system under one head; categories with the same fate
    share a row."""
    from rich.console import Group

    places: dict[tuple[str, str], list[Part]] = {}
    for part in parts:
        places.setdefault((part["system"], part["topic"]), []).append(part)
    tables = [
        _of_topic(*place, own, catalogue, head=number == 0)
        for number, (place, own) in enumerate(places.items())
    ]
    return Group(*tables)


def _of_topic(system: str, topic: str, parts: Sequence[Part], catalogue: Catalogue, *, head: bool) -> Table:
    rows = table(
        "what", "decision", "why", "events", right=["events"],
        title=marked("{} [dim]{}[/dim]", system, topic),
    )  # fmt: skip
    rows.show_header = head
    # The same widths in every topic's table.
    shared_out(rows, (1, 1, 1, 0), (0, 0, 0, 6))
    alike: list[tuple[Fate, list[Text]]] = []
    for what, fate in _merged(parts, catalogue):
        same = next((told for other, told in alike if other == fate), None)
        if same is None:
            alike.append((fate, [what]))
        else:
            same.append(what)
    for fate, categories in alike:
        rows.add_row(joined(categories), *fate)
        rows.add_section()
    return rows


def _merged(parts: Sequence[Part], catalogue: Catalogue) -> list[tuple[Text, Fate]]:
    """Parts that a reader cannot tell apart become one, with the events of all: they differ in how they were tagged.

    An event that was tagged both ways counts twice, as a category of two rows would; the total counts it once.
    """
    found: list[tuple[Text, Text, str, list[int | None]]] = []
    for part in parts:
        what, why = _what(part, catalogue), f"{part['rule']} {part['citation']}" if part["rule"] else "–"
        # A request of an earlier version does not say.
        decision = joined([_decision(part, catalogue), *deleted_at_source(part.get("source_deleted"))])
        same = next((item for item in found if item[:3] == (what, decision, why)), None)
        if same is None:
            found.append((what, decision, why, [part["events"]]))
        else:
            same[3].append(part["events"])
    return [(what, (decision, why, _number(events))) for what, decision, why, events in found]


def _number(events: Sequence[int | None]) -> str:
    counted = [count for count in events if count is not None]
    return f"{sum(counted):,}" if counted else "locked"


def _what(part: Part, catalogue: Catalogue) -> Text:
    category = catalogue.categories.get(part["category"])
    named = category.name.en if category else ""
    what = marked("{} [dim]{}[/dim]{}", named, part["category"], _which(part))
    # A request of an earlier version does not say.
    return marked("{} [dim]in texts[/dim]", what) if part.get("detected") else what


def _which(part: Mapping[str, Any]) -> Text | str:
    """The events of the record that are meant, where it is not all of them."""
    where = part.get("where")
    if not where:
        return ""
    values = [*where["values"], *(["empty"] if where["or_empty"] else [])]
    return marked("\n[dim]where {} is {}[/dim]", where["field"], " or ".join(values))


def _left(part: Mapping[str, Any]) -> Text | str:
    """What stays of the records although the person goes from them."""
    if part.get("means") != "redact" and not part.get("stays"):
        return ""
    stays = part.get("stays")
    if not stays:
        return marked("\n[dim]the rest of the record stays[/dim]")
    return marked("\n[dim]redacted, not deleted, in {} that concern others[/dim]", f"{stays:,}")


def _decision(part: Mapping[str, Any], catalogue: Catalogue) -> Text:
    if part["action"] == "erase_now":
        return marked("[green]erase now[/green]{}", _left(part))
    if part["action"] == "stays":
        return marked("[yellow]stays, on another basis[/yellow]\n{}", part["citation"] or "of another event")
    rule = catalogue.retention_rules.get(part["rule"])
    if part["action"] == "hold_until" and part["until"] is None and rule and rule.effect == "hold_contract":
        # Once the contract has ended an erasure takes the data, whatever the period of the rule (GDPR Art. 6(1)(b)).
        return marked("[yellow]hold while the\ncontract runs[/yellow]")
    until = part["until"] or (after(rule.period, rule.clock) if rule else "a rule ends it")
    if part["action"] == "expires":
        return marked("expires by itself\n{}", until)
    return marked("[yellow]hold until[/yellow]\n{}", until)

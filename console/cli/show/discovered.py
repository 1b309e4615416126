"""What `innsyn discover` found, as a table and as JSON: names of topics and fields, kinds and shares; no value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.cli.show.output import joined, marked, table
from console.operations.discovery import NOT_KNOWN, Found, Verdict
from schemas.counted import counted
from streams.discovery.names import label

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_SHOWN = 4


def found_table(found: Sequence[Found]) -> Table:
    """A row for each topic."""
    made = table("topic", "owner", "format", "a day", "personal data", right=["a day"])
    for item in found:
        day = "–" if item.a_day is None else f"{item.a_day:,}"
        made.add_row(
            item.topic, item.owner or marked("[dim]{}[/dim]", "unknown"), item.format or "?", day, _data(item)
        )
    return made


def _data(item: Found) -> Text:
    """What is known of its personal data, in a cell."""
    if item.verdict is Verdict.NOT_READ:
        return marked("[dim]{}[/dim]", item.note)
    parts: list[Text] = []
    if item.verdict is Verdict.UNDECLARED:
        parts.append(marked("[red]undeclared[/red]: {}", ", ".join(_kinds(item))))
    elif item.verdict is Verdict.PERHAPS:
        parts.append(marked("[yellow]perhaps[/yellow]: {}", ", ".join(_kinds(item))))
    elif item.verdict is Verdict.DECLARED:
        parts.append(marked("[green]declared[/green]"))
    else:
        parts.append(marked("[dim]{}[/dim]", "none found"))
    if item.to_decide:
        parts.append(
            marked(
                "[yellow]{}[/yellow]", f"{item.to_decide} of {counted(len(item.fields), 'field')} to decide"
            )
        )
    if item.others:
        parts.append(
            marked("[dim]{}[/dim]", f"{item.others:,} of {counted(item.read, 'message')} in another format")
        )
    if item.note:
        parts.append(marked("[dim]{}[/dim]", item.note))
    return joined(parts)


def _kinds(item: Found) -> list[str]:
    """What is there: of a topic that the company knows by field, else by what the fields are."""
    if item.known:
        names = [field.path for field in item.fields]
    else:
        names = [label(field.identifier or field.meaning) for field in _telling(item)]
    names = list(dict.fromkeys(names)) or [counted(len(item.fields), "field")]
    return names if len(names) <= _SHOWN else [*names[:_SHOWN], f"{len(names) - _SHOWN} more"]


_SAYS_LITTLE = frozenset(("", "moment", "port", "nobody", "far_end"))


def _telling(item: Found) -> Iterator[Any]:
    return (field for field in item.fields if field.meaning not in _SAYS_LITTLE)


def sentences(found: Sequence[Found], own: int, sampled: int) -> Iterator[str | Text]:
    """What the table comes to. `sampled`: how many messages of each topic were to be read."""
    by = {verdict: [item for item in found if item.verdict is verdict] for verdict in Verdict}
    strange = by[Verdict.UNDECLARED]
    if sampled or strange:
        unknown = sum(not item.known for item in strange)
        yield marked(
            "Of {}, [bold]{}[/bold] personal data that nobody declared{}.",
            counted(len(found), "topic"),
            f"{len(strange)} carries" if len(strange) == 1 else f"{len(strange)} carry",
            f": {_unknown(unknown, len(strange))}" if strange else "",
        )
    else:
        strangers = sum(item.note == NOT_KNOWN for item in found)
        yield marked(
            "Of {}, {} not in topics.yaml. No message was read.", counted(len(found), "topic"), strangers
        )
        yield marked(
            "[dim]{}[/dim]", "`innsyn discover --sample 200` reads some of each, and says what is in them."
        )
    said = [
        ("may carry some, to be decided", by[Verdict.PERHAPS]),
        ("declared in full", by[Verdict.DECLARED]),
        ("seem to be about nobody", by[Verdict.NOBODY]),
        ("could not be looked into", by[Verdict.NOT_READ] if sampled else []),
    ]
    rest = [f"{what}: {len(items)}" for what, items in said if items]
    if rest or own:
        rest += [f"innsyn's own, not listed: {own}"] if own else []
        yield marked("[dim]{}.[/dim]", "; ".join(rest).capitalize())


def _unknown(unknown: int, strange: int) -> str:
    if unknown == strange:
        return (
            "the company does not know the topic" if strange == 1 else "the company does not know the topics"
        )
    known = strange - unknown
    return f"{unknown} that the company does not know, {known} with fields that nothing describes"


def about_drafts(written: Sequence[Path], there: Sequence[Path], found: Iterable[Found]) -> Iterator[str]:
    """What was written, and what to do next."""
    to_decide = sum(item.to_decide for item in found if item.draft)
    if written:
        folder = written[0].parent
        drafts, fields = counted(len(written), "draft"), counted(to_decide, "field")
        yield f"{drafts} in {folder}, in which {fields} and what no message says are to be decided."
        yield (
            "Decide, move each into contracts/ of the company's folder, add its entry to topics.yaml,"
            " then `innsyn company check`."
        )
    for path in there:
        yield f"{path} is there already and stays as it is"


def as_json(found: Sequence[Found], own: int, written: Sequence[Path]) -> dict[str, Any]:
    """The same for a program."""
    return {
        "topics": [
            {
                "topic": item.topic,
                "owner": item.owner or None,
                "format": item.format or None,
                "messages_a_day": item.a_day,
                "messages": item.messages,
                "read": item.read,
                "in_another_format": item.others,
                "known": item.known,
                "verdict": str(item.verdict),
                "note": item.note,
                "fields": [_field(field) for field in item.fields],
            }
            for item in found
        ],
        "undeclared": sum(item.verdict is Verdict.UNDECLARED for item in found),
        "own_topics": own,
        "drafts": [str(path) for path in written],
    }


def _field(field: Any) -> dict[str, Any]:
    return {
        "path": field.path,
        "category": field.category or None,
        "identifier": {"kind": field.identifier, "role": field.role} if field.identifier else None,
        "free_text": field.free_text,
        "confidence": round(field.confidence, 2),
        "evidence": list(field.evidence),
        "decide": field.decide or None,
    }

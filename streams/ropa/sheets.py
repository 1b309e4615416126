"""Records of processing as a workbook (XLSX): a row for each activity, its parts in sheets of their own."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from streams.ropa import said
from streams.ropa.record import Activity, Differences, Record
from streams.ropa.words import WORDS

Cell = str | int
_WIDEST = 60
_BORDERED = {"valign": "top", "border": 1}
# What stands in a cell comes from a catalogue: nothing of it becomes a formula, a link or a number.
_AS_TEXT = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def workbook(record: Record, lang: str, differences: Iterable[Differences] = ()) -> bytes:
    """The file. `lang`: one of `streams.ropa.formats.LANGUAGES`."""
    # Nothing else that a command line loads needs it.
    import xlsxwriter

    words, file = WORDS[lang], io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True, **_AS_TEXT})
    made = datetime.fromisoformat(record.generated_at).replace(tzinfo=None)
    book.set_properties({"title": words["title"], "company": record.controller.name, "created": made})
    looks = {
        "head": book.add_format({**_BORDERED, "bold": True, "bg_color": "#F3F3F3", "text_wrap": True}),
        "text": book.add_format({**_BORDERED, "text_wrap": True}),
        "number": book.add_format({**_BORDERED, "num_format": "#,##0"}),
    }
    for name, heads, rows in chain(_sheets(record, lang), _compared(differences, lang)):
        sheet = book.add_worksheet(name)
        _fill(sheet, heads, [*rows], looks)
        sheet.set_header(f"&L{words['title']}&R{record.controller.name.replace('&', '&&')}")
    book.close()
    return file.getvalue()


def _fill(sheet: Any, heads: Sequence[str], rows: Sequence[Sequence[Cell]], looks: dict[str, Any]) -> None:
    """Heads stay when it is scrolled and stand on each printed page; columns are as wide as what they hold."""
    for place, head in enumerate(heads):
        longest = max((len(line) for row in rows for line in str(row[place]).splitlines()), default=0)
        sheet.set_column(place, place, min(max(longest, len(head)) + 2, _WIDEST))
        sheet.write_string(0, place, head, looks["head"])
    for number, row in enumerate(rows, 1):
        for place, cell in enumerate(row):
            if isinstance(cell, int):
                sheet.write_number(number, place, cell, looks["number"])
            else:
                sheet.write_string(number, place, cell, looks["text"])
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    if rows:
        sheet.autofilter(0, 0, len(rows), len(heads) - 1)


def _sheets(record: Record, lang: str) -> Iterator[tuple[str, list[str], Iterator[Sequence[Cell]]]]:
    """Name, heads and rows of each."""
    words = WORDS[lang]
    limits = ((words["limits"], said.in_lang(item, lang)) for item in record.known_limits)
    yield words["summary"], [words["kind"], words["value"]], chain(said.about(record, lang), limits)
    lettered = (
        "purpose b",
        "legal_bases",
        "subjects c",
        "category c",
        "recipient d",
        "transfers e",
        "until f",
    )
    beside = ("measures g", "system", "automated", "people_head", "events_head", "first_day", "last_day")
    heads = [
        f"{words[name]} ({letter})" if letter else words[name]
        for name, _, letter in (item.partition(" ") for item in (*lettered, *beside))
    ]
    yield words["details"], heads, (_activity(item, lang) for item in record.activities)
    for name, columns, rows in (
        ("category", ("category", "sensitivity", "until", "people_head", "events_head"), _categories),
        ("recipient", ("recipient", "role", "country", "of_records"), _recipients),
        ("measures", ("measures",), _measures),
        (
            "source",
            ("system", "topic", "origin", "people_head", "events_head", "first_day", "last_day"),
            _sources,
        ),
    ):
        parts = (
            (said.in_lang(item.name, lang), *cells)
            for item in record.activities
            for cells in rows(item, lang)
        )
        yield words[name], [words[column] for column in ("purpose", *columns)], parts


def _compared(
    differences: Iterable[Differences], lang: str
) -> Iterator[tuple[str, list[str], Iterator[Sequence[Cell]]]]:
    """A sheet for each comparison, named by what it is with."""
    words = WORDS[lang]
    heads = [words[name] for name in ("side", "kind", "activity", "value", "last_day")]
    for found in differences:
        yield words[f"sheet_{found.against}"], heads, (said.difference(item, lang) for item in found.items)


def _categories(item: Activity, lang: str) -> Iterator[Sequence[Cell]]:
    for part in item.categories:
        limits = "\n".join(said.limits(part, lang))
        yield said.word(part, lang), said.marks(part, lang), limits, part.people_held, part.events_tagged


def _recipients(item: Activity, lang: str) -> Iterator[Sequence[Cell]]:
    for part in item.recipients:
        yield said.word(part, lang), said.role(part, lang), part.country or "", ", ".join(part.records)


def _measures(item: Activity, lang: str) -> Iterator[Sequence[Cell]]:
    return ((line,) for line in said.measures(item, lang))


def _sources(item: Activity, lang: str) -> Iterator[Sequence[Cell]]:
    for part in item.sources:
        origins = ", ".join(said.in_lang(origin.name, lang) for origin in part.origins)
        counts = (part.people_held, part.events_tagged)
        yield part.system, said.source(part, lang), origins, *counts, part.first_day, part.last_day


def _activity(item: Activity, lang: str) -> Sequence[Cell]:
    """Each of its points in a cell, a line for each part."""
    words = WORDS[lang]
    recipients = [f"{said.word(part, lang)} ({said.role(part, lang)})" for part in item.recipients]
    limits = [
        f"{said.in_lang(part.name, lang)}: {line}"
        for part in item.categories
        for line in said.limits(part, lang)
    ]
    return (
        said.word(item, lang),
        said.bases(item, lang),
        "\n".join(said.in_lang(part.name, lang) for part in item.subjects),
        "\n".join(said.word(part, lang) for part in item.categories),
        "\n".join(recipients) or words["none_declared"],
        "\n".join(said.transfers(item, lang)),
        "\n".join(limits),
        "\n".join(said.measures(item, lang)),
        "\n".join(said.word(part, lang) for part in item.systems),
        words["yes" if item.automated_decisions else "no"],
        item.people_held,
        item.events_tagged,
        item.first_day,
        item.last_day,
    )

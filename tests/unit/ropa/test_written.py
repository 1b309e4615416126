"""Records of processing as people get them: a page and a workbook, in Norwegian and English."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from schemas.company import Company, load_company
from schemas.entries import Name
from streams.ropa.asked import ProcessingRecords
from streams.ropa.formats import LANGUAGES
from streams.ropa.page import page
from streams.ropa.record import Record
from streams.ropa.sheets import workbook
from streams.ropa.words import WORDS
from tests.support.company import model
from tests.support.ropa import MINIMAL_COMPANY, NOW, Index, all_declared, made, seen

COMPANIES = [model(), load_company(MINIMAL_COMPANY)]
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_VOID = {"meta"}


class Nested(HTMLParser):
    """Whether each tag is closed where it was opened, and the text that stands in them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open += [] if tag in _VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += [data] if "style" not in self.open else []


def text_of(html: str) -> str:
    parser = Nested()
    parser.feed(html)
    assert not parser.open
    return " ".join(" ".join(parser.text).split())


def sheets(file: bytes) -> dict[str, list[list[str]]]:
    """The cells of each sheet, as a reader of XLSX finds them."""
    book = zipfile.ZipFile(io.BytesIO(file))
    shared = [
        "".join(part.text or "" for part in item.iter(f"{_MAIN}t"))
        for item in ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
    ]
    names = [
        str(item.get("name"))
        for item in ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{_MAIN}sheet")
    ]
    found = {}
    for number, name in enumerate(names, 1):
        root = ElementTree.fromstring(book.read(f"xl/worksheets/sheet{number}.xml"))
        assert not list(root.iter(f"{_MAIN}f"))
        found[name] = [
            [shared[int(cell[0].text or 0)] if cell.get("t") == "s" else cell[0].text or "" for cell in row]
            for row in root.iter(f"{_MAIN}row")
        ]
    return found


def with_name(record: Record, name: str) -> Record:
    """The same, whose first activity is called otherwise."""
    first = record.activities[0].model_copy(update={"name": Name(nb=name, en=name)})
    return record.model_copy(update={"activities": [first, *record.activities[1:]]})


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("company", COMPANIES, ids=["model", "minimal"])
def test_the_page_says_every_point(company: Company, lang: str) -> None:
    """Whole HTML without anything from elsewhere, and each name, rule, recipient and measure stands in it."""
    record = made(company, all_declared(company))
    written = page(record, lang)
    text = text_of(written)
    assert "://" not in written
    assert f'<html lang="{lang}">' in written
    assert record.controller.dpo_contact in text
    for item in record.activities:
        named = [
            item.name,
            *(part.name for part in (*item.categories, *item.recipients, *item.measures, *item.subjects)),
        ]
        assert not [part for part in named if (part.nb if lang == "nb" else part.en) not in text]
        assert not [
            limit.rule for part in item.categories for limit in part.limits if str(limit.citation) not in text
        ]
    assert "None" not in text


def test_a_page_of_nothing_says_so_and_what_is_printed_has_a_size() -> None:
    written = page(made(model(), []), "en")
    assert WORDS["en"]["nothing"] in text_of(written)
    assert "@page{size:A4" in written


def test_names_of_a_catalogue_are_text_wherever_they_stand() -> None:
    """Neither markup on a page nor a formula or a link in a sheet."""
    record = made(model(), all_declared(model()))
    assert "<script>" not in page(with_name(record, "<script>x</script>"), "nb")
    for name in ("=1+1", "https://a.example", "+47"):
        cells = sheets(workbook(with_name(record, name), "nb"))
        assert any(name in row for row in cells["Kategori"])


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("company", COMPANIES, ids=["model", "minimal"])
def test_the_workbook_has_a_row_for_each_activity_with_every_point(company: Company, lang: str) -> None:
    record = made(company, all_declared(company))
    words = WORDS[lang]
    found = sheets(workbook(record, lang))
    heads, *rows = found[words["details"]]
    assert [letter for head in heads for letter in re.findall(r"\((\w)\)", head)] == [*"bccdefg"]
    assert len(rows) == len(record.activities)
    assert all(all(row) for row in rows)
    assert len(found[words["category"]]) == 1 + sum(len(item.categories) for item in record.activities)
    first = found[words["summary"]]
    assert [words["controller"], record.controller.name] in first
    assert len([row for row in first if row[0] == words["limits"]]) == len(record.known_limits)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_differences_stand_on_the_page_and_in_sheets_of_their_own(lang: str) -> None:
    """Each with what it is of; where there is none, that is told."""
    company, words = model(), WORDS[lang]
    records = ProcessingRecords(
        Index(company, [seen(item) for item in all_declared(company, but=["tv.viewings"])]), company
    )
    compared = [records.against_declared(NOW), records.against_month(NOW)]
    record = records.record(NOW)
    text = text_of(page(record, lang, compared))
    assert {words["against_declared"], words["against_month"]} <= {
        item for item in words.values() if item in text
    }
    assert "tv.viewings TvViewing" in text
    found = sheets(workbook(record, lang, compared))
    assert [words["declared_only"], words["kind_record"], "–", "tv.viewings TvViewing", "–"] in found[
        words["sheet_declared"]
    ]
    assert all(row[0] == words["new"] for row in found[words["sheet_month"]][1:])
    assert len(found[words["sheet_month"]]) == 1 + len(compared[1].items)
    none = ProcessingRecords(Index(company, [seen(item) for item in all_declared(company)]), company)
    assert words["no_difference"] in text_of(page(record, lang, [none.against_declared(NOW)]))


def test_every_word_is_in_both_languages() -> None:
    assert WORDS["nb"].keys() == WORDS["en"].keys()
    assert tuple(WORDS) == LANGUAGES
    unmeasured = {
        name: entry.model_copy(update={"measures": ()}) for name, entry in model().catalogue.systems.items()
    }
    bare = replace(model(), catalogue=replace(model().catalogue, systems=unmeasured))
    assert WORDS["en"]["no_measures"] in text_of(page(made(bare, all_declared(bare)), "en"))

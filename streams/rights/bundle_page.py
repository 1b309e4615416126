"""The page of an answer, to be read by the person: plain HTML, without scripts or anything from elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from streams.answers.elements import ELEMENTS
from streams.answers.page import document, named_values
from streams.rights.copies_redacted import Given

_WORDS: Mapping[str, Mapping[str, str]] = {
    "nb": {
        "title": "Innsyn i dine opplysninger",
        "taken_along": "Dine opplysninger i maskinlesbar form",
        "from": "fra",
        "request": "Sak",
        "received": "mottatt",
        "as_of": "Slik det var",
        "contact": "Spørsmål",
        "held": "Hva vi behandler",
        "copies": "Kopi av opplysningene",
        "purpose": "Formål",
        "categories": "Kategori",
        "recipients": "Mottakere",
        "period": "Hvor lenge",
        "rights": "Dine rettigheter",
        "complaint": "Klage",
        "source": "Kilde",
        "automated_decisions": "Automatiske avgjørelser",
        "transfers": "Overføring ut av EØS",
        "events": "hendelser",
        "more": "Flere står i",
        "blanked": "Felter om andre er utelatt",
        "texts": "Tekster som kan handle om andre, er holdt tilbake",
        "left_out": "Utelatt, fordi de ikke er knyttet til deg",
        "nothing": "Ingenting.",
        "files": "Alt dette står også i report.json og i mappen copy, for programmer.",
        "file": "Alt dette står også i report.json, for programmer.",
    },
    "en": {
        "title": "Access to your data",
        "taken_along": "Your data in machine-readable form",
        "from": "from",
        "request": "Request",
        "received": "received",
        "as_of": "As it was on",
        "contact": "Questions",
        "held": "What we process",
        "copies": "Copy of the data",
        "purpose": "Purpose",
        "categories": "Category",
        "recipients": "Recipients",
        "period": "How long",
        "rights": "Your rights",
        "complaint": "Complaint",
        "source": "Source",
        "automated_decisions": "Automated decisions",
        "transfers": "Transfers out of the EEA",
        "events": "events",
        "more": "More are in",
        "blanked": "Fields about others are left out",
        "texts": "Texts that may be about others are held back",
        "left_out": "Left out, as they are not linked to you",
        "nothing": "Nothing.",
        "files": "All of this is in report.json and the folder copy as well, for programs.",
        "file": "All of this is in report.json as well, for programs.",
    },
}
LANGUAGES = tuple(_WORDS)


def page(report: Mapping[str, Any], shown: Mapping[str, Sequence[Given]], lang: str) -> str:
    """The whole page. `shown`: records of each system that stand on it. Everything that is not ours is escaped."""
    words = _WORDS[lang]
    title = words["taken_along" if report["request"]["takes_along"] else "title"]
    body = [
        f"<h1>{escape(title)}</h1>",
        *_head(report, words, lang),
        f"<h2>{words['held']}</h2>",
        f"<p>{escape(report['confirmation'][lang])}</p>",
        *_items(report["items"], words, lang),
        f"<p>{escape(report['complaint']['said'][lang])}</p>",
        f"<h2>{words['copies']}</h2>",
        *(
            _copies(report["copies"], shown, words, lang)
            if report["copies"]
            else [f"<p>{words['nothing']}</p>"]
        ),
        # No system delivered a copy: the archive has no such folder.
        f"<p>{words['files' if any(copy.get('file') for copy in report['copies']) else 'file']}</p>",
    ]
    return document(title, body, lang)


def _head(report: Mapping[str, Any], words: Mapping[str, str], lang: str) -> Iterator[str]:
    asked, controller = report["request"], report["controller"]
    yield (
        f"<p>{words['from']} {escape(controller['name'])}. {words['contact']}: {escape(controller['contact'])}.<br>"
        f"{words['request']} {escape(asked['id'])}, {words['received']} {escape(asked['received_at'][:10])}."
        f" {words['as_of']} {escape(report['as_of'])}.</p>"
    )


def _items(items: Sequence[Mapping[str, Any]], words: Mapping[str, str], lang: str) -> Iterator[str]:
    for item in items:
        names = [item[name]["name"][lang] for name in ("system", "category")]
        yield f"<h3>{escape(': '.join(names))}</h3>"
        if item["events"] is not None:
            seen = f"{item['first_seen'][:10]} – {item['last_seen'][:10]}"
            yield f"<p>{item['events']:,} {words['events']}, {escape(seen)}</p>"
        yield named_values((words[name], item["elements"][name]["said"][lang]) for name in ELEMENTS)


def _copies(
    copies: Sequence[Mapping[str, Any]],
    shown: Mapping[str, Sequence[Given]],
    words: Mapping[str, str],
    lang: str,
) -> Iterator[str]:
    for copy in copies:
        yield f"<h3>{escape(copy['name'][lang])}</h3>"
        yield f"<p>{escape(copy['said'][lang])}</p>"
        if copy.get("blanked"):
            yield f"<p>{words['blanked']}: {escape(', '.join(copy['blanked']))}.</p>"
        if copy.get("texts_withheld"):
            yield f"<p>{words['texts']}: {copy['texts_withheld']:,}.</p>"
        if copy.get("left_out"):
            yield f"<p>{words['left_out']}: {sum(copy['left_out'].values()):,}.</p>"
        records = shown.get(copy["system"], ())
        for given in records:
            yield f"<h4>{escape(given.record)}</h4>"
            yield named_values(_flat(given.values))
        if copy.get("records_total", 0) > len(records):
            yield f"<p>{words['more']} {escape(copy['file'])}.</p>"


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Each value by its path; what is empty is left out."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _flat(below, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for number, below in enumerate(value, 1):
            yield from _flat(below, f"{path} {number}")
    elif value is not None and value != "":
        yield path, str(value)

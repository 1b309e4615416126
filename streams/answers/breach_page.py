"""How far a breach reaches as a page, to be put with the notice to the supervisory authority (GDPR Art. 33(3)). Pure.

It says what is known from the index: Art. 33(3)(a), and of (b) whom to ask. The nature of the breach, its consequences
and what is done about it (33(3)(a), (c), (d)) nobody but the company can say; the page has a place for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from schemas.company import Profile
from streams.answers.page import document, named_values

_WORDS: Mapping[str, Mapping[str, str]] = {
    "nb": {
        "title": "Brudd på personopplysningssikkerheten: omfang",
        "controller": "Behandlingsansvarlig",
        "contact": "Personvernombud",
        "as_of": "Slik indeksen var",
        "reach": "Hva bruddet kan ha rammet",
        "topics": "Strømmer",
        "systems": "Systemer",
        "events_named": "Oppgitte hendelser",
        "from": "Fra og med",
        "to": "Til",
        "no_bound": "ingen grense",
        "extent": "Omfang (art. 33 nr. 3 bokstav a)",
        "events": "Hendelser",
        "seen": "Hendelsene er fra",
        "people": "Registrerte, minst",
        "identifiers_of_several": "Identifikatorer som kan være flere",
        "identifiers_of_nobody": "Identifikatorer som ikke leder til noen kjent",
        "can_be_told": "Kan varsles med kundenummer",
        "cannot_be_told": "Kan ikke varsles slik",
        "categories": "Kategorier av personopplysninger",
        "category": "Kategori",
        "sensitivity": "Følsomhet",
        "of_people": "Registrerte",
        "national_id": "fødselsnummer",
        "telecom_secrecy": "kommunikasjonsvern",
        "in_texts_alone": "bare i fritekst",
        "unread": "Meldinger som ikke kunne leses, og som kan gjelde flere",
        "to_fill": "Fylles ut",
        "nature": "Bruddets art",
        "consequences": "Sannsynlige konsekvenser (bokstav c)",
        "measures": "Tiltak som er truffet eller foreslått (bokstav d)",
        "level1": "ordinær",
        "level2": "forhøyet",
        "level3": "høy",
        "level": "ukjent",
        "limits": "Det som er slettet før dette, er ikke med: indeksen vet ikke lenger om det.",
    },
    "en": {
        "title": "Personal data breach: extent",
        "controller": "Controller",
        "contact": "Data protection officer",
        "as_of": "As the index was on",
        "reach": "What the breach may have reached",
        "topics": "Topics",
        "systems": "Systems",
        "events_named": "Events named",
        "from": "From",
        "to": "Until",
        "no_bound": "no bound",
        "extent": "Extent (Art. 33(3)(a))",
        "events": "Events",
        "seen": "The events are from",
        "people": "Data subjects, at least",
        "identifiers_of_several": "Identifiers that may be several people's",
        "identifiers_of_nobody": "Identifiers that lead to nobody who is known",
        "can_be_told": "Can be told by customer number",
        "cannot_be_told": "Cannot be told so",
        "categories": "Categories of personal data",
        "category": "Category",
        "sensitivity": "Sensitivity",
        "of_people": "Data subjects",
        "national_id": "national identity numbers",
        "telecom_secrecy": "telecom secrecy",
        "in_texts_alone": "in free texts alone",
        "unread": "Messages that could not be read, and may be about more people",
        "to_fill": "To be filled in",
        "nature": "Nature of the breach",
        "consequences": "Likely consequences (point c)",
        "measures": "Measures taken or proposed (point d)",
        "level1": "ordinary",
        "level2": "heightened",
        "level3": "high",
        "level": "unknown",
        "limits": "What was erased before is not in it: the index knows of it no longer.",
    },
}
LANGUAGES = tuple(_WORDS)
_COUNTED = (
    "people",
    "identifiers_of_several",
    "identifiers_of_nobody",
    "can_be_told",
    "cannot_be_told",
)


def page(answer: Mapping[str, Any], profile: Profile, lang: str) -> str:
    """The page of an answer of `streams.answers.breach`; it shows no customer number. `lang`: one of LANGUAGES."""
    words = _WORDS[lang]
    body = [
        f"<h1>{escape(words['title'])}</h1>",
        named_values(
            [
                (words["controller"], profile.controller),
                (words["contact"], profile.dpo_contact),
                (words["as_of"], answer["as_of"]),
            ]
        ),
        f"<h2>{escape(words['reach'])}</h2>",
        named_values(_reach(answer, words)),
        f"<h2>{escape(words['extent'])}</h2>",
        named_values(_extent(answer, words)),
        f"<p>{escape(words['limits'])}</p>",
        f"<h2>{escape(words['categories'])}</h2>",
        _categories(answer["categories"], words, lang),
        f"<h2>{escape(words['to_fill'])}</h2>",
        named_values((words[name], "") for name in ("nature", "consequences", "measures")),
    ]
    return document(words["title"], body, lang)


def _reach(answer: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in ("topics", "systems"):
        if answer[name]:
            yield words[name], ", ".join(answer[name])
    if answer["events_named"]:
        yield words["events_named"], f"{answer['events_named']:,}"
    for name in ("from", "to"):
        yield words[name], answer[name] or words["no_bound"]


def _extent(answer: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield words["events"], f"{answer['events']:,}"
    if answer["events"]:
        yield words["seen"], f"{answer['first_seen']} – {answer['last_seen']}"
    for name in _COUNTED:
        yield words[name], f"{answer[name]:,}"
    if answer["unread"]:
        yield words["unread"], ", ".join(f"{topic} {count:,}" for topic, count in answer["unread"].items())


def _categories(categories: Sequence[Mapping[str, Any]], words: Mapping[str, str], lang: str) -> str:
    heads = "".join(f"<th>{escape(words[name])}</th>" for name in ("category", "sensitivity", "of_people"))
    rows = []
    for item in categories:
        marks = [words[name] for name in ("national_id", "telecom_secrecy", "in_texts_alone") if item[name]]
        level = words[f"level{item['sensitivity'] or ''}"]
        cells = (
            f"{item['category']} {item['name'][lang]}",
            ", ".join([level, *marks]),
            f"{item['people']:,}",
        )
        rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in (heads, *rows)) + "</table>"

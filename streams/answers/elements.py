"""What a person who asks is told of each item beside the data: GDPR Art. 15(1) and (2), and Art. 22. Pure.

No element is ever empty: where there is nothing to tell, that is told. Each has `said`, sentences in Norwegian and
English, and beside it what they rest on, for programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.catalogue import Catalogue
from schemas.company import Company, Profile
from streams.answers.period_said import period_said

ELEMENTS = (
    "purpose",
    "categories",
    "recipients",
    "period",
    "rights",
    "complaint",
    "source",
    "automated_decisions",
    "transfers",
)
"""Art. 15(1)(a) to (h), with Art. 22 in the last of these, and 15(2)."""
Said = dict[str, str]
_AUTHORITIES: Mapping[str, Said] = {
    "NO": {
        "nb": "Datatilsynet, postboks 458 Sentrum, 0105 Oslo, datatilsynet.no",
        "en": "Datatilsynet, the Norwegian Data Protection Authority, P.O. Box 458 Sentrum, 0105 Oslo, datatilsynet.no",
    }
}
_ANY_AUTHORITY = {
    "nb": "tilsynsmyndigheten der du bor, arbeider eller mener at feilen skjedde",
    "en": "the supervisory authority where you live or work, or where you think that the mistake was made",
}
_ORIGIN_UNKNOWN = {
    "nb": "Hvor opplysningene kommer fra, er ikke registrert.",
    "en": "Where the data come from is not recorded.",
}


def confirmation(report: Mapping[str, Any]) -> Said:
    """Whether anything is held of the person at all (Art. 15(1)). `report` as `access_report`."""
    if report["resolution"] == "ambiguous":
        return {
            "nb": "Det som ble oppgitt, kan gjelde flere personer, så vi kan ikke si hva som gjelder deg.",
            "en": "What was given may mean several people, so we cannot say what is about you.",
        }
    if report["entries"] or report["unjudged"]:
        return {
            "nb": "Ja, vi behandler opplysninger om deg.",
            "en": "Yes, we process data about you.",
        }
    return {
        "nb": "Vi har ikke funnet opplysninger om deg under det som ble oppgitt.",
        "en": "We have found no data about you under what was given.",
    }


def elements(entry: Mapping[str, Any], company: Company) -> dict[str, Any]:
    """The elements of one entry of an access report, by the names in `ELEMENTS`; none is empty."""
    catalogue = company.catalogue
    return {
        "purpose": _purpose(entry),
        "categories": {
            **_ids([entry["category"]]),
            "said": _told("Slags opplysninger: {}.", "Kind of data: {}.", [entry["category"]]),
        },
        "recipients": _recipients(entry["recipients"]),
        "period": _period(entry),
        "rights": _rights(entry["legal_basis"], catalogue),
        "complaint": complaint(company.profile),
        "source": _source(entry["origin"]),
        "automated_decisions": _automated(entry["purpose"]["id"], catalogue),
        "transfers": _transfers(entry["recipients"], catalogue),
    }


def complaint(profile: Profile) -> dict[str, Any]:
    """To whom a person may complain (Art. 15(1)(f), 77)."""
    known = _AUTHORITIES.get(profile.country, _ANY_AUTHORITY)
    to = {"nb": profile.complaints_to, "en": profile.complaints_to} if profile.complaints_to else known
    return {
        "to": to,
        "said": {
            "nb": f"Du kan klage til {to['nb']} (personvernforordningen art. 77).",
            "en": f"You may lodge a complaint with {to['en']} (GDPR Art. 77).",
        },
    }


def _purpose(entry: Mapping[str, Any]) -> dict[str, Any]:
    bases = entry["legal_basis"]
    said = _told("Formål: {}.", "Purpose: {}.", [entry["purpose"]])
    if bases:
        grounds = _told(" Grunnlag: {}.", " Legal basis: {}.", bases)
        cited = ", ".join(sorted({item["citation"] for item in bases if item["citation"]}))
    else:
        grounds = {"nb": " Grunnlaget er ikke registrert.", "en": " The legal basis is not recorded."}
        cited = ""
    said = {lang: f"{said[lang]}{grounds[lang]}{f' ({cited})' if cited else ''}" for lang in said}
    return {**_ids([entry["purpose"]]), "legal_basis": [item["letter"] for item in bases], "said": said}


def _recipients(recipients: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not recipients:
        none = {
            "nb": "Opplysningene er ikke gitt videre til andre.",
            "en": "The data were not passed on to anybody.",
        }
        return {"ids": [], "said": none}
    said = _told("Gitt videre til: {}.", "Passed on to: {}.", recipients)
    return {**_ids(recipients), "said": said}


def _period(entry: Mapping[str, Any]) -> dict[str, Any]:
    kept = entry["retention"]
    told = {"rule": kept["rule"], "until": kept["until"]}
    if kept["rule"] is None:
        none = {
            "nb": "Ingen slettefrist er bestemt; opplysningene slettes når formålet ikke lenger gjelder.",
            "en": "No last day is decided; the data go when their purpose ends.",
        }
        return {**told, "said": none}
    by = f"{kept['rule']}, {kept['authority']}"
    if entry["locked"]:
        locked = {
            "nb": f"Oppbevares fordi loven krever det ({by}). Hvor mye og når, kan vi ikke si.",
            "en": f"Kept because the law demands it ({by}). How much and when we may not tell.",
        }
        return {**told, "said": locked}
    return {**told, "said": period_said(kept, by)}


def _rights(bases: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> dict[str, Any]:
    known = [
        catalogue.legal_bases[item["letter"]] for item in bases if item["letter"] in catalogue.legal_bases
    ]
    rights = ["rectification", "erasure", "restriction"]
    rights += ["objection"] if any(item.objection for item in known) else []
    rights += ["portability"] if any(item.portability for item in known) else []
    rights += ["withdrawal"] if any(item.withdrawal_erases for item in known) else []
    nb = {
        "rectification": "rettet",
        "erasure": "slettet",
        "restriction": "begrenset",
        "portability": "utlevert i et maskinlesbart format",
    }
    en = {
        "rectification": "rectified",
        "erasure": "erased",
        "restriction": "restricted",
        "portability": "handed over in a machine-readable form",
    }
    asked = {
        "nb": _listed([nb[name] for name in rights if name in nb], "eller"),
        "en": _listed([en[name] for name in rights if name in en], "or"),
    }
    said = {
        "nb": f"Du kan be om å få opplysningene {asked['nb']} (art. 16–18, 20).",
        "en": f"You may ask to have the data {asked['en']} (Art. 16 to 18, 20).",
    }
    if "objection" in rights:
        said["nb"] += " Du kan protestere mot behandlingen (art. 21)."
        said["en"] += " You may object to the processing (Art. 21)."
    if "withdrawal" in rights:
        said["nb"] += " Du kan trekke samtykket tilbake når som helst (art. 7 nr. 3)."
        said["en"] += " You may withdraw your consent at any time (Art. 7(3))."
    return {"rights": rights, "said": said}


def _source(origins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not origins:
        return {"ids": [], "said": _ORIGIN_UNKNOWN}
    return {**_ids(origins), "said": _told("Kilde: {}.", "Source: {}.", origins)}


def _automated(purpose: str, catalogue: Catalogue) -> dict[str, Any]:
    known = catalogue.purposes.get(purpose)
    if known is None or known.automated is None:
        none = {
            "nb": "Ingen avgjørelser tas av maskiner alene på grunnlag av dette (art. 22).",
            "en": "Nothing is decided by machine alone on the ground of this (Art. 22).",
        }
        return {"taken": False, "said": none}
    parts = (known.automated.logic, known.automated.consequences, known.automated.review)
    said = {"nb": " ".join(item.nb for item in parts), "en": " ".join(item.en for item in parts)}
    return {"taken": True, "said": {lang: f"{text} (Art. 22)" for lang, text in said.items()}}


def _transfers(recipients: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> dict[str, Any]:
    abroad = [
        (item, known.transfer)
        for item in recipients
        if (known := catalogue.recipients.get(item["id"])) is not None and known.transfer is not None
    ]
    if not abroad:
        none = {
            "nb": "Opplysningene overføres ikke ut av EØS.",
            "en": "The data are not transferred out of the European Economic Area.",
        }
        return {"countries": [], "said": none}
    said = {
        "nb": " ".join(f"{r['name']['nb']} ({t.country}): {t.safeguards.nb}." for r, t in abroad),
        "en": " ".join(f"{r['name']['en']} ({t.country}): {t.safeguards.en}." for r, t in abroad),
    }
    return {"countries": sorted({transfer.country for _, transfer in abroad}), "said": said}


def _ids(named: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {"ids": [item["id"] for item in named]}


def _told(nb: str, en: str, named: Sequence[Mapping[str, Any]]) -> Said:
    return {
        "nb": nb.format(", ".join(item["name"]["nb"] for item in named)),
        "en": en.format(", ".join(item["name"]["en"] for item in named)),
    }


def _listed(words: Sequence[str], last: str) -> str:
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else words[0]

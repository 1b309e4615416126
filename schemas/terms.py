"""Terms of fideslang and of the Data Privacy Vocabulary that entries of the catalogue name beside their own."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from schemas.annotations import Problem
from schemas.entries import Category, LegalBasis, Measure, Purpose, Word
from schemas.layers import BASE, read_mapping

if TYPE_CHECKING:
    from schemas.catalogue import Catalogue

FILE = BASE / "terms.yaml"
"""Every term that is known, by vocabulary and by the list of the catalogue it is for."""
_VOCABULARIES = {"fideslang": "fideslang", "dpv": "the Data Privacy Vocabulary 2"}
VOCABULARIES = frozenset(_VOCABULARIES)
_FILES = dict.fromkeys(("subject_types", "operations", "origins"), "vocabulary")
"""Lists that are sections of a file."""
_MOST_NAMED = 12


def unknown_terms(catalogue: Catalogue) -> Iterator[Problem]:
    """Terms of categories, purposes, legal bases and measures that their vocabulary does not have, one line each."""
    lists: Mapping[str, Mapping[str, Category | Purpose | LegalBasis | Measure | Word]] = {
        "categories": catalogue.categories,
        "purposes": catalogue.purposes,
        "legal_bases": catalogue.legal_bases,
        "measures": catalogue.measures,
        "subject_types": catalogue.subject_types,
        "operations": catalogue.operations,
        "origins": catalogue.origins,
    }
    for name, entries in lists.items():
        for entry in entries.values():
            for vocabulary in _VOCABULARIES:
                given = getattr(entry, vocabulary, None) or ()  # not every entry has one of each
                single = isinstance(given, str)
                for number, term in enumerate((given,) if single else given):
                    key = f"{entry.id}.{vocabulary}" if single else f"{entry.id}.{vocabulary}.{number}"
                    if not is_known(vocabulary, name, term):
                        what = (
                            f"{term} is no term of {_VOCABULARIES[vocabulary]} for {name.replace('_', ' ')}"
                        )
                        yield Problem(
                            f"catalogue/{_FILES.get(name, name)}.yaml",
                            key,
                            what,
                            nearest(vocabulary, name, term),
                        )


def is_known(vocabulary: str, name: str, term: str) -> bool:
    """Whether a vocabulary (`fideslang` or `dpv`) has the term for that list of the catalogue."""
    return term in _terms(vocabulary, name)


def nearest(vocabulary: str, name: str, given: str) -> str:
    """What to write instead: the closest terms, else those below what of it is known, else where all are listed."""
    known = _terms(vocabulary, name)
    if close := difflib.get_close_matches(given, known, n=3):
        return f"did you mean {' or '.join(close)}?"
    parent = given
    while parent and parent not in known:
        parent = parent.rpartition(".")[0]
    below = [term for term in known if parent and term.startswith(f"{parent}.")]
    # Of all of them those that the others lie below, people's first.
    below = below or sorted(
        (term for term in known if term.count(".") <= 1), key=lambda term: not term.startswith("user.")
    )
    shown = ", ".join(below[:_MOST_NAMED])
    more = " ... (all in schemas/companies/base/terms.yaml)"
    return f"write one of {shown}{more if len(below) > _MOST_NAMED else ''}"


@cache
def _terms(vocabulary: str, name: str) -> Sequence[str]:
    found: Mapping[str, Sequence[str]] = read_mapping(FILE)[vocabulary]
    return tuple(found.get(name, ()))

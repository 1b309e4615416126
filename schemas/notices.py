"""The texts that a company shows people: versions of its privacy notice, and those that it asks consent by.

`catalogue/notices.yaml` of a company's folder. A notice is one text: the uppermost folder that has the file counts
alone, and nothing of what it extends. A company may have none. Events name a version by its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from pydantic import Field, StrictBool

from schemas.catalogue import FOLDER, Catalogue, load_entries
from schemas.entries import Entry, Text
from schemas.errors import CatalogueError
from schemas.files import is_named
from schemas.layers import read_mapping

FILE = "notices.yaml"
Element = Literal[
    "controller", "dpo", "purposes", "legal_bases", "interests", "recipients", "transfers", "period", "rights",
    "withdrawal", "complaint", "obligation", "automated_decisions",
]  # fmt: skip
ELEMENTS: tuple[Element, ...] = get_args(Element)
"""What a notice has to say (GDPR Art. 13(1), (2)): who the controller and the data protection officer are, purposes,
legal bases, the interests that are followed, recipients, transfers to third countries, for how long, the rights,
withdrawal of consent, complaint, whether giving data is an obligation, and automated decisions."""


class Notice(Entry):
    """A version of a text. `kind`: the privacy notice, or a text that a consent is given on. `valid_until`: the last
    day on which it is in force, None: it still is. `purposes`: what it names. `elements`: of a notice, what it has of
    ELEMENTS. `voluntary`: whether it says of which data that giving them is voluntary."""

    kind: Literal["notice", "consent"]
    valid_from: date
    valid_until: date | None = None
    purposes: Annotated[tuple[Text, ...], Field(min_length=1)]
    elements: tuple[Element, ...] = ()
    voluntary: StrictBool = False


def load_notices(layers: Sequence[Path], catalogue: Catalogue) -> Mapping[str, Notice]:
    """Those of the uppermost layer that has the file, by id. Errors: CatalogueError with file, key and mend."""
    for layer in reversed(layers):
        path = layer / FOLDER / FILE
        if is_named(path):
            found = load_entries(
                FILE, Notice, r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", "2026-01", read_mapping(path)
            )
            for notice in found.values():
                _check(notice, catalogue)
            return MappingProxyType(found)
    return MappingProxyType({})


def _check(notice: Notice, catalogue: Catalogue) -> None:
    for place, name in enumerate(notice.purposes):
        if name not in catalogue.purposes:
            mend = f"{name!r} is no purpose of the catalogue; name one of it, or add it to purposes.yaml"
            raise CatalogueError(FILE, f"{notice.id}.purposes.{place}", mend)
    if notice.valid_until is not None and notice.valid_until < notice.valid_from:
        raise CatalogueError(FILE, f"{notice.id}.valid_until", "lies before valid_from; write a later day")
    if notice.kind == "consent" and notice.elements:
        raise CatalogueError(FILE, f"{notice.id}.elements", "are those of a notice; leave them out")

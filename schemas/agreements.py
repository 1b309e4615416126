"""The agreements under which a company gives data to others: processors (GDPR Art. 28), joint controllers (Art. 26).

`catalogue/agreements.yaml` of a company's folder: the uppermost folder that has the file counts alone. Other
instruments (an order, a controller of its own, a customer's instruction) are of each single disclosure, in no register.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, get_args

from pydantic import Field

from schemas.catalogue import FOLDER, Catalogue, load_entries
from schemas.entries import Entry, Text
from schemas.errors import CatalogueError
from schemas.files import is_named
from schemas.layers import read_mapping

FILE = "agreements.yaml"
Agreed = Literal["dpa", "joint_arrangement"]
AGREED: tuple[Agreed, ...] = get_args(Agreed)
"""Instruments that are in force for a time, for all disclosures of their scope."""


class Agreement(Entry):
    """An agreement with a recipient: in force from a day to a last one (None: it still is), for these categories and
    purposes and no others. `reference`: where the paper is."""

    recipient: Text
    instrument: Agreed
    valid_from: date
    valid_until: date | None = None
    categories: Annotated[tuple[Text, ...], Field(min_length=1)]
    purposes: Annotated[tuple[Text, ...], Field(min_length=1)]
    reference: Text


def load_agreements(layers: Sequence[Path], catalogue: Catalogue) -> Mapping[str, Agreement]:
    """Those of the uppermost layer that has the file, by id. Errors: CatalogueError with file, key and mend."""
    for layer in reversed(layers):
        path = layer / FOLDER / FILE
        if is_named(path):
            found = load_entries(FILE, Agreement, r"A-[A-Z0-9][A-Z0-9-]{0,30}", "A-CLOUD", read_mapping(path))
            for agreement in found.values():
                _check(agreement, catalogue)
            return MappingProxyType(found)
    return MappingProxyType({})


def _check(said: Agreement, catalogue: Catalogue) -> None:
    lists: tuple[tuple[str, tuple[str, ...], Mapping[str, object], str], ...] = (
        ("recipient", (said.recipient,), catalogue.recipients, "recipients.yaml"),
        ("categories", said.categories, catalogue.categories, "categories.yaml"),
        ("purposes", said.purposes, catalogue.purposes, "purposes.yaml"),
    )
    for key, names, known, file in lists:
        for name in names:
            if name not in known:
                raise CatalogueError(FILE, f"{said.id}.{key}", f"{name!r} is not known; name an id of {file}")
    if catalogue.recipients[said.recipient].instrument != said.instrument:
        mend = f"is not what recipients.yaml has for {said.recipient}; make the two agree"
        raise CatalogueError(FILE, f"{said.id}.instrument", mend)
    if said.valid_until is not None and said.valid_until < said.valid_from:
        raise CatalogueError(FILE, f"{said.id}.valid_until", "lies before valid_from; write a later day")

"""What a company promises of personal data, line by line, each bound to the checks that show whether it is kept.

`catalogue/promises.yaml` of a company's folder. A policy is one text: the uppermost folder that has the file counts
alone, and nothing of what it extends. A company may have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import Field, StrictInt

from schemas.catalogue import FOLDER, load_entries
from schemas.entries import Entry, Text
from schemas.errors import CatalogueError
from schemas.files import is_named
from schemas.layers import read_mapping

FILE = "promises.yaml"


class Promise(Entry):
    """One promise. `name`: what the policy says, in Norwegian as it stands there. `line`: of the policy's text;
    `lines`: how many from there on. `checks`: all of them have to find it kept."""

    line: Annotated[StrictInt, Field(ge=1)]
    lines: Annotated[StrictInt, Field(ge=1)] = 1
    checks: Annotated[tuple[Text, ...], Field(min_length=1)]


def load_promises(layers: Sequence[Path]) -> Mapping[str, Promise]:
    """Those of the uppermost layer that has the file, by id. Errors: CatalogueError with file, key and mend."""
    for layer in reversed(layers):
        path = layer / FOLDER / FILE
        if is_named(path):
            found = load_entries(FILE, Promise, r"[A-Z]{1,4}\d{1,3}[a-z]?", "R1", read_mapping(path))
            for promise in found.values():
                if len({*promise.checks}) < len(promise.checks):
                    raise CatalogueError(FILE, f"{promise.id}.checks", "names a check twice; keep one")
            return MappingProxyType(found)
    return MappingProxyType({})

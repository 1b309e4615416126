"""The archive of an answer, as the API gives it and the command line takes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

RECORDS_HEADER, TEXTS_HEADER, LEFT_OUT_HEADER = "Innsyn-Records", "Innsyn-Texts", "Innsyn-Left-Out"
"""Records in it, texts withheld until they were read, records left out."""


@dataclass(frozen=True)
class Archive:
    """An archive as it comes; see the headers. `pieces` raises Unavailable where it breaks off."""

    pieces: Iterator[bytes] = field(repr=False)
    records: int
    texts: int
    left_out: int

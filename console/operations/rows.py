"""How many rows the index has of each tag set."""

from __future__ import annotations

from collections.abc import Sequence

from console.wiring.answering import refuse_pending
from schemas.errors import IndexUnavailable
from schemas.settings import Settings
from schemas.tags import TagSet
from sinks.open import embedded_folder, open_sinks


def rows_of_index(settings: Settings) -> Sequence[tuple[TagSet, int]] | str:
    """A sentence: why there is no index that can be read now."""
    folder = embedded_folder(settings)
    if folder is not None and not folder.is_dir():
        return f"there is no index in {folder}"
    try:
        sinks = open_sinks(settings)
        try:
            refuse_pending(sinks)
            return sinks.upkeep.rows_by_tag_set()
        finally:
            sinks.close()
    except IndexUnavailable as error:
        return str(error)

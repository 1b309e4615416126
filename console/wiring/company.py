"""The company that the settings name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from schemas.company import Company, load_company
from schemas.settings import Settings


def company_of(settings: Settings) -> Company:
    """Loaded once in a process. Raises CatalogueError, SchemaError: file, key and mend of what is wrong with it."""
    return _loaded(settings.company)


@cache
def _loaded(folder: Path | None) -> Company:
    return load_company(folder)

"""The company in force: that of the settings, or the one whose roles ran in this home before."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import cache
from pathlib import Path

from console.wiring.private import write_private
from schemas.company import Company, load_company, read_profile
from schemas.errors import SettingsError
from schemas.settings import Settings
from streams.feeds.registry import demand_formats

COMPANY_FILE = "company.json"
"""In INNSYN_HOME, by the first role that ran there: `name` of the company and its `folder`, null for the model company.
What was tagged by one company's words is judged falsely by another's."""


def company_of(settings: Settings) -> Company:
    """Loaded once in a process.

    Raises CatalogueError, SchemaError: file, key and mend of what is wrong with it; and as `folder_of`.
    """
    return _loaded(folder_of(settings))


def company_in(folder: Path) -> Company:
    """Another company than the one in force, to be compared with it. Raises CatalogueError, SchemaError."""
    return load_company(folder)


def folder_of(settings: Settings) -> Path | None:
    """None: the model company. Raises SettingsError where the settings name another company than the home is of."""
    file = settings.home / COMPANY_FILE
    try:
        kept = json.loads(file.read_text("utf-8"))
        name, folder = str(kept["name"]), Path(kept["folder"]) if kept["folder"] else None
    except (FileNotFoundError, NotADirectoryError):
        return settings.company
    except (OSError, ValueError, KeyError, TypeError):
        raise SettingsError(
            f"{file} cannot be read, which says whose data lie there; take it away and name the company with --company"
        ) from None
    if settings.company is None:
        return folder
    given = read_profile(settings.company).name
    if given != name:
        raise SettingsError(
            f"{settings.home} holds the data of {name}, and {settings.company} is {given}: take --company and"
            f" INNSYN_COMPANY away, or set INNSYN_HOME to another folder; if the company was renamed, delete {file}"
        )
    return settings.company


def keep_company(settings: Settings) -> None:
    """Whose data lie in this home from now on. Raises CatalogueError where a promise names a check that is none."""
    refuse_promises_without_checks(company_of(settings))
    folder = folder_of(settings)
    kept = {"name": company_of(settings).profile.name, "folder": str(folder.absolute()) if folder else None}
    # A home that cannot be written to holds nothing of anybody; a role that needs it says so itself.
    with suppress(OSError):
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(settings.home / COMPANY_FILE, json.dumps(kept) + "\n")


def whole_company(folder: Path | None) -> Company:
    """The company of a folder, with what its topics say of log formats and its promises of checks.

    Raises CatalogueError, SchemaError.
    """
    company = load_company(folder)
    demand_formats(company)
    refuse_promises_without_checks(company)
    return company


def refuse_promises_without_checks(company: Company) -> None:
    """Raises CatalogueError for a promise that names a check that is none. At the start of each role, and where a
    company is checked: the checks take a second to import, which other commands do without."""
    from streams.duties.promises import refuse_unknown_checks
    from streams.duties.registry import CHECKS

    refuse_unknown_checks(company, CHECKS)


@cache
def _loaded(folder: Path | None) -> Company:
    company = load_company(folder)
    demand_formats(company)
    return company

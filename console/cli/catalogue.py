"""`innsyn catalogue`: check the catalogue files, and list the purposes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.show.output import print_json, screen, table
from console.wiring.company import company_of, refuse_promises_without_checks
from schemas.catalogue import FOLDER, Catalogue, load_catalogue
from schemas.company import PROFILE, layers_of
from schemas.settings import load_settings

Folder = Annotated[
    Path | None,
    typer.Argument(help="Folder with the YAML files; without it, those of the company in force."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
app = typer.Typer(help="Check the catalogue: categories, purposes, recipients, systems, retention rules.")


@app.callback()
def _group() -> None:
    """Check the catalogue: categories, purposes, recipients, systems, retention rules."""


@app.command(
    short_help="Read and cross-check all files.",
    epilog="Example: innsyn catalogue check isp/catalogue --json",
)
def check(
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Read and cross-check all files; exit status 2 and one line (file, key, mend) if one is wrong."""
    catalogue = _catalogue(folder)
    counts = catalogue.counts()
    if as_json:
        print_json({"version": catalogue.version, "files": counts}, indent=None)
        return
    rows = table("file", "section", "entries", right=["entries"], title=f"catalogue {catalogue.version}")
    for file, sections in counts.items():
        for section, number in sections.items():
            rows.add_row(file, section, str(number))
    screen().print(rows)


@app.command(
    short_help="List the purposes, with the legal bases they usually rest on.",
    epilog="Example: innsyn catalogue show isp/catalogue --json",
)
def show(folder: Folder = None, as_json: Json = False) -> None:
    """List the purposes that a restriction, an objection or a withdrawal may name, with their usual legal bases."""
    catalogue = _catalogue(folder)
    purposes = [
        {"id": item.id, "name": item.name.model_dump(), "legal_bases": list(item.legal_bases)}
        for item in catalogue.purposes.values()
    ]
    if as_json:
        print_json({"version": catalogue.version, "purposes": purposes})
        return
    rows = table("purpose", "name", "rests on, GDPR Art. 6(1)", title=f"catalogue {catalogue.version}")
    for item in catalogue.purposes.values():
        rows.add_row(item.id, item.name.en, ", ".join(item.legal_bases))
    screen().print(rows)


def _catalogue(folder: Path | None) -> Catalogue:
    """Of a company's folder, over what that company extends; any other folder has to be whole."""
    if folder is None:
        company_in_force = company_of(load_settings())
        refuse_promises_without_checks(company_in_force)
        return company_in_force.catalogue
    company = folder.resolve().parent
    if not (company / PROFILE).is_file():
        return load_catalogue(folder)
    below = [layer / FOLDER for layer in layers_of(company)[:-1]]
    return load_catalogue(*below, folder)

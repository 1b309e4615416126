"""`innsyn catalogue`: check the catalogue files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.cli.show.output import print_json, screen, table
from console.wiring.company import company_of
from schemas.catalogue import FOLDER, Catalogue, load_catalogue
from schemas.company import PROFILE, layers_of
from schemas.settings import load_settings

app = typer.Typer(help="Check the catalogue: categories, purposes, recipients, systems, retention rules.")


@app.callback()
def _group() -> None:
    """Check the catalogue: categories, purposes, recipients, systems, retention rules."""


@app.command(
    short_help="Read and cross-check all files.",
    epilog="Example: innsyn catalogue check isp/catalogue --json",
)
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder with the YAML files; without it, those of the company in force."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the counts as JSON.")] = False,
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


def _catalogue(folder: Path | None) -> Catalogue:
    """Of a company's folder, over what that company extends; any other folder has to be whole."""
    if folder is None:
        return company_of(load_settings()).catalogue
    company = folder.resolve().parent
    if not (company / PROFILE).is_file():
        return load_catalogue(folder)
    below = [layer / FOLDER for layer in layers_of(company)[:-1]]
    return load_catalogue(*below, folder)

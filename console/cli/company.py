"""`innsyn company`: check a company's folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from console.cli.show.output import Json, print_json, say
from schemas.company import load_company
from schemas.company_check import company_problems
from schemas.settings import load_settings

app = typer.Typer(help="Check a company's folder.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Check a company's folder: catalogue, schemas, versions, topics, contracts, examples."""


@app.command(short_help="All checks in one.", epilog="Example: innsyn company check our-company")
def check(
    folder: Annotated[
        Path | None,
        typer.Argument(help="The company's folder; default INNSYN_COMPANY, else the model company's."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check that the catalogue, the schemas with their versions, the topics, the contracts and the examples are whole
    and fit each other.

    Exit status 1: problems; 2: a file is broken or contradicts another, so that no role would start.
    """
    company = load_company(folder or load_settings().company)
    problems = company_problems(company)
    counts = {
        "records": len(company.records),
        "topics": len(company.topics),
        "contracts": len(company.contracts),
        **{name: number for part in company.catalogue.counts().values() for name, number in part.items()},
    }
    if as_json:
        found = [asdict(problem) for problem in problems]
        print_json(
            {
                "company": company.profile.name,
                "catalogue": company.catalogue.version,
                **counts,
                "problems": found,
            }
        )
    else:
        for problem in problems:
            say(str(problem), err=True)
        if not problems:
            said = ", ".join(
                f"{counts[name]} {name}" for name in ("records", "topics", "contracts", "categories")
            )
            say(f"{company.profile.name}: {said}, catalogue {company.catalogue.version}; nothing wrong")
    raise typer.Exit(1 if problems else 0)

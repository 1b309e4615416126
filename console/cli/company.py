"""`innsyn company`: check a company's folder, and what a change of it does."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import Json
from console.cli.show.output import print_json, say, screen, table
from console.operations.rows import rows_of_index
from console.wiring.company import folder_of, whole_company
from schemas.company_check import company_problems
from schemas.company_diff import company_changes
from schemas.settings import load_settings

_KINDS = {"date": "last day, if nobody asks:", "decision": "an erasure gets:"}
app = typer.Typer(help="Check a company's folder, and what a change does.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Check a company's folder; see what a change of it does to what is in the index."""


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
    company = whole_company(folder or folder_of(load_settings()))
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


@app.command(
    short_help="What a change does to existing rows.",
    epilog="Example: innsyn company diff our-company changed",
)
def diff(
    old: Annotated[Path, typer.Argument(help="The folder in force.")],
    new: Annotated[Path, typer.Argument(help="The folder that is to take its place.")],
    as_json: Json = False,
) -> None:
    """Say what a change does to rows that are there: tags that their events would get anew, rows that nobody could
    decide on, dates and decisions that move. With the number of rows where the index can be read, that of a person
    whose contract and events are of today otherwise.

    Exit status 1: something changes.
    """
    before, after = whole_company(old), whole_company(new)
    found = rows_of_index(load_settings())
    rows = None if isinstance(found, str) else found
    changes = company_changes(before, after, datetime.now(before.profile.zone).date(), rows)
    if as_json:
        print_json({"counted": rows is not None, "changes": [asdict(change) for change in changes]})
        raise typer.Exit(1 if changes else 0)
    if isinstance(found, str):
        say(
            f"rows are not counted, and only those that the folder in force gives are compared: {found}",
            err=True,
        )
    if not changes:
        say("existing rows stay as they are")
    else:
        shown = table("topic", "categories", "rows", "what", "before", "after", right=["rows"])
        for change in changes:
            count = "–" if change.rows is None else f"{change.rows:,}"
            what = f"{_KINDS.get(change.kind, change.kind)} {change.what}"
            shown.add_row(
                change.topic or "every topic",
                " ".join(change.categories),
                count,
                what,
                change.before,
                change.after,
            )
        screen().print(shown)
    raise typer.Exit(1 if changes else 0)

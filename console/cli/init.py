"""`innsyn init`: a folder for a company of one's own."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import Json
from console.cli.show.output import print_json, say
from console.operations.new_company import write_company
from schemas.company import load_company
from schemas.errors import InputError


class Template(StrEnum):
    MINIMAL = "minimal"
    MODEL = "model"


_NOBODY = "nobody is there to ask; give --from minimal or --from model"
_ASKED = {"name": "Name of the company", "controller": "Controller", "dpo_contact": "Contact of the DPO"}


def init(
    folder: Annotated[Path, typer.Argument(help="Where to; it is made.")],
    template: Annotated[
        Template | None, typer.Option("--from", help="What to start from; without it you are asked.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the folder of a company that passes every check: minimal is one topic of one record over the shared
    vocabulary, model the whole model company, an invented Norwegian internet provider, to change.

    Example: innsyn init our-company --from minimal
    """
    answers: dict[str, str] = {}
    if template is None:
        template = _asked()
        if sys.stdin.isatty():
            answers = {key: typer.prompt(text, err=True) for key, text in _ASKED.items()}
    write_company(folder, template.value, answers)
    company = load_company(folder)
    if as_json:
        print_json({"folder": str(folder), "from": template.value, "catalogue": company.catalogue.version})
        return
    say(f"{folder} is written; change it, then `innsyn company check {folder}`")
    say(f"every role takes it by `--company {folder}` or INNSYN_COMPANY")


def _asked() -> Template:
    """Raises InputError where nothing can be asked."""
    if sys.stdin is None:
        raise InputError(_NOBODY)
    try:
        found: Template = typer.prompt(
            "From minimal or model", default=Template.MINIMAL, err=True, type=Template
        )
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        raise InputError(_NOBODY) from None
    return found

"""`innsyn topics`: which topics there are, and what an upstream team has to know of each."""

from __future__ import annotations

from typing import Annotated

import typer

from console.cli.options import Json
from console.cli.show.output import print_json
from console.cli.show.schemas import show_topics
from console.operations.producers import topic_entry
from console.wiring.company import company_of
from schemas.errors import InputError
from schemas.settings import load_settings


def topics(
    name: Annotated[str | None, typer.Argument(metavar="[TOPIC]", help="Only this topic.")] = None,
    owner: Annotated[str | None, typer.Option(help="Only topics of this team.")] = None,
    as_json: Json = False,
) -> None:
    """Show the company's topics: record or contract, key, partitions, retention, who writes it, where its dead letters
    go, and the frame of its schema. All of it is from the company's folder: no broker is asked.

    Example: innsyn topics --owner web
    """
    company = company_of(load_settings())
    if name is not None and name not in company.topics:
        raise InputError("there is no such topic; `innsyn topics` lists those there are")
    owners = sorted({topic.owner for topic in company.topics.values()})
    if owner is not None and owner not in owners:
        raise InputError(f"no topic is of that team; name one of {', '.join(owners)}")
    items = [
        topic_entry(company, topic)
        for topic in company.topics.values()
        if name in (None, topic.name) and owner in (None, topic.owner)
    ]
    if as_json:
        print_json({"items": items})
    else:
        show_topics(items)

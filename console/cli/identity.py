"""`innsyn identity`: whom an identifier belonged to, and what says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from console.cli.ask import ask
from console.cli.options import Because, Changes, Ids, Json, KnownAt, Port, as_known, at_moment, identifiers
from console.cli.show.output import about_identity, joined, marked, print_json, screen, table


def identity(
    ids: Ids,
    at: Annotated[
        list[str] | None, typer.Option(metavar="[KIND=]TIME", help="At that moment (ISO 8601), as in access.")
    ] = None,
    port: Port = None,
    known_at: KnownAt = None,
    changes: Changes = False,
    because: Because = None,
    as_json: Json = False,
) -> None:
    """Show whom an identifier belonged to, and what says so: no values, people as the first digits of their tokens.

    Without --at every link there ever was. The subscriber of an address need not be the one who used it.

    Example: innsyn identity --id ip=192.0.2.7 --at 2026-03-01T12:00:00Z --port 40000
    """
    people = at_moment(identifiers(ids), at, port)
    answer = ask("identity", {**as_known(known_at, changes, as_json), "identifiers": people}, because)
    if as_json:
        print_json(answer)
        return
    out = screen()
    out.print(_headline(answer))
    for problem in answer["problems"]:
        out.print(marked("  [red]{}[/red]", problem))
    if answer["links"]:
        out.print(_links(answer))
        if answer["links_total"] > len(answer["links"]):
            number, total = len(answer["links"]), f"{answer['links_total']:,}"
            out.print(marked(" [dim]the newest {} of {} links[/dim]", number, total))
    parts = [{"proofs": [link["proof"]]} for link in answer["links"]]
    for line in about_identity({**answer, "ambiguous_events": 0}, parts, people):
        out.print(line)


def _headline(answer: Mapping[str, Any]) -> Text:
    if answer["resolution"] == "none":
        return marked("[bold]none[/bold]: no link says whose that was.")
    if answer["resolution"] == "ambiguous":
        return marked("[bold yellow]ambiguous[/bold yellow]: {} candidates", answer["candidates"])
    return marked("[bold green]unique[/bold green]: leads to [bold]{}[/bold]", ", ".join(answer["subjects"]))


def _links(answer: Mapping[str, Any]) -> Table:
    rows = table("identifier", "belonged to", "from, until", "end", "proves, said by")
    for link in answer["links"]:
        ports = link.get("ports")
        evidence, name = link["evidence"], link["kind"] or link["token"]
        rows.add_row(
            marked("{}\n[dim]ports {}-{}[/dim]", name, *ports) if ports else name,
            link["subject"],
            joined([_since(link), _second(link["until"])]),
            _end(link),
            marked(
                "{} ({})\n[dim]{} {}/{}[/dim]",
                *(link["proof"], link["source"]),
                *(evidence["topic"], evidence["partition"], evidence["offset"]),
            ),
        )
        rows.add_section()
    return rows


def _since(link: Mapping[str, Any]) -> Text | str:
    since = _second(link["since"])
    if link["begin"] != "inferred":
        return since
    other = link["begin_earliest"] if link["begin_earliest"] != link["since"] else link["begin_latest"]
    return marked("{}\n[dim]began inferred:\n{}[/dim]", since, _second(other))


def _end(link: Mapping[str, Any]) -> Text | str:
    if link["end"] != "inferred":
        return str(link["end"])
    earliest, latest = _second(link["end_earliest"]), _second(link["end_latest"])
    return marked("inferred\n[dim]{}\n{}[/dim]", earliest, latest)


def _second(moment: str | None) -> str:
    return f"{moment[:10]} {moment[11:19]}Z" if moment else "–"

"""`innsyn findings`: what breaks a duty, and what people say of it."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any

import typer

from console.cli.options import Json
from console.cli.show.output import day, marked, print_json, say, screen, shown, table
from console.client import require
from schemas.counted import counted
from schemas.errors import InputError
from schemas.settings import load_settings
from streams.duties.findings import Standing

_MOST = 10_000
_COLUMNS = (
    "finding", "check", "key", "state", "says", "since", "opened", "moved", "evidence", "reason", "by", "until",
)  # fmt: skip
Id = Annotated[str, typer.Argument(metavar="ID", help="As `innsyn findings` lists it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept, so nothing of a person.")]
app = typer.Typer(help="What breaks a duty: list, explain, accept.")


@app.callback(invoke_without_command=True, epilog="Example: innsyn findings --state open --csv")
def _group(
    context: typer.Context,
    state: Annotated[
        list[Standing] | None,
        typer.Option("--state", help="Of this state alone; repeatable. Without it all that is not mended."),
    ] = None,
    check: Annotated[str | None, typer.Option("--check", help="Of this check alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST, help="Show at most so many.")] = 1_000,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV on standard output.")] = False,
    as_json: Json = False,
) -> None:
    """What breaks a duty; without a command, the list, the oldest first."""
    if context.invoked_subcommand is not None:
        return
    asked = {"state": [item.value for item in state or ()], "check": check, "limit": limit}
    with require(load_settings()) as client:
        found = client.findings({name: value for name, value in asked.items() if value})
    if as_json:
        print_json(found)
    elif as_csv:
        _print_csv(found["items"])
    elif found["items"]:
        _list(found["items"])
    else:
        screen().print("There is no finding.")
    if found["more"] and not as_json:
        screen(stderr=True).print(f"There are more than {limit:,}; --limit takes up to {_MOST:,}.")


@app.command(
    short_help="Say why it is so.",
    epilog="Example: innsyn findings explain f-5f2a9c01d7e34b68 --reason 'test traffic of the new portal'",
)
def explain(finding: Id, reason: Reason, as_json: Json = False) -> None:
    """Say why a finding is as it is. The duty stays broken, and the finding is no longer open."""
    with require(load_settings()) as client:
        _tell(client.act_on_finding(finding, "explain", {"reason": reason}), as_json)


@app.command(
    short_help="Let it be until a day.",
    epilog="Example: innsyn findings accept f-5f2a9c01d7e34b68 --until 2027-01-31 --reason 'mended with release 12'",
)
def accept(
    finding: Id,
    reason: Reason,
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Last day on which it may be so.")],
    as_json: Json = False,
) -> None:
    """Let a finding be until a day; then it is open again. Takes the approver's token where there is one."""
    try:
        last = date.fromisoformat(until).isoformat()
    except ValueError:
        raise InputError("--until takes a day such as 2027-01-31") from None
    with require(load_settings()) as client:
        _tell(client.act_on_finding(finding, "accept", {"reason": reason, "until": last}), as_json)


def place(evidence: Mapping[str, Any]) -> str:
    """Where to look, on one line."""
    if not evidence.get("topic"):
        return str(evidence.get("note") or "")
    again = f" (history {evidence['history']})" if evidence.get("history") else ""
    return f"{evidence['topic']}/{evidence['partition']}/{evidence['offset']}{again}"


def _tell(finding: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(finding)
    else:
        until = f" until {finding['until']}" if finding["until"] else ""
        say(f"{finding['finding']} is {finding['state']}{until}")


def _list(items: Sequence[Mapping[str, Any]]) -> None:
    out = screen()
    rows = table("finding", "since", "what", "where")
    rows.columns[0].no_wrap = True
    for item in items:
        said = (item["reason"] and f"\n{item['reason']}") or ""
        where = "\n".join(shown(place(found)) for found in item["evidence"]) or "–"
        names = marked("{}\n[dim]{}[/dim]", item["finding"], item["state"])
        rows.add_row(names, day(item["since"]), marked("{}[dim]{}[/dim]", item["says"], said), where)
    out.print(rows)
    still = sum(item["state"] == Standing.OPEN for item in items)
    out.print(f" {counted(len(items), 'finding')}, {still:,} open")


def _print_csv(items: Sequence[Mapping[str, Any]]) -> None:
    written = csv.writer(sys.stdout, lineterminator="\n")
    written.writerow(_COLUMNS)
    for item in items:
        plain = {**item, "evidence": " ".join(place(found) for found in item["evidence"])}
        written.writerow([plain[name] for name in _COLUMNS])

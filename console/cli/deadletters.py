"""`innsyn deadletters`: messages nobody could read, tried again or given up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from console.cli.options import Json, moment, user_name
from console.cli.show.output import joined, marked, print_json, say, screen, table
from console.client import require
from console.operations.dead_reasons import meaning
from schemas.counted import counted
from schemas.errors import InputError
from schemas.settings import load_settings
from schemas.vocabulary import LetterState

app = typer.Typer(help="Messages that were no events: list, retry, drop.", no_args_is_help=True)

Topic = Annotated[str | None, typer.Option(help="Only of this topic, or of this feed.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason code.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Seen at that time or later.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Seen before that time.")]
At = Annotated[
    list[str] | None,
    typer.Option("--at", metavar="TOPIC/PARTITION/OFFSET", help="This letter; repeatable."),
]
_DONE = (LetterState.TAGGED, LetterState.DROPPED)
STATES = (*LetterState, "all")


@app.command(
    "list",
    short_help="List dead letters, with what was done about them.",
    epilog="Example: innsyn deadletters list --topic web.visits --reason unknown_schema",
)
def listed(
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)}.")] = "open",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Show at most so many.")] = 1_000,
    as_json: Json = False,
) -> None:
    """List dead letters by topic, partition and offset, with what was done about them.

    Below a reason stands the frame that the message began with, as `innsyn schema fingerprint` shows it.
    """
    if state not in STATES:
        raise InputError(f"--state takes one of {', '.join(STATES)}")
    asked = _filters(topic, reason, since, until) | ({} if state == "all" else {"state": state})
    with require(load_settings()) as client:
        found, more = client.dead_letters(asked, limit)
    if as_json:
        print_json({"items": found, "more": more})
        return
    rows = table("letter", "reason", "seen", "state", "tries", "last done", right=("tries",))
    # It is copied into --at.
    rows.columns[0].no_wrap = True
    for item in found:
        last = item["history"][-1] if item["history"] else None
        what = f"{last['kind']} by {last['by']} {last['at'][:16]}" if last else "–"
        why = f": {last['why'] or last['outcome']}" if last else ""
        rows.add_row(
            f"{item['topic']}/{item['partition']}/{item['offset']}",
            joined(
                [
                    item["reason"],
                    *([marked("[dim]{}[/dim]", item["schema_key"])] if item.get("schema_key") else []),
                ]
            ),
            item["seen_at"][:16],
            item["state"],
            str(item["retries"]),
            what + why,
        )
    out = screen()
    out.print(rows if found else "There are no such letters.")
    for code, sentence in sorted(
        {(item["reason"], meaning(item["reason"], item["topic"])) for item in found}
    ):
        out.print(marked("[bold]{}[/bold] {}", code, sentence))
    if more:
        say(
            f"There are more than these {len(found):,}; choose by --topic, --reason or time, or raise --limit."
        )


@app.command(epilog="Example: innsyn deadletters retry --reason unknown_schema")
def retry(
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Try open letters again: all, or those chosen. What is an event now is tagged, once however often it is tried.

    Exit status 1: some are still no events.
    """
    body = _filters(topic, reason, since, until) | _named(at) | {"by": user_name()}
    with require(load_settings()) as client:
        done = client.retry_letters(body)
    _show(done, as_json)
    raise typer.Exit(0 if set(done["outcomes"]) <= {LetterState.TAGGED} else 1)


@app.command(
    epilog='Example: innsyn deadletters drop --topic web.visits --reason truncated --why "a test client"'
)
def drop(
    why: Annotated[str, typer.Option(help="The reason, kept with each letter; name no person.")],
    topic: Topic = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    at: At = None,
    as_json: Json = False,
) -> None:
    """Give the open letters chosen up. They stay in the list as dropped, with who, when and why."""
    body = _filters(topic, reason, since, until) | _named(at) | {"by": user_name(), "why": why}
    with require(load_settings()) as client:
        _show(client.drop_letters(body), as_json)


def _filters(topic: str | None, reason: str | None, since: str | None, until: str | None) -> dict[str, Any]:
    given = {"topic": topic, "reason": reason}
    given |= {"since": moment(since, "--since"), "until": moment(until, "--until")}
    return {name: value for name, value in given.items() if value is not None}


def _named(at: list[str] | None) -> dict[str, Any]:
    letters = []
    for text in at or ():
        topic, _, rest = text.rpartition("/")[0].rpartition("/")
        offset = text.rpartition("/")[2]
        if not topic or not rest.isdecimal() or not offset.isdecimal():
            raise InputError("--at takes TOPIC/PARTITION/OFFSET, as `innsyn deadletters list` shows it")
        letters.append({"topic": topic, "partition": int(rest), "offset": int(offset)})
    return {"letters": letters} if letters else {}


def _show(done: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(done)
        return
    say(counted(done["letters"], "letter"))
    for outcome, count in sorted(done["outcomes"].items()):
        text = outcome if outcome in _DONE else f"still dead, {outcome}: {meaning(outcome)}"
        say(f"  {count:,} {text}")
    if done["more"]:
        say("  there are more; run it again")

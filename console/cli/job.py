"""`innsyn job`: whether a system's job holds what the protocol demands, in whatever language it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.options import Ids, Json, identifiers
from console.cli.show.output import print_json, say, screen, table
from schemas.errors import BrokerUnavailable, InputError, KeyUnavailable
from schemas.ids import is_id
from schemas.settings import load_settings

if TYPE_CHECKING:
    from innsyn_sdk.played import Result


_PATH = re.compile(r"[A-Za-z_]\w*(\.[^.\s]+)+")
"""A record and a field of it."""


class Right(StrEnum):
    """What a job may be told."""

    ERASURE = "erasure"
    ACCESS = "access"
    RECTIFICATION = "rectification"
    RESTRICT = "restrict"
    RETENTION = "retention"


app = typer.Typer(help="Jobs of systems: whether they hold.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Jobs of systems: whether one holds what the protocol demands."""


@app.command(
    "test",
    short_help="Play commands at a job, over Kafka.",
    epilog="Example: innsyn job test --system billing --bootstrap localhost:9092 --keys test-keys"
    " --id customer_number=100042 --field Invoice.name",
)
def play(
    system: Annotated[str, typer.Option("--system", metavar="SYSTEM", help="Whose job it is.")],
    bootstrap: Annotated[
        str,
        typer.Option("--bootstrap", metavar="HOST:PORT", help="A broker for tests, which the job follows."),
    ],
    ids: Ids,
    fields: Annotated[
        list[str],
        typer.Option(
            "--field",
            metavar="RECORD.FIELD",
            help="What of the person it is about; repeatable. RECORD.FIELD=VALUE: what a rectification writes.",
        ),
    ],
    right: Annotated[
        Right,
        typer.Option("--right", help="What the job is told to do."),
    ] = Right.ERASURE,
    undated: Annotated[
        bool,
        typer.Option(
            "--undated",
            help="The store has a record without a time: with --right retention it has to stay and be told; of an"
            " erasure no limit of time is played.",
        ),
    ] = False,
    keys: Annotated[
        Path,
        typer.Option(
            "--keys",
            metavar="FOLDER",
            help="Keys for tests, made where there are none. SYSTEM.json there is the job's key file.",
        ),
    ] = Path("test-keys"),
    wait: Annotated[
        float, typer.Option("--wait", min=1, max=600, help="Seconds that an answer is waited for.")
    ] = 30.0,
    as_json: Json = False,
) -> None:
    """Play commands at a job in any language: twice, out of order, too old, taken back, altered, sealed or signed by
    another, for another system, and of an erasure with limits: `cut_off`, `where`, `before`, an order to blank a field,
    and several orders for one record. Say of each what came of it.

    With --right retention every record that is older than the test has run out; those of --id are kept at first.

    The job runs beside this command, on a broker and on a store for tests: what --id and --field say is erased there.
    innsyn's own commands are under other keys, so a job with its own key file carries out none of these. Exit status 1:
    something did not hold.
    """
    if not is_id("system", system):
        raise InputError("--system is no name of a system; `innsyn systems show` lists those there are")
    if undated and right not in (Right.RETENTION, Right.ERASURE):
        raise InputError("--undated is of --right erasure and retention alone")
    names, content = _content(fields, right)
    people = _people(ids, system)
    said = {"right": str(right), "content": content, "undated": undated, "seconds": wait}
    results = list(_played(system, bootstrap, people, names, keys, said))
    left_out = _left_out(names, right, undated=undated)
    raise typer.Exit(int(_shown(system, results, left_out, as_json=as_json)))


def _people(ids: Sequence[str], system: str) -> list[tuple[str, str]]:
    """Kind and value of each; of a system that the company has, of the kinds that it has."""
    from console.wiring.company import company_of

    people = [(item["kind"], item["value"]) for item in identifiers(ids)]
    if not all(value.strip() for _, value in people):
        raise InputError("--id takes KIND=VALUE, such as email=-, but one has no value")
    company = company_of(load_settings())
    if system not in company.catalogue.systems:
        say(f"{system} is no system of this company: kinds of --id are not looked up", err=True)
        return people
    for kind, _ in people:
        company.kinds.parse(kind)
    return people


def _left_out(fields: Sequence[str], right: Right, *, undated: bool) -> list[str]:
    """What was not played, and what to give for that."""
    from innsyn_sdk.cases import unlimited

    if right is not Right.ERASURE:
        return []
    return [*unlimited(fields), *(["no limit of time is played: --undated says so"] if undated else [])]


def _shown(system: str, results: Sequence[Result], left_out: Sequence[str], *, as_json: bool) -> bool:
    """Say of each case what came of it; whether something did not hold."""
    broken = [item for item in results if item.wrong is not None]
    if as_json:
        cases = [asdict(item) for item in results]
        print_json({"system": system, "holds": not broken, "cases": cases, "not_played": list(left_out)})
        return bool(broken)
    rows = table("a command that is", "answered", "holds", "seconds", right=("seconds",))
    for item in results:
        answered = ", then ".join(item.answered) or "–"
        rows.add_row(item.case, answered, "yes" if item.wrong is None else "NO", f"{item.seconds:.2f}")
    screen().print(rows)
    for item in broken:
        screen().print(f"{item.case}: {item.wrong}", soft_wrap=True)
    for line in left_out:
        say(line)
    if not broken:
        say(f"all {len(results)} cases hold")
    return bool(broken)


def _content(fields: Sequence[str], right: Right) -> tuple[list[str], dict[str, str] | None]:
    """The names of fields, and of a rectification what each shall say."""
    parts = [text.partition("=") for text in fields]
    corrects = right is Right.RECTIFICATION
    if any(bool(equals) != corrects for _, equals, _ in parts):
        raise InputError(
            "--field takes RECORD.FIELD=VALUE with --right rectification, else RECORD.FIELD alone"
        )
    if not all(_PATH.fullmatch(name) for name, _, _ in parts):
        raise InputError("--field is no RECORD.FIELD; write the name of the record first, as in Invoice.name")
    return [name for name, _, _ in parts], {name: value for name, _, value in parts} if corrects else None


def _played(
    system: str,
    bootstrap: str,
    people: Sequence[Any],
    fields: Sequence[str],
    folder: Path,
    said: Mapping[str, Any],
) -> Iterator[Result]:
    try:
        from innsyn_sdk.issuing import Issuer, Pair, at_once, own_pair
        from innsyn_sdk.keys import KeysUnreadable
        from innsyn_sdk.played import JobSilent, Unanswered, played
    except ModuleNotFoundError:
        raise InputError(
            "innsyn_sdk is not installed here; run `pip install ./sdk` in innsyn's sources"
        ) from None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pair, key_file = own_pair(folder, system)
    except OSError as error:
        raise InputError(f"the folder of --keys cannot be used ({error.strerror}); name another") from None
    except KeysUnreadable as error:
        raise KeyUnavailable(str(error)) from None
    say(f"the job of {system} has to run with the key file {key_file}; waiting for it", err=True)
    kafka = {**load_settings().kafka_options(), "bootstrap.servers": bootstrap}
    issuer = Issuer(system, pair, Pair.made("testother"), at_once())
    try:
        yield from played(kafka, issuer, people, fields, key_file=str(key_file), **said)
    except JobSilent as error:
        raise InputError(str(error)) from None
    except Unanswered as error:
        raise BrokerUnavailable(f"Kafka at {bootstrap} {error}; look whether --bootstrap is right") from None

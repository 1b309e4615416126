"""`innsyn restrict`, `object` and `withdraw`: requests that stop some processing (GDPR Art. 7(3), 18, 21)."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from console.cli.erase import receipt, say_made, say_open
from console.cli.options import (
    TYPED,
    At,
    Because,
    Ids,
    Json,
    Port,
    Received,
    at_moment,
    identifiers,
    in_order,
)
from console.cli.show.output import print_json, screen
from console.cli.show.standing import headline
from console.client import require
from schemas.errors import InputError
from schemas.settings import load_settings
from schemas.vocabulary import RestrictionGround

_PATH = re.compile(r"[A-Z][A-Za-z0-9]{0,63}\.[a-z][a-z0-9_]{0,63}")
Purposes = Annotated[
    list[str] | None,
    typer.Option(
        "--purpose",
        metavar="ID",
        help="A purpose that is meant, as `innsyn catalogue show` has it; else all.",
    ),
]
Reason = Annotated[str | None, typer.Option(metavar="TEXT", help="What the person wrote; kept sealed.")]
Channel = Annotated[str, typer.Option(help="Where the request came in.")]


def restrict(
    ids: Ids,
    ground: Annotated[
        RestrictionGround | None, typer.Option("--ground", help="Why (GDPR Art. 18(1)(a) to (d)).")
    ] = None,
    purposes: Purposes = None,
    at: At = None,
    port: Port = None,
    reason: Reason = None,
    channel: Channel = "cli",
    received: Received = None,
    because: Because = None,
    as_json: Json = False,
) -> None:
    """Have every system store a person's data and do nothing else with them, until that is lifted.

    Systems without a job for it are told by people: the request says which. `innsyn requests lift` ends it.

    Example: innsyn restrict --id customer_number=10042 --ground accuracy
    """
    body = {"type": "restriction", "purposes": purposes or [], "ground": ground, **receipt(received)}
    _make(body, at_moment(identifiers(ids), at, port, addresses=True), reason, channel, because, as_json)


def object_to(
    ids: Ids,
    purposes: Purposes = None,
    at: At = None,
    port: Port = None,
    reason: Reason = None,
    channel: Channel = "cli",
    received: Received = None,
    because: Because = None,
    as_json: Json = False,
) -> None:
    """Stop what rests on legitimate or public interests, and direct marketing, because the person objects.

    An objection to marketing is absolute; any other stands until somebody has weighed it and lifts it with a reason.

    Example: innsyn object --id customer_number=10042 --purpose P-MARKETING
    """
    body = {"type": "objection", "purposes": purposes or [], **receipt(received)}
    _make(body, at_moment(identifiers(ids), at, port, addresses=True), reason, channel, because, as_json)


def withdraw(
    ids: Ids,
    purposes: Purposes = None,
    at: At = None,
    port: Port = None,
    reason: Reason = None,
    channel: Channel = "cli",
    received: Received = None,
    because: Because = None,
    as_json: Json = False,
) -> None:
    """Erase what rested on a consent that the person withdraws, and on nothing else.

    What another basis carries stays, and the request says on which, and where the use for these purposes has to end.

    Example: innsyn withdraw --id customer_number=10042 --purpose P-ANALYTICS
    """
    body = {"type": "withdrawal", "purposes": purposes or [], **receipt(received)}
    _make(body, at_moment(identifiers(ids), at, port, addresses=True), reason, channel, because, as_json)


def rectify(
    context: typer.Context,
    ids: Ids,
    corrections: Annotated[
        list[str],
        typer.Option(
            "--set", metavar="RECORD.FIELD=VALUE", help="What it shall say; - reads a line of standard input."
        ),
    ],
    at: At = None,
    port: Port = None,
    reason: Reason = None,
    channel: Channel = "cli",
    received: Received = None,
    because: Because = None,
    as_json: Json = False,
) -> None:
    """Have what is wrong about a person corrected in every system that holds it, and the recipients told.

    Values are sealed under the request's key; what is kept is which field was corrected, and when. Each - takes the
    next line of standard input, in the order in which they stand in the command.

    Example: innsyn rectify --id customer_number=10042 --set CustomerDetails.name=-
    """
    people: list[dict[str, str]] = []
    said: dict[str, str] = {}
    for option, text in in_order(context.meta.get(TYPED, ()), {"--id": ids, "--set": corrections}):
        if option == "--id":
            people += identifiers([text])
            continue
        name, value = _correction(text)
        if name in said:
            raise InputError(f"{_field(name)} is corrected twice; give one value for a field")
        said[name] = value
    body = {"type": "rectification", "corrections": said, **receipt(received)}
    _make(body, at_moment(people, at, port, addresses=True), reason, channel, because, as_json)


def _correction(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        # Not the text: it may be the value alone.
        raise InputError("a correction is written --set Record.field=value")
    if value != "-":
        return name, value
    line = sys.stdin.readline()
    if not line:
        raise InputError(f"standard input holds no line for {_field(name)}; write one for each -")
    return name, line.rstrip("\n")


def _field(name: str) -> str:
    """The field as an error may name it: what is none may be a value that was swapped in."""
    return f"--set {name}=" if _PATH.fullmatch(name) else "a --set"


def _make(
    body: dict[str, Any],
    people: Sequence[Any],
    reason: str | None,
    channel: str,
    because: str | None,
    as_json: bool,
) -> None:
    with require(load_settings(), because) as client:
        made = client.create_request({**body, "identifiers": people, "reason": reason, "channel": channel})
    say_made(made)
    if as_json:
        print_json(made)
        return
    screen().print(headline(made))
    say_open(made.get("also_open") or [])

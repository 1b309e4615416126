"""What several commands take: how a person, a moment and a reason are given, and what the API takes of them."""

from __future__ import annotations

import getpass
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.asked_for import AskedFor
from schemas.counted import counted
from schemas.errors import InputError, InvalidIdentifier
from schemas.moments import from_iso
from schemas.vocabulary import ADDRESS

if TYPE_CHECKING:
    from console.client import Client

_KIND = re.compile("[a-z][a-z0-9_]{0,63}")
_RECORD = re.compile("[A-Za-z][A-Za-z0-9_.]{0,199}")
TYPED = "console.cli.typed"
"""Key of a context's `meta`: the words behind the command, as they were typed."""
Ids = Annotated[
    list[str],
    typer.Option(
        "--id",
        metavar="KIND=VALUE",
        help="Names the person; repeatable. KIND=- reads a line of standard input.",
    ),
]
OptionalIds = Annotated[
    list[str] | None,
    typer.Option(
        "--id",
        metavar="KIND=VALUE",
        help="Names the person; repeatable. KIND=- reads a line of standard input.",
    ),
]
Clocks = Annotated[
    list[str] | None,
    typer.Option(
        "--clock",
        metavar="NAME=DATE",
        help="Day a retention clock started, such as contract_end=2026-01-31; repeatable.",
    ),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        "--at",
        metavar="[KIND=]TIME",
        help="When the identifiers were the person's (ISO 8601); KIND=TIME: those of that kind alone, repeatable.",
    ),
]
Port = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65_535, help="Source port of that use, where the address is shared."),
]
KnownAt = Annotated[
    str | None,
    typer.Option("--known-at", metavar="TIME", help="Answer as the index would have at that moment."),
]
Changes = Annotated[bool, typer.Option("--changes", help="Also say what changed since --known-at.")]
Digest = Annotated[
    str | None,
    typer.Option("--digest", metavar="DIGITS", help="What is approved, as it was shown; else it asks."),
]
Because = Annotated[
    AskedFor | None,
    typer.Option("--because", help="What it is asked for; stands in the audit record."),
]
Received = Annotated[
    str | None,
    typer.Option(
        "--received", metavar="DATE", help="Day on which it came in, if not today: the clock starts then."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def identifiers(given: Sequence[str]) -> list[dict[str, str]]:
    """`KIND=VALUE` as the API takes them. `KIND=-` takes the next line of standard input.

    Which kinds there are, who answers knows: its company's. Raises InvalidIdentifier; its text never holds a value, nor
    what stood for the kind (it may be a value swapped in).
    """
    if not given:
        raise InvalidIdentifier("nobody is named; give --id KIND=VALUE, such as --id customer_number=-")
    return [_identifier(text) for text in given]


def in_order(typed: Sequence[str], given: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Options and their values in the order of the command line, since each `-` takes the next line of standard input.

    `typed`: the words of the command line; `given`: the values of each option, as they were parsed. Raises InputError
    where several options read standard input and the words do not tell the order.
    """
    order, words = [], iter(typed)
    for word in words:
        option, equals, value = word.partition("=")
        if option in given:
            order.append((option, value if equals else next(words, "")))
    if all([value for name, value in order if name == option] == list(given[option]) for option in given):
        return order
    if sum(reads_stdin(values) for values in given.values()) > 1:
        raise InputError(
            f"{' and '.join(given)} both read standard input, and in which order is not clear; give the value of one"
        )
    return [(option, value) for option, values in given.items() for value in values]


def _identifier(text: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InvalidIdentifier("--id takes KIND=VALUE, such as email=-, but one has no '='")
    if not _KIND.fullmatch(name):
        raise InvalidIdentifier("--id has no kind before '='; give KIND=VALUE, such as email=-")
    if value == "-":
        value = sys.stdin.readline().strip()
        if not value:
            raise InvalidIdentifier(f"standard input holds no line for --id {name}=-; write one for each")
    return {"kind": name, "value": value}


def record_key(text: str) -> dict[str, str]:
    """`RECORD=VALUE` as the API takes it. Raises InvalidIdentifier; its text never holds what was given."""
    name, equals, value = text.partition("=")
    if not equals or not _RECORD.fullmatch(name):
        raise InvalidIdentifier(
            "--key takes RECORD=VALUE, such as Invoice=-; give the record's name before '='"
        )
    if value == "-":
        value = sys.stdin.readline().strip()
    if not value:
        raise InvalidIdentifier("--key has no value behind '='; give one, or a line on standard input for -")
    return {"record": name, "value": value}


def at_moment(
    people: Sequence[dict[str, str]],
    at: Sequence[str] | None,
    port: int | None,
    *,
    addresses: bool = False,
) -> list[dict[str, Any]]:
    """The identifiers with the moment and port of their use; `addresses`: the port goes with those alone.

    A time goes with every identifier, one of a kind with those of that kind; as many as there are of it go with them in
    their order. Raises InputError where there is nothing that it could go with.
    """
    times = _times(at or ())
    kinds = [item["kind"] for item in people]
    for kind, given in times.items():
        if kind is not None and (kind not in kinds or len(given) not in (1, kinds.count(kind))):
            raise InputError(
                f"--at {kind}= is given {counted(len(given), 'time')} for {kinds.count(kind)} --id {kind}=; give it"
                " once, or once for each, in their order"
            )
    if addresses and port is not None and ADDRESS not in kinds:
        raise InputError("--port says where an address was used; give it with --id ip=ADDRESS")
    found = []
    for number, item in enumerate(people):
        kind = item["kind"]
        given = times.get(kind) or times.get(None) or [None]
        more = {
            "at": given[kinds[:number].count(kind)] if len(given) > 1 else given[0],
            "port": port if kind == ADDRESS or not addresses else None,
        }
        found.append({**item, **{name: value for name, value in more.items() if value is not None}})
    return found


def _times(at: Sequence[str]) -> dict[str | None, list[str | None]]:
    """The moments by kind; None: of every kind that has none of its own."""
    times: dict[str | None, list[str | None]] = {}
    for text in at:
        before, equals, after_it = text.partition("=")
        kind = before if equals and _KIND.fullmatch(before) else None
        times.setdefault(kind, []).append(moment(after_it if kind else text, "--at"))
    if len(times.get(None, ())) > 1:
        raise InputError("--at TIME is given twice; say which identifiers each goes with: --at KIND=TIME")
    return times


def as_known(known_at: str | None, changes: bool, as_json: bool) -> dict[str, Any]:
    """What the API takes to answer as at an earlier moment; for people always with what changed. Raises InputError."""
    if known_at is None:
        if changes:
            raise InputError("--changes compares with an earlier moment; give it with --known-at TIME")
        return {}
    return {"known_at": moment(known_at, "--known-at"), "changes": changes or not as_json}


def anchors(given: Sequence[str] | None) -> dict[str, str]:
    """`NAME=DATE` as the API takes the starts of retention clocks. Raises InputError."""
    # Not at the top: it brings pydantic, a quarter of a second that a mere --help need not wait for.
    from schemas.policy import RetentionAnchors

    known = [field.name for field in fields(RetentionAnchors)]
    found = {}
    for text in given or ():
        name, _, text = text.partition("=")
        try:
            started = date.fromisoformat(text)
        except ValueError:
            started = None
        if name not in known or started is None:
            raise InputError(
                f"--clock takes NAME=DATE, such as {known[0]}=2026-01-31; names: {', '.join(known)}"
            )
        found[name] = started.isoformat()
    return found


def reads_stdin(given: Iterable[str]) -> bool:
    """Whether standard input is taken by an identifier, so that nothing can be asked there."""
    return any(text.partition("=")[2] == "-" for text in given)


def moment(text: str | None, option: str) -> str | None:
    """A time with zone in ISO 8601, as the API takes it. Raises InputError."""
    if text is None:
        return None
    try:
        parsed = from_iso(text)
    except (ValueError, OverflowError):
        parsed = None
    if parsed is None or parsed.tzinfo is None:
        raise InputError(f"{option} takes a time with zone in ISO 8601, such as 2026-03-01T12:00:00Z")
    return parsed.isoformat()


def user_name() -> str:
    """Who runs this command, as the system knows them."""
    try:
        return getpass.getuser()[:64]
    except (KeyError, OSError):
        return "command line"


def approved(
    client: Client,
    request_id: str,
    digest: str | None,
    found: Callable[[], Mapping[str, Any]],
    show: Callable[[Mapping[str, Any]], None],
    *,
    as_json: bool,
) -> dict[str, Any]:
    """The request once it is approved. Without a digest what is `found`, with its `digest` and whether it
    `awaits_approval`, is shown and the terminal is asked.

    Raises InputError where there is nothing to approve, and where nobody can be asked.
    """
    if digest is None:
        item = found()
        if not item["awaits_approval"]:
            raise InputError(f"{request_id} waits for no approval, so there is nothing to approve")
        if as_json or not sys.stdin.isatty():
            raise InputError(
                "approving asks first and nobody can answer here; give --digest with what was shown"
            )
        show(item)
        typer.confirm("Approve this?", abort=True, err=True)
        digest = str(item["digest"])
    return client.handle(request_id, "approve", {"digest": digest})

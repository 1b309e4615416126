"""`innsyn log`: what was recorded, sealed so that nobody changes it unseen; proofs of it, and their check."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from console.cli.options import Json
from console.cli.show.output import marked, print_json, say, screen, table
from console.client import connect
from console.wiring.private import write_private
from schemas.counted import counted
from schemas.errors import BrokerUnavailable, IndexUnavailable, InputError, KeyUnavailable, Unavailable
from schemas.settings import Settings, load_settings
from schemas.signingkeys import PublicKey, SigningKeyring, public_key

_LARGEST = 16 * 1024 * 1024
Key = Annotated[
    list[str] | None,
    typer.Option(
        "--key",
        metavar="PUBLIC",
        help="Public key of the installation that signed: 64 hex digits, or a file; repeatable, default ours.",
    ),
]
app = typer.Typer(
    help="The log of what was recorded: show, seal, prove, verify, check.", no_args_is_help=True
)


class Book(Protocol):
    """The log, of a running innsyn or of the index that nobody has open."""

    def shown(self, limit: int) -> Mapping[str, Any]: ...

    def sealed(self) -> Mapping[str, Any]: ...

    def proof(self, entry: str, since: int | None) -> Mapping[str, Any]: ...

    def checked(self) -> Mapping[str, Any]: ...


@app.command(short_help="Show the newest signed heads.", epilog="Example: innsyn log show --json")
def show(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the newest signed heads, what waits to be sealed, and up to where the topic rights.log was told."""
    with _book() as book:
        found = book.shown(limit)
    if as_json:
        print_json(found)
        return
    out = screen()
    rows = table("head", "sealed", "entries", "root", "told", right=("head", "entries"))
    for head in found["heads"]:
        told = "yes" if head["sequence"] <= found["published"] else "not yet"
        rows.add_row(
            f"{head['sequence']:,}", head["at"][:19] + "Z", f"{head['size']:,}", f"{head['root'][:16]}…", told
        )
    out.print(rows if found["heads"] else "Nothing is sealed yet.")
    out.print(f"not sealed yet: {found['waiting']:,}")
    out.print(f"public key {found['public_key']}", soft_wrap=True)


@app.command(short_help="Seal what was recorded until now.", epilog="Example: innsyn log seal")
def seal(as_json: Json = False) -> None:
    """Seal what was recorded until now, and tell the topic rights.log; the rights worker does it every minute."""
    with _book() as book:
        found = book.sealed()
    if as_json:
        print_json(found)
        return
    count = "what waited" if found["sealed"] is None else f"{found['sealed']:,}"
    told = "was told" if found["published"] else "is told when there is a broker"
    say(f"sealed: {count}; the topic rights.log {told}")


@app.command(
    short_help="Write a proof that an entry stands in the log.",
    epilog="Example: innsyn log prove r-5f2a9c01d7e34b68/3 --to proof.json",
)
def prove(
    entry: Annotated[
        str,
        typer.Argument(
            metavar="ENTRY",
            help="An event of a request, as in ID/3, ID/certificate, or of `innsyn audit --json`.",
        ),
    ],
    to: Annotated[str, typer.Option("--to", metavar="FILE", help="Where to; replaced if it is there.")],
    since: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="HEAD", help="Also prove that the log begins with all of this earlier head."
        ),
    ] = None,
) -> None:
    """Write a proof that an entry stands in the log, for whoever has the public key (`innsyn log verify`)."""
    with _book() as book:
        found = book.proof(entry, since)
    write_file(to, found)
    signed = {found[name]["head"]["key_id"] for name in ("earlier",) if name in found} | {
        found["head"]["key_id"]
    }
    keys = " ".join(f"--key {item.text}" for item in _own() if item.id in signed)
    say(f"written; `innsyn log verify {to} {keys}` checks it anywhere")


@app.command(short_help="Check such a proof, offline.", epilog="Example: innsyn log verify proof.json")
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="As `innsyn log prove` wrote it.")],
    key: Key = None,
) -> None:
    """Check a proof with the public key alone, offline. Exit status 1: it proves nothing, and why."""
    # Imported here: a check needs neither index nor broker.
    from streams.evidence.proof import verify as verified

    content, public = read_file(file), the_keys(key)
    said(lambda: verified(content, public))


@app.command(short_help="Hold everything recorded against the log.", epilog="Example: innsyn log check")
def check(as_json: Json = False) -> None:
    """Recompute everything that was recorded against the log, its signed heads, and those of the topic rights.log.

    Exit status 1: something was changed, removed or put in; the first of it is named first.
    """
    with _book() as book:
        found = book.checked()
    if as_json:
        print_json(found)
    else:
        out = screen()
        for line in found["faults"]:
            out.print(marked("[red]{}[/red]", line), soft_wrap=True)
        numbers = f"{counted(found['entries'], 'entry')} under {counted(found['heads'], 'head')}"
        topic = "not asked: no broker" if found["told"] is None else f"{counted(found['told'], 'head')} agree"
        out.print(
            f"{numbers}, {found['expired']:,} of them no longer kept; {found['waiting']:,} not sealed yet; topic"
            f" rights.log: {topic}",
            soft_wrap=True,
        )
        if found["strange"]:
            out.print(
                f"{counted(found['strange'], 'message')} there not signed by this installation: see who may write to it"
            )
        if not found["faults"]:
            out.print("nothing was changed, removed or put in")
    if found["faults"]:
        raise typer.Exit(1)


def said(verified: Callable[[], str]) -> None:
    """Print what a check says. Exit status 1 where it proves nothing."""
    try:
        say(verified())
    except InputError as error:
        say(error)
        raise typer.Exit(1) from None


def the_keys(given: Sequence[str] | None) -> Sequence[PublicKey]:
    """The public keys that were named, or all that we ever signed with. Raises InputError."""
    if given:
        return [public_key(item) for item in given]
    try:
        return _own()
    except KeyUnavailable as error:
        raise InputError(
            f"name the public key of the installation that signed it with --key ({error})"
        ) from None


def _own() -> Sequence[PublicKey]:
    return SigningKeyring(load_settings().keys_folder, create=False).key().every


def read_file(path: Path) -> object:
    """What the JSON file holds. Raises InputError for one that cannot be read."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise InputError("the file is larger than any proof; name another")
        return json.loads(text)
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror}); name another") from None
    except (ValueError, RecursionError):
        raise InputError("the file holds no JSON; name one that was written by innsyn") from None


def write_file(to: str, content: Mapping[str, Any]) -> None:
    """Write the JSON, readable by whoever runs this. Raises InputError."""
    try:
        write_private(Path(to), json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    except OSError as error:
        raise InputError(f"the file of --to cannot be written ({error.strerror}); name another") from None


@contextmanager
def _book() -> Iterator[Book]:
    settings = load_settings()
    client = connect(settings)
    if client is None:
        with _opened(settings) as book:
            yield book
        return
    with client:
        yield _Asked(client.log, client.seal_log, client.prove_entry, client.check_log)


class _Asked:
    """The log of a running innsyn."""

    def __init__(
        self,
        shown: Callable[[int], Mapping[str, Any]],
        sealed: Callable[[], Mapping[str, Any]],
        proof: Callable[[str, int | None], Mapping[str, Any]],
        checked: Callable[[], Mapping[str, Any]],
    ) -> None:
        self.shown, self.sealed, self.proof, self.checked = shown, sealed, proof, checked


@contextmanager
def _opened(settings: Settings) -> Iterator[Book]:
    """The log of an embedded index that nobody has open. Raises IndexUnavailable, Unavailable."""
    from console.wiring.answering import refuse_pending
    from console.wiring.evidence import log_book
    from console.wiring.run_file import broker
    from sinks.open import embedded_folder, open_sinks
    from streams.kafka.sender import sender

    folder = embedded_folder(settings)
    if folder is None:
        raise Unavailable(
            "no innsyn answers and the index is a server's; start `innsyn serve` or set INNSYN_API_TOKEN"
        )
    if not folder.is_dir():
        raise IndexUnavailable(f"there is no index in {folder}; start with `innsyn up` or set INNSYN_HOME")
    sinks = open_sinks(settings, question=True)
    try:
        refuse_pending(sinks)
        try:
            connection = broker(settings)
        except BrokerUnavailable:
            yield log_book(settings, sinks)
            return
        with sender(connection) as send:
            yield log_book(settings, sinks, connection, send)
    finally:
        sinks.close()

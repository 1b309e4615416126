"""`innsyn systems`: the keys of the systems that erase, made, handed over to their jobs' teams, and changed."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.options import Json
from console.cli.show.output import print_json, say, screen, table
from console.client import connect
from console.operations.system_keys import described, last_heard, told
from schemas.errors import InputError
from schemas.settings import Settings, load_settings
from schemas.systemkeys import SystemKeyring, SystemKeys

_LARGEST = 64 * 1024
System = Annotated[str, typer.Argument(metavar="SYSTEM", help="As `innsyn systems show` has it.")]
Public = Annotated[
    Path | None,
    typer.Option(
        "--public",
        metavar="FILE",
        help="Public halves of a key that the system's team made; none: made here.",
    ),
]
app = typer.Typer(help="The keys of the systems that erase.", no_args_is_help=True)


@app.command(
    short_help="Show systems and the ids of their keys.", epilog="Example: innsyn systems show --json"
)
def show(
    system: Annotated[str | None, typer.Argument(metavar="[SYSTEM]", help="None: all of them.")] = None,
    as_json: Json = False,
) -> None:
    """Show the systems that are told to erase, with the ids of their keys, never a key; of an innsyn that runs also the
    day on which each last answered a command: one that never did may have no job.

    Exit status 1: there is one to which no command can be sent.
    """
    settings = load_settings()
    found, heard = described(settings), _heard(settings)
    if system is not None:
        ring = _ring(system)
        found = [item for item in found if item.system == system]
        places = [path for path in (ring.path(system), ring.job_path(system)) if path.exists()]
    else:
        places = []
    if as_json:
        answered = {} if heard is None else {item.system: heard.get(item.system) for item in found}
        print_json({"items": [{**asdict(item), "last_answer": answered.get(item.system)} for item in found]})
    else:
        rows = table("system", "commands to", "also answers", "private halves", "last answer")
        for item in found:
            first, *more = item.key_ids or ("none",)
            last = "–" if heard is None else heard.get(item.system, "never")[:10]
            where = _where(item.private_here, item.problem)
            rows.add_row(item.system, first, ", ".join(more) or "–", where, last)
        screen().print(rows)
        if heard is None:
            screen().print("When each last answered an innsyn that runs says; none runs.")
        for place in places:
            screen().print(str(place), soft_wrap=True)
        for line in _problems([(item.system, item.problem) for item in found], short=system is None):
            screen().print(line, soft_wrap=True)
    raise typer.Exit(int(any(item.problem for item in found)))


@app.command(
    short_help="Give systems their first key.",
    epilog="Example: innsyn systems add billing --public billing-public.json",
)
def add(
    systems: Annotated[
        list[str], typer.Argument(metavar="SYSTEM...", help="As `innsyn systems show` has them.")
    ],
    public: Public = None,
    as_json: Json = False,
) -> None:
    """Give systems their first key: before it no command can be sent to them.

    Made here, its private halves are handed over by `innsyn systems export`. A team that makes its own gives the
    public ones, as hex digits: {"system": "billing", "keys": [{"id": "1a2b3c4d", "seal": X25519, "verify": Ed25519}]}.
    """
    if public is not None and len(systems) > 1:
        raise InputError("--public is of one system; name one at a time")
    content = _content(public)
    rings = [_ring(system) for system in systems]
    made = [ring.add(system, content) for ring, system in zip(rings, systems, strict=True)]
    if as_json:
        print_json({"items": [_ids(keys) for keys in made]})
        return
    for keys in made:
        _changed(keys, False, f"`innsyn systems export {keys.system} --to FILE` writes what its job needs")


@app.command(
    short_help="Write the key file of a system's job.",
    epilog="Example: innsyn systems export billing --to billing.json",
)
def export(
    system: System,
    to: Annotated[
        str,
        typer.Option("--to", metavar="FILE", help="Where to, a new file; - is standard output."),
    ],
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the private halves here too, for a job that runs here.")
    ] = False,
) -> None:
    """Write the key file of a system's job, readable by you alone, and destroy the private halves here.

    Hand it over as a secret. From then on innsyn can neither read its own commands nor answer them. Of private halves
    that are not here it writes what is left to tell: the public key of innsyn's commands. A file that is there is left
    as it is: it may be the only one with private halves.
    """
    ring = _ring(system)
    if to != "-" and ring.is_inside(Path(to)):
        raise InputError("the file of --to lies among innsyn's own keys; name one outside of the keys folder")

    def give(content: bytes) -> None:
        if to == "-":
            sys.stdout.write(content.decode())
            sys.stdout.flush()
        else:
            _write(Path(to), content)

    gone = False
    if keep:
        give(ring.for_job(system))
    else:
        gone = ring.hand_over(system, give)
    here = "its private halves are no longer here" if gone else "no private half was taken from here"
    say(f"written, the key file of the job of {system}; {here}", err=True)


@app.command(
    short_help="Give a system another key; the old one stays.",
    epilog="Example: innsyn systems rotate billing",
)
def rotate(system: System, public: Public = None, as_json: Json = False) -> None:
    """Give a system another key. Commands go to the old one, answers under both count, until it is retired.

    A key that innsyn shared with the job in an earlier version ends at once.
    """
    _changed(
        _ring(system).rotate(system, _content(public)),
        as_json,
        f"`innsyn systems export {system} --to FILE` for its job, beside the file it has; then `innsyn systems retire"
        f" {system}` ends the old one",
    )


@app.command(
    short_help="End all keys of a system but the newest.", epilog="Example: innsyn systems retire billing"
)
def retire(system: System, as_json: Json = False) -> None:
    """End all keys of a system but the newest: a job that lacks that one can neither read commands nor answer."""
    _changed(
        _ring(system).retire(system),
        as_json,
        "what was sent under an ended key is sent again by `innsyn requests resend`",
    )


def _heard(settings: Settings) -> dict[str, str] | None:
    """When systems last answered; None where no innsyn runs."""
    client = connect(settings)
    if client is None:
        return None
    with client:
        return last_heard(client.requests())


def _ring(system: str) -> SystemKeyring:
    settings = load_settings()
    if system not in (known := told(settings)):
        raise InputError(f"no system of that name is told to erase; use one of {', '.join(known)}")
    return SystemKeyring(settings.keys_folder)


def _content(public: Path | None) -> bytes | None:
    if public is None:
        return None
    try:
        with public.open("rb") as file:
            return file.read(_LARGEST)
    except OSError as error:
        raise InputError(f"the file of --public cannot be read ({error.strerror}); name another") from None


def _write(target: Path, content: bytes) -> None:
    """A new file, private and on disk with its name: what it holds may be destroyed here next."""
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise InputError(
            "the file of --to is there already, and may be the only one with private halves; name another: a job takes"
            " several files"
        ) from None
    except OSError as error:
        raise InputError(f"the file of --to cannot be written ({error.strerror}); name another") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        target.unlink(missing_ok=True)
        raise InputError(f"the file of --to cannot be written ({error.strerror}); name another") from None


def _where(private_here: bool, problem: str | None) -> str:
    if problem is not None:
        return "–"
    return "here" if private_here else "its team's"


def _problems(found: list[tuple[str, str | None]], *, short: bool) -> list[str]:
    """What to run; of many systems in one line for all that have no key."""
    lacking = [system for system, problem in found if problem is not None]
    if not short:
        return [problem for _, problem in found if problem is not None]
    if not lacking:
        return []
    return [
        f"no command can be sent to {', '.join(lacking)}: see `innsyn systems show SYSTEM` for what to run; where there"
        " is no key it is `innsyn systems add SYSTEM`"
    ]


def _changed(keys: SystemKeys, as_json: bool, then: str) -> None:
    found = _ids(keys)
    if as_json:
        print_json(found)
    else:
        screen().print(f"{keys.system}: {', '.join(found['key_ids'])}; {then}", soft_wrap=True)


def _ids(keys: SystemKeys) -> dict[str, Any]:
    return {"system": keys.system, "key_ids": [key.id for key in keys.keys]}

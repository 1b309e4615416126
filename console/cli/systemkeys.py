"""`innsyn keys system`: the key that each system of record shares with innsyn, to hand to its job's team or change."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.options import Json
from console.cli.show.output import print_json, say, screen, table
from console.wiring.company import company_of
from schemas.errors import InputError
from schemas.settings import Settings, load_settings
from schemas.systemkeys import FOLDER, SystemKeyring, SystemKeys, read_system_keys

System = Annotated[str, typer.Argument(metavar="SYSTEM", help="As `innsyn keys system list` has it.")]
app = typer.Typer(help="The keys of the systems that erase.", no_args_is_help=True)


@app.command(
    "list",
    short_help="List systems and the ids of their keys.",
    epilog="Example: innsyn keys system list --json",
)
def list_keys(as_json: Json = False) -> None:
    """List the systems that are told to erase, with the ids of their keys, never a key."""
    found = described(load_settings())
    if as_json:
        print_json({"items": found})
        return
    rows = table("system", "commands under", "also accepted")
    for item in found:
        ids = item["key_ids"] or ["made at first need"]
        rows.add_row(item["system"], ids[0], ", ".join(ids[1:]) or "–")
    screen().print(rows)
    screen().print(f"in {load_settings().keys_folder / FOLDER}, a file for each system", soft_wrap=True)


@app.command(
    short_help="Write the key file for a system's job.",
    epilog="Example: innsyn keys system export billing --to billing.json",
)
def export(
    system: System,
    to: Annotated[
        str,
        typer.Option("--to", metavar="FILE", help="Where to; - is standard output. Replaced if it is there."),
    ],
) -> None:
    """Write the one file that a system's erasure job needs, readable by you alone; hand it over as a secret."""
    ring = _ring(system)
    content = ring.path(ring.of(system).system).read_bytes()
    if to == "-":
        sys.stdout.write(content.decode())
        return
    target = Path(to)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"the file of --to cannot be written ({error.strerror}); name another") from None
    say(f"written; the job of {system} takes it as its key file", err=True)


@app.command(
    short_help="Add a key; the old one stays in force.", epilog="Example: innsyn keys system rotate billing"
)
def rotate(system: System, as_json: Json = False) -> None:
    """Add a key to a system's. Commands stay under the old one, answers under both count, until it is retired."""
    ring = _ring(system)
    ring.of(system)
    _changed(
        ring.rotate(system),
        as_json,
        f"hand the file over, then `innsyn keys system retire {system}` ends the old",
    )


@app.command(
    short_help="End all keys of a system but the newest.", epilog="Example: innsyn keys system retire billing"
)
def retire(system: System, as_json: Json = False) -> None:
    """End all keys of a system but the newest: a job that lacks that one can neither read commands nor answer."""
    ring = _ring(system)
    ring.of(system)
    _changed(
        ring.retire(system),
        as_json,
        "what was sent under an ended key is sent again by `innsyn requests resend`",
    )


def described(settings: Settings) -> list[dict[str, Any]]:
    """System, file and ids of the keys in force, of every system that is told to erase or has a key."""
    ring = SystemKeyring(settings.keys_folder, create=False)
    made = set(ring.systems())
    found = []
    for system in sorted(made | set(_told(settings))):
        keys = read_system_keys(ring.path(system)).keys if system in made else ()
        found.append({"system": system, "key_ids": [key.id for key in keys], "file": str(ring.path(system))})
    return found


def make_all(settings: Settings) -> list[str]:
    """A key for every system that is told to erase, where there is none; the systems of those made."""
    ring = SystemKeyring(settings.keys_folder)
    told = _told(settings)
    made = sorted(set(told) - set(ring.systems()))
    for system in told:
        ring.of(system)
    return made


def _told(settings: Settings) -> list[str]:
    return [item.id for item in company_of(settings).catalogue.systems.values() if item.erasure == "command"]


def _ring(system: str) -> SystemKeyring:
    settings = load_settings()
    if system not in (known := _told(settings)):
        raise InputError(f"no system of that name is told to erase; use one of {', '.join(sorted(known))}")
    return SystemKeyring(settings.keys_folder)


def _changed(keys: SystemKeys, as_json: bool, then: str) -> None:
    ids = [key.id for key in keys.keys]
    if as_json:
        print_json({"system": keys.system, "key_ids": ids})
    else:
        screen().print(f"{keys.system}: {', '.join(ids)}; {then}")

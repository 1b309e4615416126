"""`innsyn keys`: make, show, rotate and retire token keys. Ids, counts and file places only, never a key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from console.cli.options import Json
from console.cli.show.output import marked, print_json, screen
from console.operations.rotation import KeyState, Rotation
from console.wiring.answering import keyring, known_keys, refuse_pending
from console.wiring.company import company_of
from console.wiring.processes import until_signal
from schemas.counted import counted
from schemas.errors import IndexUnavailable, KeyUnavailable
from schemas.identifiers import IdentifierKind
from schemas.keys import Keyring
from schemas.private_files import fault
from schemas.settings import Settings, load_settings
from schemas.systemkeys import FOLDER, JOBS
from sinks.open import embedded_folder, open_sinks
from sinks.ports.sinks import Sinks
from streams.rights.case import CaseFile

app = typer.Typer(help="Make, show, rotate and retire the keys.", no_args_is_help=True)


@app.command(short_help="Make the token key, unless it is there.", epilog="Example: innsyn keys create")
def create(as_json: Json = False) -> None:
    """Make the token key and the signing key, unless they are there. Without the first nothing in the index can be
    found, without the second nothing more can be sealed: back them up. The keys of systems are `innsyn systems`.

    Refused where the index was made with another key: that one has to be restored.
    """
    settings = load_settings()
    ring = keyring(settings)
    made = False
    if not ring.held():
        _refuse_known(settings)
        made = ring.make()
    signing_made = ring.signing.make() or made
    key_id, file = next(iter(ring.held())), ring.token_files()[0]
    if as_json:
        print_json({"key_id": key_id, "file": str(file), "made": made, "signing_made": signing_made})
    else:
        verb = "made" if made else "was there already"
        screen().print(f"token key {key_id} {verb}: {file}", soft_wrap=True)
        verb = "made" if signing_made else "was there already"
        screen().print(f"signing key {verb}: {ring.signing.path}", soft_wrap=True)


@app.command(
    short_help="Bring a new token key into force, beside the old one.",
    epilog="Example: innsyn keys rotate --prepare",
)
def rotate(
    prepare: Annotated[
        bool,
        typer.Option(
            "--prepare", help="Only make the key, to be copied to every host before it comes into force."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring a new token key into force: taggers that start from now on use it, questions ask under all keys.

    The embedded index is open in one process alone: stop `innsyn up` first, start it afterwards.
    Every host needs the new key's file: make it with --prepare, copy the folder, then rotate. Taggers that run go on
    with the old key until they are started again; answers are the same meanwhile.
    """
    with _rotation() as rotation:
        key = rotation.prepare() if prepare else rotation.rotate()
    if as_json:
        print_json({"key_id": key.key_id, "in_force": not prepare})
        return
    folder = load_settings().keys_folder
    screen().print(
        f"token key {key.key_id} is in {folder}; copy the folder to every host and to your key backup, "
        + (
            "then run `innsyn keys rotate`"
            if prepare
            else "start the taggers again, then run `innsyn keys rekey` (`innsyn up` does it by itself)"
        ),
        soft_wrap=True,
    )


@app.command(
    short_help="Move what was made with older token keys to the one in force.",
    epilog="Example: innsyn keys rekey",
)
def rekey(
    topics: Annotated[
        bool, typer.Option(help="Read the topics again first, for the tokens of what they hold.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Move what was made with older token keys to the one in force, as far as its identifiers were seen since.

    Nothing is tagged anew: what was erased stays erased. Safe to repeat and to stop. `innsyn up` does it by itself.
    """
    # Not at the top: it takes what a tagger takes.
    from console.operations.rekeying import rekey as move
    from console.wiring.run_file import broker

    settings = load_settings()
    with _index() as sinks:
        connection = broker(settings) if topics else None
        moved = move(settings, connection, sinks, until_signal())
        left = [_shown(state) for state in Rotation(keyring(settings), sinks, _now).states()]
    if as_json:
        print_json({"moved": moved, "keys": left})
    else:
        screen().print(f"moved {moved:,} in all, of rows, claims and prefixes")
        _print_states(left)


@app.command(
    short_help="Destroy an older token key on which nothing rests.",
    epilog="Example: innsyn keys retire 0a1b2c3d",
)
def retire(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `innsyn keys show` names it.")],
    end_look_out: Annotated[
        bool,
        typer.Option(
            "--end-look-out",
            help="Also where what was erased can be recognised by it alone, should it come back.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Destroy an older token key on which nothing rests any more; its copies on other hosts and in backups are yours.

    Exit status 2: something rests on it still, and what.
    """
    with _index() as sinks:
        settings = load_settings()
        company = company_of(settings)
        file = CaseFile(sinks.requests, keyring(settings), _now, company.catalogue.calendar)

        def gave(request_id: str) -> list[tuple[IdentifierKind, str]]:
            return [(company.kinds.parse(item.kind), item.value) for item in file.identifiers(request_id)]

        here = Rotation(keyring(settings), sinks, _now).retire(key_id, gave, end_look_out=end_look_out)
    if as_json:
        print_json({"key_id": key_id, "file_destroyed": here})
    else:
        done = "its file here is destroyed" if here else "there was no file of it here"
        screen().print(f"token key {key_id} is retired; {done}; destroy its copies too")


@app.command(
    "rotate-signing",
    short_help="Sign heads and certificates with a new key.",
    epilog="Example: innsyn keys rotate-signing",
)
def rotate_signing(as_json: Json = False) -> None:
    """Sign tree heads of the log and certificates with a new key; what runs meanwhile takes it by itself.

    The old key signs the new one, its public half stays and checks what it signed, its private half is destroyed here:
    destroy its copies on other hosts and in backups, and copy keys/signing to each host that had it. Jobs of systems
    have keys of their own (`innsyn systems rotate`).
    """
    key = keyring(load_settings()).signing.rotate(_now())
    last = key.former[-1]
    if as_json:
        print_json({"key_id": key.public.id, "public_key": key.public.text, "former": last.json()})
        return
    out = screen()
    out.print(f"signing key {key.public.id} is in force, public half {key.public.text}", soft_wrap=True)
    out.print(
        f"{last.public.id} signed until {last.until:%d %B %Y}; its public half {last.public.text} stays for"
        " what it signed",
        soft_wrap=True,
    )


@app.command(short_help="Show which keys there are, and where.", epilog="Example: innsyn keys show --json")
def show(as_json: Json = False) -> None:
    """Show the token keys, what rests on each, where the keys lie, and how many sealing keys there are."""
    settings = load_settings()
    shown = describe(settings.keys_folder)
    states: list[dict[str, Any]] | None = None
    # What rests on a key is told where the index can be read: not while another process has the embedded one.
    with suppress(IndexUnavailable), _rotation() as rotation:
        states = [_shown(state) for state in rotation.states()]
    if as_json:
        print_json({**shown, "keys": states})
        return
    out = screen()
    out.print(f"token key    {shown['key_id']}  {shown['file']}", soft_wrap=True)
    if states is None:
        out.print(
            "  what rests on it: not told, the index cannot be read now; `innsyn up` has to be stopped for that"
        )
    _print_states(states or [])
    signing = shown["signing_key"]
    told = f"{signing['key_id']}, public half {signing['public_key']}" if signing else "none yet"
    out.print(f"signing key  {told}", soft_wrap=True)
    for item in (signing or {}).get("former", ()):
        out.print(
            f"  before     {item['key_id']} until {item['until'][:10]}, public half {item['public_key']}"
        )
    out.print(f"sealing keys {shown['sealing_keys']}  {shown['sealing_folder']}", soft_wrap=True)
    out.print(f"system keys  {shown['system_keys']}  {shown['systems_folder']}", soft_wrap=True)
    for line in shown["problems"]:
        out.print(marked("[red]{}[/red]", line), soft_wrap=True)


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def _index() -> Iterator[Sinks]:
    """The sinks, if there is one in its current shape. Raises IndexUnavailable."""
    settings = load_settings()
    folder = embedded_folder(settings)
    if folder is not None and not folder.is_dir():
        raise IndexUnavailable(f"there is no index in {folder}; start with `innsyn up` or set INNSYN_HOME")
    sinks = open_sinks(settings)
    try:
        refuse_pending(sinks)
        yield sinks
    finally:
        sinks.close()


@contextmanager
def _rotation() -> Iterator[Rotation]:
    with _index() as sinks:
        yield Rotation(keyring(load_settings()), sinks, _now)


def _shown(state: KeyState) -> dict[str, Any]:
    return {
        "key_id": state.key_id,
        "in_force": state.in_force,
        "since": state.since.isoformat(),
        "rows": state.resting.rows,
        "claims": state.resting.claims + state.resting.retained,
        "prefixes": state.resting.prefixes,
        "identifiers": state.resting.identifiers,
        "clocks": state.resting.clocks,
        "newest": state.resting.newest and state.resting.newest.isoformat(),
    }


_RESTING = (
    ("rows", "row"),
    ("claims", "claim"),
    ("prefixes", "prefix"),
    ("identifiers", "sealed identifier"),
    ("clocks", "clock event"),
)


def _print_states(states: Sequence[Mapping[str, Any]]) -> None:
    for state in states:
        screen().print(
            f"  {state['key_id']} {'in force' if state['in_force'] else 'older'} since {state['since'][:10]}:"
            f" {', '.join(counted(state[name], thing) for name, thing in _RESTING)}",
            soft_wrap=True,
        )


def describe(folder: Path) -> dict[str, Any]:
    """Ids and places of the keys in a folder, and what is wrong with their permissions. Raises KeyUnavailable."""
    ring = Keyring(folder, create=False)
    tokens, sealing = ring.token_files(), [folder / "seal" / name for name in ring.sealing_keys()]
    systems = [ring.systems.path(system) for system in ring.systems.systems()]
    jobs = sorted((folder / JOBS).glob("*.json"))
    problems = []
    folders = (folder, folder / "seal", folder / FOLDER, folder / JOBS, ring.signing.path.parent)
    for path in (*folders, ring.signing.path, *tokens, *sealing, *systems, *jobs):
        with suppress(FileNotFoundError):
            problems.append(fault(path, path.stat() if path.name == folder.name else path.lstat()))
    found = [line for line in problems if line is not None]
    return {
        # Not read where others can: the refusal says the same.
        "key_id": ", ".join(ring.held()) if not found else ", ".join(path.name for path in tokens),
        "file": str(tokens[0] if tokens else ring.required()),
        "signing_key": _signing(ring, found),
        "sealing_keys": len(sealing),
        "sealing_folder": str(folder / "seal"),
        "system_keys": len(systems),
        "systems_folder": str(folder / FOLDER),
        "problems": found,
    }


def _signing(ring: Keyring, problems: Sequence[str]) -> dict[str, Any] | None:
    """Ids and public halves of the signing key and those before it; None where there is none, or others can read it."""
    if problems or not ring.signing.path.exists():
        return None
    key = ring.signing.key()
    former = [item.json() for item in key.former]
    return {"key_id": key.public.id, "public_key": key.public.text, "former": former}


def _refuse_known(settings: Settings) -> None:
    """Raises KeyUnavailable if the index knows a key: under a new one nothing would be found that is there."""
    folder = embedded_folder(settings)
    if folder is not None and not folder.is_dir():
        return
    sinks = open_sinks(settings)
    try:
        known = known_keys(sinks)
    finally:
        sinks.close()
    if known:
        raise KeyUnavailable(
            f"the index was made with token key {', '.join(known)}, and there is none in {settings.keys_folder};"
            " restore the folder from your key backup or copy it from the host that has it, or set INNSYN_KEYS_DIR to"
            " where it is"
        )

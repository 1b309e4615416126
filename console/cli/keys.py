"""`innsyn keys`: make the token key, show which keys there are. Ids and file places only, never a key."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from console.cli.output import Json, print_json, screen
from console.session import embedded_folder, keyring, known_keys, open_index
from schemas.errors import KeyUnavailable
from schemas.keys import Keyring, fault
from schemas.settings import Settings, load_settings

app = typer.Typer(help="Make and show the keys.", no_args_is_help=True)


@app.command(epilog="Example: innsyn keys create")
def create(as_json: Json = False) -> None:
    """Make the token key, unless there is one. Without it nothing in the index can be found: back it up.

    Refused where the index was made with another key: that one has to be restored.
    """
    settings = load_settings()
    ring = keyring(settings)
    made = False
    if not ring.held():
        _refuse_known(settings)
        made = ring.make()
    key_id, file = next(iter(ring.held())), ring.token_files()[0]
    if as_json:
        print_json({"key_id": key_id, "file": str(file), "made": made})
    else:
        verb = "made" if made else "was there already"
        screen().print(f"token key {key_id} {verb}: {escape(str(file))}", soft_wrap=True)


@app.command(short_help="Show which keys there are, and where.", epilog="Example: innsyn keys show --json")
def show(as_json: Json = False) -> None:
    """Show the token key's id, where the keys lie, and how many sealing keys there are."""
    shown = describe(load_settings().keys_folder)
    if as_json:
        print_json(shown)
        return
    out = screen()
    out.print(f"token key    {shown['key_id']}  {escape(shown['file'])}", soft_wrap=True)
    out.print(f"sealing keys {shown['sealing_keys']}  {escape(shown['sealing_folder'])}", soft_wrap=True)
    for line in shown["problems"]:
        out.print(f"[red]{escape(line)}[/red]", soft_wrap=True)


def describe(folder: Path) -> dict[str, Any]:
    """Ids and places of the keys in a folder, and what is wrong with their permissions. Raises KeyUnavailable."""
    ring = Keyring(folder, create=False)
    tokens, sealing = ring.token_files(), [folder / "seal" / name for name in ring.sealing_keys()]
    problems = []
    for path in (folder, folder / "seal", *tokens, *sealing):
        with suppress(FileNotFoundError):
            problems.append(fault(path, path.stat() if path.name == folder.name else path.lstat()))
    found = [line for line in problems if line is not None]
    return {
        # Not read where others can: the refusal says the same.
        "key_id": ", ".join(ring.held()) if not found else ", ".join(path.name for path in tokens),
        "file": str(tokens[0] if tokens else ring.required()),
        "sealing_keys": len(sealing),
        "sealing_folder": str(folder / "seal"),
        "problems": found,
    }


def _refuse_known(settings: Settings) -> None:
    """Raises KeyUnavailable if the index knows a key: under a new one nothing would be found that is there."""
    folder = embedded_folder(settings)
    if folder is not None and not folder.is_dir():
        return
    index = open_index(settings)
    try:
        known = known_keys(index)
    finally:
        index.close()
    if known:
        raise KeyUnavailable(
            f"the index was made with token key {', '.join(known)}, and there is none in {settings.keys_folder};"
            " restore the folder from your key backup or copy it from the host that has it, or set INNSYN_KEYS_DIR to"
            " where it is"
        )

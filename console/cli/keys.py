"""`innsyn keys`: make the token key, show which keys there are. Ids and file places only, never a key."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from console.cli.output import Json, print_json, screen
from schemas.keys import Keyring
from schemas.settings import load_settings

app = typer.Typer(help="Make and show the keys.", no_args_is_help=True)


@app.command(epilog="Example: innsyn keys create")
def create(as_json: Json = False) -> None:
    """Make the token key, unless there is one. Without it nothing in the index can be found: back it up."""
    folder = load_settings().keys_folder
    made = not (folder / "token.json").exists()
    key_id = Keyring(folder).tokenizer().key_id
    if as_json:
        print_json({"key_id": key_id, "file": str(folder / "token.json"), "made": made})
    else:
        verb = "made" if made else "was there already"
        screen().print(f"token key {key_id} {verb}: {escape(str(folder / 'token.json'))}", soft_wrap=True)


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
    token = folder / "token.json"
    key_id = Keyring(folder, create=False).tokenizer().key_id
    sealing = sorted((folder / "seal").glob("[a-z0-9]*"))
    return {
        "key_id": key_id,
        "file": str(token),
        "sealing_keys": len(sealing),
        "sealing_folder": str(folder / "seal"),
        "problems": [line for path in (folder, token, *sealing) if (line := _too_open(path))],
    }


def _too_open(path: Path) -> str | None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return None
    return (
        f"{path} can be read by others (mode {mode:o}); run chmod {'700' if path.is_dir() else '600'} {path}"
    )

"""`innsyn requests bundle` and `texts`: what the person is sent, and what somebody has to read before."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from console.cli.log import read_file
from console.cli.options import Because
from console.cli.requests import Id, app
from console.cli.show.output import say
from console.client import require
from schemas.age import Passphrase, Reader, encrypted, recipient
from schemas.counted import counted
from schemas.errors import InputError
from schemas.settings import load_settings
from streams.rights.bundle_page import LANGUAGES

__all__ = ["app"]

To = Annotated[str, typer.Option("--to", metavar="FILE", help="Where to; never over a file that is there.")]


@app.command(
    short_help="Write the archive that the person is sent.",
    epilog="Example: innsyn requests bundle r-5f2a9c01d7e34b68 --to answer.zip.age --passphrase",
)
def bundle(
    request_id: Id,
    to: To,
    lang: Annotated[str, typer.Option("--lang", help="Language of the page: nb or en.")] = LANGUAGES[0],
    review: Annotated[
        Path | None,
        typer.Option("--review", metavar="FILE", help="Texts as they were read, of `innsyn requests texts`."),
    ] = None,
    passphrase: Annotated[
        bool,
        typer.Option(
            "--passphrase", help="Encrypt it with a passphrase: asked for, or a line of standard input."
        ),
    ] = False,
    key: Annotated[
        str | None,
        typer.Option(
            "--recipient", metavar="KEY", help="Encrypt it for whoever has this public key, age1..."
        ),
    ] = None,
    because: Because = None,
) -> None:
    """Write the archive that the person is sent: what is held and why, with the copies that systems delivered.

    Fields about others are blanked; texts that may speak of others are withheld until they were read. Encrypted, it is
    opened by `age --decrypt -o answer.zip FILE` (age-encryption.org).
    """
    if lang not in LANGUAGES:
        raise InputError(f"--lang is none of {', '.join(LANGUAGES)}")
    keep = kept(review) if review is not None else []
    reader = _reader(passphrase=passphrase, key=key)
    with require(load_settings(), because) as client, client.bundle(request_id, lang, keep) as archive:
        pieces = encrypted(archive.pieces, reader) if reader is not None else archive.pieces
        _write_new(Path(to), pieces)
    say(f"written: {counted(archive.records, 'record')}{'' if reader else '; it is not encrypted'}")
    if archive.left_out:
        say(
            f"{counted(archive.left_out, 'record')} left out, as report.json in it says; look at why before it is sent"
        )
    if archive.texts:
        say(
            f"{counted(archive.texts, 'text')} withheld that may speak of others; `innsyn requests texts {request_id}"
            " --to FILE` lists them"
        )


@app.command(
    short_help="List the texts that somebody has to read before the answer is sent.",
    epilog="Example: innsyn requests texts r-5f2a9c01d7e34b68 --to texts.json",
)
def texts(request_id: Id, to: To, because: Because = None) -> None:
    """Write the texts of the copies that may speak of others to a file, in clear, readable by you alone.

    Set `keep` to true where a text may be given as it is, then `innsyn requests bundle ID --review FILE`.
    """
    with require(load_settings(), because) as client:
        found = client.texts(request_id)
    _write_new(Path(to), iter([_listed([{"keep": False, **item} for item in found])]))
    say(
        f"written: {counted(len(found), 'text')}; set `keep` to true where one may be given, and delete the file then"
    )


@app.command(
    short_help="Save what was asked to be corrected, in clear.",
    epilog="Example: innsyn requests corrections r-5f2a9c01d7e34b68 --to corrections.json",
)
def corrections(request_id: Id, to: To, because: Because = None) -> None:
    """Write what a rectification corrects to a file, each field with what it shall say, readable by you alone: for a
    system whose people do it by hand. Delete the file when it is done.
    """
    with require(load_settings(), because) as client:
        found = client.corrections(request_id)
    _write_new(Path(to), iter([_listed(found)]))
    say(f"written: {counted(len(found), 'correction')}; delete the file when they are made")


def kept(file: Path) -> list[str]:
    """Digests of the texts that somebody found to be given. Raises InputError."""
    found = read_file(file)
    try:
        if not isinstance(found, list) or not all(type(item["keep"]) is bool for item in found):
            raise TypeError
        return sorted({str(item["digest"]) for item in found if item["keep"]})
    except (TypeError, KeyError):
        raise InputError(
            "the file of --review is none of `innsyn requests texts`: each item has `digest`, and `keep` true or false"
        ) from None


def _reader(*, passphrase: bool, key: str | None) -> Reader | None:
    if passphrase and key is not None:
        raise InputError("--passphrase and --recipient are two ways; choose one")
    if key is not None:
        return recipient(key)
    if not passphrase:
        return None
    if not sys.stdin.isatty():
        return Passphrase(sys.stdin.readline().rstrip("\r\n"))
    return Passphrase(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))


def _listed(items: list[dict[str, object]] | dict[str, object]) -> bytes:
    return (json.dumps(items, ensure_ascii=False, indent=2) + "\n").encode()


def _write_new(path: Path, pieces: Iterator[bytes]) -> None:
    """All of it or nothing, for the owner alone, and never over what is there. Raises InputError."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if path.exists():
            raise InputError("the file of --to is there already; name another, or remove it")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        # Not `replace`: another process may have made one meanwhile.
        os.link(temporary, path)
    except FileExistsError:
        raise InputError("the file of --to is there already; name another, or remove it") from None
    except OSError as error:
        raise InputError(f"the file of --to cannot be written ({error.strerror}); name another") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)

"""`innsyn discover`: which topics hold personal data that nobody declared, and drafts of contracts for them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from console.cli.options import Json
from console.cli.show.discovered import about_drafts, as_json, found_table, sentences
from console.cli.show.output import marked, print_json, say, screen
from console.operations.discovery import Discovery, Found, Verdict, write_drafts
from console.wiring.company import company_of
from console.wiring.registry import schema_registry
from console.wiring.run_file import broker
from schemas.errors import InputError
from schemas.settings import Settings, load_settings
from streams.kafka.connection import Connection
from streams.kafka.registry import Registry

MOST = 10_000


def discover(
    sample: Annotated[
        int, typer.Option("--sample", min=0, max=MOST, help="Messages to read of each topic; 0: none.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Folder for drafts of contracts.")
    ] = None,
    topic: Annotated[
        list[str] | None, typer.Option("--topic", help="Look at this topic alone; repeatable.")
    ] = None,
    kafka: Annotated[
        str | None,
        typer.Option("--broker", metavar="HOST:PORT", help="The broker; default INNSYN_KAFKA_BOOTSTRAP."),
    ] = None,
    registry: Annotated[
        str | None,
        typer.Option("--registry", metavar="URL", help="Schema registry; default INNSYN_REGISTRY_URL."),
    ] = None,
    as_json_: Json = False,
) -> None:
    """List the topics of a broker with owner, format and rate, and say which hold personal data that nobody declared.

    With --sample N about the newest N messages of each are read: in memory alone, nothing of them is kept or shown
    but kinds and shares, and nothing is left on the broker. --out writes a draft of a contract for each topic that
    the company does not know; `innsyn company check` refuses a draft until a person has decided what is marked in it.

    Example: innsyn discover --sample 200 --out drafts

    Exit status 1: there are personal data that nobody declared.
    """
    if out is not None and not sample:
        raise InputError("a draft is made from messages; give --sample N, such as --sample 200, with --out")
    settings = load_settings()
    if registry is not None:
        settings = settings.model_copy(update={"registry_url": registry})
    with _registry(settings) as schemas:
        connection = Connection(kafka, settings.kafka_options()) if kafka else broker(settings)
        discovery = Discovery(connection, company_of(settings), schemas, datetime.now(UTC))
        topics, own = discovery.topics(topic or ())
        found: list[Found] = []
        with screen(stderr=True).status("") as status:
            for number, item in enumerate(topics, 1):
                status.update(marked("looking at {} ({} of {})", item.name, number, len(topics)))
                found.append(discovery.look(item, sample))
    written, there = _write(found, out)
    if as_json_:
        print_json(as_json(found, own, written))
    else:
        shown = screen()
        if found:
            shown.print(found_table(found))
        for line in sentences(found, own, sample):
            shown.print(line)
        for sentence in about_drafts(written, there, found):
            say(sentence)
    raise typer.Exit(1 if any(item.verdict is Verdict.UNDECLARED for item in found) else 0)


@contextlib.contextmanager
def _registry(settings: Settings) -> Iterator[Registry | None]:
    found = schema_registry(settings)
    try:
        yield found
    finally:
        if found is not None:
            found.close()


def _write(found: list[Found], out: Path | None) -> tuple[list[Path], list[Path]]:
    if out is None:
        return [], []
    try:
        return write_drafts(found, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); name another folder") from None

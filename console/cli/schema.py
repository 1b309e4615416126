"""`innsyn schema`: what an upstream team puts into its own CI, and how our records reach a registry."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from schemas.annotations import Problem, RecordSchema
from schemas.catalogue import Catalogue, load_catalogue
from schemas.check import check_record
from schemas.errors import InputError, SchemaError
from schemas.records import AVRO_FOLDER, load_records, read_record
from schemas.settings import load_settings
from schemas.topics import load_topics
from streams.kafka.registry import Registry

app = typer.Typer(name="schema", help="Check Avro records and register them.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@app.command(epilog="Example: innsyn schema check --base origin/main events/order_placed.avsc")
def check(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Avro schemas; none: all of innsyn's own.")
    ] = None,
    against: Annotated[Path | None, typer.Option(help="Version to compare the one FILE with.")] = None,
    base: Annotated[str | None, typer.Option(help="Git revision to compare with; default HEAD.")] = None,
    as_json: Json = False,
) -> None:
    """Check annotations against the catalogue, and changes against the committed version.

    A change passes if readers with the new schema can read what was written with the committed one
    (BACKWARD). The committed version is the file at --base, without git innsyn's own record of the same name.
    In a CI job HEAD holds the change already: name the branch it goes to.

    Exit status 1: problems, 2: a file cannot be read.
    """
    paths = files or sorted(AVRO_FOLDER.glob("*.avsc"))
    if against is not None and len(paths) != 1:
        raise InputError("--against compares one file; name exactly one FILE")
    problems: list[Problem] = []
    unreadable: list[str] = []
    catalogue = load_catalogue()
    for path in paths:
        try:
            problems += _problems(path, catalogue, against, base)
        except SchemaError as error:
            unreadable.append(str(error))
    for line in unreadable:
        typer.echo(line, err=True)
    if as_json:
        found = [dataclasses.asdict(problem) for problem in problems]
        answer = {"files": len(paths), "problems": found, "unreadable": unreadable}
        typer.echo(json.dumps(answer, ensure_ascii=False))
    else:
        for problem in problems:
            typer.echo(str(problem), err=True)
        if not problems and not unreadable:
            typer.echo(f"{len(paths)} {'record' if len(paths) == 1 else 'records'} checked, nothing wrong")
    raise typer.Exit(2 if unreadable else 1 if problems else 0)


@app.command(epilog="Example: innsyn schema register --registry http://localhost:8081")
def register(
    registry: Annotated[str | None, typer.Option(help="Registry URL; default INNSYN_REGISTRY_URL.")] = None,
    as_json: Json = False,
) -> None:
    """Put the record of every topic into a Confluent-compatible registry, as subject <topic>-value.

    Registering again changes nothing.

    Exit status 1: the registry refuses a record, 2: it cannot be reached.
    """
    ids: dict[str, int] = {}
    refused: list[str] = []
    with _registry(registry) as client:
        records = load_records()
        for topic in load_topics().values():
            try:
                ids[topic.subject] = client.register(topic.subject, records[topic.record])
            except SchemaError as error:
                refused.append(str(error))
    if as_json:
        typer.echo(json.dumps({"subjects": ids, "refused": refused}, ensure_ascii=False))
    else:
        for subject, schema_id in ids.items():
            typer.echo(f"{subject} {schema_id}")
    for line in refused:
        typer.echo(line, err=True)
    raise typer.Exit(1 if refused else 0)


def _registry(given: str | None) -> Registry:
    settings = load_settings()
    url = given or settings.registry_url
    if url is None:
        raise InputError("no schema registry is set; give --registry URL or set INNSYN_REGISTRY_URL")
    password = settings.registry_password.get_secret_value() if settings.registry_password else ""
    return Registry(url, (settings.registry_username, password) if settings.registry_username else None)


def _problems(path: Path, catalogue: Catalogue, against: Path | None, base: str | None) -> list[Problem]:
    record = read_record(_text(path), str(path))
    return check_record(record, catalogue, _previous(record, path, against, base))


def _previous(
    record: RecordSchema, path: Path, against: Path | None, base: str | None
) -> RecordSchema | None:
    """The version a change is judged by; None for a record nobody has seen yet."""
    if against is not None:
        return read_record(_text(against), str(against))
    if (
        base is not None
        and _git(path.parent, "rev-parse", "--verify", "--quiet", f"{base}^{{commit}}") is None
    ):
        raise InputError(f"{path}: git knows no revision {base} here; fetch it or name another with --base")
    revision = base or "HEAD"
    committed = _git(path.parent, "show", f"{revision}:./{path.name}")
    if committed is not None:
        return read_record(committed, f"{path} at {revision}")
    ours = load_records().values()
    return next((known for known in ours if known.fullname == record.fullname), None)


def _git(folder: Path, *arguments: str) -> str | None:
    """Output of a git command; None where git, the work tree, the revision or the file is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, check=False, timeout=60
        )
    except OSError:
        return None
    return done.stdout.decode("utf-8") if done.returncode == 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise SchemaError(str(path), "file", f"cannot be read ({error.strerror}); mend the path") from None
    except UnicodeDecodeError:
        raise SchemaError(str(path), "file", "is not UTF-8 text; save it as UTF-8") from None

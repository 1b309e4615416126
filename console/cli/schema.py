"""`innsyn schema`: what an upstream team puts into its own CI, and how our records reach a registry."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, get_args

import typer

from console.cli.show.output import print_json, print_text, say
from console.cli.show.schemas import show_record
from console.operations.committed import altered, history, in_git
from console.operations.producers import find_schema, known_as, whole_schema
from console.wiring.company import company_of
from schemas.annotations import Problem
from schemas.changes import Compatibility
from schemas.check import check_record
from schemas.company import Company
from schemas.company_check import modes_of
from schemas.counted import counted
from schemas.errors import InputError, SchemaError
from schemas.fingerprints import canonical_form, fingerprints_of
from schemas.records import read_record, read_text
from schemas.settings import load_settings
from schemas.versions import FOLDER as VERSIONS
from schemas.versions import commit as keep
from streams.kafka.registry import Registry

MODES: tuple[Compatibility, ...] = get_args(Compatibility)

app = typer.Typer(name="schema", help="Check, show and register Avro records.", no_args_is_help=True)

_PRINTS = {"crc_64_avro": "CRC-64-AVRO", "frame": "frame", "sha256": "SHA-256"}
_UNKNOWN = (
    "no record of the company has this schema: single-object messages of it would be dead letters (unknown_schema); "
    "commit it there (`innsyn schema commit`), or write with the schema of `innsyn schema show`"
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Record = Annotated[str, typer.Argument(help="Name of the record, such as OrderPlaced.")]
Files = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Avro schemas, or folders with such; none: all of the company's.", show_default=False
    ),
]


@app.command(
    short_help="Check annotations, and what has changed.",
    epilog="Example: innsyn schema check --base origin/main events/order_placed.avsc",
)
def check(
    files: Files = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Version to compare the one FILE with; repeatable, the newest first."),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Git revision to compare with; default HEAD.")] = None,
    compatibility: Annotated[
        str | None, typer.Option(metavar="MODE", help=f"One of {', '.join(MODES)}; default: its topic's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check annotations against the catalogue, and changes against every committed version.

    A change has to keep the compatibility of the record's topic, BACKWARD_TRANSITIVE without one: readers with the new
    schema read what was written with any version. What is no longer said of people, or said otherwise, needs a new
    "privacy_change": "<reason>" in the schema.

    The committed versions are those in versions/<file>/ beside the schema (`innsyn schema commit` writes them), else
    those in git up to --base, else innsyn's own of the same record. In a CI job HEAD holds the change already.

    Exit status 1: problems, 2: a file cannot be read.
    """
    company = company_of(load_settings())
    paths = _paths(files, company)
    if against and len(paths) != 1:
        raise InputError("--against compares one file; name exactly one FILE")
    checked = Checked(company, against, base, _modes(compatibility, company))
    problems, unreadable = checked.all(paths)
    _show(paths, problems, unreadable, as_json)
    raise typer.Exit(2 if unreadable else 1 if problems else 0)


@app.command(
    short_help="Keep each schema as its next version.",
    epilog="Example: innsyn schema commit events/order_placed.avsc",
)
def commit(files: Files = None, as_json: Json = False) -> None:
    """Keep each schema as its next version, versions/<file>/<number>.avsc, if it changed and passes the check.

    A producer that has not upgraded still writes the version before: what is kept here stays readable without a
    registry. The first time what git has of the file is kept too. Commit the new files together with the change.

    Exit status 1: problems, nothing was kept; 2: a file cannot be read.
    """
    company = company_of(load_settings())
    paths = _paths(files, company)
    problems, unreadable = Checked(company, None, None, _modes(None, company)).all(paths)
    if problems or unreadable:
        _show(paths, problems, unreadable, as_json)
        raise typer.Exit(2 if unreadable else 1)
    written = [str(kept) for path in paths for kept in keep(path, in_git(path))]
    if as_json:
        print_json({"files": len(paths), "written": written}, indent=None)
    for line in [] if as_json else written or ["every schema is its newest version already"]:
        say(line)


@app.command(
    short_help="Put every topic's record into a registry.",
    epilog="Example: innsyn schema register --registry http://localhost:8081",
)
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
        company = company_of(load_settings())
        # What a contract describes is written by somebody else, who registers it.
        for topic in (item for name, item in company.topics.items() if name not in company.contracts):
            try:
                ids[topic.subject] = client.register(topic.subject, company.records[topic.record])
            except SchemaError as error:
                refused.append(str(error))
    if as_json:
        print_json({"subjects": ids, "refused": refused}, indent=None)
    else:
        for subject, schema_id in ids.items():
            say(f"{subject} {schema_id}")
    for line in refused:
        say(line, err=True)
    raise typer.Exit(1 if refused else 0)


@app.command(
    short_help="Show a record: what a producer has to write.",
    epilog="Example: innsyn schema show Payment --avsc > payment.avsc",
)
def show(
    record: Record,
    avsc: Annotated[bool, typer.Option("--avsc", help="Print the schema itself, as it is kept.")] = False,
    canonical: Annotated[
        bool, typer.Option("--canonical", help="Print its Parsing Canonical Form, without a line break.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a record: its topics and keys, its fields with what they hold, and by what its messages are known.

    --json has all of it in one object: schema, canonical form, fingerprints and frame.
    """
    if avsc + canonical + as_json > 1:
        raise InputError("--avsc, --canonical and --json each print another thing; give one of them")
    company = company_of(load_settings())
    if not (avsc or canonical or as_json):
        show_record(company, record)
        return
    schema = find_schema(company, record)
    if as_json:
        print_json(whole_schema(company, record, schema))
    else:
        print_text(schema.text if avsc else canonical_form(schema))


@app.command(
    short_help="Print by what a schema's messages are known.",
    epilog="Example: innsyn schema fingerprint Payment",
)
def fingerprint(
    schema: Annotated[
        str, typer.Argument(metavar="RECORD|FILE", help="Name of a record, or a file that ends with .avsc.")
    ],
    as_json: Json = False,
) -> None:
    """Print the fingerprints of a schema: CRC-64-AVRO as a number and as the ten bytes that single-object encoding puts
    before each body, and SHA-256, both of its Parsing Canonical Form.

    Of a file it says too whether the company knows what is written with it.

    Exit status 1: nothing reads what is written with that file; 2: it cannot be read.
    """
    company = company_of(load_settings())
    if not schema.endswith(".avsc"):
        named, known = find_schema(company, schema), None
    else:
        path = Path(schema)
        named = read_record(read_text(path), str(path))
        known = known_as(company, named)
    prints = dataclasses.asdict(fingerprints_of(named))
    if as_json:
        print_json({"record": named.name, **prints} | ({} if known is None else {"known": bool(known)}))
    else:
        for name, digits in prints.items():
            say(f"{_PRINTS[name]:12} {digits}")
        for line in [known or _UNKNOWN] if known is not None else []:
            say(line, err=not known)
    raise typer.Exit(1 if known == "" else 0)


def _registry(given: str | None) -> Registry:
    settings = load_settings()
    url = given or settings.registry_url
    if url is None:
        raise InputError("no schema registry is set; give --registry URL or set INNSYN_REGISTRY_URL")
    password = settings.registry_password.get_secret_value() if settings.registry_password else ""
    return Registry(url, (settings.registry_username, password) if settings.registry_username else None)


@dataclasses.dataclass(frozen=True)
class Checked:
    """Against what schemas are checked. `modes`: of a record by name, "" for one of no topic."""

    company: Company
    against: Sequence[Path] | None
    base: str | None
    modes: Mapping[str, frozenset[Compatibility]]

    def all(self, paths: Sequence[Path]) -> tuple[list[Problem], list[str]]:
        """Problems of all, and a line for each that cannot be read."""
        problems: list[Problem] = []
        unreadable: list[str] = []
        for path in paths:
            try:
                problems += self.one(path)
            except SchemaError as error:
                unreadable.append(str(error))
        return problems, unreadable

    def one(self, path: Path) -> list[Problem]:
        """Raises SchemaError, InputError."""
        record = read_record(read_text(path), str(path))
        known = history(self.company, record, path, self.against, self.base)
        found = [] if self.against else [*altered(path, self.base)]
        for mode in sorted(self.modes.get(record.name, self.modes[""])):
            found += check_record(record, self.company.catalogue, history=known, compatibility=mode)
        # Topics of two modes say the same of what neither allows.
        return list(dict.fromkeys(found))


def _paths(given: Sequence[Path] | None, company: Company) -> list[Path]:
    """Raises InputError for a folder without a schema."""
    if not given:
        return [path for folder in company.avro for path in sorted(folder.glob("*.avsc"))]
    found: list[Path] = []
    for path in given:
        inside = sorted(path.rglob("*.avsc")) if path.is_dir() else [path]
        if not inside:
            raise InputError("a folder that is named has no schema in it (*.avsc); name another, or a file")
        found += [file for file in inside if VERSIONS not in file.relative_to(path).parts[:-1]]
    return found


def _modes(given: str | None, company: Company) -> Mapping[str, frozenset[Compatibility]]:
    if given is not None:
        mode = next((mode for mode in MODES if mode == given.upper()), None)
        if mode is None:
            raise InputError(f"--compatibility takes one of {', '.join(MODES)}")
        return {"": frozenset([mode])}
    return modes_of(company)


def _show(
    paths: Sequence[Path], problems: Sequence[Problem], unreadable: Sequence[str], as_json: bool
) -> None:
    for line in unreadable:
        say(line, err=True)
    if as_json:
        found = [dataclasses.asdict(problem) for problem in problems]
        answer = {"files": len(paths), "problems": found, "unreadable": unreadable}
        print_json(answer, indent=None)
        return
    for problem in problems:
        say(str(problem), err=True)
    if not problems and not unreadable:
        say(f"{counted(len(paths), 'record')} checked, nothing wrong")

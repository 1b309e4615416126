"""Every version of a record that was ever committed: a producer may still write any of them.

They stand beside the schema, `avro/versions/<file>/<number>.avsc`, so that they are known without a registry and
without git. The newest one is the schema as it is; `commit` writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from schemas.annotations import RecordSchema
from schemas.errors import SchemaError
from schemas.layers import BASE, MODEL
from schemas.records import AVRO, parse_record, read_record, read_text, whole

FOLDER = "versions"


@dataclass(frozen=True)
class Committed:
    """One version. `label` tells people which: `version 2`, `commit 1a2b3c4`, a file."""

    label: str
    record: RecordSchema


def versions_of(file: Path) -> list[Committed]:
    """The committed versions of a schema file, oldest first; empty where there are none.

    Errors: SchemaError for a version that is no record, or that is missing in between.
    """
    found = {number: path for path, number in _numbered(file)}
    for number in range(1, max(found, default=0) + 1):
        if number not in found:
            mend = "is missing; restore it, a producer may still write it"
            raise SchemaError(str(_folder(file) / f"{number}.avsc"), "file", mend)
    return [
        Committed(f"version {number}", read_record(read_text(found[number]), str(found[number])))
        for number in sorted(found)
    ]


def commit(file: Path, before: Sequence[RecordSchema] = ()) -> list[Path]:
    """Keep the schema as its next version, if it is not the newest one already; the files written.

    `before`: what was committed elsewhere, oldest first; kept too where there are no versions yet. Errors: SchemaError.
    """
    known = [item.record for item in versions_of(file)]
    written = []
    for record in [*([] if known else before), read_record(read_text(file), str(file))]:
        if known and same_contract(known[-1], record):
            continue
        known.append(record)
        target = _folder(file) / f"{len(known)}.avsc"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(record.text, "utf-8")
        written.append(target)
    return written


def same_contract(one: RecordSchema, other: RecordSchema) -> bool:
    """Whether the two differ in their documentation at most."""
    return bool(_without_doc(one.json) == _without_doc(other.json))


def known_writers(*folders: Path) -> Sequence[RecordSchema]:
    """Every record that an event may have been written with, the newest last. Errors: SchemaError.

    A change of annotations alone leaves the fingerprint as it is: what says more then is the newer one.
    Without any folder the model company's, read once.
    """
    return _writers(folders) if folders else _default()


@cache
def _default() -> Sequence[RecordSchema]:
    return _writers([MODEL / AVRO, BASE / AVRO])


def _writers(folders: Sequence[Path]) -> Sequence[RecordSchema]:
    files = [file for folder in folders for file in sorted(folder.glob("*.avsc"))]
    old = [item.record for file in files for item in versions_of(file)]
    now = [parse_record(read_text(file), f"{AVRO}/{file.name}") for file in files]
    return (*(whole(record) for record in old), *now)


def names_of(records: Mapping[str, RecordSchema]) -> Mapping[str, frozenset[str]]:
    """For each record the names under which its events may have been written: its own and its aliases."""
    return {
        name: frozenset([name, *(alias.rpartition(".")[2] for alias in record.json.get("aliases", ()))])
        for name, record in records.items()
    }


def _folder(file: Path) -> Path:
    return file.parent / FOLDER / file.stem


def _numbered(file: Path) -> Iterator[tuple[Path, int]]:
    for path in _folder(file).glob("*.avsc"):
        if not path.stem.isdecimal() or path.stem.startswith("0"):
            raise SchemaError(str(path), "file", "is no version; name it by its number, such as 1.avsc")
        yield path, int(path.stem)


def _without_doc(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_doc(part) for key, part in value.items() if key != "doc"}
    return [_without_doc(part) for part in value] if isinstance(value, list) else value

"""Committed versions: of our own records, and what an event of an older one is read and tagged by."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from schemas.annotations import RecordSchema
from schemas.codec import confluent_prefix, single_object_prefix
from schemas.errors import DecodeError, SchemaError, UnknownSchema
from schemas.records import load_records, parse_record
from schemas.versions import commit, known_writers, same_contract, versions_of
from streams.tagging.decode.schema_lookup import WriterSchemas
from tests.support.company import model

FILES = sorted(file for folder in model().avro for file in folder.glob("*.avsc"))
VISIT = load_records()["WebVisit"]


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_newest_version_of_ours_is_the_schema(file: Path) -> None:
    """A change is committed as a version with `innsyn schema commit`, or its producers are forgotten with the next."""
    known = versions_of(file)
    current = load_records()[known[-1].record.name]
    assert same_contract(known[-1].record, current), f"run `innsyn schema commit {file}`"
    assert [item.label for item in known] == [f"version {number}" for number in range(1, len(known) + 1)]


def test_every_version_of_ours_is_read_by_its_fingerprint() -> None:
    """Without a registry: producers that have not upgraded stay readable, each by the version it wrote with."""
    schemas = WriterSchemas(known_writers(), model().catalogue)
    for file in FILES:
        for item in versions_of(file):
            found = schemas.resolve(single_object_prefix(item.record), item.record.name)
            assert found.fingerprint == item.record.fingerprint
    older = {item.record.fingerprint for file in FILES for item in versions_of(file)}
    assert older > {record.fingerprint for record in load_records().values()}


def version(folder: Path, **changes: object) -> RecordSchema:
    """A next version of WebVisit in the folder, committed; `changes` are of the whole schema."""
    file = folder / "web_visit.avsc"
    file.write_text(json.dumps({**copy.deepcopy(VISIT.json), **changes}))
    commit(file)
    return parse_record(file.read_text(), "avro/web_visit.avsc")


def test_an_event_is_tagged_by_the_version_that_wrote_it(tmp_path: Path) -> None:
    """The old version's words for old events; where only annotations differ, the bytes do not tell, and the newest
    say what holds."""
    first = version(tmp_path)
    words = {**VISIT.json["innsyn"], "recipients": ["police"], "privacy_change": "an order of the court"}
    second = version(tmp_path, innsyn=words)
    note = {"name": "note", "type": "string", "default": "", "innsyn": {"category": "none"}}
    third = version(tmp_path, innsyn={**words, "recipients": []}, fields=[*VISIT.json["fields"], note])
    assert first.fingerprint == second.fingerprint != third.fingerprint

    schemas = WriterSchemas(known_writers(tmp_path), model().catalogue)
    assert schemas.resolve(single_object_prefix(first), "WebVisit").annotation.recipients == ("police",)
    assert schemas.resolve(single_object_prefix(third), "WebVisit").annotation.recipients == ()


def test_a_record_renamed_with_an_alias_is_the_same_record(tmp_path: Path) -> None:
    """Its events under the old name are its own; without the alias they are another record's."""
    first = version(tmp_path)
    version(tmp_path, name="PageVisit", aliases=["WebVisit"])
    schemas = WriterSchemas(known_writers(tmp_path), model().catalogue)
    assert schemas.resolve(single_object_prefix(first), "PageVisit").name == "WebVisit"
    version(tmp_path, name="PageVisit")
    with pytest.raises(DecodeError, match="unexpected_record: WebVisit instead of PageVisit"):
        WriterSchemas(known_writers(tmp_path), model().catalogue).resolve(
            single_object_prefix(first), "PageVisit"
        )


def test_what_was_never_committed_is_unknown(tmp_path: Path) -> None:
    """A fingerprint of no version, and an id without a registry, are unknown, not guessed."""
    version(tmp_path)
    schemas = WriterSchemas(known_writers(tmp_path), model().catalogue)
    with pytest.raises(UnknownSchema, match="is of no version of the company's records"):
        schemas.resolve(single_object_prefix(load_records()["Login"]), "Login")
    with pytest.raises(UnknownSchema, match="no registry is set"):
        schemas.resolve(confluent_prefix(7), "WebVisit")


def test_documentation_alone_makes_no_version(tmp_path: Path) -> None:
    """What neither readers nor taggers go by is not kept anew."""
    version(tmp_path)
    version(tmp_path, doc="Told better.")
    assert len(versions_of(tmp_path / "web_visit.avsc")) == 1


@pytest.mark.parametrize("name", ["0.avsc", "01.avsc", "v1.avsc"])
def test_a_file_that_is_no_version_is_told(tmp_path: Path, name: str) -> None:
    """Versions are numbered from 1; anything else in their folder is a mistake."""
    version(tmp_path)
    (tmp_path / "versions" / "web_visit" / name).write_text("{}")
    with pytest.raises(SchemaError, match=r"is no version; name it by its number, such as 1\.avsc"):
        versions_of(tmp_path / "web_visit.avsc")

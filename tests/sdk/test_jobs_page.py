"""The files of jobs on docs/jobs.md: each is read as it stands there, and that of the files job erases."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from innsyn_sdk import compacted, files, postgresql
from innsyn_sdk.compacted_values import format_of
from innsyn_sdk.files import store_of
from innsyn_sdk.mapping import JobFile, read_job
from innsyn_sdk.protocol import Identifier

from schemas.records import load_records
from tests.sdk.mapped import command_of
from tests.support.pages import ROOT

PAGE = (ROOT / "docs" / "jobs.md").read_text("utf-8")
SECTIONS: Mapping[str, Mapping[str, type]] = {
    "postgresql": postgresql.SETTINGS,
    "files": files.SETTINGS,
    "compacted": compacted.SETTINGS,
}
WHOLE = [text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if text.startswith("keys")]


def section_of(text: str) -> str:
    return next(name for name in SECTIONS if f"[{name}]" in text)


def read(text: str, folder: Path) -> JobFile:
    (folder / "job.toml").write_text(text)
    section = section_of(text)
    return read_job(folder / "job.toml", section, SECTIONS[section])


def test_each_store_has_a_whole_file() -> None:
    assert sorted(map(section_of, WHOLE)) == sorted(SECTIONS)


@pytest.mark.parametrize("text", WHOLE, ids=section_of)
def test_a_whole_file_is_read_and_maps_what_its_record_has(text: str, tmp_path: Path) -> None:
    job, known = read(text, tmp_path), load_records()
    for mapping in job.records:
        fields = {item.name for item in known[mapping.record].fields}
        # The model company's visits have no key, and its invoices no address; on the page they stand for others.
        assert {item.field for item in mapping.columns} - {
            "visit_id",
            "client_address",
            "client_port",
        } <= fields
    if section_of(text) == "compacted":
        assert format_of(job) is not None


def test_the_file_of_the_files_job_erases(tmp_path: Path) -> None:
    """By an identifier, and by a record key."""
    (text,) = [item for item in WHOLE if section_of(item) == "files"]
    lines = tmp_path / "exports" / "visits" / "2026" / "march.ndjson"
    lines.parent.mkdir(parents=True)
    said = {"at": "2026-03-01T09:00:00", "bytes": 7, "client": "192.0.2.7", "page": "/"}
    rows = [{**said, "visit": f"V-{n}", "cookie": cookie} for n, cookie in enumerate(("c-1", "c-2", "c-3"))]
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    os.utime(lines, (1, 1))
    store = store_of(read(text, tmp_path))
    store.check()
    who = [Identifier("cookie_id", "c-1"), Identifier("", "V-2", record="WebVisit", field="visit_id")]
    fields = [f"WebVisit.{name}" for name in ("cookie_id", "client_address", "page")]
    assert store.erase(replace(command_of(who, fields), cut_off=None)).state == "done"
    assert [json.loads(line)["visit"] for line in lines.read_text().splitlines()] == ["V-1"]

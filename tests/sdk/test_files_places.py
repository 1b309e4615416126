"""Where the job for files looks, what it says of a file without naming it, and rows that are told by their own key."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from innsyn_sdk.files import FilesStore
from innsyn_sdk.mapping import Column, NotAJob
from innsyn_sdk.outcome import StoreUnavailable
from innsyn_sdk.protocol import Identifier

from tests.sdk.mapped import all_of, command_of
from tests.sdk.test_files import FOR_KARI, VISIT, made, ndjson, store

__all__ = ["store"]


def test_what_would_leave_rows_elsewhere_is_refused(tmp_path: Path, store: FilesStore) -> None:
    """A folder that is a link, where ** does not look, and a file with a second name."""
    visits, elsewhere = tmp_path / "data" / "visits", tmp_path / "elsewhere"
    visits.mkdir(parents=True)
    elsewhere.mkdir()
    linked = ndjson(elsewhere / "c.ndjson")
    (visits / "linked").symlink_to(elsewhere)
    with pytest.raises(NotAJob, match="link to a folder"):
        store.check()
    assert store.erase(FOR_KARI).reason == "unknown_field"
    (visits / "linked").unlink()
    path = ndjson(visits / "a.ndjson")
    os.link(path, tmp_path / "snapshot")
    with pytest.raises(NotAJob, match="2 names"):
        store.check()
    before = path.read_bytes()
    assert store.erase(FOR_KARI).reason == "unknown_field"
    assert (path.read_bytes(), (tmp_path / "snapshot").read_bytes()) == (before, before)
    (tmp_path / "snapshot").unlink()
    assert store.erase(FOR_KARI).state == "done"
    assert linked.exists()


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.parquet", "a.csv"])
def test_no_log_and_no_error_has_the_name_of_a_file(
    name: str, tmp_path: Path, store: FilesStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It may hold somebody's number or address; the inode finds it."""
    path = tmp_path / "data" / "visits" / f"kari-40000909-{name}"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not what it should be\n")
    os.utime(path, (1, 1))
    with pytest.raises(NotAJob) as refused:
        store.check()
    store.erase(FOR_KARI)
    said = f"{refused.value}{caplog.text}"
    assert "kari" not in said
    assert f"inode {path.stat().st_ino}" in caplog.text


def test_a_row_that_nothing_names_goes_by_its_key(tmp_path: Path) -> None:
    """Of a number as text; a row that names another customer by now stays."""
    keyed = replace(
        VISIT, columns=(*VISIT.columns, Column("n", "visit_id", personal=False)), other=frozenset()
    )
    path = ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    told = [Identifier("", str(number), record="WebVisit", field="visit_id") for number in (3, 4, 6)]
    with closing(made(tmp_path, keyed)) as store:
        said = store.erase(command_of(told, all_of(VISIT)))
    assert (said.state, said.deleted) == ("done", (("WebVisit", 2),))
    assert [json.loads(line)["n"] for line in path.read_bytes().splitlines()] == [0, 1, 2, 4, 5]


def test_a_key_that_no_column_holds_fails_the_command(tmp_path: Path, store: FilesStore) -> None:
    ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    told = Identifier("", "3", record="WebVisit", field="visit_id")
    assert store.erase(command_of([told], all_of(VISIT))).reason == "unknown_field"


def test_a_pattern_that_matches_no_file_is_said_at_the_start(
    store: FilesStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Files may come later, so it is no error; once there is one, nothing is said."""
    (tmp_path / "data").mkdir(exist_ok=True)
    store.check()
    assert f"no file is at {tmp_path / 'data' / VISIT.at}, where the job's file has WebVisit" in caplog.text
    caplog.clear()
    ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    store.check()
    assert caplog.text == ""


def test_a_field_too_many_is_told_by_its_place(store: FilesStore, tmp_path: Path) -> None:
    """Its name may be a value. The names that the job's file has are told: of one that is misspelt there."""
    path = tmp_path / "data" / "visits" / "a.ndjson"
    path.parent.mkdir(parents=True)
    path.write_text('{"customer": "700101", "kari@example.no": 1}\n')
    with pytest.raises(NotAJob, match="does not name, number 2 of its 2, and lacks ") as raised:
        store.check()
    lacking = sorted(VISIT.named - {"customer"})
    assert f"lacks {', '.join(lacking)}; map it to a field of WebVisit" in str(raised.value)
    assert "kari@" not in str(raised.value)


@pytest.mark.parametrize("at", ["visits/**/*", "visits/*/*", "visits/2026/*.ndjson", "**/*.ndjson"])
def test_a_folder_that_cannot_be_read_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """Patterns pass it over, and the job would say that all is done. One that no pattern means may be anything."""
    shut = tmp_path / "data" / "visits" / "2026"
    ndjson(shut / "a.ndjson")
    before: Callable[..., Any] = os.scandir

    def scandir(path: Any = ".") -> Any:
        if Path(path) == shut:
            raise PermissionError(13, "Permission denied", str(path))
        return before(path)

    monkeypatch.setattr(os, "scandir", scandir)
    other = replace(VISIT, at="logins/*")
    for mapping, is_meant in ((replace(VISIT, at=at), True), (other, False)):
        looking = FilesStore(tmp_path / "data", [mapping], tmp_path / "state.sqlite", now=lambda: 4e9)
        with closing(looking):
            if is_meant:
                with pytest.raises(StoreUnavailable, match="let the job's user read it"):
                    looking.check()
                with pytest.raises(StoreUnavailable, match="cannot be read"):
                    looking.erase(FOR_KARI)
            else:
                assert looking.erase(FOR_KARI).state == "not_found"

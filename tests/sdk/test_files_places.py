"""Where the job for files looks, and what it says of a file without naming it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from innsyn_sdk.files import FilesStore
from innsyn_sdk.mapping import NotAJob

from tests.sdk.test_files import FOR_KARI, ndjson, store

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

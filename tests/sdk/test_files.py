"""The job for files: rows go, all else stays byte by byte, and a kill at any moment ends the same."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from innsyn_sdk import files as job
from innsyn_sdk.files import SUFFIX, FilesStore
from innsyn_sdk.mapping import Column, Keep, NotAJob, RecordMapping
from innsyn_sdk.outcome import Outcome, StoreUnavailable
from innsyn_sdk.protocol import Command, Identifier
from innsyn_sdk.testing import Kit

from tests.sdk.mapped import TODAY, all_of, command_of

KARI, OLA = "700101", "700102"
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)
VISIT = RecordMapping(
    "WebVisit",
    "visits/**/*",
    (
        Column("customer", "customer_number", "customer_number", person=True, customer=True),
        Column("cookie", "cookie_id", "cookie_id"),
        Column("address", "client_address", "ip", "address"),
        Column("page", "page"),
    ),
    time="at",
    other=frozenset({"n"}),
)
FOR_KARI = command_of(
    [
        Identifier("customer_number", KARI),
        Identifier("cookie_id", "c-1", proof="user"),
        Identifier("ip", "2001:db8::7", since=NINE, until=NINE + timedelta(hours=1), proof="user"),
    ],
    all_of(VISIT),
)


def rows() -> list[dict[str, Any]]:
    """Three of Kari's, by a number, a cookie and an address in its hour; four of others."""
    said = [
        (KARI, None, None, 0), (None, "c-1", None, 0), (None, None, "2001:DB8:0::7", 0), (None, None, "2001:db8::7", 1),
        (OLA, None, None, 0), (OLA, "c-1", None, 0), (None, None, "2001:db8::8", 0),
    ]  # fmt: skip
    return [
        {
            "customer": customer, "cookie": cookie, "address": address, "page": f"/{number}",
            "at": NINE + timedelta(hours=later), "n": number,
        }
        for number, (customer, cookie, address, later) in enumerate(said)
    ]  # fmt: skip


def ndjson(path: Path, opener: Callable[..., Any] = open) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with opener(path, "wb") as file:
        for row in rows():
            # Blanks as another program may have left them; they stay.
            file.write(
                json.dumps(row | {"at": row["at"].isoformat()}, separators=(" , ", " : ")).encode() + b"\r\n"
            )
    os.utime(path, (1, 1))
    return path


def parquet(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema(
        [
            pa.field("customer", pa.dictionary(pa.int32(), pa.string())), pa.field("cookie", pa.string()),
            pa.field("address", pa.string()), pa.field("page", pa.large_string(), nullable=False),
            pa.field("at", pa.timestamp("ns", "UTC")), pa.field("n", pa.uint8()),
        ],
        metadata={"made_by": "a test"},
    )  # fmt: skip
    table = pa.Table.from_pylist(rows(), schema=schema)
    packed = dict.fromkeys(schema.names, "ZSTD") | {"n": "NONE"}
    pq.write_table(table, path, row_group_size=3, compression=packed)
    os.utime(path, (1, 1))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FilesStore]:
    with closing(made(tmp_path)) as found:
        yield found


def made(tmp_path: Path, mapping: RecordMapping = VISIT) -> FilesStore:
    (tmp_path / "data").mkdir(exist_ok=True)
    return FilesStore(tmp_path / "data", [mapping], tmp_path / "state.sqlite", today=lambda: TODAY)


@pytest.mark.parametrize(("name", "opener"), [("a.ndjson", open), ("b.jsonl.gz", gzip.open)])
def test_lines_that_stay_are_as_they_were(tmp_path: Path, store: FilesStore, name: str, opener: Any) -> None:
    """By a number, a cookie and an address in its hour; not by what others did there, or on that device."""
    path = ndjson(tmp_path / "data" / "visits" / "2026" / name, opener)
    path.chmod(0o640)
    with opener(path, "rb") as file:
        before = file.read().splitlines(keepends=True)
    store.check()
    said = store.erase(FOR_KARI)
    assert (said.state, said.deleted) == ("done", (("WebVisit", 3),))
    with opener(path, "rb") as file:
        assert file.read() == b"".join(before[3:])
    assert path.stat().st_mode & 0o777 == 0o640
    assert [item.name for item in path.parent.iterdir()] == [name]


def test_parquet_keeps_schema_groups_and_compression(tmp_path: Path, store: FilesStore) -> None:
    path = parquet(tmp_path / "data" / "visits" / "a.parquet")
    before = pq.ParquetFile(path)
    store.check()
    said = store.erase(FOR_KARI)
    assert (said.state, said.deleted) == ("done", (("WebVisit", 3),))
    after = pq.ParquetFile(path)
    assert [row["n"] for row in after.read().to_pylist()] == [3, 4, 5, 6]
    assert after.schema_arrow.equals(before.schema_arrow, check_metadata=True)
    columns = range(after.metadata.num_columns)
    packed = [after.metadata.row_group(0).column(number).compression for number in columns]
    assert packed == [before.metadata.row_group(0).column(number).compression for number in columns]
    assert KARI.encode() not in path.read_bytes()


@pytest.mark.parametrize("kind", [ndjson, parquet])
def test_fields_are_blanked_in_rows_that_stay(tmp_path: Path, kind: Callable[[Path], Path]) -> None:
    """With what the file says is put there, where null may not stand."""
    path = kind(tmp_path / "data" / "visits" / ("a.parquet" if kind is parquet else "a.ndjson"))
    columns = tuple(replace(item, blank="-") if item.name == "page" else item for item in VISIT.columns)
    with closing(made(tmp_path, replace(VISIT, columns=columns))) as store:
        some = command_of([Identifier("customer_number", KARI)], ["WebVisit.page", "WebVisit.cookie_id"])
        for attempt in (1, 2):
            said = store.erase(replace(some, attempt=attempt))
            assert (said.state, said.redacted) == ("done", (("WebVisit", 1),))
    if kind is parquet:
        found = pq.ParquetFile(path).read().to_pylist()
    else:
        found = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [row["page"] for row in found] == ["-", *(f"/{number}" for number in range(1, 7))]


def test_what_is_kept_stays(tmp_path: Path) -> None:
    (tmp_path / "data" / "visits").mkdir(parents=True)
    path = tmp_path / "data" / "visits" / "a.ndjson"
    path.write_text(
        '{"customer":"700101","until":"2030-01-01"}\n{"customer":"700101","until":"2020-01-01"}\n'
    )
    os.utime(path, (1, 1))
    kept = replace(VISIT, keep=(Keep("until", "T01", "bokføringsloven § 13"),))
    with closing(made(tmp_path, kept)) as store:
        said = store.erase(FOR_KARI)
    assert (said.state, said.held, said.erased, said.ground) == ("partial", 1, 1, "T01")
    assert path.read_text() == '{"customer":"700101","until":"2030-01-01"}\n'


class Killed(BaseException):
    """The process ends here."""


STEPS = ("_rewritten", "_as_it_was", "_note", "replace", "_to_disk", "_settle")


@pytest.mark.parametrize("kind", [ndjson, parquet])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_ends_the_same(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Callable[[Path], Path],
    step: str,
    nth: int,
    after: bool,
) -> None:
    """Before and after each step, in the first file and the second: the same files, and the same counts."""
    suffix = "parquet" if kind is parquet else "ndjson"
    paths = [kind(tmp_path / "data" / "visits" / f"{name}.{suffix}") for name in ("a", "b")]
    place: Any = FilesStore if hasattr(FilesStore, step) else os if step == "replace" else job
    original, count = getattr(place, step), 0

    def killing(*arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == nth and not after:
            raise Killed
        result = original(*arguments)
        if count == nth:
            raise Killed
        return result

    monkeypatch.setattr(place, step, killing)
    monkeypatch.setattr(Path, "unlink", _kept_by_the_killed(Path.unlink))
    with closing(made(tmp_path)) as store, pytest.raises(Killed):
        store.erase(FOR_KARI)
    monkeypatch.undo()
    with closing(made(tmp_path)) as store:
        said = store.erase(FOR_KARI)
        assert (said.state, said.deleted) == ("done", (("WebVisit", 6),))
        assert store.erase(replace(FOR_KARI, attempt=2)).deleted == (("WebVisit", 6),)
    for path in paths:
        assert left(path) == [3, 4, 5, 6]
    assert sorted((tmp_path / "data" / "visits").iterdir()) == paths


def _kept_by_the_killed(unlink: Callable[..., None]) -> Callable[..., None]:
    """A killed process takes nothing away."""
    import sys

    def kept(path: Path, missing_ok: bool = False) -> None:
        if not isinstance(sys.exc_info()[1], Killed):
            unlink(path, missing_ok=missing_ok)

    return kept


def left(path: Path) -> list[int]:
    if path.suffix == ".parquet":
        return [row["n"] for row in pq.ParquetFile(path).read().to_pylist()]
    return [json.loads(line)["n"] for line in path.read_bytes().splitlines()]


def test_notes_of_an_earlier_version_go_on_counting(tmp_path: Path) -> None:
    """It had no count of lines that were emptied."""
    state = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(state)) as notes, notes:
        notes.execute(
            "CREATE TABLE rewritten (command_id TEXT NOT NULL, path TEXT NOT NULL, stamp TEXT NOT NULL,"
            " record TEXT NOT NULL, deleted INTEGER NOT NULL, settled INTEGER NOT NULL DEFAULT 0,"
            " PRIMARY KEY (command_id, path, stamp, record))"
        )
        notes.execute("INSERT INTO rewritten VALUES ('r-1/s', 'a.ndjson', '1:2:3', 'WebVisit', 2, 1)")
    path = ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    made = FilesStore(tmp_path / "data", [VISIT], state, today=lambda: TODAY)
    assert made.erase(FOR_KARI).deleted == (("WebVisit", 5),)
    assert left(path) == [3, 4, 5, 6]
    made.close()


def test_a_note_of_a_rename_that_never_came_is_dropped(tmp_path: Path, store: FilesStore) -> None:
    """Somebody wrote the file anew between the kill and the next start: only what this job did counts."""
    path = ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as notes, notes:
        notes.execute(
            "INSERT INTO rewritten (command_id, path, stamp, record, deleted) VALUES"
            " ('r-1/s', 'visits/a.ndjson', '1:2:3', 'WebVisit', 40)"
        )
        notes.execute(
            "INSERT INTO rewritten (command_id, path, stamp, record, deleted) VALUES"
            " ('r-1/s', 'visits/gone.ndjson', '1:2:3', 'WebVisit', 40)"
        )
    assert store.erase(FOR_KARI).deleted == (("WebVisit", 3),)
    assert left(path) == [3, 4, 5, 6]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no json\n", "needs_person"),
        (b'{"customer":"1","customer":"700101"}\n', "needs_person"),
        (b'["700101"]\n', "needs_person"),
        (b'{"customer":"700101","shoe_size":44}\n', "unknown_field"),
        (b"\xff\xfe{\x00}\x00\n\x00", "needs_person"),
    ],
)
def test_a_line_that_cannot_be_judged_is_for_a_person(
    tmp_path: Path, store: FilesStore, content: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of the file goes, and the log has the line's number and no value."""
    path = ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    path.write_bytes(path.read_bytes() + content)
    os.utime(path, (1, 1))
    before = path.read_bytes()
    assert store.erase(FOR_KARI).reason == reason
    assert path.read_bytes() == before
    assert "line 8" in caplog.text
    assert KARI not in caplog.text
    assert [item.name for item in path.parent.iterdir()] == ["a.ndjson"]


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.parquet"])
def test_a_file_that_was_cut_off_is_for_a_person(tmp_path: Path, store: FilesStore, name: str) -> None:
    path = tmp_path / "data" / "visits" / name
    kind = parquet(path) if name.endswith("parquet") else ndjson(path, gzip.open)
    kind.write_bytes(kind.read_bytes()[:-20])
    os.utime(path, (1, 1))
    assert store.erase(FOR_KARI).reason == "needs_person"


def test_what_is_not_mapped_is_refused_at_the_start(tmp_path: Path, store: FilesStore) -> None:
    """A format nobody knows, a link out of the folder, a column too many, and a folder that is not there."""
    visits = tmp_path / "data" / "visits"
    refused = {
        "a.csv": "narrow the pattern",
        "a.ndjson": "leads out of",
        "a.parquet": "does not name: shoe_size",
    }
    visits.mkdir(parents=True)
    outside = ndjson(tmp_path / "outside.ndjson")
    for name, told in refused.items():
        if name == "a.csv":
            (visits / name).write_text("x")
        elif name == "a.ndjson":
            (visits / name).symlink_to(outside)
        else:
            pq.write_table(pa.table({"customer": ["1"], "shoe_size": [44]}), visits / name)
        with pytest.raises(NotAJob, match=told):
            store.check()
        (visits / name).unlink()
    nowhere = FilesStore(tmp_path / "nowhere", [VISIT], tmp_path / "state.sqlite")
    with closing(nowhere), pytest.raises(NotAJob, match="no folder"):
        nowhere.check()


def test_a_file_that_is_written_to_waits(
    tmp_path: Path, store: FilesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that changed lately, and one that changes while it is read: nothing that was added is lost."""
    path = ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    os.utime(path)
    with pytest.raises(StoreUnavailable, match="may be written to"):
        store.erase(FOR_KARI)
    os.utime(path, (1, 1))
    original = job._as_it_was

    def meanwhile(*arguments: Any) -> None:
        with path.open("ab") as file:
            file.write(b'{"customer":"700102"}\n')
        original(*arguments)

    monkeypatch.setattr(job, "_as_it_was", meanwhile)
    with pytest.raises(StoreUnavailable, match="changed while it was read"):
        store.erase(FOR_KARI)
    monkeypatch.undo()
    os.utime(path, (1, 1))
    assert store.erase(FOR_KARI).deleted == (("WebVisit", 3),)
    assert path.read_bytes().endswith(b'{"customer":"700102"}\n')


def test_two_commands_one_after_the_other_do_not_wait(tmp_path: Path, store: FilesStore) -> None:
    """A file that the job wrote itself is not one that somebody writes to."""
    ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    store.erase(FOR_KARI)
    command: Command = command_of([Identifier("customer_number", OLA)], all_of(VISIT), command_id="r-2/s")
    assert store.erase(command).deleted == (("WebVisit", 2),)


def test_a_second_process_is_kept_out(tmp_path: Path, store: FilesStore) -> None:
    ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    with (
        closing(made(tmp_path)) as other,
        other._alone(),
        pytest.raises(StoreUnavailable, match="another process"),
    ):
        store.erase(FOR_KARI)


def test_a_disk_that_is_full_is_tried_again(
    tmp_path: Path, store: FilesStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(StoreUnavailable):
        store.erase(FOR_KARI)
    assert path.read_bytes() == before
    assert not [*path.parent.glob(f"*{SUFFIX}")]


def _full(_: int) -> None:
    raise OSError(28, "No space left on device")


def test_the_kit_finds_nothing_wrong(tmp_path: Path, store: FilesStore) -> None:
    ndjson(tmp_path / "data" / "visits" / "a.ndjson")
    erased: list[Outcome] = []

    def erase(command: Command) -> Outcome:
        erased.append(store.erase(command))
        return erased[-1]

    assert Kit(tmp_path, "web").play(erase, [("customer_number", KARI)], all_of(VISIT)) == []
    # Before it a cut-off and orders that mean none, and one that blanks a field.
    counts = [(dict(one.deleted), dict(one.redacted)) for one in erased[:5]]
    assert counts == [({}, {}), ({}, {}), ({}, {}), ({}, {"WebVisit": 1}), ({"WebVisit": 1}, {})]

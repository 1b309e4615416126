"""A disk that is full: nothing that was said to be written is lost, and nothing is answered without it."""

import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from console.cli.doctor import examine
from schemas.errors import IndexUnavailable
from schemas.settings import Settings
from sinks.clickhouse import parts as parts_module
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.mending import Mending
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.parts import Part, covered, lost, sentences
from sinks.clickhouse.space import Space
from sinks.clickhouse.whole import whole
from tests.support.time_bounds import await_that

NOW = datetime(2026, 5, 4, tzinfo=UTC)
MIB = 2**20


class Disk:
    """What the index is told to be free, in MiB."""

    def __init__(self) -> None:
        self.free = 10_000

    def __call__(self, _: Path) -> int:
        return self.free * MIB


@pytest.fixture
def index(tmp_path: Path) -> Iterator[ClickHouse]:
    made = ClickHouse(f"chdb://{tmp_path / 'index'}", reserve_mb=512)
    migrate(made, NOW)
    yield made
    made.close()


def rows(first: int, count: int) -> pa.Table:
    """Rows of `lineage` at these offsets, under tokens that no codec makes smaller."""
    tokens = pa.py_buffer(np.random.default_rng(first).bytes(16 * count))
    return pa.table(
        {
            "token": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, tokens]),
            "topic": pa.repeat(pa.scalar("web.visits"), count),
            "partition": np.zeros(count, "int32"),
            "offset": np.arange(first, first + count, dtype="int64"),
            "role": pa.repeat(pa.scalar("owner"), count),
            "tag_set": np.ones(count, "uint64"),
            "event_time": pa.repeat(pa.scalar(NOW.replace(tzinfo=None), pa.timestamp("ms")), count),
            "port": np.zeros(count, "uint16"),
        }
    )


def held(index: ClickHouse) -> set[int]:
    """Offsets, out of the rows themselves."""
    return {int(offset) for (offset,) in index.query("SELECT DISTINCT offset FROM lineage")}


def parts(index: ClickHouse, where: str = "active") -> list[tuple[str, Path]]:
    """Name and folder."""
    found = index.query(
        f"SELECT name, path FROM system.parts WHERE table = 'lineage' AND {where} ORDER BY name"
    )
    return [(str(name), Path(str(path))) for name, path in found]


def break_part(folder: Path) -> None:
    """As a merge without space leaves it: marks are empty, everything else says that all is well."""
    for marks in folder.glob("*mrk*"):
        marks.write_bytes(b"")


def merged(index: ClickHouse, kept: int = 90) -> Path:
    """Three inserts in one part of 3,000 rows; `kept`: for how many seconds what it was made of is. Its folder."""
    index.command(f"ALTER TABLE lineage MODIFY SETTING old_parts_lifetime = {kept}")
    for number in range(3):
        index.insert("lineage", rows(number * 1000, 1000))
    index.command("OPTIMIZE TABLE lineage FINAL", erase=True)
    ((_, folder),) = parts(index)
    return folder


def mending(index: ClickHouse) -> Mending:
    assert index.space is not None
    return Mending(index, index.space)


def with_disk(index: ClickHouse, disk: Disk) -> ClickHouse:
    index.space = Space(Path("/nowhere"), 512, free=disk)
    return index


def test_what_a_merge_without_space_broke_is_had_again_from_what_it_was_merged_from(
    index: ClickHouse,
) -> None:
    """The question that stumbles over it fails, and says so; the next has every row. Nothing is left of it."""
    break_part(merged(index))
    with pytest.raises(IndexUnavailable, match="error 246"):
        held(index)
    mend = mending(index)
    mend.turn()
    assert held(whole(index)) == set(range(3000))
    assert list(mend.problems()) == []
    assert index.query("SELECT count() FROM system.detached_parts") == [(0,)]
    # What is fed by the table still is.
    index.insert("lineage", rows(3000, 1000))
    daily = index.query("SELECT groupBitmapMerge(offsets) FROM lineage_daily")
    assert (held(index), daily) == (set(range(4000)), [(4000,)])


def test_what_broke_while_the_disk_was_full_is_found_before_anybody_asks(index: ClickHouse) -> None:
    """Also while it still is; merges begin again when there is space."""
    disk = Disk()
    folder = merged(with_disk(index, disk))
    mend = mending(index)
    disk.free = 100
    break_part(folder)
    mend.turn()
    assert held(index) == set(range(3000))
    with pytest.raises(IndexUnavailable):
        index.command("OPTIMIZE TABLE lineage FINAL SETTINGS optimize_throw_if_noop = 1")
    disk.free = 10_000
    mend.turn()
    index.command("OPTIMIZE TABLE lineage FINAL SETTINGS optimize_throw_if_noop = 1")
    assert (held(index), list(mend.problems())) == (set(range(3000)), [])


def test_what_was_erased_is_in_no_answer_though_what_the_erasure_wrote_broke(index: ClickHouse) -> None:
    """What was there before it is all that is left; the engine erases again when there is space."""
    disk = Disk()
    with_disk(index, disk)
    index.command("ALTER TABLE lineage MODIFY SETTING old_parts_lifetime = 90")
    index.insert("lineage", rows(0, 1000))
    index.command("DELETE FROM lineage WHERE offset = 5", erase=True)
    disk.free = 1
    break_part(parts(index)[0][1])
    answers, mend = whole(index), mending(index)
    mend.turn()
    with pytest.raises(IndexUnavailable, match="is being erased again"):
        held(answers)
    assert "is being erased again" in mend.problems()[0]
    disk.free = 10_000

    def well() -> bool:
        mend.turn()
        return not mend.problems()

    await_that(well, "it is erased again")
    assert held(answers) == set(range(1000)) - {5}


def test_events_and_erasures_wait_for_space_and_what_answers_for_the_law_does_not(index: ClickHouse) -> None:
    """They are refused with how much is free, and what to do."""
    disk = Disk()
    with_disk(index, disk)
    disk.free = 511
    with pytest.raises(
        IndexUnavailable, match=r"511 MiB are free .* 512 should be \(INNSYN_DISK_RESERVE_MB\)"
    ):
        index.insert("lineage", rows(0, 10))
    with pytest.raises(IndexUnavailable, match="INNSYN_DISK_RESERVE_MB"):
        index.command("DELETE FROM lineage WHERE offset = 1", erase=True)
    row = ["request-1", 1, "received", NOW, "{}", "a"]
    columns = ("request_id", "sequence", "kind", "occurred_at", "content", "entry")
    index.insert_rows("request_events", columns, [row])
    assert index.query("SELECT count() FROM request_events") == [(1,)]
    disk.free = 512
    index.insert("lineage", rows(0, 10))


def test_an_insert_during_which_the_disk_filled_is_not_said_to_be_written(index: ClickHouse) -> None:
    """The engine may say that it is. It is written again; that changes nothing where it was."""
    looks = iter([10_000, 3])
    index.space = Space(Path("/nowhere"), 512, free=lambda _: next(looks, 10_000) * MIB)
    with pytest.raises(IndexUnavailable, match="3 MiB are free"):
        index.insert("lineage", rows(0, 10))
    index.insert("lineage", rows(0, 10))
    assert held(index) == set(range(10))


def test_what_answers_for_the_law_is_looked_at_before_it_is_said_to_be_written(
    index: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk a record may break as it is written: whoever wrote it is told, and the record is let go."""
    disk = Disk()
    with_disk(index, disk).command("SYSTEM STOP MERGES")
    columns = ("request_id", "sequence", "kind", "occurred_at", "content", "entry")
    index.insert_rows("request_events", columns, [["request-1", 1, "received", NOW, "{}", "a"]])
    disk.free = 1
    written_since = parts_module.written_since

    def broken_first(*args: Any, **named: Any) -> list[Part]:
        ((folder,),) = index.query(
            "SELECT path FROM system.parts WHERE table = 'request_events' AND active ORDER BY name DESC LIMIT 1"
        )
        break_part(Path(str(folder)))
        return written_since(*args, **named)

    with monkeypatch.context() as patched:
        patched.setattr(parts_module, "written_since", broken_first)
        with pytest.raises(IndexUnavailable, match="1 MiB are free"):
            index.insert_rows("request_events", columns, [["request-1", 2, "answered", NOW, "{}", "a"]])
    mend = mending(index)
    mend.turn()
    assert index.query("SELECT sequence FROM request_events") == [(1,)]
    assert (list(mend.problems()), lost(index)) == ([], [])


def test_a_broken_part_of_which_nothing_else_is_left_stays_an_error_and_is_said(index: ClickHouse) -> None:
    """It is not taken away: an answer without its rows would look like any other."""
    folder = merged(index, kept=0)
    for _, source in parts(index, "NOT active"):
        shutil.rmtree(source)
    index.command("DETACH TABLE lineage")
    index.command("ATTACH TABLE lineage")
    break_part(folder)
    with pytest.raises(IndexUnavailable):
        held(index)
    mend = mending(index)
    mend.turn()
    (line,) = mend.problems()
    assert f"part {folder.name} of lineage (3,000 rows) is broken on the disk" in line
    with pytest.raises(IndexUnavailable):
        held(whole(index))


def test_a_start_takes_up_what_a_broken_part_was_made_of(tmp_path: Path) -> None:
    """Also where the process ended while a table was being read anew. Nothing is missed, and nothing left of it."""
    url = f"chdb://{tmp_path / 'index'}"
    index = ClickHouse(url)
    migrate(index, NOW)
    break_part(merged(index))
    index.command("DETACH TABLE lineage")
    index.close()
    index = ClickHouse(url)
    with closing(index):
        assert held(whole(index)) == set(range(3000))
        assert index.query("SELECT count() FROM system.detached_parts") == [(0,)]


def test_rows_that_a_start_takes_away_are_missed(tmp_path: Path) -> None:
    """By whoever asks about a person, by doctor and /readyz, until somebody has brought them back and says so."""
    url = f"chdb://{tmp_path / 'index'}"
    index = ClickHouse(url)
    migrate(index, NOW)
    index.insert("lineage", rows(0, 1000))
    index.command("SYSTEM STOP MERGES")
    index.insert("lineage", rows(1000, 1000))
    break_part(parts(index)[0][1])
    index.close()
    index = ClickHouse(url)
    try:
        assert held(index) == set(range(1000, 2000))
        with pytest.raises(IndexUnavailable, match="1,000 rows of lineage"):
            held(whole(index))
        mend = mending(index)
        mend.turn()
        (line,) = mend.problems()
        assert line in sentences(lost(index))
        assert "innsyn tag --replay" in line
        index.close()
        said = [check.detail for check in examine(Settings(home=tmp_path)) if check.name == "parts"]
        assert said == [line]
        # Reading the topics again gives them; that merging goes over the gap does not hide it before.
        index.insert("lineage", rows(0, 1000))
        index.command("OPTIMIZE TABLE lineage FINAL", erase=True)
        (item,) = lost(index)
        assert item.path in line
        shutil.rmtree(item.path)
        assert held(whole(index)) == set(range(2000))
    finally:
        index.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own."""
    image, folder = tmp_path / "disk.img", tmp_path / "disk"
    folder.mkdir()
    try:
        with image.open("wb") as file:
            file.truncate(600 * MIB)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(image)], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(folder)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no file system can be mounted here: that needs root and a loop device")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Take all the space that is free, at once."""
    filler = folder / "filler"
    with filler.open("wb") as file:
        free = shutil.disk_usage(folder).free
        while free > 4096:
            try:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free)
            except OSError:
                free //= 2
    return filler


def test_whatever_moment_the_disk_fills_in_nothing_that_was_said_to_be_written_is_missing(
    small_disk: Path,
) -> None:
    """Inserts and merges at full rate; the disk is filled for a moment again and again. Well soon after each."""
    index = ClickHouse(f"chdb://{small_disk / 'index'}", reserve_mb=64)
    migrate(index, NOW)
    mend, stop, written = mending(index), threading.Event(), set[int]()

    def write() -> None:
        first = 0
        while not stop.is_set() and first < 4_000_000:
            try:
                index.insert("lineage", rows(first, 20_000))
                written.update(range(first, first + 20_000))
                first += 20_000
            except IndexUnavailable:
                stop.wait(0.05)

    threads = [threading.Thread(target=write), threading.Thread(target=mend.run, args=(stop,))]
    for thread in threads:
        thread.start()
    chance = random.Random(7)
    try:
        for _ in range(3):
            stop.wait(chance.uniform(0.3, 1.0))
            filler = fill(small_disk)
            stop.wait(0.6)
            filler.unlink()

            def well() -> bool:
                try:
                    index.query(
                        "SELECT max(offset), max(token), max(role), max(tag_set), max(port) FROM lineage"
                    )
                    return not mend.problems()
                except IndexUnavailable:
                    return False

            await_that(well, "every row is answered again")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        found = held(whole(index))
        index.close()
    assert written
    assert written <= found


@pytest.mark.parametrize(
    ("others", "rows_known", "expected"),
    [
        ([(1, 4, 400)], 400, True),
        ([(1, 2, 200), (3, 4, 200)], 400, True),
        ([(1, 2, 200), (1, 1, 100), (3, 4, 200)], 300, True),
        # A failed insert has a number and no rows.
        ([(1, 2, 200), (4, 4, 200)], 400, True),
        ([(1, 2, 200)], 400, False),
        ([(1, 2, 200), (4, 4, 100)], 400, False),
        # Merged over the gap.
        ([(0, 9, 9000)], 400, False),
        ([], 0, False),
        ([(1, 2, 0), (3, 4, 0)], None, True),
        ([(1, 2, 0), (4, 4, 0)], None, False),
        ([(2, 4, 0)], None, False),
    ],
)
def test_rows_are_elsewhere_only_if_parts_that_hold_nothing_else_have_them(
    others: list[tuple[int, int, int]], rows_known: int | None, expected: bool
) -> None:
    """First and last block of each, and its rows."""
    made = [Part("t", "2026", f"2026_{a}_{b}_0", a, b, 0, count) for a, b, count in others]
    assert covered(Part("t", "2026", "2026_1_4_2", 1, 4, 2, rows_known), made) is expected
    assert not covered(Part("t", "2025", "2025_1_4_2", 1, 4, 2, rows_known), made)

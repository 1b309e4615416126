"""Tried on the keys: take them away, exchange them, let others read them, make two at once; none is made in silence."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest

from console.operations.keys import TokenKeys, alive
from schemas.errors import KeyUnavailable
from schemas.keys import Keyring
from schemas.tokens import Tokenizer
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.keys import ClickHouseKeys
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.memory.index import MemoryIndex
from sinks.ports.keys import KeyRegister
from tests.support.api import fill
from tests.support.kinds import USERNAME
from tests.support.time_bounds import HANGING_SECONDS

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """One embedded index for the file: the engine takes a while to start."""
    made = ClickHouse(f"chdb://{tmp_path_factory.mktemp('index')}")
    migrate(made, NOW)
    yield made
    made.close()


@pytest.fixture
def stored(database: ClickHouse) -> ClickHouse:
    """A real index, empty."""
    for table in ("token_keys", "tag_sets", "lineage", "ingest_ledger", "request_events"):
        database.command(f"TRUNCATE TABLE {table}")
    return database


@pytest.fixture
def index() -> MemoryIndex:
    return MemoryIndex()


def keys(folder: Path, index: KeyRegister) -> TokenKeys:
    return TokenKeys(Keyring(folder), index, lambda: NOW)


def refused(folder: Path, index: KeyRegister) -> str:
    """The sentence with which everything that asks is refused, the start that may make keys as well."""
    before = sorted(folder.rglob("*")) if folder.exists() else None
    said = set()
    asks: list[Callable[[], Tokenizer]] = [
        lambda: keys(folder, index).prove(make=True),
        lambda: keys(folder, index).prove(),
        lambda: keys(folder, index).tokenizer(),
    ]
    for ask in asks:
        with pytest.raises(KeyUnavailable) as caught:
            ask()
        said.add(str(caught.value))
    assert (sorted(folder.rglob("*")) if folder.exists() else None) == before, "something was made"
    assert len(said) == 1
    return said.pop()


@pytest.fixture
def folder(tmp_path: Path, index: MemoryIndex) -> Path:
    """The keys of an index that has rows."""
    keys(tmp_path / "keys", index).prove(make=True)
    fill(index, Keyring(tmp_path / "keys"))
    return tmp_path / "keys"


def test_the_key_folder_is_gone(folder: Path, index: MemoryIndex) -> None:
    """No new key: the one that the index was made with is named, and where to get it; making one is not suggested."""
    key_id = Keyring(folder).tokenizer().key_id
    shutil.rmtree(folder)
    said = refused(folder, index)
    assert f"token key {key_id}" in said
    assert "backup" in said
    assert "INNSYN_KEYS_DIR" in said
    assert "create" not in said
    assert not folder.exists()


def test_the_key_folder_is_empty(folder: Path, index: MemoryIndex) -> None:
    """As after a volume that was not mounted."""
    shutil.rmtree(folder)
    folder.mkdir(mode=0o700)
    assert "backup" in refused(folder, index)


def test_another_key(folder: Path, tmp_path: Path, index: MemoryIndex) -> None:
    """Both keys are named: the one that is wanted and the one that is there."""
    other = Keyring(tmp_path / "other").made().tokenizer().key_id
    said = refused(tmp_path / "other", index)
    assert f"token key {Keyring(folder).tokenizer().key_id}" in said
    assert f"holds {other}" in said


def test_the_same_id_on_another_key(folder: Path, index: MemoryIndex) -> None:
    """An id proves nothing: the key itself is held against what the index keeps of it."""
    stored = json.loads((folder / "token.json").read_text())
    (folder / "token.json").write_text(json.dumps({**stored, "key": "ab" * 32}))
    assert "not the one that the index was made with" in refused(folder, index)


def test_an_index_from_before_it_kept_its_keys(tmp_path: Path, stored: ClickHouse) -> None:
    """Its tag sets name the key: another one is refused, the right one is recorded and from then on proven."""
    register = ClickHouseKeys(stored)
    fill(ClickHouseWriter(stored), Keyring(tmp_path / "keys").made())
    Keyring(tmp_path / "other").made()
    assert "the index was made with token key" in refused(tmp_path / "other", register)
    assert "the index was made with token key" in refused(tmp_path / "none", register)
    tokenizer = keys(tmp_path / "keys", register).prove()
    assert [key.key_id for key in alive(register.entries())] == [tokenizer.key_id]


def test_requests_without_rows_and_without_keys(tmp_path: Path, stored: ClickHouse) -> None:
    """An index that holds anything at all is not a fresh one."""
    stored.insert_rows(
        "request_events",
        ("request_id", "sequence", "kind", "occurred_at", "content", "entry"),
        [("r-1", 0, "received", NOW, "{}", "e")],
    )
    for make in (True, False):
        with pytest.raises(KeyUnavailable, match="not empty"):
            keys(tmp_path / "keys", ClickHouseKeys(stored)).prove(make=make)
    assert not (tmp_path / "keys").exists()


def test_a_role_on_an_empty_index_makes_nothing(tmp_path: Path, index: MemoryIndex) -> None:
    """Only `keys create` and the first start of `up` make a key."""
    with pytest.raises(KeyUnavailable, match="innsyn keys create"):
        keys(tmp_path / "keys", index).prove()
    assert not (tmp_path / "keys").exists()
    assert index.entries() == []


def test_two_hosts_at_once(tmp_path: Path, stored: ClickHouse) -> None:
    """Hosts with empty folders of their own that start together: one key is recorded, all others are refused."""
    hosts = 4
    start = Barrier(hosts)

    def begin(number: int) -> str:
        host = keys(tmp_path / f"host{number}", ClickHouseKeys(stored))
        start.wait(HANGING_SECONDS)
        try:
            return host.prove(make=True).key_id
        except KeyUnavailable as error:
            return str(error)

    with ThreadPoolExecutor(hosts) as pool:
        said = list(pool.map(begin, range(hosts)))
    recorded = alive(ClickHouseKeys(stored).entries())
    assert len(recorded) == 1
    assert said.count(recorded[0].key_id) == 1
    losers = [line for line in said if line != recorded[0].key_id]
    assert all(recorded[0].key_id in line and "copy it from the host that has it" in line for line in losers)


def test_taken_away_while_it_runs(folder: Path, index: MemoryIndex) -> None:
    """What runs goes on under the key it proved, and sealing makes no new folder."""
    running = keys(folder, index)
    token = running.tokenizer().token(USERNAME, "kari")
    shutil.rmtree(folder)
    assert running.tokenizer().token(USERNAME, "kari") == token
    with pytest.raises(KeyUnavailable, match="is gone; restore"):
        Keyring(folder).seal("request-1", b"x", b"")
    assert not folder.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
@pytest.mark.parametrize("name", ["", "token.json", "seal", "seal/request-1"])
def test_others_can_read_them(tmp_path: Path, name: str, mode: int) -> None:
    """Refused with the command to run, as long as others can."""
    ring = Keyring(tmp_path / "keys").made()
    sealed = ring.seal("request-1", b"x", b"")
    path = tmp_path / "keys" / name
    right = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode | (0o100 if path.is_dir() else 0))
    with pytest.raises(KeyUnavailable) as caught:
        ring.open("request-1", sealed, b"") if "seal" in name else ring.tokenizer()
    assert f"run chmod {right:o} {path}" in str(caught.value)
    path.chmod(right)
    assert ring.tokenizer().key_id
    assert ring.open("request-1", sealed, b"") == b"x"


@pytest.mark.parametrize("mask", [0o000, 0o777, 0o277])
def test_any_umask(tmp_path: Path, mask: int) -> None:
    """Keys are their owner's alone, and readable by it, whatever the umask; so are folders made above them."""
    before = os.umask(mask)
    try:
        ring = Keyring(tmp_path / "above" / "keys").made()
        ring.seal("request-1", b"x", b"")
    finally:
        os.umask(before)
    made = [path for path in tmp_path.rglob("*") if path != tmp_path]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_dir()} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made if path.is_file()} == {0o600}
    assert ring.tokenizer().key_id


def test_a_symbolic_link(folder: Path, tmp_path: Path, index: MemoryIndex) -> None:
    """A key file that is a link to somewhere is refused, whatever it leads to; nothing is read through it."""
    elsewhere = tmp_path / "elsewhere.json"
    (folder / "token.json").rename(elsewhere)
    for target in (elsewhere, Path("/dev/zero"), tmp_path / "nowhere"):
        (folder / "token.json").unlink(missing_ok=True)
        (folder / "token.json").symlink_to(target)
        assert "symbolic link" in refused(folder, index)


def test_a_pipe_or_a_folder_in_its_place(folder: Path, index: MemoryIndex) -> None:
    """Neither waited for nor read."""
    (folder / "token.json").unlink()
    os.mkfifo(folder / "token.json", 0o600)
    assert "not a file" in refused(folder, index)
    (folder / "token.json").unlink()
    (folder / "token.json").mkdir(mode=0o700)
    assert "not a file" in refused(folder, index)


def test_half_written(folder: Path, index: MemoryIndex) -> None:
    """A file that was cut short is never taken for none, nor replaced."""
    whole = (folder / "token.json").read_bytes()
    for length in (0, 1, 20, 60):
        (folder / "token.json").write_bytes(whole[:length])
        assert "not a readable token key" in refused(folder, index)
        assert (folder / "token.json").read_bytes() == whole[:length]


def test_a_file_that_is_no_key(folder: Path, index: MemoryIndex) -> None:
    """A short key, an id that would be read as markup: not a key."""
    key = "ab" * 32
    for content in (
        {"id": "[/b]x", "key": key},
        {"id": "", "key": key},
        {"id": "a", "key": "ab"},
        ["a"],
        None,
    ):
        (folder / "token.json").write_text(json.dumps(content))
        assert "not a readable token key" in refused(folder, index)


def test_two_keys_and_nobody_says_which(tmp_path: Path, index: MemoryIndex) -> None:
    """A second file in the folder of an index that knows none of them: no guess."""
    Keyring(tmp_path / "keys").made()
    Keyring(tmp_path / "other").made()
    shutil.copy(tmp_path / "other" / "token.json", tmp_path / "keys" / "token-other.json")
    with pytest.raises(KeyUnavailable, match="2 token keys"):
        keys(tmp_path / "keys", index).prove(make=True)

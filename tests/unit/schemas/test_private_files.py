"""Private files: who reads one while it is destroyed or replaced has the whole of it or nothing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import KeyUnavailable
from schemas.keys import Keyring
from schemas.private_files import (
    destroy_private,
    finish_destroying,
    read_file,
    write_each_once,
    write_once,
    write_whole,
)

OLD, NEW = b"o" * 32, b"n" * 32


class Died(BaseException):
    """The process ends here."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_once(tmp_path / "key", OLD)
    return tmp_path / "key"


def _before_it_is_read(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """The act comes between the opening of a file and its reading, once."""
    opened, done = os.fstat, list[bool]()

    def fstat(descriptor: int) -> os.stat_result:
        found = opened(descriptor)
        if not done:
            done.append(True)
            act()
        return found

    monkeypatch.setattr(os, "fstat", fstat)


def test_who_opened_a_key_that_is_replaced_reads_the_new_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not the random bytes with which the old one is overwritten."""
    second = path.with_name("second")

    def replace() -> None:
        second.hardlink_to(path)
        write_whole(path, NEW)
        destroy_private(second, secrets.token_bytes)

    _before_it_is_read(monkeypatch, replace)
    assert read_file(path) == NEW


def test_who_opened_a_key_that_is_destroyed_has_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is ever sealed under the random bytes with which it is overwritten."""
    _before_it_is_read(monkeypatch, lambda: destroy_private(path, secrets.token_bytes))
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        read_file(path)


def test_a_key_that_is_being_destroyed_cannot_be_read_any_more(path: Path) -> None:
    """From the first byte that is overwritten on."""

    def random(size: int) -> bytes:
        with pytest.raises(KeyUnavailable, match="cannot be read"):
            read_file(path)
        return bytes(size)

    destroy_private(path, random)
    assert list(path.parent.iterdir()) == []


def test_of_many_files_each_is_made_once_whole_and_private(path: Path) -> None:
    """One that is there stays as it is, and nothing else is left in the folder."""
    others = [path.with_name(name) for name in ("first", "second")]
    assert write_each_once(dict.fromkeys([others[0], path, others[1]], NEW)) == others
    assert [read_file(item) for item in (path, *others)] == [OLD, NEW, NEW]
    assert {item.name for item in path.parent.iterdir()} == {"key", "first", "second"}


def test_of_many_files_none_is_there_before_all_are_on_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process that dies wrote by then is under no name of a key."""

    def dies(_: int) -> None:
        raise Died

    monkeypatch.setattr(os, "fsync", dies)
    with pytest.raises(Died):
        write_each_once(dict.fromkeys([path.with_name("first"), path.with_name("second")], NEW))
    assert list(path.parent.iterdir()) == [path]


def _dies(_: int) -> bytes:
    raise Died


@pytest.mark.parametrize("made_again", [False, True])
def test_what_a_process_that_died_left_is_destroyed_with_the_next_key(path: Path, made_again: bool) -> None:
    with pytest.raises(Died):
        destroy_private(path, _dies)
    left = next(path.parent.iterdir()).open("rb")
    if made_again:
        write_once(path, NEW)
    destroy_private(path, secrets.token_bytes)
    assert list(path.parent.iterdir()) == []
    with left:
        assert OLD not in left.read()


@pytest.mark.parametrize("kind", ["sealing", "token"])
def test_a_keyring_finishes_what_a_process_that_died_was_destroying(tmp_path: Path, kind: str) -> None:
    """Meanwhile the key is gone for everybody, and the other keys serve."""
    dying: dict[str, Any] = {"random": secrets.token_bytes}
    ring = Keyring(tmp_path, random=lambda size: dying["random"](size)).made()
    old, fresh = next(iter(ring.held())), ring.add().key_id
    sealed = ring.seal("r1", b"secret", b"")
    dying["random"] = _dies
    with pytest.raises(Died):
        ring.destroy("r1") if kind == "sealing" else ring.destroy_token_key(old)
    other = Keyring(tmp_path)
    if kind == "sealing":
        assert other.sealing_keys() == []
        with pytest.raises(KeyUnavailable, match="destroyed"):
            other.open("r1", sealed, b"")
    else:
        assert list(other.held()) == [fresh]
    other.finish_destroying()
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".removed")]
    finish_destroying(tmp_path / "never made", secrets.token_bytes)

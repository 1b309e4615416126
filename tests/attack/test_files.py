"""Files of INNSYN_HOME that others could read: whatever the umask, and whatever was there before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.cli.doctor import examine
from console.wiring.private import close_to_others, open_to_others, openness
from console.wiring.start import begin
from schemas.errors import SettingsError
from schemas.settings import Settings
from tests.support.product import innsyn


@pytest.fixture(autouse=True)
def anybody() -> Iterator[None]:
    """The umask of somebody careless, given back afterwards."""
    before = os.umask(0)
    yield
    os.umask(before)


def home_of_before(folder: Path) -> Path:
    """A home as an earlier version left it under that umask."""
    home = folder / "home"
    for name in (
        "kafka/data/web.visits-0/00000000.log",
        "index/store/a.bin",
        "ingest/checkpoint.json",
        "keys/token.json",
    ):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
    (home / "elsewhere").symlink_to(folder)
    return home


def test_what_was_open_is_closed_at_the_start(tmp_path: Path) -> None:
    """Every file and folder but the keys, which a mode does not mend; nothing outside, also not behind a link."""
    home = home_of_before(tmp_path)
    outside = tmp_path.stat().st_mode
    begin(Settings(home=home))
    left = set(open_to_others(home))
    assert left == {home / "keys", home / "keys" / "token.json"}
    assert tmp_path.stat().st_mode == outside
    assert close_to_others(home, home / "keys") == 0
    (home / "new").write_text("x")
    assert (home / "new").stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_closed_ends_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of somebody else: the sentence names one and what to do."""
    home = home_of_before(tmp_path)

    def refused(self: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refused)
    with pytest.raises(SettingsError, match="can be read by others and cannot be closed to them"):
        close_to_others(home, home / "keys")


def test_doctor_names_what_others_can_read(tmp_path: Path) -> None:
    """Three of them, how many more, and the mend."""
    home = home_of_before(tmp_path)
    (line,) = openness(home)
    assert str(home / "elsewhere") not in line
    assert " more; run chmod -R go= " in line
    checks = [check for check in examine(Settings(home=home)) if check.name == "modes"]
    assert [(check.state, check.detail) for check in checks] == [("wrong", line)]


def test_every_command_that_writes_writes_for_its_owner_alone(tmp_path: Path) -> None:
    """Under umask 000: keys, index, and what a process that has ended leaves."""
    home = tmp_path / "home"
    assert innsyn(home, "keys", "create").status == 0
    assert innsyn(home, "migrate").status == 0
    assert (home / "index").is_dir()
    assert (home / "keys").is_dir()
    assert not list(open_to_others(home))

"""`innsyn keys system`: a file for each job's team, changed without a gap, and never a key on the screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from schemas.keys import Keyring
from schemas.systemkeys import read_system_keys
from tests.support.commands import home, run

__all__ = ["home"]


def keys(home: Path, system: str = "billing") -> list[str]:
    return [key.id for key in Keyring(home / "keys").systems.of(system).keys]


def test_every_system_that_is_told_to_erase_gets_a_key(home: Path) -> None:
    """With the token key; they are listed by id, and none of them is shown."""
    assert run("keys", "create")[0] == 0
    listed = {
        item["system"]: item for item in json.loads(run("keys", "system", "list", "--json")[1])["items"]
    }
    assert {"billing", "crm", "web"} <= listed.keys()
    assert "kafka" not in listed
    assert listed["billing"]["key_ids"] == keys(home)
    assert max(map(len, run("keys", "system", "list")[1].split("in " + str(home))[0].splitlines())) <= 80
    printed = run("keys", "system", "list")[1] + run("keys", "show")[1]
    for path in (home / "keys" / "systems").iterdir():
        assert (path.stat().st_mode & 0o777) == 0o600
        assert json.loads(path.read_text())["keys"][0]["key"] not in printed
    assert json.loads(run("keys", "show", "--json")[1])["system_keys"] == len(listed)


def test_what_is_made_is_said_to_be_made(home: Path) -> None:
    """A system that was new to the catalogue got its key, and all that was said was that the keys were there."""
    first = " ".join(run("keys", "create")[1].split())
    assert "token key" in first
    assert " made: " in first
    assert "system keys made for aaa, billing" in first
    (home / "keys" / "systems" / "billing.json").unlink()
    again = " ".join(run("keys", "create")[1].split())
    assert " was there already: " in again
    assert "system keys made for billing: " in again
    assert "system keys were there already: " in " ".join(run("keys", "create")[1].split())
    assert json.loads(run("keys", "create", "--json")[1])["systems_made"] == []


def test_a_team_gets_its_file_and_no_more(home: Path, tmp_path: Path) -> None:
    """Readable by its owner alone, over a file that is there as well, or on standard output for a store of secrets."""
    target = tmp_path / "billing.json"
    target.write_text("an older one")
    target.chmod(0o644)
    assert run("keys", "system", "export", "billing", "--to", str(target))[0] == 2
    assert run("keys", "create")[0] == 0
    assert run("keys", "system", "export", "billing", "--to", str(target))[:2] == (0, "")
    assert (target.stat().st_mode & 0o777) == 0o600
    assert [key.id for key in read_system_keys(target).keys] == keys(home)
    assert json.loads(run("keys", "system", "export", "billing", "--to", "-")[1]) == json.loads(
        target.read_text()
    )
    status, _, err = run("keys", "system", "export", "billing", "--to", str(tmp_path / "no" / "where"))
    assert (status, err.count("\n")) == (2, 1)


def test_a_key_is_rotated_and_the_old_one_retired(home: Path) -> None:
    """Until then both are in force, and the old one comes first."""
    assert run("keys", "create")[0] == 0
    (old,) = keys(home)
    status, out, _ = run("keys", "system", "rotate", "billing")
    assert status == 0
    assert "innsyn keys system retire billing" in " ".join(out.split())
    first, new = keys(home)
    assert first == old
    assert json.loads(run("keys", "system", "retire", "billing", "--json")[1])["key_ids"] == [new]
    assert keys(home) == [new]


@pytest.mark.parametrize("system", ["kafka", "nonsense", "../token", "[/b]x", "\x1b[2J", ""])
@pytest.mark.parametrize("act", ["rotate", "retire"])
def test_a_name_that_is_no_such_system_is_refused(home: Path, act: str, system: str) -> None:
    """In one line that does not repeat it."""
    status, out, err = run("keys", "system", act, system)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "use one of aaa, billing" in err
    assert not (home / "keys" / "systems").exists()

"""`innsyn systems`: a file for each job's team, changed without a gap, and never a key on the screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.operations.system_keys import KeysOf, jobs_said
from schemas.jobkeys import read_job_keys
from schemas.keys import Keyring
from tests.support.commands import home, run
from tests.unit.schemas.test_system_keys import PUBLIC, file_of

__all__ = ["home"]


def keys(home: Path, system: str = "billing") -> list[str]:
    return [key.id for key in Keyring(home / "keys").systems.of(system).keys]


def words(out: str) -> str:
    return " ".join(out.split())


def test_what_lacks_a_key_is_told_before_the_first_command(home: Path) -> None:
    """`innsyn keys create` makes none: its private halves would lie where no job is."""
    assert run("keys", "create")[0] == 0
    status, out, _ = run("systems", "show")
    assert status == 1
    assert "no command can be sent to aaa, billing," in words(out)
    assert run("systems", "add", "billing")[0] == 0
    assert "billing," not in words(run("systems", "show")[1]).partition("no command can be sent")[2]
    assert run("systems", "show", "billing")[0] == 0
    assert "run `innsyn systems add crm`" in words(run("systems", "show", "crm")[1])
    checks = {item["name"]: item for item in json.loads(run("doctor", "--json")[1])["checks"]}
    assert checks["systems"]["state"] == "off"
    assert "no command can be sent yet to aaa, " in checks["systems"]["detail"]


def test_a_shared_key_of_an_earlier_version_is_told(home: Path) -> None:
    """By the doctor too, with what to run."""
    assert run("keys", "create")[0] == 0
    assert run("systems", "add", "billing")[0] == 0
    old = file_of({"id": "5f2a9c01", "key": "00" * 32})
    (home / "keys" / "systems" / "billing.json").write_bytes(old)
    checks = [item for item in json.loads(run("doctor", "--json")[1])["checks"] if item["name"] == "systems"]
    assert checks[0]["state"] == "wrong"
    assert "run `innsyn systems rotate billing`" in checks[0]["detail"]
    assert run("systems", "show", "billing")[0] == 1
    assert run("systems", "rotate", "billing")[0] == 0
    assert run("systems", "show", "billing")[0] == 0


def test_systems_that_perhaps_have_no_job_are_said_with_what_to_do() -> None:
    """Those without a key first: no command can be sent to them."""
    found = [
        KeysOf("crm", ("k1",), False, None),
        KeysOf("mail", (), False, "has no key", lacking=True),
        KeysOf("web", ("k2",), True, None),
    ]
    state, said = jobs_said(found, {"crm": "2026-03-01T09:00:00Z"})
    assert state == "off"
    assert said == (
        "never answered and without a key: mail; `innsyn systems add`, then start their jobs; never answered a command:"
        " web; `innsyn job test` shows whether a job does"
    )
    assert jobs_said(found[:1], {"crm": "2026-03-01T09:00:00Z"}) == ("ok", "all 1 have answered a command")


def test_systems_are_shown_by_the_ids_of_their_keys(home: Path) -> None:
    """In 80 columns, and never with a key."""
    assert run("keys", "create")[0] == 0
    for system in ("billing", "web"):
        assert run("systems", "add", system)[0] == 0
    listed = {item["system"]: item for item in json.loads(run("systems", "show", "--json")[1])["items"]}
    assert "kafka" not in listed
    assert (listed["billing"]["key_ids"], listed["billing"]["private_here"]) == (keys(home), True)
    printed = run("systems", "show")[1] + run("systems", "show", "web")[1] + run("keys", "show")[1]
    assert max(map(len, printed.partition("no command")[0].splitlines())) <= 80
    for path in (home / "keys").rglob("*.json"):
        assert (path.stat().st_mode & 0o777) == 0o600
        if path.parent.name in ("systems", "jobs"):
            (key,) = json.loads(path.read_text())["keys"]
            assert not [half for name, half in key.items() if name != "id" and half in printed]
    assert json.loads(run("keys", "show", "--json")[1])["system_keys"] == 2


def test_a_team_gets_its_file_and_nobody_else_has_it(home: Path, tmp_path: Path) -> None:
    """Readable by its owner alone, or on standard output for a store of secrets."""
    target = tmp_path / "billing.json"
    assert run("keys", "create")[0] == 0
    assert run("systems", "export", "billing", "--to", str(target))[0] == 2
    assert not target.exists()
    assert run("systems", "add", "billing")[0] == 0
    status, _, err = run("systems", "export", "billing", "--to", str(tmp_path / "no" / "where"))
    assert (status, err.count("\n")) == (2, 1)
    printed = json.loads(run("systems", "export", "billing", "--keep", "--to", "-")[1])
    status, out, err = run("systems", "export", "billing", "--to", str(target))
    assert (status, out) == (0, "")
    assert "no longer here" in words(err)
    assert json.loads(target.read_text()) == printed
    assert (target.stat().st_mode & 0o777) == 0o600
    assert [key.id for key in read_job_keys(target).keys] == keys(home)
    assert list((home / "keys" / "jobs").iterdir()) == []
    again = json.loads(run("systems", "export", "billing", "--to", "-")[1])
    assert again["keys"][0].keys() == {"id", "verify"}
    (listed,) = json.loads(run("systems", "show", "billing", "--json")[1])["items"]
    assert not listed["private_here"]


def test_private_halves_are_never_written_over(home: Path, tmp_path: Path) -> None:
    """The same line again, or again after a rotation: the file that is there may be the only one that has them."""
    target = tmp_path / "billing.json"
    assert run("keys", "create")[0] == 0
    assert run("systems", "add", "billing")[0] == 0
    assert run("systems", "export", "billing", "--to", str(target))[0] == 0
    assert run("systems", "rotate", "billing")[0] == 0
    for more in ([], ["--keep"]):
        status, _, err = run("systems", "export", "billing", "--to", str(target), *more)
        assert status == 2
        assert "there already" in words(err)
    beside = tmp_path / "billing-2.json"
    assert run("systems", "export", "billing", "--to", str(beside))[0] == 0
    assert [key.id for key in read_job_keys(target, beside).keys] == keys(home)


def test_nothing_is_exported_among_innsyns_own_keys(home: Path, tmp_path: Path) -> None:
    """To where it lies it would be destroyed as soon as it is written; a link to there is the same place."""
    assert run("keys", "create")[0] == 0
    assert run("systems", "add", "billing", "web")[0] == 0
    link = tmp_path / "link"
    link.symlink_to(home / "keys")
    for place in ("jobs/billing.json", "jobs/new.json", "systems/web.json"):
        for folder in (home / "keys", link):
            status, _, err = run("systems", "export", "billing", "--to", str(folder / place))
            assert status == 2
            assert "innsyn's own keys" in words(err)
    assert [key.id for key in Keyring(home / "keys").systems.job("billing").keys] == keys(home)


def test_several_get_their_first_key_at_once(home: Path) -> None:
    """Of one that is unknown none is made for any; a team's own is of one system."""
    assert run("keys", "create")[0] == 0
    assert run("systems", "add", "billing", "nonsense")[0] == 2
    assert run("systems", "add", "billing", "web", "--public", "x")[0] == 2
    made = json.loads(run("systems", "add", "billing", "web", "--json")[1])["items"]
    assert [(item["system"], item["key_ids"]) for item in made] == [
        (system, keys(home, system)) for system in ("billing", "web")
    ]


def test_a_team_may_make_its_own(home: Path, tmp_path: Path) -> None:
    """By the public halves; a file that is none is refused in one line, and so is one that is not there."""
    assert run("keys", "create")[0] == 0
    public = tmp_path / "public.json"
    status, _, err = run("systems", "add", "billing", "--public", str(public))
    assert (status, err.count("\n")) == (2, 1)
    public.write_bytes(b"{}")
    status, _, err = run("systems", "add", "billing", "--public", str(public))
    assert (status, err.count("\n")) == (2, 1)
    public.write_bytes(file_of(PUBLIC))
    assert run("systems", "add", "billing", "--public", str(public))[0] == 0
    assert keys(home) == [PUBLIC["id"]]
    assert run("systems", "rotate", "billing", "--public", str(public))[0] == 2
    public.write_bytes(file_of({**PUBLIC, "id": "next"}))
    assert run("systems", "rotate", "billing", "--public", str(public))[0] == 0
    assert keys(home) == [PUBLIC["id"], "next"]


def test_a_key_is_rotated_and_the_old_one_retired(home: Path) -> None:
    """Until then both are in force, and the old one comes first."""
    assert run("keys", "create")[0] == 0
    assert run("systems", "rotate", "billing")[0] == 2
    assert run("systems", "add", "billing")[0] == 0
    (old,) = keys(home)
    status, out, _ = run("systems", "rotate", "billing")
    assert status == 0
    assert "`innsyn systems retire billing`" in words(out)
    first, new = keys(home)
    assert first == old
    assert json.loads(run("systems", "retire", "billing", "--json")[1])["key_ids"] == [new]
    assert keys(home) == [new]


@pytest.mark.parametrize("system", ["kafka", "nonsense", "../token", "[/b]x", "\x1b[2J", ""])
@pytest.mark.parametrize("act", ["add", "rotate", "retire", "show"])
def test_a_name_that_is_no_such_system_is_refused(home: Path, act: str, system: str) -> None:
    """With those there are; it is not quoted, and nothing is made."""
    status, _, err = run("systems", act, system)
    assert status == 2
    assert "use one of aaa, billing" in words(err)
    assert "\x1b" not in err
    assert not (home / "keys").exists()

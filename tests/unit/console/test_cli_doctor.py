"""Commands on this machine alone: keys, doctor, and an index that nobody else has open."""

from __future__ import annotations

import fcntl
import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas.keys import Keyring
from tests.support.api import TOTAL
from tests.support.commands import PERSON, home, instance, quiet, run

__all__ = ["home", "instance", "quiet"]


def test_keys_are_made_once_and_never_shown(home: Path) -> None:
    """`keys create` makes one key; `keys show` gives its id and place, and who else can read it."""
    status, out, _ = run("keys", "create", "--json")
    assert status == 0
    made = json.loads(out)
    assert made["made"]
    assert json.loads(run("keys", "create", "--json")[1]) == {
        **made,
        "made": False,
        "signing_made": False,
    }
    secret = json.loads((home / "keys" / "token.json").read_text())["key"]
    assert stat.S_IMODE((home / "keys" / "token.json").stat().st_mode) == 0o600
    shown = run("keys", "show")[1]
    assert made["key_id"] in shown
    assert secret not in shown + out
    (home / "keys" / "token.json").chmod(0o644)
    assert "chmod 600" in run("keys", "show")[1].replace("\n", " ")


def test_doctor_masks_secrets(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings in force are shown, but no password, wherever it stands."""
    monkeypatch.setenv("INNSYN_API_TOKEN", "a-secret-of-the-test")
    monkeypatch.setenv("INNSYN_REGISTRY_URL", "http://user:hunter2@127.0.0.1:9")
    monkeypatch.setenv("INNSYN_KAFKA_BOOTSTRAP", "127.0.0.1:9")
    monkeypatch.setenv("INNSYN_REALMS", "isp.example, isp.test")
    monkeypatch.setattr("streams.kafka.topics._LOOK_TIMEOUT", 0.2)
    status, out, err = run("doctor", "--json")
    assert status == 1
    assert "hunter2" not in out + err
    assert "a-secret" not in out + err
    values = {item["name"]: item["value"] for item in json.loads(out)["settings"]}
    assert (values["INNSYN_REALMS"], values["INNSYN_REALM"]) == ("isp.example,isp.test", None)
    checks = {check["name"]: check["state"] for check in json.loads(out)["checks"]}
    assert (checks["broker"], checks["registry"], checks["java"]) == ("wrong", "wrong", "off")


def test_doctor_does_not_send_for_new_keys_where_an_index_needs_the_old_ones(home: Path) -> None:
    """A folder of keys that is gone is no first start."""
    assert "`innsyn keys create` or the first start makes them" in " ".join(run("doctor")[1].split())
    (home / "index").mkdir()
    status, out, _ = run("doctor", "--json")
    found = [check for check in json.loads(out)["checks"] if check["name"] == "keys"]
    assert (status, found[0]["state"]) == (1, "wrong")
    assert "restore the folder from your key backup" in found[0]["detail"]


def test_doctor_sees_keys_that_others_can_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys with open permissions are wrong, with the command that mends them."""
    Keyring(home / "keys").made().tokenizer()
    (home / "keys").chmod(0o755)
    checks = json.loads(run("doctor", "--json")[1])["checks"]
    assert [check["detail"] for check in checks if check["name"] == "keys"] == [
        f"{home / 'keys'} can be read by others (mode 755); run chmod 700 {home / 'keys'}"
    ]


def test_doctor_asks_a_running_instance(instance: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API of a running instance is asked, and its broker, which is not there in this test."""
    monkeypatch.setattr("streams.kafka.topics._LOOK_TIMEOUT", 0.2)
    checks = {check["name"]: check for check in json.loads(run("doctor", "--json")[1])["checks"]}
    assert (checks["api"]["state"], checks["api"]["detail"]) == ("ok", instance)
    assert checks["broker"]["state"] == "wrong"


FILL = """
import sys
from pathlib import Path
from schemas.keys import Keyring
from schemas.settings import load_settings
from sinks.open import open_sinks
from tests.support.api import fill
settings = load_settings()
sinks = open_sinks(settings)
fill(sinks.writer(), Keyring(settings.keys_folder).made())
sinks.close()
"""


def test_an_index_that_nobody_has_open_is_read_directly(home: Path) -> None:
    """Where nothing runs, look-up, access and plan read the embedded index themselves, with the same answer."""

    def command(*arguments: str) -> Any:
        # Each in a process of its own, as the engine takes one folder per process.
        done = subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout) if done.stdout else None

    innsyn = ("-c", "from console.cli.main import run; run()")
    planned = command(*innsyn, "migrate", "--dry-run", "--json")
    assert planned["dry_run"]
    assert not (home / "index").exists()
    assert command(*innsyn, "migrate", "--json")["migrations"] == planned["migrations"]
    assert command(*innsyn, "migrate", "--json")["migrations"] == []
    command("-c", FILL)
    assert command(*innsyn, "lookup", *PERSON, "--json")["total_events"] == TOTAL
    assert command(*innsyn, "access", *PERSON, "--json")["total_events"] == TOTAL
    assert command(*innsyn, "erase", *PERSON, "--dry-run", "--json")["total_events"] == TOTAL


@pytest.mark.parametrize("command", [["lookup", *PERSON], ["migrate"]])
def test_an_index_that_another_process_has_open_is_left_alone(home: Path, command: list[str]) -> None:
    """The engine takes one process per folder: the second is told so in one line, and does not try."""
    Keyring(home / "keys").made().tokenizer()
    (home / "index").mkdir()
    with (home / "index" / "status").open("w") as status:
        fcntl.flock(status, fcntl.LOCK_EX)
        ended, out, err = run(*command)
    assert (ended, out, err.count("\n")) == (2, "", 1)
    assert "another process" in err


def test_doctor_shows_what_somebody_set(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are counted, and shown with --all; a program gets them all."""
    monkeypatch.setenv("INNSYN_TAG_BATCH_SECONDS", "0.3")
    few, every = (run(*command)[1].partition("Checks")[0] for command in (("doctor",), ("doctor", "--all")))
    settings = json.loads(run("doctor", "--json")[1])["settings"]
    names = [item["name"] for item in settings]
    assert [name for name in names if name in few] == [item["name"] for item in settings if item["set"]]
    assert f"{len(names) - 2} other settings at the default" in few
    assert [name for name in names if name in every] == names
    assert "at the default" not in every

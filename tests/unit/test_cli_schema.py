"""`innsyn schema`: the check in another team's CI, and the way of our records into a registry."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.schema import app
from schemas.errors import InputError, RegistryUnavailable
from schemas.records import load_records
from schemas.topics import load_topics
from tests.support.registry_stub import registry_stub

PAYMENT = load_records()["Payment"].json


def with_system(system: str) -> dict[str, Any]:
    return {**PAYMENT, "innsyn": {**PAYMENT["innsyn"], "system": system}}


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_command_checks_our_own_records() -> None:
    """Without a file, all records of ours are checked."""
    assert run("check") == (0, f"{len(load_records())} records checked, nothing wrong\n", "")


def test_command_prints_problems_on_standard_error(tmp_path: Path) -> None:
    """A problem is one line on standard error and exit status 1."""
    path = tmp_path / "payment.avsc"
    path.write_text(json.dumps(with_system("order")))
    line = f"{path}: Payment: unknown system order; did you mean orders?\n"
    assert run("check", str(path)) == (1, "", line)


def test_command_prints_json(tmp_path: Path) -> None:
    """--json prints each problem as an object on standard output."""
    path = tmp_path / "payment.avsc"
    path.write_text(json.dumps(with_system("order")))
    status, out, _ = run("check", "--json", str(path))
    assert status == 1
    assert json.loads(out)["problems"] == [
        {
            "file": str(path),
            "where": "Payment",
            "what": "unknown system order",
            "mend": "did you mean orders?",
        }
    ]


@pytest.mark.parametrize(
    "content", [None, b"{", b"\xff\xfe", b"[]"], ids=["missing", "cut", "binary", "list"]
)
def test_command_says_that_a_file_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """A file that cannot be read is one line and exit status 2, and the others are checked all the same."""
    bad, good = tmp_path / "bad.avsc", tmp_path / "payment.avsc"
    if content is not None:
        bad.write_bytes(content)
    good.write_text(json.dumps(with_system("order")))
    status, _, err = run("check", str(bad), str(good))
    assert status == 2
    assert sorted(line.split(": ")[0] for line in err.splitlines()) == [str(bad), str(good)]


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.no", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_command_compares_with_the_committed_version(tmp_path: Path) -> None:
    """In a git work tree the committed version decides, HEAD or the revision named."""
    path = tmp_path / "payment.avsc"
    path.write_text(json.dumps(PAYMENT))
    git(tmp_path, "init", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "branch", "release")
    new = {"name": "sum", "type": "long", "innsyn": {"category": "none"}}
    path.write_text(json.dumps({**PAYMENT, "fields": [*PAYMENT["fields"], new]}))
    status, _, err = run("check", str(path))
    assert (status, len(err.splitlines())) == (1, 1)
    assert "incompatible change" in err
    git(tmp_path, "commit", "-am", "second")
    assert run("check", str(path))[0] == 0
    assert run("check", "--base", "release", str(path))[0] == 1
    with pytest.raises(InputError, match="git knows no revision nowhere"):
        run("check", "--base", "nowhere", str(path))


def test_command_compares_with_our_record_of_the_same_name(tmp_path: Path) -> None:
    """Outside git, a copy of one of our records is held against ours; --against names another."""
    fee = {"name": "fee_ore", "type": "long", "innsyn": {"category": "none"}}
    schema = {**PAYMENT, "fields": [*PAYMENT["fields"], fee]}
    old = tmp_path / "old.avsc"
    path = tmp_path / "payment.avsc"
    path.write_text(json.dumps(schema))
    old.write_text(path.read_text())
    assert run("check", str(path))[0] == 1
    assert run("check", "--against", str(old), str(path))[0] == 0
    with pytest.raises(InputError, match="exactly one FILE"):
        run("check", "--against", str(old), str(path), str(old))


def test_register_puts_every_topic_into_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every topic has its subject afterwards, and a second run changes nothing."""
    with registry_stub() as (url, store):
        first = run("register", "--registry", url, "--json")
        monkeypatch.setenv("INNSYN_REGISTRY_URL", url)
        assert run("register", "--json") == first
        assert json.loads(first[1])["subjects"].keys() == {t.subject for t in load_topics().values()}
        assert all(len(versions) == 1 for versions in store.subjects.values())


def test_register_says_what_the_registry_refuses() -> None:
    """A record the registry finds incompatible is one line and exit status 1; the others are registered."""
    with registry_stub() as (url, store):
        old = {"type": "record", "name": "Payment", "namespace": "no.innsyn", "fields": []}
        store.register("billing.payments-value", json.dumps(old))
        status, out, err = run("register", "--registry", url)
        assert (status, len(err.splitlines())) == (1, 1)
        assert "avro/payment.avsc: Payment: " in err
        assert len(out.splitlines()) == len(load_topics()) - 1


def test_register_needs_a_registry_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No registry named, or none there: an error that says what to do."""
    monkeypatch.delenv("INNSYN_REGISTRY_URL", raising=False)
    with registry_stub() as (url, _):
        pass
    with pytest.raises(RegistryUnavailable, match="does not answer"):
        run("register", "--registry", url)
    with pytest.raises(InputError, match="INNSYN_REGISTRY_URL"):
        run("register")

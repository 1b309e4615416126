"""`innsyn log` and the routes behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.log import app
from console.wiring.evidence import log_book
from schemas.keys import Keyring
from schemas.settings import load_settings
from sinks.memory.audit import MemoryAudit
from sinks.memory.evidence import MemoryEvidence
from sinks.memory.requests import MemoryRequests
from sinks.open import open_sinks
from streams.evidence.book import LogBook
from tests.support.api import NOW, services
from tests.support.commands import run
from tests.support.instance import running


def called(*words: str, status: int = 0) -> str:
    found = CliRunner().invoke(app, list(words))
    assert found.exit_code == status, (found.output, found.exception)
    return found.output


@pytest.fixture
def requests() -> MemoryRequests:
    return MemoryRequests()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: MemoryRequests) -> Iterator[Path]:
    """A running innsyn, its ledger in memory."""
    home = tmp_path / "home"
    monkeypatch.setenv("INNSYN_HOME", str(home))
    key = Keyring(home / "keys").made().signing.key
    book = LogBook(MemoryEvidence(requests, MemoryAudit()), key, lambda: NOW)
    requests.append("r-1", 0, "received", NOW, {"n": 0})
    requests.append("r-1", 1, "planned", NOW, {"n": 1})
    with running(home, services(home / "keys", book=book)):
        yield home


def test_entries_are_sealed_proved_and_checked(home: Path, tmp_path: Path) -> None:
    """From the command line, by way of the API; the proof is checked without it."""
    assert "Nothing is sealed yet" in called("show")
    assert "sealed: 2; the topic rights.log is told when there is a broker" in called("seal")
    head = json.loads(called("show", "--json"))["heads"][0]
    assert (head["sequence"], head["size"]) == (0, 2)
    proof = tmp_path / "proof.json"
    assert "checks it anywhere" in called("prove", "r-1/1", "--to", str(proof), "--since", "0")
    assert called("verify", str(proof)).startswith(
        "request r-1/1 of 2026-06-01T12:00:00Z is entry 1 of the log"
    )
    assert "2 entries under 1 head" in called("check")


def test_what_was_changed_is_named_with_status_1(home: Path, requests: MemoryRequests) -> None:
    called("seal")
    del requests.stored["r-1"][1]
    said = called("check", status=1)
    assert said.startswith("request r-1/1 of 2026-06-01T12:00:00Z (head 0) was removed")
    assert json.loads(called("check", "--json", status=1))["faults"]


def test_a_proof_that_proves_nothing_has_status_1_and_one_sentence(home: Path, tmp_path: Path) -> None:
    called("seal")
    file = tmp_path / "proof.json"
    called("prove", "r-1/0", "--to", str(file))
    called("verify", str(file), "--key", "0" * 64, status=1)
    proof: dict[str, Any] = json.loads(file.read_text())
    proof["content"]["kind"] = "completed"
    file.write_text(json.dumps(proof))
    assert called("verify", str(file), status=1) == (
        "the content is not the one that was sealed: it was changed\n"
    )


def test_where_there_is_no_key_one_has_to_be_named(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an auditor's machine: nothing but the file and the public key."""
    called("seal")
    file = tmp_path / "proof.json"
    called("prove", "r-1/0", "--to", str(file))
    public = json.loads(called("show", "--json"))["public_key"]
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path / "elsewhere"))
    assert "--key" in str(CliRunner().invoke(app, ["verify", str(file)]).exception)
    assert "is entry 0 of the log" in called("verify", str(file), "--key", public)


def test_the_signing_key_is_replaced_while_innsyn_runs(home: Path, tmp_path: Path) -> None:
    """What was signed before is checked with what is there, and elsewhere with the keys that the command names."""
    called("seal")
    old = json.loads(called("show", "--json"))["public_key"]
    made = json.loads(run("keys", "rotate-signing", "--json")[1])
    assert (made["former"]["public_key"], made["former"]["replaced_by"]) == (old, made["public_key"])
    shown = json.loads(called("show", "--json"))
    assert (shown["public_key"], [item["public_key"] for item in shown["former_keys"]]) == (
        made["public_key"],
        [old],
    )
    proof = tmp_path / "proof.json"
    assert f"--key {old}`" in called("prove", "r-1/1", "--to", str(proof))
    assert "is entry 1 of the log" in called("verify", str(proof))
    assert "is entry 1 of the log" in called("verify", str(proof), "--key", made["public_key"], "--key", old)
    called("verify", str(proof), "--key", made["public_key"], status=1)
    assert old in run("keys", "show")[1]


def test_an_index_that_nobody_has_open_is_asked_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was recorded while it was is there afterwards."""
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path))
    settings = load_settings()
    Keyring(settings.keys_folder).made()
    sinks = open_sinks(settings)
    sinks.upkeep.migrate(NOW)
    sinks.requests.append("r-1", 0, "received", NOW, {"n": 0})
    log_book(settings, sinks).turn()
    sinks.close()
    assert "1 entry under 1 head" in called("check")
    assert json.loads(called("show", "--json"))["heads"][0]["size"] == 1

"""What opens commands and signs receipts in three languages holds against the vectors: also what must not open."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schemas.own import own_record
from schemas.systemkeys import SystemKeys
from streams.rights.protocol.authentic import PART, bound_bytes
from streams.rights.protocol.messages import decoded
from streams.rights.protocol.receipts import unproven
from tests.support.jobs import JAVA, NODE, in_java, in_node
from tests.support.pages import PAGES, ROOT
from tests.support.pairs import SYSTEM_KEY
from tests.support.time_bounds import HANGING_SECONDS
from tests.support.vectors_of_rights import COPY_KEY

SAMPLES = ROOT / "sdk" / "samples"
VECTORS = ROOT / "sdk" / "vectors.json"
AVRO = ROOT / "sdk" / "innsyn_sdk" / "avro"


def python(folder: Path) -> list[str]:
    return [sys.executable, str(SAMPLES / "job.py"), str(VECTORS), str(AVRO)]


def node(folder: Path) -> list[str]:
    return [*in_node(folder, "vectors.mjs"), str(VECTORS), str(key_file(folder)), str(AVRO)]


def java(folder: Path) -> list[str]:
    return [*in_java(folder, "Vectors"), str(VECTORS), str(key_file(folder)), str(AVRO)]


def key_file(folder: Path) -> Path:
    """Of the job of the vectors."""
    path = folder / "web.json"
    path.touch(0o600)
    key = json.loads(VECTORS.read_text("utf-8"))["job_key"]
    path.write_text(json.dumps({"system": "web", "keys": [key]}))
    return path


@pytest.mark.parametrize("language", [python, node, java])
def test_a_sample_holds_against_the_vectors(language: Callable[[Path], list[str]], tmp_path: Path) -> None:
    """It refuses what is to be refused, opens commands, signs receipts to the byte, and seals a part of a copy."""
    done = subprocess.run(
        language(tmp_path),
        capture_output=True,
        text=True,
        timeout=HANGING_SECONDS,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    vectors = json.loads(VECTORS.read_text("utf-8"))
    opened, signed, *of_rights, kept, expired, part = done.stdout.splitlines()
    assert json.loads(opened) == vectors["command"]["identifiers"]
    assert signed == vectors["receipt"]["message"]
    said = iter(of_rights)
    for _, item in sorted(vectors["rights"].items()):
        command = item["command"]
        expected = {"identifiers": command["identifiers"], "content": command.get("content")}
        assert json.loads(next(said)) == expected
        assert next(said) == item["receipt"]["message"]
    assert list(said) == []
    assert json.loads(kept) == vectors["retention"]["command"]["kept"]
    assert expired == vectors["retention"]["receipt"]["message"]
    assert records_in(bytes.fromhex(part)) == vectors["copy"]["part"]["records"]


def records_in(message: bytes) -> list[Any]:
    """Of a part that the job of the vectors signed, and sealed to the person's key."""
    value = decoded(own_record("CopyPart"), message)
    assert unproven(value, SystemKeys("web", (SYSTEM_KEY,))) is None
    plain = COPY_KEY.open(value["sealed"], bound_bytes(value, PART))
    found: list[Any] = json.loads(plain)
    return found


def test_the_page_names_every_sample() -> None:
    files = [*SAMPLES.iterdir(), *NODE.iterdir(), *JAVA.iterdir()]
    assert all(str(path.relative_to(ROOT)) in PAGES["docs/rights-protocol.md"] for path in files)

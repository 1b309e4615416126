"""What opens commands and signs receipts in three languages holds against the vectors: also what must not open."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.jobs import JAVA, NODE, in_java, in_node
from tests.support.pages import PAGES, ROOT
from tests.support.time_bounds import HANGING_SECONDS

SAMPLES = ROOT / "sdk" / "samples"
VECTORS = ROOT / "sdk" / "vectors.json"
AVRO = ROOT / "sdk" / "innsyn_sdk" / "avro"


def python(folder: Path) -> list[str]:
    newest = [max((AVRO / f"erasure_{name}").iterdir(), key=version) for name in ("command", "receipt")]
    return [sys.executable, str(SAMPLES / "job.py"), str(VECTORS), *map(str, newest)]


def version(path: Path) -> int:
    return int(path.stem)


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
    """It refuses what is to be refused, opens the command to its identifiers, and signs the receipt to the byte."""
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
    opened, signed = done.stdout.splitlines()
    assert json.loads(opened) == vectors["command"]["identifiers"]
    assert signed == vectors["receipt"]["message"]


def test_the_page_names_every_sample() -> None:
    files = [*SAMPLES.iterdir(), *NODE.iterdir(), *JAVA.iterdir()]
    assert all(str(path.relative_to(ROOT)) in PAGES["docs/rights-protocol.md"] for path in files)

"""The samples of a job in three languages hold against the vectors: what opens, what does not, what is signed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.pages import PAGES, ROOT
from tests.support.toolchains import java, node

SAMPLES = ROOT / "sdk" / "samples"
VECTORS = ROOT / "sdk" / "vectors.json"
AVRO = ROOT / "schemas" / "companies" / "base" / "avro"


def python(folder: Path) -> list[str]:
    return [sys.executable, str(SAMPLES / "job.py")]


def in_node(folder: Path) -> list[str]:
    # Its imports are looked for beside it.
    found, installed = node()
    (folder / "node_modules").symlink_to(installed / "node_modules")
    sample = folder / "job.mjs"
    sample.write_bytes((SAMPLES / "job.mjs").read_bytes())
    return [str(found), str(sample)]


def in_java(folder: Path) -> list[str]:
    found, jars = java()
    return [str(found), "-cp", f"{jars}/*", str(SAMPLES / "Job.java")]


@pytest.mark.parametrize("language", [python, in_node, in_java])
def test_a_sample_holds_against_the_vectors(language: Callable[[Path], list[str]], tmp_path: Path) -> None:
    """It refuses what is to be refused, opens the command to its identifiers, and signs the receipt to the byte."""
    files = [str(VECTORS), *(str(AVRO / f"erasure_{name}.avsc") for name in ("command", "receipt"))]
    done = subprocess.run(
        [*language(tmp_path), *files],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    vectors = json.loads(VECTORS.read_text("utf-8"))
    opened, signed = done.stdout.splitlines()
    assert json.loads(opened) == vectors["command"]["identifiers"]
    assert signed == vectors["receipt"]["message"]


def test_the_page_names_every_sample() -> None:
    assert all(f"sdk/samples/{path.name}" in PAGES["docs/rights-protocol.md"] for path in SAMPLES.iterdir())

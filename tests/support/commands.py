"""Commands as a person calls them, in this process, in a home of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from console.cli.main import app
from tests.support.api import EMAIL, services
from tests.support.instance import running

PERSON = ["--id", f"email={EMAIL}"]


def run(*arguments: str, stdin: str | None = None) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    result = CliRunner().invoke(app, list(arguments), input=stdin)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API of these tests runs in the same process: its audit lines are not the command's."""
    for route in ("lineage", "breach", "by_key"):
        monkeypatch.setattr(f"console.api.routes.{route}.log", structlog.testing.CapturingLogger())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home in which nothing runs."""
    for name in [name for name in os.environ if name.startswith("INNSYN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[str]:
    """An innsyn that runs, on an index in memory, with nobody who erases."""
    with running(home, services(home / "keys")) as address:
        yield address

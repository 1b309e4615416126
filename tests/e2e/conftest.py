"""A folder for a broker of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.product import naming
from tests.support.time_bounds import await_that
from tests.support.toolchains import broker_of_its_own


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home for a broker of its own, which a test may kill."""
    broker_of_its_own()
    (tmp_path / "temporary").mkdir()
    yield tmp_path / "home"
    await_that(lambda: not naming(tmp_path / "home"), "the broker of this home ends")

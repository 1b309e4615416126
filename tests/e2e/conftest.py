"""A folder for a broker of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import BrokerUnavailable
from streams.kafka.brokers.local import LocalBroker
from tests.support.product import naming
from tests.support.time_bounds import await_that


@pytest.fixture
def home(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A home for a broker of its own, which a test may kill. Skipped like all others where Java or Maven is missing."""
    try:
        LocalBroker.prepare()
    except BrokerUnavailable:
        request.getfixturevalue("kafka_bootstrap")  # says so, in the one way
        pytest.skip("not run: no Java or Maven for a broker of its own")
    (tmp_path / "temporary").mkdir()
    yield tmp_path / "home"
    await_that(lambda: not naming(tmp_path / "home"), "the broker of this home ends")

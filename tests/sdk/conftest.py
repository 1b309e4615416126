"""A PostgreSQL server for the tests of its job."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgresql import Server, server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """One for all tests of a session: tables in schemas of their own."""
    with server() as running:
        yield running

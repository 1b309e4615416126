"""Brokers and keys for the tests of taggers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from schemas.keys import Keyring
from tests.support.tagging import Broker, in_process_broker, real_broker


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """The broker of the kind in the parameter."""
    with ExitStack() as stack:
        if request.param == "real":
            yield real_broker(str(request.getfixturevalue("kafka_bootstrap")))
        else:
            yield stack.enter_context(in_process_broker())


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Keys that all tests of a file may share: they only seal and make tokens."""
    return Keyring(tmp_path_factory.mktemp("keys")).made()

"""What every test gets: a real broker for those that ask for it, no way off this machine for the others."""

from __future__ import annotations

import gc
import ipaddress
import os
import socket
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import hypothesis
import pytest

from streams.kafka.brokers.local import LocalBroker
from tests.support.order import place
from tests.support.toolchains import broker_of_its_own

# A broker of a test is up for seconds: compiling its code well would cost more than it gains.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a real broker: INNSYN_TEST_KAFKA, else one started here and shared by the whole session.

    Topics are the test's own affair: give them a name no other test uses. Where Java or Maven is missing the
    test is skipped; with INNSYN_REQUIRE_KAFKA=1 that is a failure. A broker that does not start is, always.
    """
    given = os.environ.get("INNSYN_TEST_KAFKA")
    if given:
        yield given
        return
    broker_of_its_own()
    with LocalBroker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker.bootstrap


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that takes the broker is a kafka test, whether or not somebody remembered the marker.

    Long files come first: what begins last is what the end waits for, with nothing left to do beside it.
    """
    items.sort(key=lambda item: place(item.path))
    for item in items:
        if "kafka_bootstrap" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.kafka)
        if item.get_closest_marker("kafka"):
            # Travels with the report, also from the processes that share the tests.
            item.user_properties.append(("kafka", True))


def pytest_collection_finish() -> None:
    """What was collected stays to the end. To look through all of it for garbage takes half a second each time."""
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line: how many tests met a real broker, how many should have but did not."""
    some = [report for reports in terminalreporter.stats.values() for report in reports]
    reports = [
        report
        for report in some
        if isinstance(report, pytest.TestReport) and ("kafka", True) in report.user_properties
    ]
    ran = {report.nodeid for report in reports if report.when == "call" and not report.skipped}
    if reports:
        missed = {report.nodeid for report in reports} - ran
        terminalreporter.write_line(f"kafka tests: {len(ran)} run, {len(missed)} not run")


def is_remote(family: int, address: Any) -> bool:
    """Whether connecting there would leave this machine. A name other than localhost counts as remote."""
    if family not in (socket.AF_INET, socket.AF_INET6):
        return False
    host = str(address[0])
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return True


@pytest.fixture(autouse=True)
def refused_connections(request: pytest.FixtureRequest) -> Iterator[list[str]]:
    """The hosts outside this machine that a test without the marker kafka tried to reach: it fails for each.

    Failing at the attempt is not enough, the code under test may catch it or run in a thread; so the attempts
    count once more at the end. Python's sockets only: a C library that opens its own is not seen.
    """
    refused: list[str] = []
    if request.node.get_closest_marker("kafka"):
        yield refused
        return

    def guard(method: Any) -> Any:
        def connect(self: socket.socket, address: Any) -> Any:
            if is_remote(self.family, address):
                refused.append(str(address[0]))
                self.close()
                pytest.fail(f"a test tried to reach {address[0]}: mark it kafka or keep it on this machine")
            return method(self, address)

        return connect

    with (
        patch.object(socket.socket, "connect", guard(socket.socket.connect)),
        patch.object(socket.socket, "connect_ex", guard(socket.socket.connect_ex)),
    ):
        yield refused
    if refused:
        pytest.fail(f"a test tried to reach {', '.join(refused)}: mark it kafka or keep it on this machine")


# A shared machine makes single examples slow; what is slow as a whole shows in the durations.
hypothesis.settings.register_profile("innsyn", deadline=None)
hypothesis.settings.load_profile("innsyn")

"""The Faust agents at the edges: settings for a secured broker, a broker that is not there."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import pytest
import structlog

from schemas.errors import BrokerUnavailable, Crashed, IndexUnavailable, SettingsError
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import DeadLetterStore
from streams.kafka.producer import EventProducer
from streams.rights.service import RightsService
from streams.rights.worker import RightsWorker, credentials, rights_app
from tests.support.time_bounds import HANGING_SECONDS, await_that


def test_security_options_reach_faust() -> None:
    """librdkafka's names become Faust's credentials; a plain connection needs none."""
    assert credentials({}) is None
    plain = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-512"}
    given = credentials(plain | {"sasl.username": "innsyn", "sasl.password": "hemmelig"})
    assert (given.protocol.value, given.mechanism.value) == ("SASL_PLAINTEXT", "SCRAM-SHA-512")
    assert (given.username, given.password) == ("innsyn", "hemmelig")
    assert "hemmelig" not in repr(given)
    assert credentials(plain | {"security.protocol": "SASL_SSL"}).protocol.value == "SASL_SSL"
    assert credentials({"security.protocol": "SSL"}).context.check_hostname


def test_security_options_that_cannot_work_are_refused(tmp_path: Path) -> None:
    """A mechanism Faust lacks, a certificate that is not there: named by their settings."""
    with pytest.raises(SettingsError, match="INNSYN_KAFKA_SASL_MECHANISM"):
        credentials({"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"})
    with pytest.raises(SettingsError, match="INNSYN_KAFKA_SSL"):
        credentials({"security.protocol": "SSL", "ssl.ca.location": str(tmp_path / "none.pem")})


def test_a_broker_that_is_not_there_is_said_to_be() -> None:
    """Starting fails in one line, and nothing keeps running."""
    worker = RightsWorker(
        Connection("127.0.0.1:9"),
        create_autospec(RightsService, instance=True, copies_asked=False),
        create_autospec(DeadLetterStore, instance=True),
    )
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:9"):
        worker.start(timeout_seconds=10)
    worker.stop()


def test_stopping_does_not_wait_for_what_is_away() -> None:
    """A step that is repeated because something is away is given up at once; its message stays unacknowledged."""
    tried = threading.Event()

    def away(*_: object) -> None:
        tried.set()
        raise IndexUnavailable("away")

    with InProcessBroker() as broker:
        for name in ("rights.requests", "rights.receipts"):
            broker.make_topic(name)
        worker = RightsWorker(
            broker.connection, create_autospec(RightsService, instance=True, copies_asked=False), away
        )
        worker.start()
        with EventProducer(broker.connection) as producer:
            producer.send("rights.receipts", b"no receipt", key=b"r")
        assert tried.wait(HANGING_SECONDS)
        with structlog.testing.capture_logs() as said:
            worker.stop()
        # It would be told, at error, of agents that are left behind.
        assert [line for line in said if line["log_level"] == "error"] == []
        assert worker.error is None


def test_an_app_that_crashes_as_it_runs_is_told_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the library, anywhere in it; another worker follows the topics afterwards."""
    apps: list[Any] = []

    def kept(*given: Any) -> Any:
        apps.append(rights_app(*given))
        return apps[-1]

    monkeypatch.setattr("streams.rights.worker.rights_app", kept)
    with InProcessBroker() as broker:
        for name in ("rights.requests", "rights.receipts"):
            broker.make_topic(name)
        service = create_autospec(RightsService, instance=True, copies_asked=False)
        worker = RightsWorker(broker.connection, service, create_autospec(DeadLetterStore, instance=True))
        worker.start()
        app = apps[0]
        asyncio.run_coroutine_threadsafe(app.crash(TypeError("12345678901")), app.loop)
        await_that(lambda: worker.error is not None, "the crash is seen")
        assert isinstance(worker.error, Crashed)
        assert str(worker.error) == "innsyn-rights crashed (TypeError)"
        worker.stop()
        follower = RightsWorker(broker.connection, service, create_autospec(DeadLetterStore, instance=True))
        follower.start()
        follower.stop()
        assert follower.error is None

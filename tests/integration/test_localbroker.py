"""The local broker with a real Apache Kafka."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.errors import BrokerUnavailable
from streams.kafka.brokers.local import LocalBroker
from streams.kafka.brokers.properties import HOST
from tests.support.time_bounds import HANGING_SECONDS, await_that

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, kafka_bootstrap: str) -> Path:
    """A folder whose name has a space and an å; the session's broker decides whether to skip."""
    return tmp_path_factory.mktemp("brokers") / "håndbok nr 1"


@pytest.fixture(scope="module")
def broker(home: Path) -> Iterator[LocalBroker]:
    """One broker for this module; its tests run in order and leave it running."""
    with LocalBroker(home) as started:
        yield started


def alive(pid: int) -> bool:
    """Whether a process of that id runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def running(broker: LocalBroker) -> bool:
    """Whether the broker says that its process runs."""
    try:
        broker.pid  # noqa: B018
        return True
    except BrokerUnavailable:
        return False


def topics(broker: LocalBroker) -> set[str]:
    """The names of all topics."""
    return set(
        AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics(timeout=HANGING_SECONDS).topics
    )


def create(broker: LocalBroker, topic: str, config: dict[str, str] | None = None) -> None:
    """A topic with one partition."""
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    for future in admin.create_topics([NewTopic(topic, 1, 1, config=config or {})]).values():
        future.result(HANGING_SECONDS)


def produce(broker: LocalBroker, topic: str, value: bytes) -> None:
    """One message, acknowledged."""
    producer = Producer({"bootstrap.servers": broker.bootstrap, "message.max.bytes": 20_000_000})
    failures: list[str] = []
    producer.produce(
        topic, value, on_delivery=lambda error, _: failures.append(str(error)) if error else None
    )
    assert producer.flush(HANGING_SECONDS) == 0
    assert failures == []


def first_value(broker: LocalBroker, topic: str) -> bytes | None:
    """The first message of partition 0."""
    consumer = Consumer(
        {"bootstrap.servers": broker.bootstrap, "group.id": "reader", "fetch.message.max.bytes": 20_000_000}
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(30)
        assert message is not None
        return message.value()
    finally:
        consumer.close()


def test_ten_megabytes_pass_and_nobody_creates_topics_by_accident(broker: LocalBroker) -> None:
    """A large payload comes back byte for byte; asking for an unknown topic does not make one."""
    payload = bytes(range(256)) * 40_000
    create(broker, "large")
    produce(broker, "large", payload)
    assert first_value(broker, "large") == payload
    AdminClient({"bootstrap.servers": broker.bootstrap}).list_topics("unknown", timeout=HANGING_SECONDS)
    assert "unknown" not in topics(broker)


def test_a_home_serves_one_broker_at_a_time(broker: LocalBroker) -> None:
    """A second broker on the same home is refused and does not disturb the first."""
    with pytest.raises(BrokerUnavailable, match="another broker runs on"):
        LocalBroker(broker.home, start_seconds=0.2).start()
    assert alive(broker.pid)
    assert "large" in topics(broker)


def test_a_taken_port_is_refused_before_kafka_starts(broker: LocalBroker, tmp_path: Path) -> None:
    """The error names the port and what to do."""
    port = int(broker.bootstrap.partition(":")[2])
    with pytest.raises(BrokerUnavailable, match=f"port {port} of {HOST} is taken: free it"):
        LocalBroker(tmp_path, port=port).start()


def test_a_killed_broker_comes_back_with_its_topics_at_the_same_port(broker: LocalBroker) -> None:
    """After SIGKILL of Kafka the same object starts again: address, topics and messages are as before."""
    before = broker.bootstrap
    os.kill(broker.pid, signal.SIGKILL)
    await_that(lambda: not running(broker), "the broker has ended")
    broker.stop()
    broker.start()
    assert broker.bootstrap == before
    assert len(first_value(broker, "large") or b"") == 10_240_000


def test_a_graceful_stop_leaves_no_process_and_keeps_the_data(broker: LocalBroker) -> None:
    """After stop() nothing of it runs; a new object on the same home finds topics and port."""
    before, victim = broker.bootstrap, broker.pid
    broker.stop()
    assert not alive(victim)
    broker.stop()
    log = broker.log_file.read_text()
    assert "Kafka Server started" in log
    with LocalBroker(broker.home) as again:
        assert again.bootstrap == before
        assert "large" in topics(again)
    broker.start()


def test_kafka_ends_with_a_parent_that_is_killed(home: Path, tmp_path: Path, broker: LocalBroker) -> None:
    """Neither Kafka nor its watchdog survives a SIGKILL of the process that started it."""
    broker.stop()
    script = (
        "import sys, time; from pathlib import Path; from streams.kafka.brokers.local import LocalBroker\n"
        "broker = LocalBroker(Path(sys.argv[1])); broker.start(); print(broker.pid, flush=True)\n"
        "time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(home)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        victim = int(parent.stdout.readline())
        assert alive(victim)
        parent.kill()
    await_that(lambda: not alive(victim), "Kafka has ended")
    broker.start()
    assert "large" in topics(broker)


def test_a_broker_that_dies_at_start_says_why(broker: LocalBroker) -> None:
    """Damaged storage ends the start with the cause and the place of the log, and leaves nothing running."""
    broker.stop()
    properties = broker.home / "data" / "meta.properties"
    whole = properties.read_text()
    properties.write_text(whole.replace("node.id=1", "node.id=7"))
    try:
        with pytest.raises(
            BrokerUnavailable, match=r"Kafka ended at start with status \d+, see .*kafka\.log: .*node id 7"
        ):
            broker.start()
    finally:
        properties.write_text(whole)
    assert not running(broker)
    with socket.socket() as probe:
        assert probe.connect_ex((HOST, int(broker.bootstrap.partition(":")[2]))) != 0

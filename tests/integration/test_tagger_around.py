"""Whatever happens around the tagger: an index that is away, messages that are removed, a flood of bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from schemas.errors import InputError
from schemas.keys import Keyring
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange
from streams.kafka.batches import TopicBatch
from streams.kafka.consumer import SourceConsumer
from streams.metrics import TagMetrics
from streams.tagging import index_writes
from streams.tagging.worker import TagLimits
from tests.support.clickhouse_http import ClickHouseHttpServer
from tests.support.index import connect
from tests.support.recording import Recording, end_to_end, rows
from tests.support.tagging import (
    Broker,
    Running,
    Source,
    read_topic,
    single_object,
    spread,
    to_the_end,
    utc_now,
    visit,
)
from tests.support.time_bounds import HANGING_SECONDS

KINDS = ["in_process", pytest.param("real", marks=pytest.mark.kafka)]
REAL = pytest.param("real", marks=pytest.mark.kafka)


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_a_replay_leaves_the_taggers_beside_it_alone(broker: Broker, keyring: Keyring) -> None:
    """While a replay reads the topic as a group of its own, the running tagger keeps its partitions and goes on."""
    source, framing, index = broker.source(), single_object(), Recording()
    source.send(spread([framing(visit(number, "203.0.113.7")) for number in range(200)]))
    metrics = TagMetrics(CollectorRegistry())
    with Running(source.worker(index, keyring, metrics=metrics)) as running:
        running.until(lambda: len(index) == 200, "the first 200 are in")
        to_the_end(source.worker(index, keyring, replay=True))
        source.send(spread([framing(visit(number, "203.0.113.8")) for number in range(100)]))
        running.until(lambda: len(index) == 300, "what came after the replay is in")
    assert running.error is None
    assert metrics.fenced._value.get() == 0
    assert index.count("events") == 300


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_a_topic_that_is_all_in_has_reached_its_end(broker: Broker, keyring: Keyring) -> None:
    """A second run to the end finds nothing to do and ends, and so does one over a topic that is empty."""
    source, index = broker.source(), Recording()
    to_the_end(source.worker(index, keyring))
    source.send(spread([single_object()(visit(number, "203.0.113.9")) for number in range(50)]))
    for _ in range(2):
        to_the_end(source.worker(index, keyring))
    assert len(index) == index.count("events") == 50


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_markers_of_a_transaction_at_the_end_are_no_messages(broker: Broker, keyring: Keyring) -> None:
    """Messages of a committed transaction are tagged, those of an aborted one are not, and the end is the end."""
    source, index = broker.source(partitions=1), Recording()
    source.send_transaction([single_object()(visit(number, "203.0.113.9")) for number in range(20)])
    source.send_transaction(
        [single_object()(visit(number, "203.0.113.9")) for number in range(30)], abort=True
    )
    to_the_end(source.worker(index, keyring))
    assert len(index) == index.count("events") == 20


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_a_flood_of_bad_messages_stops_nothing_and_loses_nothing(broker: Broker, keyring: Keyring) -> None:
    """Ten times as many as are told of, before the good ones: each is sealed on its topic, once."""
    source, framing, index = broker.source(partitions=1), single_object(), Recording()
    good = [framing(visit(number, "203.0.113.5")) for number in range(300)]
    source.send((0, value) for value in [*good, *[b"a bad deploy"] * 20_000, *good])
    to_the_end(source.worker(index, keyring, limits=TagLimits(batch_events=3_000, batch_seconds=0.1)))
    assert (len(index), len(index.dead)) == (600, 20_000)
    assert (index.count("events"), index.count("dead")) == (600, 20_000)
    end_to_end([(item.partition, item.first_offset, item.last_offset) for item in index.ranges], {0: 20_600})
    assert len(read_topic(broker.connection, source.dead_letters)) == 20_000


class Watched:
    """How many messages taggers have fetched, and how often they paused."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fetched = self.paused = 0
        poll, pause = SourceConsumer.poll, SourceConsumer.pause

        def counted(consumer: SourceConsumer, most: int, seconds: float) -> list[TopicBatch]:
            got = poll(consumer, most, seconds)
            self.fetched += sum(len(item.values) for item in got)
            return got

        def noted(consumer: SourceConsumer) -> None:
            pause(consumer)
            self.paused += 1

        monkeypatch.setattr(SourceConsumer, "poll", counted)
        monkeypatch.setattr(SourceConsumer, "pause", noted)


@pytest.mark.parametrize("broker", KINDS, indirect=True)
def test_an_index_that_is_away_delays_and_nothing_else(
    broker: Broker, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Away at the start and again in the middle: fetching pauses, and in the end every event is in once."""
    source, framing, index = broker.source(), single_object(), Recording()
    watched = Watched(monkeypatch)
    monkeypatch.setattr(index_writes, "_RETRY_SECONDS", (0.05, 0.1))

    def send(count: int) -> None:
        source.send(spread([framing(visit(number, f"203.0.113.{number % 250}")) for number in range(count)]))

    send(400)
    index.down.set()
    with Running(
        source.worker(index, keyring, limits=TagLimits(batch_events=200, batch_seconds=0.05))
    ) as running:
        running.until(lambda: index.refused >= 2, "the index was asked twice for the partitions")
        assert watched.fetched == 0
        index.down.clear()
        running.until(lambda: len(index.rows) == 400, "the first 400 are in")

        index.down.set()
        send(3_000)
        running.until(lambda: watched.paused > 0, "fetching pauses")
        fetched, refused = watched.fetched, index.refused
        # One batch is waiting to be written, one is decoded behind it.
        assert 400 < fetched <= 400 + 2 * 200
        running.until(lambda: index.refused > refused, "the index was asked again")
        assert watched.fetched == fetched
        index.down.clear()
        running.until(lambda: index.count("events") == 3_400, "all is in")
    assert running.error is None
    assert len(index) == sum(source.ends().values()) == 3_400
    assert index.count("rows") == 3_400


@pytest.mark.parametrize("broker", [REAL], indirect=True)
@pytest.mark.parametrize("fault", ["disconnect", "http500_after_write"])
def test_a_write_whose_answer_was_lost_is_repeated(
    broker: Broker, keyring: Keyring, tmp_path: Path, fault: Any
) -> None:
    """Over HTTP the insert of the rows is stored but its answer never comes: repeated, and nothing is there twice."""
    source = broker.source()
    source.send(spread([single_object()(visit(number, "203.0.113.5")) for number in range(1_000)]))
    with ClickHouseHttpServer(tmp_path / "index") as server:
        index = connect(server)
        migrate(index, utc_now())
        metrics = TagMetrics(CollectorRegistry())
        server.inject_fault(4, fault)
        to_the_end(source.worker(ClickHouseWriter(index), keyring, metrics=metrics))
        assert rows(index, source.name) == 1_000
        assert index.query("SELECT sum(events) FROM v_daily")[0][0] == 1_000
        assert index.query("SELECT sum(events) FROM ingest_ledger FINAL")[0][0] == 1_000
        index.close()
    assert metrics.retries._value.get() == 1


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_a_ledger_ahead_of_the_same_topic_is_refused(broker: Broker, keyring: Keyring) -> None:
    """A log that was cut under an index that has seen more of it: said with both offsets, nothing is written."""
    source, index = broker.source(), Recording()
    source.send([(0, single_object()(visit(number, "203.0.113.5"))) for number in range(10)])
    to_the_end(source.worker(index, keyring))
    seen = OffsetRange(source.name, 0, 10, 99, 2**62, events=90)
    index.write(LineageBatch(ROW_SCHEMA.empty_table(), ranges=[seen]), utc_now)
    before = list(index.ranges)
    with pytest.raises(InputError, match=rf"{source.name}/0 ends at 10, but the index has seen 100.*was cut"):
        to_the_end(source.worker(index, keyring))
    assert (len(index), index.ranges) == (10, before)


def _delete_before(source: Source, offset: int) -> None:
    """What Kafka's retention does: remove partition 0 up to the offset."""
    admin = AdminClient({"bootstrap.servers": source.broker.connection.bootstrap})
    for future in admin.delete_records([TopicPartition(source.name, 0, offset)]).values():
        future.result(HANGING_SECONDS)


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_what_retention_removed_between_two_runs_is_said_to_be_lost(broker: Broker, keyring: Keyring) -> None:
    """100 tagged, 400 more sent, 200 of those removed before the next run: the ledger shows 200 as lost."""
    source, index = broker.source(partitions=1), Recording()
    metrics = TagMetrics(CollectorRegistry())
    messages = [(0, single_object()(visit(number, "203.0.113.5"))) for number in range(500)]
    source.send(messages[:100])
    to_the_end(source.worker(index, keyring))
    source.send(messages[100:])
    _delete_before(source, 300)
    to_the_end(source.worker(index, keyring, metrics=metrics))
    assert (index.count("events"), index.count("lost"), len(index)) == (300, 200, 300)
    assert metrics.lost.labels(source.name)._value.get() == 200
    end_to_end([(item.partition, item.first_offset, item.last_offset) for item in index.ranges], {0: 500})


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_what_retention_removed_while_the_index_was_away_is_said_to_be_lost(
    broker: Broker, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tagger that waits for its index is overtaken: it goes on with the oldest there is."""
    source, framing, index = broker.source(partitions=1), single_object(), Recording()
    watched = Watched(monkeypatch)
    limits = TagLimits(batch_events=100, batch_seconds=0.05)

    def send(count: int) -> None:
        source.send([(0, framing(visit(number, "203.0.113.5"))) for number in range(count)])

    send(100)
    with Running(source.worker(index, keyring, limits=limits)) as running:
        running.until(lambda: len(index.rows) == 100, "the first 100 are in")
        index.down.set()
        send(300)
        running.until(lambda: watched.paused > 0, "fetching pauses")
        send(2_000)
        _delete_before(source, 2_300)
        index.down.clear()
        running.until(lambda: index.positions([(source.name, 0)]) == {(source.name, 0): 2_400}, "the end")
    assert running.error is None
    assert index.count("lost") >= 1_900
    assert index.count("events") + index.count("lost") == 2_400
    assert len(index) == index.count("events")
    end_to_end([(item.partition, item.first_offset, item.last_offset) for item in index.ranges], {0: 2_400})

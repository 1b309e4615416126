"""Two taggers of one group over one index: shared work, handed over in the middle, and a zombie that is fenced."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from schemas.keys import Keyring
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.lineage import Span
from streams.kafka.connection import Connection
from streams.kafka.consumer import SourceConsumer
from streams.metrics import TagMetrics
from streams.tagging.prepare import Prepared
from streams.tagging.worker import TagLimits, TagWorker
from tests.support.clickhouse_http import ClickHouseHttpServer
from tests.support.index import connect
from tests.support.kinds import IP
from tests.support.tagging import Running, Source, real_broker, single_object, to_the_end, utc_now, visit
from tests.support.time_bounds import HANGING_SECONDS, await_that

pytestmark = pytest.mark.kafka
PARTITIONS = 4
LIMITS = TagLimits(batch_events=200, batch_seconds=0.05)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseHttpServer]:
    with ClickHouseHttpServer(tmp_path_factory.mktemp("two") / "index") as running:
        yield running


@pytest.fixture(scope="module")
def database(server: ClickHouseHttpServer) -> Iterator[ClickHouse]:
    """A connection of the test's own."""
    index = connect(server)
    migrate(index, utc_now())
    yield index
    index.close()


@pytest.fixture
def source(kafka_bootstrap: str) -> Source:
    # A member hears of a rebalance with its next heartbeat, which by default is three seconds away.
    connection = Connection(kafka_bootstrap, {"heartbeat.interval.ms": "200"})
    return replace(real_broker(kafka_bootstrap), connection=connection).source(PARTITIONS)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "keys").made()


class Member:
    """One tagger with its own connection to the index."""

    def __init__(
        self,
        server: ClickHouseHttpServer,
        source: Source,
        keyring: Keyring,
        made: type[TagWorker] = TagWorker,
    ) -> None:
        self.index = connect(server)
        self.metrics = TagMetrics(CollectorRegistry())
        self.running = Running(
            source.worker(
                ClickHouseWriter(self.index),
                keyring,
                group=f"{source.name}-taggers",
                limits=LIMITS,
                metrics=self.metrics,
                made=made,
            )
        )
        self._topic = source.name

    @property
    def tagged(self) -> int:
        """Events it has put into the index."""
        return int(self.metrics.tagged.labels(self._topic)._value.get())

    def __enter__(self) -> Member:
        self.running.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.running.__exit__()
        self.index.close()


class Stream:
    """Sends visits, spread over the partitions, and remembers how many each address has."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.sent: Counter[str] = Counter()

    def send(self, count: int) -> None:
        framing, begin = single_object(), self.sent.total()
        numbers = range(begin, begin + count)
        addresses = {number: f"203.0.113.{number % 97}" for number in numbers}
        self._source.send(
            (number % PARTITIONS, framing(visit(number, addresses[number]))) for number in numbers
        )
        self.sent.update(addresses.values())


def ledger_reached(database: ClickHouse, source: Source) -> bool:
    """Whether every offset of the topic is covered."""
    ends = source.ends()
    at = ClickHouseWriter(database).positions([(source.name, number) for number in ends])
    return {number: at.get((source.name, number), 0) for number in ends} == ends


def answers(database: ClickHouse, source: Source, keyring: Keyring, stream: Stream) -> list[Any]:
    """Events by address, rows, events of the daily rollup, dead letters."""
    reader, tokenizer = ClickHouseReader(database), keyring.tokenizer()
    of = {"topic": source.name}
    return [
        {address: reader.find([Span(tokenizer.token(IP, address))]).total_events for address in stream.sent},
        *(
            int(database.query(sql, of)[0][0])
            for sql in (
                "SELECT count() FROM lineage FINAL WHERE topic = {topic:String}",
                "SELECT sum(events) FROM v_daily WHERE topic = {topic:String}",
                "SELECT count() FROM dead_letters FINAL WHERE topic = {topic:String}",
            )
        ),
    ]


def expected(stream: Stream) -> list[Any]:
    return [dict(stream.sent), stream.sent.total(), stream.sent.total(), 0]


def holes(database: ClickHouse, source: Source) -> list[tuple[int, int]]:
    """(partition, offset) where a range of the ledger does not touch the ones before it."""
    rows = database.query(
        "SELECT partition, first_offset, last_offset FROM ingest_ledger FINAL WHERE topic = {topic:String}"
        " ORDER BY partition, first_offset",
        {"topic": source.name},
    )
    reached: dict[int, int] = {}
    found = []
    for partition, first, last in rows:
        if first > reached.get(partition, 0):
            found.append((partition, first))
        reached[partition] = max(reached.get(partition, 0), last + 1)
    return found


def test_two_taggers_share_and_hand_over(
    server: ClickHouseHttpServer, database: ClickHouse, source: Source, keyring: Keyring
) -> None:
    """One works, a second joins in the middle and gets its share, the first leaves in the middle: every event once."""
    stream = Stream(source)
    stream.send(2_000)
    first, second = (Member(server, source, keyring) for _ in range(2))
    with first:
        first.running.until(lambda: first.tagged >= 400, "the first works")
        with second:
            stream.send(2_000)

            def shared() -> bool:
                stream.send(100)
                return second.tagged >= 200

            second.running.until(shared, "the second has its share")
            before = first.tagged
            first.running.until(lambda: first.tagged > before or not shared(), "the first goes on as well")
            stream.send(2_000)
            first.running.end()
            stream.send(2_000)
            second.running.until(lambda: ledger_reached(database, source), "the second has finished alone")
    assert (first.running.error, second.running.error) == (None, None)
    assert min(first.tagged, second.tagged) >= 200
    assert holes(database, source) == []
    assert answers(database, source, keyring, stream) == expected(stream)


def test_both_taggers_keep_partitions(
    server: ClickHouseHttpServer, database: ClickHouse, source: Source, keyring: Keyring
) -> None:
    """While both run, each owns some of the partitions and what is sent then is tagged by both, nothing twice."""
    stream = Stream(source)
    with Member(server, source, keyring) as first, Member(server, source, keyring) as second:
        await_that(lambda: _newest_owners(database, source) == {2: 2}, "each owns two partitions")
        stream.send(4_000)
        await_that(lambda: first.tagged + second.tagged == 4_000, "all is tagged")
        assert (first.tagged, second.tagged) == (2_000, 2_000)
    assert (first.metrics.fenced._value.get(), second.metrics.fenced._value.get()) == (0, 0)
    assert answers(database, source, keyring, stream) == expected(stream)


class Zombie(TagWorker):
    """Waits between decoding its first batch and writing it, as a process does whose machine was suspended."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.decoded = threading.Event()
        self.go_on = threading.Event()

    def _hand_over(self, consumer: SourceConsumer, prepared: Prepared) -> None:
        self.decoded.set()
        assert self.go_on.wait(HANGING_SECONDS)
        super()._hand_over(consumer, prepared)


def test_a_zombie_writes_nothing(
    server: ClickHouseHttpServer, database: ClickHouse, source: Source, keyring: Keyring
) -> None:
    """Two partitions are claimed by another between its decode and its write: its rows of those are dropped, its rows
    of the others are kept, and the other worker tags what is missing."""
    stream = Stream(source)
    stream.send(800)
    taken = [(source.name, number) for number in (0, 2)]
    with Member(server, source, keyring, Zombie) as member:
        zombie = member.running.worker
        assert isinstance(zombie, Zombie)
        member.running.until(zombie.decoded.is_set, "the zombie has decoded")
        ClickHouseWriter(database).take_over(taken, "another", utc_now())
        zombie.go_on.set()
        kept = [(source.name, number) for number in (1, 3)]
        writer = ClickHouseWriter(database)
        member.running.until(
            lambda: writer.positions(kept) == dict.fromkeys(kept, 200), "its own partitions are in"
        )
    assert member.running.error is None
    assert member.metrics.fenced._value.get() >= 1
    assert member.tagged == 400
    assert writer.positions([*taken, *kept]) == dict.fromkeys(kept, 200)
    rows = database.query(
        "SELECT partition, count() FROM lineage FINAL WHERE topic = {topic:String} GROUP BY partition",
        {"topic": source.name},
    )
    assert dict(rows) == {1: 200, 3: 200}

    to_the_end(source.worker(writer, keyring, limits=LIMITS))
    assert holes(database, source) == []
    assert answers(database, source, keyring, stream) == expected(stream)


def _newest_owners(database: ClickHouse, source: Source) -> dict[int, int]:
    """How many owners have how many partitions each. A claim is one moment: its partitions share an epoch."""
    rows = database.query(
        "SELECT partition, max(epoch) FROM partition_epochs WHERE topic = {topic:String} GROUP BY partition",
        {"topic": source.name},
    )
    return dict(Counter(Counter(epoch for _, epoch in rows).values()))

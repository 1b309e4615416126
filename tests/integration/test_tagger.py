"""From a topic into the index: whatever lies between the good events, and whatever happens around the tagger."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client import CollectorRegistry

from schemas.codec import confluent_prefix, decode, encode_body, single_object_prefix
from schemas.errors import IndexUnavailable, InputError
from schemas.keys import Keyring
from schemas.records import load_records
from schemas.tokens import IdentifierKind
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from sinks.ports.offsets import OffsetRange
from streams.kafka.batches import Partition, TopicBatch
from streams.kafka.consumer import SourceConsumer
from streams.kafka.dead_letters import LARGEST_SEALED, key_name
from streams.kafka.registry import Registry
from streams.metrics import TagMetrics
from streams.tagging import index_writes
from streams.tagging.decode.columnar import ColumnDecoder
from streams.tagging.worker import TagLimits
from tests.support.clickhouse_http import ClickHouseHttpServer
from tests.support.company import model_examples
from tests.support.index import connect
from tests.support.kinds import COOKIE_ID, IP
from tests.support.records import body_of
from tests.support.registry_stub import registry_stub
from tests.support.tagging import (
    FIRST_VISIT,
    Broker,
    Framing,
    Running,
    Source,
    confluent,
    in_process_broker,
    read_topic,
    real_broker,
    single_object,
    spread,
    to_the_end,
    utc_now,
    visit,
)

GOOD = 3_000
UNREGISTERED = confluent_prefix(4_000_000)
TEN_MEGABYTES = 10 * 1024 * 1024
LIMITS = TagLimits(batch_events=256, batch_seconds=0.1, unknown_schema_seconds=0.3)
KINDS = ["in_process", pytest.param("real", marks=pytest.mark.kafka)]
REAL = pytest.param("real", marks=pytest.mark.kafka)


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """The broker of the kind in the parameter."""
    with ExitStack() as stack:
        if request.param == "real":
            yield real_broker(str(request.getfixturevalue("kafka_bootstrap")))
        else:
            yield stack.enter_context(in_process_broker())


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """The embedded index. Topics are each test's own, so nothing has to be emptied between tests."""
    index = ClickHouse(f"chdb://{tmp_path_factory.mktemp('tagger') / 'index'}")
    migrate(index, utc_now())
    yield index
    index.close()


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    return Keyring(tmp_path_factory.mktemp("keys")).made()


@dataclass(frozen=True)
class Filled:
    """A topic with good and bad messages, and what has to come of it."""

    source: Source
    registry: Registry
    people: Mapping[tuple[IdentifierKind, str], int]
    rows: int
    bad: Mapping[tuple[int, int], tuple[str, bytes]]
    tombstones: int
    ends: Mapping[int, int]


@pytest.fixture(
    scope="module",
    params=[
        ("in_process", "mixed"),
        *(
            pytest.param(("real", name), marks=pytest.mark.kafka)
            for name in ("single_object", "confluent", "mixed")
        ),
    ],
    ids="-".join,
)
def filled(request: pytest.FixtureRequest) -> Iterator[Filled]:
    kind, framing = request.param
    with ExitStack() as stack:
        if kind == "real":
            broker = real_broker(str(request.getfixturevalue("kafka_bootstrap")))
        else:
            broker = stack.enter_context(in_process_broker())
        url, _ = stack.enter_context(registry_stub())
        registry = stack.enter_context(Registry(url))
        records = load_records()
        confluent_visits = confluent(registry.register("visits-value", records["WebVisit"]))
        other = registry.register("cases-value", records["SupportCase"])
        framings = {"single_object": [single_object()], "confluent": [confluent_visits]}
        chosen = framings.get(framing, [single_object(), confluent_visits])
        yield _fill(broker.source(), registry, chosen, confluent_prefix(other))


def _fill(source: Source, registry: Registry, framings: Sequence[Framing], other: bytes) -> Filled:
    chance = random.Random(20_261_122)
    people: Counter[tuple[IdentifierKind, str]] = Counter()
    messages: list[tuple[bytes | None, str]] = []
    for number in range(GOOD):
        address = f"2001:db8::{number % 40:x}" if number % 3 == 0 else f"203.0.113.{chance.randrange(200)}"
        cookie = f"c-{chance.randrange(90)}" if number % 5 == 0 else None
        people[IP, address] += 1
        if cookie:
            people[COOKIE_ID, cookie] += 1
        framing = framings[chance.randrange(len(framings))]
        messages.append((framing(visit(number, address, cookie_id=cookie, client_port=4_000 + number)), ""))
    # Bad ones of every sort in three places of the block, each place in another batch.
    for begin in (300, 1_200, 2_500):
        sorts = _bad(framings[begin % len(framings)], other)
        if source.broker.real and begin == 1_200:
            sorts.append((b"\x00" + b"x" * TEN_MEGABYTES, "oversized"))
        for gap, sort in enumerate(sorts):
            messages.insert(begin + 5 * gap, sort)
    sent = source.send(spread([value for value, _ in messages]))
    reasons = [reason for _, reason in messages]
    bad = {
        (item.partition, item.offset): (reason, item.value or b"")
        for item, reason in zip(sent, reasons, strict=True)
        if reason not in ("", "tombstone")
    }
    return Filled(
        source, registry, people, sum(people.values()), bad, reasons.count("tombstone"), source.ends()
    )


def _bad(framing: Framing, other: bytes) -> list[tuple[bytes | None, str]]:
    """One message of every bad sort, with the reason it has to get."""
    records = load_records()
    good = framing(visit(1, "203.0.113.255", cookie_id="c-never"))
    body = good[len(framing.prefix) :]
    case = encode_body(records["SupportCase"], model_examples("SupportCase")[0])
    late = visit(1, "203.0.113.255") | {"occurred_at": 10**15}
    return [
        (good[:-3], "truncated"),
        (framing.prefix, "truncated"),
        (good + b"\x00\x01", "trailing_bytes"),
        (UNREGISTERED + body, "unknown_schema"),
        (b"\xc3\x01" + bytes(range(8)) + body, "unknown_schema"),
        (other + case, "unexpected_record"),
        (single_object_prefix(records["SupportCase"]) + case, "unexpected_record"),
        (b"", "empty_payload"),
        (b"\x00\x01", "unknown_framing"),
        (b'{"client_address": "203.0.113.255"}', "unknown_framing"),
        (framing.prefix + body_of(records["WebVisit"], late), "time_out_of_range"),
        (framing(visit(1, "ikke en adresse")), "invalid_identifier"),
        (None, "tombstone"),
    ]


@pytest.fixture(scope="module")
def tagged(filled: Filled, database: ClickHouse, keyring: Keyring) -> Filled:
    """The topic, tagged once into the embedded index."""
    to_the_end(_worker(filled, database, keyring))
    return filled


def _worker(filled: Filled, database: ClickHouse, keyring: Keyring, *, replay: bool = False) -> Any:
    writer = ClickHouseWriter(database)
    return filled.source.worker(writer, keyring, registry=filled.registry, limits=LIMITS, replay=replay)


def test_good_events_between_bad_ones_reach_the_right_people(
    tagged: Filled, database: ClickHouse, keyring: Keyring
) -> None:
    """Every address and every cookie has as many events as were sent for it, the bad messages none."""
    reader, tokenizer = ClickHouseReader(database), keyring.tokenizer()
    topic = tagged.source.name

    def found(kind: IdentifierKind, value: str) -> int:
        holdings = reader.find([Span(tokenizer.token(kind, value))]).holdings
        return sum(item.events for item in holdings if item.tags.topic == topic)

    assert {person: found(*person) for person in tagged.people} == dict(tagged.people)
    assert found(IP, "203.0.113.255") == 0
    assert found(COOKIE_ID, "c-never") == 0
    assert _rows(database, topic) == tagged.rows


def test_every_bad_message_is_one_dead_letter(tagged: Filled, database: ClickHouse, keyring: Keyring) -> None:
    """In the index and on the dead-letter topic: coordinates, reason, and the payload sealed under the month's key."""
    rows = database.query(
        "SELECT partition, offset, reason, payload_bytes FROM dead_letters WHERE topic = {topic:String}",
        {"topic": tagged.source.name},
    )
    expected = {(*where, reason, len(payload)) for where, (reason, payload) in tagged.bad.items()}
    assert sorted(rows) == sorted(expected)

    letters = read_topic(tagged.source.broker.connection, tagged.source.dead_letters)
    record, opened = load_records()["DeadLetter"], {}
    for key, message in letters:
        letter = decode(record, message)
        where = f"{letter['topic']}/{letter['partition']}/{letter['offset']}".encode()
        assert key == where
        payload = keyring.open(key_name(letter["first_seen_at"]), letter["sealed_payload"], where)
        # A few bytes may stand in what is sealed by chance.
        assert len(payload) < 6 or payload not in message
        opened[letter["partition"], letter["offset"]] = (letter["reason"], payload)
    assert len(letters) == len(opened)
    assert opened == {
        where: (reason, payload if len(payload) <= LARGEST_SEALED else b"")
        for where, (reason, payload) in tagged.bad.items()
    }


def test_the_ledger_accounts_for_every_offset(tagged: Filled, database: ClickHouse) -> None:
    """Its ranges lie end to end from the first to the last offset, and events, dead letters and tombstones add up."""
    ranges = database.query(
        "SELECT partition, first_offset, last_offset, events, rows, dead, no_subject, tombstones, lost"
        " FROM ingest_ledger FINAL WHERE topic = {topic:String} ORDER BY partition, first_offset",
        {"topic": tagged.source.name},
    )
    _end_to_end([row[:3] for row in ranges], tagged.ends)
    events, rows, dead, no_subject, tombstones, lost = (
        sum(row[column] for row in ranges) for column in range(3, 9)
    )
    assert (events, dead, tombstones) == (GOOD, len(tagged.bad), tagged.tombstones)
    assert events + dead + tombstones == sum(tagged.ends.values())
    assert (rows, no_subject, lost) == (tagged.rows, 0, 0)


def _end_to_end(ranges: Sequence[Sequence[int]], ends: Mapping[int, int]) -> None:
    reached = dict.fromkeys(ends, 0)
    for partition, first, last in ranges:
        assert reached[partition] == first
        reached[partition] = last + 1
    assert reached == ends


def test_replaying_a_topic_twice_changes_nothing(
    tagged: Filled, database: ClickHouse, keyring: Keyring
) -> None:
    """Rows, dead letters, daily rollup and ledger are the same after each replay."""
    before = _answers(database, tagged.source.name)
    for _ in range(2):
        to_the_end(_worker(tagged, database, keyring, replay=True))
        assert _answers(database, tagged.source.name) == before


def test_a_replay_brings_back_what_a_broken_disk_took(
    tagged: Filled, database: ClickHouse, keyring: Keyring
) -> None:
    """Rows, their order by event, the daily rollup and dead letters: out of the topic, without a gap in the ledger."""
    by_event = "SELECT count() FROM lineage_by_event FINAL WHERE topic = {topic:String}"
    topic = {"topic": tagged.source.name}
    before = [*_answers(database, tagged.source.name), database.query(by_event, topic)]
    for table in ("lineage", "lineage_by_event", "lineage_daily", "dead_letters"):
        database.command(f"TRUNCATE TABLE {table}")
    to_the_end(_worker(tagged, database, keyring, replay=True))
    assert [*_answers(database, tagged.source.name), database.query(by_event, topic)] == before


def _answers(database: ClickHouse, topic: str) -> list[Any]:
    """Digest of the rows, the daily rollup, the dead letters and the ledger of one topic."""
    asked = (
        "SELECT count(), hex(groupBitXor(cityHash64(*)))"
        " FROM (SELECT * FROM lineage FINAL WHERE topic = {topic:String})",
        "SELECT day, events, first_seen, last_seen FROM v_daily WHERE topic = {topic:String} ORDER BY day",
        "SELECT partition, offset, reason FROM dead_letters FINAL WHERE topic = {topic:String} ORDER BY ALL",
        "SELECT * EXCEPT written_at FROM ingest_ledger FINAL WHERE topic = {topic:String} ORDER BY ALL",
    )
    answers = [database.query(sql, {"topic": topic}) for sql in asked]
    assert all(answers)
    return answers


def _rows(database: ClickHouse, topic: str) -> int:
    sql = "SELECT count() FROM lineage FINAL WHERE topic = {topic:String}"
    return int(database.query(sql, {"topic": topic})[0][0])


class Recording(MemoryIndex):
    """An index that is not there while `down` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.down = threading.Event()
        self.refused = 0

    def write(self, batch: LineageBatch, now: datetime) -> None:
        self._there()
        super().write(batch, now)

    def take_over(
        self, partitions: Sequence[Partition], worker: str, now: datetime
    ) -> Mapping[Partition, int]:
        self._there()
        return super().take_over(partitions, worker, now)

    def count(self, column: str) -> int:
        return sum(int(getattr(item, column)) for item in self.ranges)

    def _there(self) -> None:
        if self.down.is_set():
            self.refused += 1
            raise IndexUnavailable("the index is away for a test; wait")


@pytest.mark.parametrize(
    "filled", [pytest.param(("real", "mixed"), marks=pytest.mark.kafka, id="real-mixed")], indirect=True
)
def test_both_decoders_give_the_same_index(
    filled: Filled, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same topic over the columnar road and over the one that decodes each record alone: same rows, same dead."""

    def tag() -> Recording:
        index = Recording()
        to_the_end(filled.source.worker(index, keyring, registry=filled.registry, limits=LIMITS))
        return index

    columnar = tag()
    calls: list[int] = []

    def slow(self: ColumnDecoder, bodies: Any) -> Any:
        calls.append(len(bodies))
        return self.decode_one_by_one(bodies)

    monkeypatch.setattr(ColumnDecoder, "decode", slow)
    alone = tag()
    assert sum(calls) >= GOOD
    assert len(alone.rows) == filled.rows
    assert alone.rows == columnar.rows
    seen = FIRST_VISIT
    assert {where: replace(row, seen_at=seen) for where, row in alone.dead.items()} == {
        where: replace(row, seen_at=seen) for where, row in columnar.dead.items()
    }
    assert alone.dead.keys() == {(filled.source.name, *where) for where in filled.bad}


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
    _end_to_end([(item.partition, item.first_offset, item.last_offset) for item in index.ranges], {0: 20_600})
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
        assert _rows(index, source.name) == 1_000
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
    index.write(LineageBatch(ROW_SCHEMA.empty_table(), ranges=[seen]), utc_now())
    before = list(index.ranges)
    with pytest.raises(InputError, match=rf"{source.name}/0 ends at 10, but the index has seen 100.*was cut"):
        to_the_end(source.worker(index, keyring))
    assert (len(index), index.ranges) == (10, before)


def _delete_before(source: Source, offset: int) -> None:
    """What Kafka's retention does: remove partition 0 up to the offset."""
    admin = AdminClient({"bootstrap.servers": source.broker.connection.bootstrap})
    for future in admin.delete_records([TopicPartition(source.name, 0, offset)]).values():
        future.result(30)


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
    _end_to_end([(item.partition, item.first_offset, item.last_offset) for item in index.ranges], {0: 500})


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
    _end_to_end([(item.partition, item.first_offset, item.last_offset) for item in index.ranges], {0: 2_400})

"""From a topic into the index: whatever lies between the good events, and a replay of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from schemas.codec import confluent_prefix, decode, encode_body, single_object_prefix
from schemas.keys import Keyring
from schemas.records import load_records
from schemas.tokens import IdentifierKind
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.lineage import Span
from streams.kafka.dead_letters import LARGEST_SEALED, key_name
from streams.kafka.registry import Registry
from streams.tagging.decode.columnar import ColumnDecoder
from streams.tagging.worker import TagLimits
from tests.support.company import model_examples
from tests.support.kinds import COOKIE_ID, IP
from tests.support.recording import Recording, end_to_end, rows
from tests.support.records import body_of
from tests.support.registry_stub import registry_stub
from tests.support.tagging import (
    FIRST_VISIT,
    Framing,
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


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """The embedded index. Topics are each test's own, so nothing has to be emptied between tests."""
    index = ClickHouse(f"chdb://{tmp_path_factory.mktemp('tagger') / 'index'}")
    migrate(index, utc_now())
    yield index
    index.close()


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
    assert rows(database, topic) == tagged.rows


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
    end_to_end([row[:3] for row in ranges], tagged.ends)
    events, rows, dead, no_subject, tombstones, lost = (
        sum(row[column] for row in ranges) for column in range(3, 9)
    )
    assert (events, dead, tombstones) == (GOOD, len(tagged.bad), tagged.tombstones)
    assert events + dead + tombstones == sum(tagged.ends.values())
    assert (rows, no_subject, lost) == (tagged.rows, 0, 0)


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

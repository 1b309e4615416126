"""Bad messages in bulk: whoever writes them to one topic is told of, and stops neither that topic nor any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from console.api.app import create_app
from console.cli import doctor
from console.client import Client
from console.health.floods import Floods
from console.health.health import Health
from console.instance import ApiAddress
from schemas.errors import IndexUnavailable
from schemas.keys import Keyring
from schemas.records import load_records
from schemas.settings import load_settings
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.dead_letters import ClickHouseDeadLetters
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.memory.dead_letters import MemoryDeadLetters
from sinks.memory.index import MemoryIndex
from sinks.ports.dead_letters import DeadRow, Done, Flooded
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from sinks.ports.offsets import OffsetRange
from streams.kafka.dead_letters import DeadLetters
from streams.kafka.producer import EventProducer
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.retry import Retrier
from tests.support.api import services
from tests.support.asgi import InProcess
from tests.support.company import model
from tests.support.registered import GOOD, NOW, PLAIN, TAGGER, WRITERS, Registered, prepared, preparer
from tests.support.tagging import Running, in_process_broker, single_object, utc_now, visit
from tests.support.time_bounds import await_that

POISON = b"a bad deploy"
LIMITS: dict[str, Any] = {"ratio": 0.5, "floor": 1_000}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    index = ClickHouse(f"chdb://{tmp_path_factory.mktemp('flood') / 'index'}")
    migrate(index, utc_now())
    yield index
    index.close()


@pytest.fixture
def index(engine: ClickHouse) -> ClickHouse:
    for table in ("ingest_ledger", "dead_letters", "dead_letter_events"):
        engine.command(f"TRUNCATE TABLE {table}")
    return engine


class Batches:
    """A ledger that is written batch after batch, a second apart, from NOW on."""

    def __init__(self, index: ClickHouse) -> None:
        self._writer = ClickHouseWriter(index)
        self._next: dict[tuple[str, int], int] = {}
        self.now = NOW

    def took(self, topic: str, good: int = 0, bad: int = 0, partition: int = 0) -> None:
        """One batch of a topic: the bad ones first."""
        first = self._next.get((topic, partition), 0)
        self._next[topic, partition] = first + good + bad
        self.now += timedelta(seconds=1)
        dead = [
            DeadRow(topic, partition, first + at, "unknown_framing", "", len(POISON), self.now)
            for at in range(bad)
        ]
        item = OffsetRange(topic, partition, first, first + good + bad - 1, 0, events=good, dead=bad)
        self._writer.write(LineageBatch(ROW_SCHEMA.empty_table(), dead=dead, ranges=[item]), lambda: self.now)


def floods(index: ClickHouse, ledger: Batches, registry: CollectorRegistry | None = None) -> Floods:
    return Floods(ClickHouseDeadLetters(index), lambda: ledger.now, registry or CollectorRegistry(), **LIMITS)


def test_a_flood_ends_no_tagger_and_each_message_can_be_tried_again(
    index: ClickHouse, tmp_path: Path
) -> None:
    """1,500 bad ones in 1,900: the tagger ended before the batch, at every start. It is one start here."""
    keyring = Keyring(tmp_path / "keys").made()
    with in_process_broker() as broker:
        source, framing = broker.source(), single_object()
        good = [(0, framing(visit(number, "203.0.113.5"))) for number in range(200)]
        source.send([*good, *[(0, POISON)] * 1_500, *good])
        with Running(source.worker(ClickHouseWriter(index), keyring)) as running:
            await_that(lambda: _counted(index, source.name) == (400, 1_500), "all of it is in the ledger")
            assert running.error is None
        (line,) = Floods(ClickHouseDeadLetters(index), utc_now, CollectorRegistry(), **LIMITS).lines()
        assert line.startswith(
            f"1,500 of the last 1,900 messages on {source.name} are unreadable and set aside"
        )
        assert f"first {source.name}/0/200: unknown_framing" in line
        assert f"innsyn deadletters retry --topic {source.name}" in line
        retrier = Retrier(
            broker.connection,
            {source.name: source.dead_letters},
            preparer=lambda: Preparer(
                TAGGER, WriterSchemas(WRITERS, model().catalogue).resolve, {source.name: "WebVisit"}
            ),
            index=ClickHouseWriter(index),
            keyring=keyring,
            record=load_records()["DeadLetter"],
            clock=utc_now,
        )
        place = (source.name, 0, 1_699)
        assert retrier.retry([place]) == {place: "unknown_framing"}


def _counted(index: ClickHouse, topic: str) -> tuple[int, int]:
    (row,) = index.query(
        "SELECT sum(events), sum(dead) FROM ingest_ledger WHERE topic = {topic:String}", {"topic": topic}
    )
    return int(row[0]), int(row[1])


def test_each_topic_is_told_of_by_itself(index: ClickHouse) -> None:
    """However many good messages come on others."""
    ledger = Batches(index)
    ledger.took("web.visits", good=90_000)
    for topic in ("web.logins", "crm.customers"):
        ledger.took(topic, good=5_000)
        ledger.took(topic, good=1_000, bad=8_000, partition=3)
    assert [
        (item.topic, item.bad, item.read, item.first, item.reason) for item in _flooded(index, ledger)
    ] == [
        ("crm.customers", 8_000, 14_000, ("crm.customers", 3, 0), "unknown_framing"),
        ("web.logins", 8_000, 14_000, ("web.logins", 3, 0), "unknown_framing"),
    ]


def _flooded(index: ClickHouse, ledger: Batches) -> Sequence[Flooded]:
    since = ledger.now - timedelta(days=1)
    return ClickHouseDeadLetters(index).flooded(since, newest=10_000, floor=1_000, ratio=0.5)


@pytest.mark.parametrize(("good", "bad"), [(0, 1_000), (1_001, 1_001), (50_000, 9_000)])
def test_within_ratio_and_floor_nothing_is_said(index: ClickHouse, good: int, bad: int) -> None:
    ledger = Batches(index)
    ledger.took("web.visits", good, bad)
    assert _flooded(index, ledger) == []


def test_it_clears_when_the_topic_is_good_again(index: ClickHouse) -> None:
    ledger, registry = Batches(index), CollectorRegistry()
    by = floods(index, ledger, registry)

    def gauge() -> float | None:
        return registry.get_sample_value("innsyn_topic_flooded", {"topic": "web.visits"})

    ledger.took("web.visits", bad=9_000)
    with capture_logs() as said:
        assert len(by.lines()) == len(by.lines()) == 1
        assert gauge() == 1
        ledger.took("web.visits", good=6_000)
        assert "9,000 of the last 15,000" in by.lines()[0]
        ledger.took("web.visits", good=4_000)
        assert by.lines() == []
        assert gauge() == 0
    assert [line["event"] for line in said] == ["topic.flooded", "topic.good_again"]


def test_it_clears_when_somebody_has_done_something_about_each(index: ClickHouse) -> None:
    """A topic on which nothing comes any more would be told of until tomorrow."""
    ledger, letters = Batches(index), ClickHouseDeadLetters(index)
    ledger.took("web.visits", bad=1_500)
    done = [Done(("web.visits", 0, at), "drop", "", "dpo", "a test client") for at in range(1_499)]
    letters.note(done, ledger.now)
    (item,) = _flooded(index, ledger)
    assert item.first == ("web.visits", 0, 1_499)
    letters.note([Done(item.first, "retry", "tagged", "dpo")], ledger.now)
    assert _flooded(index, ledger) == []


def test_what_came_before_yesterday_is_for_the_list(index: ClickHouse) -> None:
    ledger = Batches(index)
    ledger.took("web.visits", bad=1_500)
    assert _flooded(index, ledger)
    ledger.now += timedelta(days=1, seconds=1)
    assert _flooded(index, ledger) == []


def test_an_index_that_does_not_answer_is_no_flood() -> None:
    class Away(MemoryDeadLetters):
        def flooded(self, *_: Any, **__: Any) -> list[Flooded]:
            raise IndexUnavailable("away")

    assert Floods(Away(MemoryIndex()), lambda: NOW, CollectorRegistry(), **LIMITS).lines() == ()


def test_readiness_tells_and_turns_nobody_away(tmp_path: Path) -> None:
    """Whoever may write to one topic would end the answers about all else by it."""
    health = Health(lambda: NOW)
    health.watch("index", lambda: ())
    health.watch("dead letters", lambda: ["1,500 of the last 1,900 messages on web.visits"], notice=True)
    health.start()
    app = create_app(services(tmp_path, health=health, notices=lambda: ["a schema"]))
    with httpx.Client(transport=InProcess(app), base_url="http://innsyn") as client:
        found = client.get("/readyz")
    health.stop()
    assert (found.status_code, found.json()["problems"]) == (200, [])
    assert found.json()["notices"] == ["1,500 of the last 1,900 messages on web.visits", "a schema"]
    assert [part["part"] for part in found.json()["parts"]] == ["index"]


def test_doctor_tells_where_nothing_runs(
    index: ClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Batches(index)
    ledger.now = datetime.now(UTC) - timedelta(minutes=5)
    monkeypatch.setenv("INNSYN_HOME", str(tmp_path))
    monkeypatch.setattr(doctor, "open_sinks", lambda _: clickhouse_sinks(index))
    monkeypatch.setattr(doctor, "embedded_folder", lambda _: None)

    def told() -> list[tuple[str, str]]:
        checks = doctor.examine(load_settings())
        return [(check.state, check.detail) for check in checks if check.name == "dead letters"]

    ledger.took("web.visits", bad=2)
    ledger.took("support.chats", good=9, bad=1)
    # Too few for a flood: somebody is in them all the same, and in no answer.
    ((state, detail),) = told()
    assert state == "off"
    assert detail.startswith("3 messages set aside, so answers lack them: web.visits 2, support.chats 1; ")
    ledger.took("web.visits", bad=1_500)
    ((first, flood), (second, counted)) = told()
    assert (first, second) == ("wrong", "off")
    assert "1,502 of the last 1,502 messages on web.visits" in flood
    assert counted.startswith("more than 1,000 messages set aside")


def test_a_flood_costs_little_for_each_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the month was read from its file, and its folder looked at, for each of them."""
    read = 0
    key = Keyring._key

    def counted(keyring: Keyring, name: str, *, create: bool) -> bytes:
        nonlocal read
        read += 1
        return key(keyring, name, create=create)

    monkeypatch.setattr(Keyring, "_key", counted)
    keyring = Keyring(tmp_path / "keys").made()
    done = prepared(preparer(Registered(PLAIN)), [GOOD, *[POISON] * 3_000, GOOD])
    sent: list[bytes] = []
    letters = DeadLetters(_Producer(sent), keyring, load_records()["DeadLetter"], {"web.visits": "dead"})
    read = 0
    letters.send(done.dead)
    assert (len(sent), len(set(sent)), read) == (3_000, 3_000, 1)


class _Producer(EventProducer):
    def __init__(self, sent: list[bytes]) -> None:
        self._sent = sent

    def send(self, topic: str, value: bytes | None, **_: Any) -> None:
        self._sent.append(value or b"")

    def flush(self) -> None:
        return


def test_the_list_of_letters_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """It read page after page into memory, however many there are."""
    pages: list[int] = []

    def call(_: Client, method: str, path: str, **given: Any) -> dict[str, Any]:
        limit = int(given["params"]["limit"])
        pages.append(limit)
        return {"items": [{}] * limit, "next_cursor": "more"}

    monkeypatch.setattr(Client, "_call", call)
    found, more = Client(ApiAddress("http://127.0.0.1:1", "token")).dead_letters({}, 2_500)
    assert (len(found), more, pages) == (2_500, True, [1_000, 1_000, 500])

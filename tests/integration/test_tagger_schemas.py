"""Schemas by registry id: late, missing, of two versions, and a registry that is away."""

from __future__ import annotations

import copy
import json

import pytest

from schemas.annotations import RecordSchema
from schemas.codec import decode
from schemas.errors import RegistryUnavailable
from schemas.keys import Keyring
from schemas.records import load_records, parse_record
from sinks.memory.index import MemoryIndex
from sinks.ports.lineage import Span
from streams.kafka.registry import Registry
from streams.tagging.worker import TagLimits
from tests.support.kinds import IP
from tests.support.registry_stub import registry_stub
from tests.support.tagging import (
    Broker,
    Running,
    confluent,
    read_topic,
    single_object,
    spread,
    to_the_end,
    visit,
)

SUBJECT = "visits-value"
KINDS = ["in_process", pytest.param("real", marks=pytest.mark.kafka)]
REAL = pytest.param("real", marks=pytest.mark.kafka)
PATIENT = TagLimits(batch_events=100, batch_seconds=0.05, unknown_schema_seconds=60.0)
SOON = TagLimits(batch_events=100, batch_seconds=0.05, unknown_schema_seconds=0.2)


class CountingRegistry(Registry):
    """Counts how often a schema was asked for."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked = 0

    def schema(self, schema_id: int) -> str:
        self.asked += 1
        return super().schema(schema_id)


def events(index: MemoryIndex, keyring: Keyring, address: str) -> int:
    return index.find([Span(keyring.tokenizer().token(IP, address))]).total_events


@pytest.mark.parametrize("broker", KINDS, indirect=True)
def test_a_schema_registered_late_is_waited_for(broker: Broker, keyring: Keyring) -> None:
    """Events overtake the registration of their schema: nothing is parked, and all are tagged once it is there."""
    source, index = broker.source(), MemoryIndex()
    with registry_stub() as (url, store), CountingRegistry(url) as registry:
        coming = confluent(len(store.ids) + 1)
        source.send(spread([coming(visit(number, "203.0.113.4")) for number in range(150)]))
        with Running(source.worker(index, keyring, registry=registry, limits=PATIENT)) as running:
            running.until(lambda: registry.asked >= 2, "the registry was asked again")
            assert (len(index), len(index.dead), index.ranges) == (0, 0, [])
            assert registry.register(SUBJECT, load_records()["WebVisit"]) == 1
            running.until(lambda: len(index) == 150, "all is tagged")
    assert running.error is None
    assert events(index, keyring, "203.0.113.4") == 150
    assert index.dead == {}


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_a_schema_that_never_comes_is_parked_after_one_wait(broker: Broker, keyring: Keyring) -> None:
    """Its events become dead letters that can be opened; those around them are tagged, and later batches ask once."""
    source, index = broker.source(partitions=1), MemoryIndex()
    with registry_stub() as (url, _), CountingRegistry(url) as registry:
        known = confluent(registry.register(SUBJECT, load_records()["WebVisit"]))
        unknown = confluent(77)
        framings = [known if number % 4 else unknown for number in range(1_000)]
        sent = source.send(
            (0, framing(visit(number, "203.0.113.4"))) for number, framing in enumerate(framings)
        )
        to_the_end(source.worker(index, keyring, registry=registry, limits=SOON))
        batches = len(index.ranges)
    assert batches >= 10
    # One for the known id, about ten in the wait of the first batch, one in each batch after it.
    assert registry.asked <= 1 + 12 + batches
    assert (len(index), events(index, keyring, "203.0.113.4")) == (750, 750)
    assert {offset for _, _, offset in index.dead} == set(range(0, 1_000, 4))
    assert {(row.reason, row.schema_key) for row in index.dead.values()} == {("unknown_schema", "000000004d")}

    letters = [
        decode(load_records()["DeadLetter"], message)
        for _, message in read_topic(broker.connection, source.dead_letters)
    ]
    assert len(letters) == 250
    for letter in letters:
        where = f"{source.name}/0/{letter['offset']}".encode()
        name = f"dead-letters-{letter['first_seen_at']:%Y-%m}"
        assert keyring.open(name, letter["sealed_payload"], where) == sent[letter["offset"]].value


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_a_tagger_stopped_while_it_waits_parks_nothing(broker: Broker, keyring: Keyring) -> None:
    """A restart in the middle of the wait is no verdict: the next run waits again, and tags what it waited for."""
    source, index = broker.source(), MemoryIndex()
    with registry_stub() as (url, _), CountingRegistry(url) as registry:
        coming, single = confluent(1), single_object()
        framings = [coming if number % 2 else single for number in range(100)]
        source.send(
            spread([framing(visit(number, "203.0.113.4")) for number, framing in enumerate(framings)])
        )
        with Running(source.worker(index, keyring, registry=registry, limits=PATIENT)) as running:
            running.until(lambda: registry.asked >= 1, "the registry was asked")
        assert running.error is None
        assert (len(index), index.dead, index.ranges) == (0, {}, [])
        registry.register(SUBJECT, load_records()["WebVisit"])
        to_the_end(source.worker(index, keyring, registry=registry, limits=PATIENT))
    assert (len(index), index.dead) == (100, {})


class Moving:
    """A registry that is away, answers refused by a port that nobody listens on, until it is `back` elsewhere."""

    def __init__(self, away: Registry) -> None:
        self.at = away
        self.refused = 0

    def schema(self, schema_id: int) -> str:
        try:
            return self.at.schema(schema_id)
        except RegistryUnavailable:
            self.refused += 1
            raise


@pytest.mark.parametrize("broker", [REAL], indirect=True)
def test_a_registry_that_is_away_is_waited_for_without_end(
    broker: Broker, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short the patience with unknown schemas: nothing is parked or lost while nobody can be asked."""
    monkeypatch.setattr("streams.tagging.worker._AWAY_SECONDS", 0.05)
    source, index = broker.source(), MemoryIndex()
    with registry_stub() as (closed, _):
        pass
    with registry_stub() as (url, _), Registry(closed) as away, Registry(url) as back:
        visits = confluent(back.register(SUBJECT, load_records()["WebVisit"]))
        source.send(spread([visits(visit(number, "203.0.113.4")) for number in range(300)]))
        registry = Moving(away)
        with Running(source.worker(index, keyring, registry=registry, limits=SOON)) as running:
            # Far beyond the wait for an unknown schema: ten tries, 0.2 s.
            running.until(lambda: registry.refused > 30, "the registry was asked thirty times")
            assert (len(index), index.dead, index.ranges) == (0, {}, [])
            registry.at = back
            running.until(lambda: len(index) == 300, "all is tagged")
    assert running.error is None
    assert index.dead == {}
    assert read_topic(broker.connection, source.dead_letters) == []


def _second_version() -> RecordSchema:
    """WebVisit with one more field in the middle, as a later release may have it."""
    later = copy.deepcopy(load_records()["WebVisit"].json)
    field = {
        "name": "device_class",
        "type": ["null", "string"],
        "default": None,
        "innsyn": {"category": "C-21"},
        "confluent:tags": ["C-21"],
    }
    later["fields"].insert(1, field)
    return parse_record(json.dumps(later), "web_visit_2.avsc")


@pytest.mark.parametrize("broker", KINDS, indirect=True)
def test_two_versions_of_a_record_share_a_topic(broker: Broker, keyring: Keyring) -> None:
    """Each message is read by the schema that wrote it: both versions reach the right people, in one batch."""
    source, index = broker.source(), MemoryIndex()
    first, second = load_records()["WebVisit"], _second_version()
    with registry_stub() as (url, _), Registry(url) as registry:
        old = confluent(registry.register(SUBJECT, first), first)
        new = confluent(registry.register(SUBJECT, second), second)
        assert old.prefix != new.prefix
        messages = [
            new(visit(number, "203.0.113.2", device_class="tv"))
            if number % 3 == 0
            else old(visit(number, "203.0.113.1"))
            for number in range(900)
        ]
        source.send(spread(messages))
        to_the_end(source.worker(index, keyring, registry=registry))
    assert index.dead == {}
    assert (events(index, keyring, "203.0.113.1"), events(index, keyring, "203.0.113.2")) == (600, 300)
    token = keyring.tokenizer().token(IP, "203.0.113.2")
    (holding,) = index.find([Span(token)]).holdings
    assert holding.tags.schema == second.fingerprint.hex()

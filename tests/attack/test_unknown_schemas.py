"""Ids of schemas that nobody registered: all topics wait for them together, so there is an end to what they take."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from schemas.codec import confluent_prefix
from schemas.errors import UnknownSchema
from schemas.keys import Keyring
from schemas.records import load_records
from sinks.memory.index import MemoryIndex
from streams.metrics import TagMetrics
from streams.tagging.decode.refusals import HURRIED, Refusals
from streams.tagging.patience import Patience
from streams.tagging.worker import TagLimits
from tests.support.tagging import confluent, in_process_broker, to_the_end, visit

WAIT = 30.0


class Time:
    """A clock that goes as it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def waited_for(patience: Patience, clock: Time, number: int, known_after: float = float("inf")) -> float:
    """One batch with one new id: for how long it is waited for."""
    prefix, began, since = confluent_prefix(number), clock.now, clock.now
    patience.begin()
    while clock.now - began < known_after:
        if not patience.unknown(prefix, "WebVisit", clock.now - since):
            return clock.now - began
        since = clock.now
        clock.now += patience.pause
    patience.learned(prefix, clock.now - began)
    return clock.now - began


def test_a_new_id_every_half_second_takes_a_twentieth_of_the_time() -> None:
    """Each took 30 seconds of all topics, and the tagger never came to anything else."""
    clock = Time()
    patience, began, waited = Patience(WAIT, clock), clock.now, 0.0
    for number in range(10_000):
        waited += waited_for(patience, clock, number)
        clock.now += 0.5
    assert WAIT < waited < WAIT + 0.051 * (clock.now - began)


def test_schemas_that_are_registered_late_take_nothing_from_each_other() -> None:
    clock = Time()
    patience = Patience(WAIT, clock)
    assert [waited_for(patience, clock, number, 20.0) for number in range(20)] == [20.0] * 20
    assert waited_for(patience, clock, 21) == pytest.approx(WAIT, abs=0.02)


def test_patience_is_regained() -> None:
    clock = Time()
    patience = Patience(WAIT, clock)
    assert waited_for(patience, clock, 1) == pytest.approx(WAIT, abs=0.02)
    assert waited_for(patience, clock, 2) == 0
    assert patience.spent
    clock.now += 600.0
    # What was given up is not waited for again, and takes nothing.
    assert waited_for(patience, clock, 1) == 0
    assert waited_for(patience, clock, 3, 20.0) == 20.0
    assert not patience.spent


def test_ids_that_were_made_up_are_not_all_asked_for_nor_kept() -> None:
    """A batch may hold 65,536 of them, and each question takes its milliseconds."""
    patience = Patience(WAIT, Time())
    known = confluent_prefix(7)
    patience.learned(known, 0.0)
    patience.begin()
    asked = 0
    for number in range(100, 20_100):
        prefix = confluent_prefix(number)
        if patience.asks(prefix, "WebVisit"):
            asked += 1
            patience.unknown(prefix, "WebVisit", 0.0)
    assert asked == 50
    assert patience.asks(known, "WebVisit")
    assert patience.asks(confluent_prefix(9), "Invoice")
    for number in range(20_000):
        patience.begin()
        patience.unknown(confluent_prefix(number), "WebVisit", WAIT)
    assert max(len(kept) for kept in vars(patience).values() if isinstance(kept, dict)) <= 1_000


def test_it_is_told_while_nobody_is_waited_for() -> None:
    clock = Time()
    refusals = Refusals(clock)
    assert refusals.lines() == []
    refusals.hurry(600.0)
    assert refusals.lines() == [HURRIED]
    clock.now += 601.0
    assert refusals.lines() == []


class Learning:
    """A registry that knows id 1, and id 2 from its third question on."""

    def __init__(self) -> None:
        self.asked: dict[int, int] = {}

    def schema(self, schema_id: int) -> str:
        self.asked[schema_id] = self.asked.get(schema_id, 0) + 1
        if schema_id == 1 or (schema_id == 2 and self.asked[2] >= 3):
            return load_records()["WebVisit"].text
        raise UnknownSchema("unknown_schema", "it is not registered")


def test_unknown_ids_one_after_the_other_do_not_stop_the_tagger(tmp_path: Path) -> None:
    """40 ids that nobody registers, each in a batch of its own: 40 waits. It is one; what is registered is tagged."""
    keyring, index, registry = Keyring(tmp_path / "keys").made(), MemoryIndex(), Learning()
    wait = 1.0
    with in_process_broker() as broker:
        source = broker.source()
        # The one that is late comes first: it is waited for.
        framings = [confluent(2), *(confluent(at) for number in range(40) for at in (100 + number, 1))]
        source.send((0, framing(visit(at, "192.0.2.7"))) for at, framing in enumerate(framings))
        metrics = TagMetrics(CollectorRegistry())
        limits = TagLimits(batch_events=2, batch_seconds=0.01, unknown_schema_seconds=wait)
        to_the_end(source.worker(index, keyring, registry=registry, limits=limits, metrics=metrics))
    assert (len(index), len(index.dead)) == (41, 40)
    assert {row.reason for row in index.dead.values()} == {"unknown_schema"}
    assert registry.asked[2] == 3
    # Eleven times in a wait of a second: 440 times, had each been waited for.
    assert sum(asked for schema_id, asked in registry.asked.items() if schema_id >= 100) < 200

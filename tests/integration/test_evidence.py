"""The log over a real index and a topic: told, asked and held against it, and sealed by the rights role."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.wiring.evidence import log_book
from console.wiring.rights import run_rights_role
from schemas.errors import IndexUnavailable, KeyUnavailable
from schemas.keys import Keyring
from schemas.settings import Settings
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.sinks import clickhouse_sinks
from sinks.ports.audit import AuditEntry
from sinks.ports.sinks import Sinks
from streams.evidence.book import LogBook
from streams.evidence.sealing import TOPIC
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.sender import sender
from streams.waits import Waits

NOW = datetime(2026, 6, 1, 8, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """`down()`: the broker ends."""

    book: LogBook
    sinks: Sinks
    index: ClickHouse
    send: Callable[[str, bytes, bytes], None]
    down: Callable[[], object]

    def record(self, number: int) -> None:
        self.sinks.requests.append("r-1", number, "planned", NOW, {"number": number})
        self.sinks.audit.write([AuditEntry(NOW, "POST /v1/access", entry=f"e{number}")])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    settings = Settings(home=tmp_path)
    Keyring(settings.keys_folder).made()
    index = ClickHouse(settings.index_url)
    sinks = clickhouse_sinks(index)
    with ExitStack() as stack:
        stack.callback(sinks.close)
        sinks.upkeep.migrate(NOW)
        broker = InProcessBroker()
        broker.start()
        broker.make_topic(TOPIC)
        stack.callback(broker.stop)
        send = stack.enter_context(sender(broker.connection))
        yield World(log_book(settings, sinks, broker.connection, send), sinks, index, send, broker.stop)


def test_heads_are_told_and_what_was_cut_away_is_found_by_them(world: World) -> None:
    """The index alone would look whole: entries and head are gone together."""
    for number in range(3):
        world.record(number)
        assert world.book.turn() == 2
    world.send(TOPIC, b"\x00nothing of ours", b"9")
    checked = world.book.checked()
    assert (checked["told"], checked["strange"], checked["faults"], checked["entries"]) == (3, 1, [], 6)
    for table, where in (
        ("log_seals", "sequence = 2"),
        ("request_events", "sequence = 2"),
        ("audit_log", "entry = 'e2'"),
    ):
        world.index.command(f"ALTER TABLE {table} DELETE WHERE {where}", erase=True)
    (fault,) = world.book.checked()["faults"]
    assert fault.startswith("head 2 of ")
    assert fault.endswith("is not in the index any more: it, and what it sealed, was removed")


def test_what_somebody_changed_in_the_tables_is_named(world: World) -> None:
    """In the ledger of requests and in the record of questions."""
    for number in range(2):
        world.record(number)
    world.book.turn()
    world.index.command("ALTER TABLE request_events UPDATE content = '{}' WHERE sequence = 1", erase=True)
    world.index.command("ALTER TABLE audit_log UPDATE caller = 'nobody' WHERE entry = 'e0'", erase=True)
    faults = world.book.checked()["faults"]
    assert [line.partition(" of ")[0] for line in faults] == ["audit e0", "request r-1/1"]
    assert all(line.endswith("was changed") for line in faults)


def test_without_a_broker_all_is_sealed_and_the_check_says_what_it_did_not_ask(world: World) -> None:
    world.record(0)
    world.book.turn()
    world.record(1)
    world.down()
    checked = world.book.sealed()
    assert checked == {"sealed": None, "published": False}
    found = world.book.checked()
    assert (found["told"], found["heads"], found["waiting"], found["faults"]) == (None, 2, 0, [])


class _Worker:
    error = None

    def start(self) -> None: ...

    def stop(self) -> None: ...


class _Nobody:
    def recheck(self, now: datetime) -> list[object]:
        return []

    def came_back(self, now: datetime) -> list[object]:
        return []


@pytest.mark.parametrize(
    "error", [IndexUnavailable("away"), KeyUnavailable("another key"), ValueError("a fault")]
)
def test_the_rights_role_says_that_sealing_waits_and_goes_on(error: Exception) -> None:
    """Requests are served meanwhile; readiness says why."""
    stop, waits = threading.Event(), Waits()
    said: list[str] = []

    def prove() -> None:
        raise error

    class Service(_Nobody):
        def recheck(self, now: datetime) -> list[object]:
            said.extend(waits.said())
            if said:
                stop.set()
            return []

    run_rights_role(_Worker(), Service(), 0.01, stop, waits, prove=prove)  # type: ignore[arg-type]
    assert said[0].startswith("sealing what was recorded ")

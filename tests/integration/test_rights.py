"""The whole road of a request over Kafka: request, commands, a store that erases, receipts, an index that forgets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from schemas.catalogue import load_catalogue
from schemas.keys import Keyring
from schemas.policy import RetentionAnchors
from schemas.records import load_records
from schemas.tags import TagSet, tag_set
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.requests import ClickHouseRequests
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch, Span
from sinks.ports.offsets import OffsetRange
from streams.identity.identities import Identities
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.connection import Connection
from streams.kafka.dead_letters import DeadLetters, DeadLetterStore
from streams.kafka.producer import EventProducer
from streams.kafka.sender import sender
from streams.kafka.topics import create_topics
from streams.rights.protocol.messages import DELETION, RECEIPTS, REQUESTS, Identifiers, Named
from streams.rights.protocol.states import RequestState, State
from streams.rights.reference_job.job import ErasureJob
from streams.rights.reference_job.outcomes import Erased
from streams.rights.reference_job.store import SqliteStore
from streams.rights.service import RightsService
from streams.rights.worker import RightsWorker
from tests.support.company import copies_by_hand, model
from tests.support.kinds import KINDS
from tests.support.pairs import ReadyKeyring
from tests.support.time_bounds import HANGING_SECONDS

TOPICS = (REQUESTS, RECEIPTS, f"{DELETION}billing", f"{DELETION}web", "lineage.dead-letters")
COOKIE = ("cookie_id", "c-100200")
KARI = [("customer_number", "K-100200"), ("email", "kari.nordlie@example.no"), COOKIE]
OLA = [("customer_number", "K-300400")]
INVOICED_AT = datetime(2026, 3, 5, 9, tzinfo=UTC)
VISITED_AT = datetime(2026, 10, 1, 12, tzinfo=UTC)


@pytest.fixture
def in_process_broker() -> Iterator[Connection]:
    with InProcessBroker() as broker:
        # Made later, a topic would set off a rebalance, which this broker does slowly.
        for topic in TOPICS:
            broker.make_topic(topic)
        yield broker.connection


@dataclass
class Company:
    """Index, keys, stores and the service over them, with Kari's and Ola's data in place."""

    connection: Connection
    keyring: Keyring
    index: ClickHouse
    stores: dict[str, SqliteStore]
    service: RightsService
    stack: ExitStack

    def worker(self) -> RightsWorker:
        letters = DeadLetters(
            EventProducer(self.connection),
            self.keyring,
            load_records()["DeadLetter"],
            {"rights.receipts": "lineage.dead-letters", "rights.requests": "lineage.dead-letters"},
        )
        aside = DeadLetterStore(letters, ClickHouseWriter(self.index), lambda: datetime.now(UTC))
        worker = RightsWorker(self.connection, self.service, aside)
        self.stack.callback(worker.stop)
        worker.start()
        return worker

    def key_file(self, system: str) -> Path:
        return self.keyring.systems.job_path(self.keyring.systems.made(system).system)

    def job(self, system: str) -> ErasureJob:
        job = ErasureJob(self.key_file(system), self.connection, self.stores[system])
        self.stack.callback(job.stop)
        job.start()
        return job

    def spans(self, identifiers: Identifiers) -> list[Span]:
        tokenizer = self.keyring.tokenizer()
        named = [Named(*item) for item in identifiers]
        return [Span(tokenizer.token(KINDS.parse(item.kind), item.value)) for item in named]

    def events(self, identifiers: Identifiers) -> int:
        return ClickHouseReader(self.index).find(self.spans(identifiers)).total_events

    def ask(self, type: str, identifiers: Identifiers = KARI) -> str:
        request = self.service.create(
            type,
            identifiers,
            reason="Slett meg, hilsen Kari",
            channel="email",
            received_at=datetime.now(UTC),
            anchors=RetentionAnchors(contract_end=date(2026, 1, 31)),
        )
        return request.request_id

    def until(self, request_id: str, met: Callable[[RequestState], bool]) -> RequestState:
        deadline = time.monotonic() + HANGING_SECONDS
        pause = threading.Event()
        while not met(state := self.service.get(request_id)):
            assert time.monotonic() < deadline, f"after {HANGING_SECONDS} s still {state}"
            pause.wait(0.05)
        return state


@pytest.fixture(params=["in_process_broker", pytest.param("kafka_bootstrap", marks=pytest.mark.kafka)])
def company(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Company]:
    broker = request.getfixturevalue(request.param)
    connection = broker if isinstance(broker, Connection) else Connection(str(broker))
    if broker is not connection:
        create_topics(connection, [model().topics[topic] for topic in TOPICS])
    with ExitStack() as stack:
        index = ClickHouse(f"chdb://{tmp_path / 'index'}")
        stack.callback(index.close)
        migrate(index, datetime.now(UTC))
        keyring = ReadyKeyring(tmp_path / "keys").made()
        stores = {
            name: SqliteStore(tmp_path / f"{name}.sqlite", model().records, KINDS)
            for name in ("billing", "web")
        }
        for store in stores.values():
            stack.callback(store.close)
        service = RightsService(
            ClickHouseRequests(index),
            ClickHouseReader(index),
            ClickHouseEraser(index),
            Identities(ClickHouseClaims(index), load_catalogue().identity_sources),
            keyring,
            copies_by_hand(),
            stack.enter_context(sender(connection)),
            lambda: datetime.now(UTC),
        )
        made = Company(connection, keyring, index, stores, service, stack)
        _fill(made)
        yield made


def _fill(company: Company) -> None:
    """Two invoices and one visit of Kari, one invoice of Ola: in the stores and in the index."""
    for number, (identifiers, name) in enumerate(
        [(KARI, "Kari Nordlie"), (KARI, "Kari Nordlie"), (OLA, "Ola Berg")]
    ):
        company.stores["billing"].put(
            "Invoice",
            {
                "invoice_number": f"F-{number}",
                "customer_number": identifiers[0][1],
                "amount_ore": 49900,
                "lines": [{"product": "Fiber 500", "amount_ore": 49900}],
                "due_date": date(2026, 4, 1),
                "name": name,
                "email": "kari.nordlie@example.no" if name.startswith("Kari") else None,
                "issued_at": INVOICED_AT,
            },
        )
    visit = {"page": "/", "cookie_id": COOKIE[1], "occurred_at": VISITED_AT}
    company.stores["web"].put("WebVisit", visit)
    rows = [_row(company, KARI, "Invoice", "billing.invoices", offset, INVOICED_AT) for offset in (0, 1)]
    rows.append(_row(company, OLA, "Invoice", "billing.invoices", 2, INVOICED_AT))
    rows.append(_row(company, [COOKIE], "WebVisit", "web.visits", 0, VISITED_AT))
    tags = [_tags(company, "Invoice", "billing.invoices"), _tags(company, "WebVisit", "web.visits")]
    ranges = [OffsetRange("billing.invoices", 0, 0, 2, 1), OffsetRange("web.visits", 0, 0, 0, 1)]
    table = pa.Table.from_pylist(rows, schema=ROW_SCHEMA)
    ClickHouseWriter(company.index).write(
        LineageBatch(table, tag_sets=tags, ranges=ranges), lambda: datetime.now(UTC)
    )


def _tags(company: Company, record: str, topic: str) -> TagSet:
    key_id = company.keyring.tokenizer().key_id
    version = load_catalogue().version
    return tag_set(load_records()[record], topic, "owner", catalogue_version=version, key_id=key_id)


def _row(
    company: Company, identifiers: Identifiers, record: str, topic: str, offset: int, at: datetime
) -> dict[str, object]:
    kind, value = identifiers[0][:2]
    return {
        "token": company.keyring.tokenizer().token(KINDS.parse(kind), value),
        "topic": topic,
        "partition": 0,
        "offset": offset,
        "role": 1,
        "tag_set": _tags(company, record, topic).id,
        "event_time": at.replace(tzinfo=None),
        "port": 0,
    }


def test_an_erasure_goes_the_whole_road(company: Company) -> None:
    """Visits and contact details go, invoices stay under bookkeeping law, Ola notices nothing, and it is said why."""
    company.worker()
    for system in ("billing", "web"):
        company.job(system)
    assert (company.events(KARI), company.events(OLA)) == (3, 1)
    request = company.until(company.ask("erasure"), lambda state: state.state is State.COMPLETED)

    found = ClickHouseReader(company.index).find(company.spans(KARI))
    assert [(item.tags.system, item.tags.categories, item.tags.held_only) for item in found.holdings] == [
        ("billing", ("C-06", "C-07"), True)
    ]
    assert company.events(OLA) == 1
    held = {(part["category"], part["rule"], part["until"]) for part in request.held}
    assert held == {("C-06", "T01", "2031-12-31"), ("C-07", "T01", "2031-12-31")}
    assert all("bokføringsloven § 13" in part["citation"] for part in request.held)
    assert {item.system: (item.state, item.erased) for item in request.commands.values()} == {
        "billing": ("done", 2),
        "web": ("done", 1),
    }
    assert company.stores["billing"].count(KARI) == 2
    assert company.stores["billing"].count([KARI[1]]) == 0
    assert request.problems == ()


def test_an_access_request_is_answered(company: Company) -> None:
    """The stored report counts events per system, category and purpose, and names no value."""
    company.worker()
    request = company.until(company.ask("access"), lambda state: state.state is State.ANSWERED)
    assert request.report is not None
    assert request.report["total_events"] == 3
    systems = {entry["system"]["id"] for entry in request.report["entries"]}
    assert systems == {"billing", "web"}
    text = repr(company.index.query("SELECT * FROM request_events"))
    for value in ("K-100200", "kari", "Kari", "hilsen"):
        assert value not in text


class _ProcessGone(BaseException):
    """Stands for a kill: no code of the job handles it."""


class _DiesBeforeTheReceipt(SqliteStore):
    """Erases, then its process is gone: nobody hears of it."""

    def erase(self, *given: Any, **named: Any) -> Erased:
        super().erase(*given, **named)
        raise _ProcessGone


def test_a_job_that_dies_half_way_is_restarted(company: Company, tmp_path: Path) -> None:
    """It erased but never answered: the restarted job answers what the first did, and the request completes."""
    company.worker()
    company.job("web")
    request_id = company.ask("erasure")
    dying = _DiesBeforeTheReceipt(tmp_path / "billing.sqlite", model().records, KINDS)
    with closing(dying), pytest.raises(_ProcessGone):
        ErasureJob(company.key_file("billing"), company.connection, dying).run()
    waiting = company.until(request_id, lambda state: "web" not in state.waiting_for)
    assert waiting.state is State.WAITING
    assert waiting.waiting_for == ("billing",)

    company.job("billing")
    request = company.until(request_id, lambda state: state.state is State.COMPLETED)
    assert request.commands[f"{request_id}/billing"].erased == 2


def test_a_store_that_holds_back_ends_in_attention_not_in_success(company: Company) -> None:
    """A disputed invoice keeps its contact details: the request says so, and the index forgets nothing."""
    company.worker()
    billing = company.stores["billing"]
    assert billing.hold(KARI, "Invoice", "T18", date(2029, 3, 5)) == 2
    for system in ("billing", "web"):
        company.job(system)
    request_id = company.ask("erasure")
    request = company.until(
        request_id, lambda state: state.state is State.ATTENTION and not state.waiting_for
    )
    (problem,) = request.problems
    assert problem.startswith("billing: partial 2 records held by T18 review on 2029-03-05 (2 Invoice); ")
    assert company.events(KARI) == 3


def test_a_worker_that_comes_later_takes_up_what_was_left(company: Company) -> None:
    """A request made while no worker ran, and receipts that nobody read, are found in the topics and the ledger."""
    request_id = company.ask("erasure")
    assert company.service.get(request_id).state is State.RECEIVED
    first = company.worker()
    company.until(request_id, lambda state: state.state is State.COMMANDED)
    first.stop()
    assert first.error is None
    for system in ("billing", "web"):
        company.job(system)
    company.worker()
    request = company.until(request_id, lambda state: state.state is State.COMPLETED)
    assert request.completed_at is not None
    assert request.due - request.received_at.date() >= timedelta(days=28)


def test_an_unreadable_receipt_is_set_aside_and_the_next_one_counts(company: Company) -> None:
    """It becomes a dead letter with its coordinates; the request still comes to its end."""
    company.worker()
    with EventProducer(company.connection) as producer:
        producer.send("rights.receipts", b"no receipt at all", key=b"r")
    for system in ("billing", "web"):
        company.job(system)
    company.until(company.ask("erasure"), lambda state: state.state is State.COMPLETED)
    rows = company.index.query("SELECT topic, reason FROM dead_letters FINAL")
    # A broker that other tests use as well may deliver a receipt of theirs again.
    assert set(rows) - {("rights.receipts", "unknown_request")} == {("rights.receipts", "unknown_framing")}

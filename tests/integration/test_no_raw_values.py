"""Nothing that was fed in is found again: not in the index, its files, the log, the metrics or any topic of ours."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from console.wiring.answering import keyring
from console.wiring.local import LocalInstance, announced, running
from console.wiring.processes import raise_first
from schemas.codec import confluent_prefix, encode
from schemas.company import load_company
from schemas.records import load_records
from schemas.settings import Settings
from sinks.clickhouse.client import ClickHouse
from sinks.open import open_sinks
from streams.feeds.run.ingest import ingest
from streams.feeds.run.source import check_source
from streams.identity.values import SealedValues
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer
from streams.kafka.tail import Tail
from streams.rights.protocol.states import RequestState, State
from streams.simulate.emit import emit
from streams.simulate.plan import Plan, SimEvent
from streams.simulate.simulate import events
from streams.simulate.world import Customer, World, build_world
from tests.support.company import model, model_feed
from tests.support.evidence import Logs, ask_api, files_of, jobs, read_tables, tables_of
from tests.support.raw_values import Needles
from tests.support.tagging import read_topic
from tests.support.time_bounds import await_that

PLAN = Plan(customers=40, days=7, seed=11)
OWN_TOPICS = ("lineage.dead-letters", "rights.requests", "rights.receipts")
CANARY = "Kanarifugl Gulnebb"
REASON = "Slett alt om meg, hilsen Turid Fjellheim i Storgata 14"
ACCEPTED = "sett sammen med Solveig Vågen"
STRANGER = "ola.ukjent.nordmann@example.no"
LOG_ADDRESSES = ("198.18.77.201", "198.18.77.202", "2001:db8:77::9a1")


@dataclass(frozen=True)
class Evidence:
    """What was fed in, and what was found afterwards, by place."""

    needles: Needles
    places: Mapping[str, bytes]
    planted: Mapping[str, bytes]
    events: int
    opened: tuple[int, int]


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Feed everything there is through the whole product, one erasure included, and collect what it left behind."""
    home = tmp_path_factory.mktemp("home")
    outside = tmp_path_factory.mktemp("systems")
    settings = Settings(home=home, api_port=0, tag_batch_seconds=0.1, unknown_schema_wait_seconds=0.1)
    needles, logs = Needles(), Logs()
    places: dict[str, bytes] = {}
    world = build_world(PLAN)
    with ExitStack() as stack:
        stack.enter_context(logs.kept())
        broker = stack.enter_context(InProcessBroker())
        connection = broker.connection
        for name in model().topics:
            broker.make_topic(name)
        sent = _run(settings, connection, world, needles, outside, places)
        own = (*OWN_TOPICS, *(name for name in model().topics if name.startswith("deletion.")))
        for name in own:
            places[f"topic {name}"] = b"".join(
                (key or b"") + value for key, value in read_topic(connection, name)
            )
        places |= tables_of(home)
        places |= files_of(home)
        places["log"] = logs.text.getvalue().encode()
        structlog.get_logger().info("planted", value=CANARY)
        planted = {"log": logs.text.getvalue().encode()}
    planted |= _planted(home)
    return Evidence(needles, places, planted, sent, _opened(settings))


def _run(
    settings: Settings,
    connection: Connection,
    world: World,
    needles: Needles,
    outside: Path,
    places: dict[str, bytes],
) -> int:
    with ExitStack() as stack:
        instance = stack.enter_context(running(settings, connection))
        stack.enter_context(announced(settings, connection.bootstrap, instance.address, 1))
        sent = _feed(settings, connection, instance, world, needles, outside)
        person = world.customers[3]
        _ask(settings, instance, person)
        with jobs(model(), settings, connection, outside):
            _erase(instance, person, needles)
        places["metrics"] = ask_api(settings, instance, "/metrics").encode()
        places["run.json"] = (settings.home / "run.json").read_bytes()
        raise_first(instance.roles)
    return sent


def _feed(
    settings: Settings,
    connection: Connection,
    instance: LocalInstance,
    world: World,
    needles: Needles,
    outside: Path,
) -> int:
    """The simulator, malformed messages and a log file; waits until all of it is accounted for."""
    records, total = load_records(), 0

    def consumed() -> int:
        raise_first(instance.roles)
        samples = [sample for metric in instance.metrics.consumed.collect() for sample in metric.samples]
        return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))

    def noted(item: SimEvent) -> None:
        nonlocal total
        total += 1
        needles.add_event(records[item.record], item.value)

    for customer in world.customers:
        needles.add(*(value for _, value in customer.identifiers()), customer.holder.name, customer.address)
        needles.add(*(member.name for member in customer.members), customer.line_id)
    with EventProducer(connection) as producer:
        emit(events(PLAN, world=world), producer, lag=lambda: total - consumed(), sent=noted)
        for topic, message in _malformed(world.customers[5]):
            producer.send(topic, message)
            total += 1
        total += _log_file(settings, connection, producer, outside)
        needles.add(*LOG_ADDRESSES, STRANGER)
        producer.flush()
    # What somebody consented to and on which text, and to whom by which instrument and law something was disclosed, are
    # words of the catalogue, which the index holds.
    company = load_company()
    catalogue = company.catalogue
    known = [
        word for item in catalogue.recipients.values() for word in (item.instrument, item.citation) if word
    ]
    needles.values -= {
        word.encode() for word in (*catalogue.purposes, *catalogue.recipients, *company.notices, *known)
    }
    await_that(lambda: consumed() >= total, "everything is tagged")
    return total


def _malformed(customer: Customer) -> Iterator[tuple[str, bytes]]:
    """Messages that are no events but full of a person's data, on several topics."""
    visit = load_records()["WebVisit"]
    raw = f"{customer.holder.name};{customer.fodselsnummer};{customer.email};{customer.phone}"
    good = {
        "occurred_at": datetime(2026, 1, 3, tzinfo=UTC),
        "client_address": customer.email,
        "client_port": None,
        "method": "GET",
        "status": None,
        "page": f"/min-side/{raw}",
        "referrer": None,
        "browser": None,
        "operating_system": None,
        "location": None,
        "cookie_id": STRANGER,
        "cookie_consent": "all",
    }
    event = encode(visit, good)
    for topic in ("web.visits", "crm.customers", "billing.invoices"):
        yield topic, raw.encode()
        yield topic, f'{{"customer_number": "{customer.number}", "name": "{customer.holder.name}"}}'.encode()
        yield topic, confluent_prefix(4_000_001) + raw.encode()
        yield topic, event[:-4]
        yield topic, event + raw.encode()
    yield "web.visits", event


def _log_file(settings: Settings, connection: Connection, producer: EventProducer, outside: Path) -> int:
    """A web server's log with lines that can be read and lines that cannot; gives how many were sent."""
    lines = [
        f'{address} - {STRANGER} [02/Jan/2026:10:00:0{at} +0100] "GET /min-side/{STRANGER} HTTP/1.1" 200 1 "-" "x"\n'
        for at, address in enumerate(LOG_ADDRESSES)
    ]
    lines.insert(1, f"{STRANGER} {LOG_ADDRESSES[0]} no log line\n")
    file = outside / "access.log.gz"
    file.write_bytes(gzip.compress("".join(lines).encode()))
    feed = model_feed("combined")
    with Tail(connection, feed.topic.name) as tail:
        source = check_source(str(file), feed, io.BytesIO())
        return ingest(source, feed, producer, tail, settings.home / "ingest").sent


def _ask(settings: Settings, instance: LocalInstance, person: Customer) -> None:
    """Questions over HTTP, one of them refused: they leave lines in the log."""
    identifiers = [{"kind": kind, "value": value} for kind, value in person.identifiers()]
    answer = ask_api(settings, instance, "/v1/lineage/query", {"identifiers": identifiers})
    assert '"resolution":"unique"' in answer.replace(" ", "")
    wrong = [{"kind": "fodselsnummer", "value": STRANGER}, {"kind": person.email, "value": person.number}]
    ask_api(settings, instance, "/v1/lineage/query", {"identifiers": wrong})
    ask_api(settings, instance, f"/v1/lineage/{person.email}", {"identifiers": wrong})


def _erase(instance: LocalInstance, person: Customer, needles: Needles) -> None:
    needles.add(REASON, *REASON.split(", hilsen "))
    request_id = instance.rights.create(
        "erasure", person.identifiers(), reason=REASON, channel="email", received_at=datetime.now(UTC)
    ).request_id

    def ended() -> bool:
        raise_first(instance.roles)
        return latest().state is State.COMPLETED or (
            latest().state is State.ATTENTION and not latest().waiting_for
        )

    def latest() -> RequestState:
        return instance.rights.get(request_id)

    await_that(ended, "every system has answered")
    # The systems hold nothing here, so their answers are fewer than the index planned: a person has to take them.
    needles.add(ACCEPTED)
    for command in latest().commands.values():
        if command.doubtful:
            instance.rights.accept(request_id, command.system, ACCEPTED)
    await_that(lambda: latest().ended or latest().unclear is not None, "the index has forgotten")
    if latest().unclear is not None:
        # There are messages that could not be read, and addresses that others had.
        instance.rights.waive(request_id, ACCEPTED)
    await_that(lambda: latest().ended, "the erasure is done")
    assert latest().state is State.COMPLETED, latest()


def _opened(settings: Settings) -> tuple[int, int]:
    """How many identifiers open with the keys of their months, and once these are destroyed."""
    sinks, ring = open_sinks(settings), keyring(settings)
    try:
        tokens = ClickHouse(settings.index_url).query("SELECT DISTINCT token FROM sealed_identifiers")
        wanted = [bytes(token) for (token,) in tokens]
        before = len(SealedValues(sinks.identifiers, ring).of(wanted))
        for name in sinks.identifiers.sealing_keys():
            ring.destroy(name)
        return before, len(SealedValues(sinks.identifiers, ring).of(wanted))
    finally:
        sinks.close()


def _planted(home: Path) -> dict[str, bytes]:
    """The same places once the canary is in a table and in a checkpoint."""
    insert = f"INSERT INTO dead_letters VALUES ('web.visits', 0, 1, '{CANARY}', '', 1, '2026-01-01 00:00:00')"
    tables = read_tables(home, lambda client: client.command(insert))
    (home / "ingest" / "planted.json").write_text(CANARY)
    files = {name: content for name, content in files_of(home).items() if name.endswith("planted.json")}
    return tables | files


def test_everything_was_fed_in_and_every_place_was_looked_at(evidence: Evidence) -> None:
    """Thousands of events and values, and each place holds something: what follows is no search of nothing."""
    assert evidence.events > 3_000
    assert len(evidence.needles.values) > 2_000
    filled = {name for name, content in evidence.places.items() if content}
    for name in (
        *(
            "table lineage",
            "table tag_sets",
            "table dead_letters",
            "table sealed_identifiers",
            "table ingest_ledger",
            "table request_events",
        ),
        *(
            "topic lineage.dead-letters",
            "topic rights.requests",
            "topic rights.receipts",
            "topic deletion.crm",
        ),
        *("log", "metrics", "run.json", "file token"),
    ):
        assert name in filled
    assert any(name.startswith("file index/") and name.endswith(".bin") for name in filled)
    assert any(name.startswith("file ingest/") for name in filled)
    assert b"innsyn_dead_letters_total" in evidence.places["metrics"]
    assert b"partitions.taken_over" in evidence.places["log"]


def test_no_raw_value_is_found_anywhere(evidence: Evidence) -> None:
    """Not one address, number, name, e-mail, phone, handle, serial, key or text of those fed in, in no place."""
    assert evidence.needles.found_in(evidence.places) == {}


def test_sealed_identifiers_open_with_the_keys_of_their_months_alone(evidence: Evidence) -> None:
    """All that is there, and nothing once the keys are destroyed."""
    with_keys, without = evidence.opened
    assert with_keys > 100
    assert without == 0


def test_a_planted_value_is_found(evidence: Evidence) -> None:
    """The same search finds a canary in a table, in a file and in the log, whatever lies around it."""
    needles = Needles()
    needles.values |= evidence.needles.values
    assert needles.found_in(evidence.planted) == {}
    needles.add(CANARY)
    assert needles.found_in(evidence.planted).keys() == {
        "log",
        "table dead_letters",
        "file ingest/planted.json",
    }


@pytest.mark.parametrize("shift", range(9))
@pytest.mark.parametrize("value", ["203.0.113.7", "1234567", "Kari Ås", "01819012345", CANARY])
def test_the_search_sees_a_value_at_every_position(value: str, shift: int) -> None:
    """At any alignment, at either end, as hex; and a number inside a longer number is none."""
    needles = Needles()
    needles.add(value, "something else entirely")
    for form in (value.encode(), value.encode().hex().encode()):
        assert needles.found_in({"end": b"\x00" * shift + form, "begin": form + b"\xff" * shift}).keys() == {
            "begin",
            "end",
        }
    assert not needles.found_in({"cut": b"\x00" * 50 + value.encode()[:-1]})
    if value.isdigit():
        assert not needles.found_in({"longer": b"9" + value.encode()})

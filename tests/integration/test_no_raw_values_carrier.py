"""The same search in what the second company leaves behind: its events are in other formats, its identifiers others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from console.wiring.local import LocalInstance, announced, running
from console.wiring.processes import raise_first
from schemas.company import Company, load_company
from schemas.examples import load_messages
from schemas.settings import Settings
from schemas.story import load_story
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.brokers.in_process_registry import InProcessRegistry
from streams.kafka.connection import Connection
from streams.kafka.producer import EventProducer
from streams.kafka.registry import Registry
from streams.rights.protocol.states import RequestState, State
from streams.simulate.emit import emit
from streams.simulate.plan import Plan
from streams.simulate.story.cast import Person
from streams.simulate.story.messages import Bodies
from streams.simulate.story.play import Play, Played
from tests.support.evidence import Logs, ask_api, files_of, jobs, tables_of
from tests.support.raw_values import SHORTEST_TEXT, Needles
from tests.support.stories import CARRIER
from tests.support.tagging import read_topic
from tests.support.time_bounds import await_that

PLAN = Plan(customers=40, days=7, seed=11)
NEW_FIELD = "Kanarifugl Gulnebb"
NEW_KEY = "solveig.vaagen@example.no"
Places = dict[str, bytes]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> tuple[Needles, Places]:
    """The story and malformed messages through the whole product, questions, an erasure; and what that left."""
    home, outside = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("systems")
    company, needles, logs, places = load_company(CARRIER), Needles(), Logs(), Places()
    with ExitStack() as stack:
        stack.enter_context(logs.kept())
        registry = stack.enter_context(InProcessRegistry())
        client = stack.enter_context(Registry(registry.url))
        settings = Settings(
            home=home, company=CARRIER, api_port=0, tag_batch_seconds=0.1, registry_url=registry.url,
            unknown_schema_wait_seconds=0.1,
        )  # fmt: skip
        story = load_story(CARRIER)
        assert story is not None
        play = Play(company, story, PLAN, Bodies(company, client.register))
        connection = stack.enter_context(InProcessBroker()).connection
        with running(settings, connection) as instance, announced(settings, "x", instance.address, 1):
            _feed(play, instance, connection, needles)
            person = max(play.cast.groups["consignee"], key=lambda person: len(person.things))
            _ask(settings, instance, person)
            with jobs(company, settings, connection, outside):
                _erase(instance, person)
            places["metrics"] = ask_api(settings, instance, "/metrics").encode()
            raise_first(instance.roles)
        own = [name for name, topic in company.topics.items() if not topic.tagged]
        for name in own:
            places[f"topic {name}"] = b"".join(
                (key or b"") + value for key, value in read_topic(connection, name)
            )
    return needles, places | tables_of(home) | files_of(home) | {"log": logs.text.getvalue().encode()}


def _feed(play: Play, instance: LocalInstance, connection: Connection, needles: Needles) -> None:
    """The story with a broken copy of each tenth message; waits until all of it is accounted for."""
    sent = 0

    def consumed() -> int:
        raise_first(instance.roles)
        samples = [sample for metric in instance.metrics.consumed.collect() for sample in metric.samples]
        return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))

    def noted(item: Played) -> None:
        nonlocal sent
        sent += 1
        _note(needles, play.company, item)

    with EventProducer(connection) as producer:
        emit(_with_broken(play.events()), producer, lag=lambda: sent - consumed(), sent=noted)
    needles.add(NEW_FIELD, NEW_KEY)
    await_that(lambda: consumed() >= sent, "everything is tagged")


def _with_broken(items: Iterator[Played]) -> Iterator[Played]:
    for number, item in enumerate(items):
        yield item
        if item.body is None or number % 10:
            continue
        yield replace(item, body=item.body[: len(item.body) * 2 // 3])
        yield replace(item, body=item.body + item.body)
        yield replace(item, body=repr(item.named).encode())
        if item.body.startswith(b'{"orderId"'):
            more = f'{{"nick": "{NEW_FIELD}", "{NEW_KEY}": {{"{NEW_KEY}": "{NEW_FIELD}"}}, '
            yield replace(item, body=more.encode() + item.body[1:])


def _note(needles: Needles, company: Company, item: Played) -> None:
    """Identifiers of an event, and every text of it that is about somebody."""
    needles.add(*(value for (_, value), _ in item.named))
    record = company.every_record[item.record]
    for path, value in (item.kept or {}).items():
        field = record.find(path)
        for text in value.values() if isinstance(value, dict) and record.contract else [value]:
            if isinstance(text, str) and field and field.record_key:
                needles.add(text)
            elif isinstance(text, str) and field and field.personal and len(text) >= SHORTEST_TEXT:
                needles.values.add(text.encode())


def _ask(settings: Settings, instance: LocalInstance, person: Person) -> None:
    identifiers = [{"kind": kind, "value": value} for kind, value in person.identifiers]
    answer = ask_api(settings, instance, "/v1/lineage/query", {"identifiers": identifiers})
    assert '"total_events":' in answer.replace(" ", "")
    assert '"total_events":0' not in answer.replace(" ", "")
    wrong = [{"kind": person.identifiers[0][1], "value": NEW_KEY}, {"kind": "email", "value": NEW_FIELD}]
    ask_api(settings, instance, "/v1/lineage/query", {"identifiers": wrong})


def _erase(instance: LocalInstance, person: Person) -> None:
    """The systems hold nothing, so that their answers are too few, and a person has to take them."""
    request_id = instance.rights.create(
        "erasure", person.identifiers, reason=NEW_FIELD, channel="email", received_at=datetime.now(UTC)
    ).request_id

    def latest() -> RequestState:
        raise_first(instance.roles)
        return instance.rights.get(request_id)

    await_that(
        lambda: latest().ended or (latest().state is State.ATTENTION and not latest().waiting_for),
        "all answered",
    )
    for command in latest().commands.values():
        if command.doubtful:
            instance.rights.accept(request_id, command.system, NEW_KEY)
    await_that(lambda: latest().ended or latest().unclear is not None, "the index has forgotten")
    if latest().unclear is not None:
        # There are messages that could not be read, and addresses that others had.
        instance.rights.waive(request_id, NEW_KEY)
    await_that(lambda: latest().ended, "the erasure is done")


def test_everything_was_fed_in_and_every_place_was_looked_at(
    left: tuple[Needles, Mapping[str, bytes]],
) -> None:
    """Hundreds of values, and each place holds something."""
    needles, places = left
    assert len(needles.values) > 300
    filled = {name for name, content in places.items() if content}
    tables = {"lineage", "tag_sets", "dead_letters", "ingest_ledger", "request_events"}
    assert {f"table {name}" for name in tables} <= filled
    assert {
        "topic lineage.dead-letters",
        "topic rights.receipts",
        "topic deletion.transport",
        "log",
        "metrics",
    } <= filled
    # The story really has each format, and what was broken was seen.
    assert len(load_messages(load_company(CARRIER))) > 8
    assert b"malformed_body" in places["metrics"]


def test_no_raw_value_of_the_second_company_is_found_anywhere(
    left: tuple[Needles, Mapping[str, bytes]],
) -> None:
    """Not one number, parcel, phone, e-mail, name, address or text, and no key of a new field that is somebody's."""
    needles, places = left
    assert needles.found_in(places) == {}


def test_the_search_knows_what_was_sent(left: tuple[Needles, Mapping[str, bytes]]) -> None:
    """In a message as it stands in the examples, of whose values some are kept, it finds them."""
    message = repr(load_messages(load_company(CARRIER))["transport.consignments/registered"].value)
    assert len(left[0].found_in({"a message": message.encode()})["a message"]) > 1

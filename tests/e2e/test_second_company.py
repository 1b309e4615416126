"""The parcel carrier of `examples/` as its owner would run it: `innsyn up` on Apache Kafka, and everybody asks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.company import load_company
from schemas.story import load_story
from streams.kafka.brokers.in_process_registry import InProcessRegistry
from streams.kafka.registry import Registry
from streams.simulate.plan import DEFAULT_START, Plan
from streams.simulate.story.messages import Bodies
from streams.simulate.story.play import Play, StoryTruth
from tests.support.product import Up, innsyn, up
from tests.support.stories import CARRIER
from tests.support.time_bounds import HANGING_SECONDS, await_that

pytestmark = pytest.mark.kafka
PLAN = Plan(customers=40, days=7, seed=5)
SIZE = ("--customers", "40", "--days", "7", "--seed", "5")


@pytest.fixture(scope="module")
def registry() -> Iterator[InProcessRegistry]:
    with InProcessRegistry() as made:
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(CARRIER, tmp_path_factory.mktemp("company") / "ours"))


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, registry: InProcessRegistry, folder: Path, kafka_bootstrap: str
) -> Iterator[Up]:
    """`kafka_bootstrap` skips where there is no Java; the broker is the product's own."""
    home = tmp_path_factory.mktemp("second") / "home"
    with up(home, {"INNSYN_COMPANY": str(folder), "INNSYN_REGISTRY_URL": registry.url}) as started:
        yield started
        assert started.end() == 0


@pytest.fixture(scope="module")
def told(running: Up, registry: InProcessRegistry, folder: Path) -> tuple[Play, StoryTruth]:
    """The story, sent by the command and played once more here, and all of it in the index."""
    settings = {"INNSYN_COMPANY": str(folder), "INNSYN_REGISTRY_URL": registry.url}
    done = innsyn(running.home, "simulate", *SIZE, "--json", settings=settings)
    assert done.status == 0, done.err
    company = load_company(folder)
    truth = StoryTruth(company.kinds)
    story = load_story(folder)
    assert story is not None
    with Registry(registry.url) as client:
        play = Play(company, story, PLAN, Bodies(company, client.register))
        for item in play.events():
            truth.add(item)
    assert f'"events": {truth.total}' in done.out
    couriers = play.cast.groups["courier"]
    await_that(
        lambda: all(
            asked(running, person.identifiers) == truth.answer(person.identifiers).total()
            for person in couriers
        ),
        "all is tagged",
    )
    return play, truth


def asked(running: Up, identifiers: list[tuple[str, str]]) -> int:
    return running.events(*({"kind": kind, "value": value} for kind, value in identifiers))


def test_everybody_gets_the_answer_that_is_true(running: Up, told: tuple[Play, StoryTruth]) -> None:
    """By all that they are known by, each person of the story, and by what the register says is theirs alone."""
    play, truth = told
    assert PLAN.start == DEFAULT_START
    await_that(
        lambda: (
            not [
                person
                for person in play.cast.everybody
                if person.identifiers
                and asked(running, person.identifiers) != truth.answer(person.identifiers).total()
            ]
        ),
        "every answer agrees",
    )
    led = 0
    for person in play.cast.groups["customer"]:
        for identifier in person.identifiers:
            assert asked(running, [identifier]) == truth.answer([identifier]).total()
            led += truth.answer([identifier]) != truth.of([identifier])
    assert led > 30


def test_a_field_that_no_contract_names_is_told_of(
    running: Up, told: tuple[Play, StoryTruth], folder: Path
) -> None:
    """By the metrics and by the doctor, with its path and without its value."""
    example = json.loads((folder / "examples" / "shop.orders" / "to-one.json").read_text("utf-8"))
    producer = Producer({"bootstrap.servers": running.run["bootstrap"]})
    producer.produce("shop.orders", json.dumps({**example, "doorCode": "4711-door"}).encode())
    assert producer.flush(HANGING_SECONDS) == 0
    await_that(lambda: 'path="doorCode"' in running.http.get("/metrics").text, "the metric counts it")
    # The instance looks at such fields every half a minute, and the doctor tells what it says.
    await_that(lambda: "doorCode" in running.http.get("/readyz").text, "the instance tells of it")
    done = innsyn(running.home, "doctor", settings={"INNSYN_COMPANY": str(folder)})
    assert "doorCode" in done.out + done.err
    assert "shop.orders" in done.out + done.err
    assert "4711-door" not in done.out + done.err + running.http.get("/metrics").text

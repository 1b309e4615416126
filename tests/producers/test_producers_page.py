"""The producers of `docs/producers.md`, as they stand there: the event of each is the right person's in the index."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from console.operations.new_company import write_company
from console.wiring.answering import Answering, answering_of, token_keys
from console.wiring.clock import now
from console.wiring.roles import tagger
from schemas.company import Company, load_company
from schemas.policy import RetentionAnchors
from schemas.settings import Settings
from schemas.tokens import IdentifierKind
from sinks.open import open_sinks
from sinks.ports.sinks import Sinks
from streams.answers.lookup import access
from streams.answers.question import Identifier, Question
from streams.kafka.connection import Connection
from streams.kafka.groups import bounds
from streams.kafka.registry import Registry
from streams.kafka.topics import create_topics
from streams.metrics import TagMetrics
from tests.support.pages import PAGES
from tests.support.recipes import Step, changed, run, sections, steps
from tests.support.registry_stub import registry_stub
from tests.support.tagging import to_the_end
from tests.support.toolchains import LOCKS, java, node

TITLE = "A producer in about twenty lines"
TOPIC = "shop.orders"
# Their keys have a murmur2 with its highest bit set: partitioners that treat it otherwise choose another partition.
CUSTOMERS = {
    "producer.py": "700101",
    "producer.mjs": "700102",
    "OrderProducer.java": "700103",
    "registry": "700104",
}


@dataclass(frozen=True)
class Shop:
    """The company, its topic on a broker, an index, and the folder in which the page is followed."""

    company: Company
    settings: Settings
    connection: Connection
    sinks: Sinks
    answering: Answering
    folder: Path

    def ends(self) -> dict[int, int]:
        """Messages of each partition of the topic."""
        return {number: high for (_, number), (_, high) in bounds(self.connection, [TOPIC]).items()}

    def tag(self) -> None:
        """All that is there into the index."""
        to_the_end(
            tagger(
                self.settings, self.connection, self.sinks, TagMetrics(CollectorRegistry()), topics=[TOPIC]
            )
        )

    def held(self, customer: str) -> dict[str, Any]:
        """The access answer about a customer."""
        question = Question([Identifier(IdentifierKind("customer_number"), customer)], RetentionAnchors())
        return access(question, self.answering, now())


@pytest.fixture(scope="module")
def shop(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The schema files are those that the page's own commands write."""
    folder = tmp_path_factory.mktemp("shop")
    write_company(folder / "our-company", "minimal", {})
    company = load_company(folder / "our-company")
    connection = Connection(kafka_bootstrap)
    create_topics(connection, [company.topics[TOPIC], company.topics["lineage.dead-letters"]])
    with registry_stub() as (url, _):
        Registry(url).register(company.topics[TOPIC].subject, company.records["OrderPlaced"])
        settings = Settings(
            home=folder / "home", company=company.folder, kafka_bootstrap=kafka_bootstrap, registry_url=url,
            tag_group=f"producers-{folder.name}",
        )  # fmt: skip
        settings.home.mkdir()
        for step in followed():
            for line in step.body.splitlines():
                if line.startswith("$ innsyn "):
                    done = run(folder, "bash", "-c", line.removeprefix("$ "))
                    assert done.returncode == 0, done.stderr
        sinks = open_sinks(settings)
        sinks.upkeep.migrate(now())
        token_keys(sinks, settings).prove(make=True)
        try:
            yield Shop(company, settings, connection, sinks, answering_of(sinks, settings), folder)
        finally:
            sinks.close()


def followed() -> list[Step]:
    """What the page tells to do."""
    return steps(sections("docs/producers.md")[TITLE])


def program(name: str) -> str:
    """A program of the page."""
    return next(step.body for step in followed() if (step.act, step.file) == ("Write", name))


def command(name: str) -> list[str]:
    """How the page runs it, with another customer."""
    lines = "\n".join(step.body for step in followed() if step.act == "Run")
    (line,) = re.findall(rf"^\$ (\S.* )?{re.escape(name)} 700104$", lines, re.MULTILINE)
    return [*line.replace('"', "").split(), name]


def partition_of(shop: Shop, key: str) -> int:
    """Where Java's partitioner puts a key, by librdkafka's twin of it."""
    found: list[int | None] = []
    options = shop.connection.client(partitioner="murmur2_random")
    producer = Producer(options)
    scratch = shop.company.topics[TOPIC].model_copy(update={"name": f"{TOPIC}.keys"})
    create_topics(shop.connection, [scratch])
    producer.produce(
        scratch.name, key=key, value=b"x", on_delivery=lambda _, message: found.append(message.partition())
    )
    assert producer.flush(30) == 0
    (number,) = found
    assert number is not None
    return number


def check(shop: Shop, customer: str, words: list[str], **environment: str) -> None:
    """Run a producer: one message, where its key belongs, is that customer's event of now, and no dead letter."""
    before, begun = shop.ends(), datetime.now(UTC)
    expected = {**before, (at := partition_of(shop, customer)): before[at] + 1}
    done = subprocess.run(
        [*words, customer], cwd=shop.folder, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "KAFKA": shop.connection.bootstrap, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert shop.ends() == expected
    assert shop.held(customer)["total_events"] == 0
    shop.tag()
    report = shop.held(customer)
    assert (report["resolution"], report["total_events"]) == ("unique", 1)
    assert {entry["system"]["id"] for entry in report["entries"]} == {"shop"}
    seen = {datetime.fromisoformat(entry["last_seen"]) for entry in report["entries"]}
    assert all(begun - timedelta(seconds=1) <= moment <= datetime.now(UTC) for moment in seen)
    assert not shop.answering.dead_letters(("", 0, 0), 10)


@pytest.mark.kafka
def test_the_producer_in_python(shop: Shop) -> None:
    """confluent-kafka and fastavro."""
    (shop.folder / "producer.py").write_text(program("producer.py"), "utf-8")
    assert command("producer.py")[0] == "python"
    check(shop, CUSTOMERS["producer.py"], [sys.executable, "producer.py"])


@pytest.mark.kafka
def test_the_producer_in_python_with_a_registry(shop: Shop) -> None:
    """The same in Confluent's wire format, by the id of the registry."""
    (change,) = [step.body for step in followed() if step.act == "Change"]
    (shop.folder / "with_registry.py").write_text(changed(program("producer.py"), change), "utf-8")
    registry = {"REGISTRY": str(shop.settings.registry_url)}
    check(shop, CUSTOMERS["registry"], [sys.executable, "with_registry.py"], **registry)


@pytest.mark.kafka
def test_the_producer_in_node(shop: Shop) -> None:
    """@platformatic/kafka and avsc."""
    found, installed = node()
    os.symlink(installed / "node_modules", shop.folder / "node_modules")
    (shop.folder / "producer.mjs").write_text(program("producer.mjs"), "utf-8")
    assert command("producer.mjs") == ["node", "producer.mjs"]
    check(shop, CUSTOMERS["producer.mjs"], [str(found), "producer.mjs"])


@pytest.mark.kafka
def test_the_producer_in_java(shop: Shop) -> None:
    """kafka-clients and Apache Avro."""
    found, jars = java()
    os.symlink(jars, shop.folder / "jars")
    (shop.folder / "OrderProducer.java").write_text(program("OrderProducer.java"), "utf-8")
    assert command("OrderProducer.java") == ["java", "-cp", "jars/*", "OrderProducer.java"]
    check(shop, CUSTOMERS["OrderProducer.java"], [str(found), "-cp", "jars/*", "OrderProducer.java"])


def test_the_page_installs_what_the_test_ran_with() -> None:
    """Versions of the page are those of the locks; no lock names where it was fetched from; programs stay short."""
    page = PAGES["docs/producers.md"]
    wanted = json.loads((LOCKS / "package.json").read_text("utf-8"))["dependencies"]
    assert f"$ npm install {' '.join(f'{name}@{version}' for name, version in wanted.items())}\n" in page
    jars = (LOCKS / "jars.sha256").read_text("utf-8")
    for artifact, version in re.findall(r"`(kafka-clients|avro)` (\d[\d.]*\d)", page):
        assert f"  {artifact}-{version}.jar\n" in jars
    assert "resolved" not in (LOCKS / "package-lock.json").read_text("utf-8")
    lengths = {
        name: len([line for line in program(name).splitlines() if line]) for name in CUSTOMERS if "." in name
    }
    assert max(lengths.values()) <= 20, lengths

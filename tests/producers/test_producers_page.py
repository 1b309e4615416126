"""The producers of `docs/producers.md`, as they stand there: the event of each is the right person's in the index."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fastavro
import pytest
from confluent_kafka import Producer
from prometheus_client import CollectorRegistry

from console.operations.new_company import write_company
from console.wiring.answering import Answering, answering_of, token_keys
from console.wiring.clock import now
from console.wiring.tagging import tagger
from schemas.codec import confluent_prefix, encode, single_object_prefix
from schemas.company import Company, load_company
from schemas.policy import RetentionAnchors
from schemas.records import read_record, without_logical_types
from schemas.settings import Settings
from sinks.open import open_sinks
from sinks.ports.sinks import Sinks
from streams.answers.lookup import access
from streams.answers.question import Identifier, Question
from streams.kafka.connection import Connection
from streams.kafka.groups import bounds
from streams.kafka.producer import EventProducer
from streams.kafka.registry import Registry
from streams.kafka.topics import create_topics
from streams.metrics import TagMetrics
from tests.support.kinds import KINDS
from tests.support.pages import PAGES
from tests.support.recipes import Step, changed, run, sections, steps
from tests.support.registry_stub import registry_stub
from tests.support.tagging import to_the_end
from tests.support.time_bounds import HANGING_SECONDS
from tests.support.toolchains import LOCKS, java, node

TITLE, WRONG = "A producer in about twenty lines", "What becomes a dead letter"
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
        question = Question([Identifier(KINDS["customer_number"], customer)], RetentionAnchors())
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
            unknown_schema_wait_seconds=0.5, tag_group=f"producers-{folder.name}",
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
    assert producer.flush(HANGING_SECONDS) == 0
    (number,) = found
    assert number is not None
    return number


def letters(shop: Shop) -> dict[tuple[int, int], str]:
    """The code of each dead letter, by partition and offset."""
    found = shop.answering.dead_letters(("", 0, 0), 100)
    return {(item["partition"], item["offset"]): item["reason"] for item in found}


def check(shop: Shop, customer: str, words: list[str], **environment: str) -> None:
    """Run a producer: one message, where its key belongs, is that customer's event of now, and no dead letter."""
    before, begun, dead = shop.ends(), datetime.now(UTC), letters(shop)
    expected = {**before, (at := partition_of(shop, customer)): before[at] + 1}
    done = subprocess.run(
        [*words, customer], cwd=shop.folder, capture_output=True, text=True, timeout=HANGING_SECONDS, check=False,
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
    assert letters(shop) == dead


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


def wrong(shop: Shop) -> dict[str, list[bytes]]:
    """What a team may send instead, by the first words of the page's table."""
    record, begun = shop.company.records["OrderPlaced"], datetime.now(UTC)
    (example,) = shop.company.examples("OrderPlaced")
    order = {**example, "customer_number": "700199"}
    newer = {**record.json, "fields": [*record.json["fields"], {"name": "note", "type": "string"}]}
    older = {**record.json, "fields": [item for item in record.json["fields"] if item["name"] != "placed_at"]}

    def body(schema: Mapping[str, Any], **changes: Any) -> bytes:
        text = io.BytesIO()
        fastavro.schemaless_writer(
            text, fastavro.parse_schema(dict(schema)), {**order, "note": "x", **changes}
        )
        return text.getvalue()

    def dated(ms: float) -> bytes:
        # As a program writes it that has the wrong unit.
        plain = without_logical_types(record.json)
        return frame + body(plain, placed_at=int(ms))

    frame, now_ms = single_object_prefix(record), begun.timestamp() * 1000
    container = io.BytesIO()
    fastavro.writer(container, fastavro.parse_schema(record.json), [order])
    unknown = single_object_prefix(read_record(newer, "newer.avsc"))
    return {
        "a body without a frame": [body(record.json), b'{"customer_number": "700199"}', container.getvalue()],
        "by a schema that": [unknown + body(newer), confluent_prefix(77) + body(record.json)],
        "a longer body": [frame + body(newer)],
        "a shorter one": [frame + body(older)],
        "seconds or microseconds": [dated(now_ms / 1000), dated(now_ms * 1000)],
        "a time of the day": [dated(now_ms + 2 * 86_400_000)],
        "an empty customer number": [frame + body(record.json, customer_number="")],
    }


@pytest.mark.kafka
def test_what_is_sent_wrong_has_the_code_of_the_page(shop: Shop) -> None:
    """Each row of its table, and what is right beside it is tagged."""
    table = re.findall(r"^\| ([^|]+) \| `(\w+)` \|$", sections("docs/producers.md")[WRONG], re.MULTILINE)
    codes = {begin: code for begin in wrong(shop) for said, code in table if said.startswith(begin)}
    assert len(codes) == len(table) == len(wrong(shop))
    messages = [(codes[begin], message) for begin, several in wrong(shop).items() for message in several]
    right = encode(shop.company.records["OrderPlaced"], shop.company.examples("OrderPlaced")[0])
    before, start = letters(shop), shop.ends()[0]
    with EventProducer(shop.connection) as producer:
        for message in (right, *(message for _, message in messages), right):
            producer.send(TOPIC, message, partition=0)
    shop.tag()
    new = {at: code for at, code in letters(shop).items() if at not in before}
    assert new == {(0, start + 1 + number): code for number, (code, _) in enumerate(messages)}


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

"""`innsyn discover` against a real broker: whatever lies on its topics, it ends and shows no value."""

from __future__ import annotations

import json
import random
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic
from typer.testing import CliRunner

from console.cli.main import app
from console.wiring.company import _loaded
from schemas.codec import confluent_prefix, encode_body
from schemas.company import load_company
from schemas.records import read_record
from streams.kafka.brokers import local, properties
from streams.kafka.brokers.local import LocalBroker
from streams.kafka.connection import Connection
from streams.kafka.registry import Registry
from streams.kafka.sampling import sample, topics
from tests.support.discovering import decided
from tests.support.raw_values import Needles
from tests.support.registry_stub import registry_stub
from tests.support.tagging import utc_now
from tests.support.time_bounds import HANGING_SECONDS

NAMES = ("Kari Fjellheim", "Ola Dalsbotn", "Anne Gulnebb", "Per Storvatn", "Ingrid Lauvås")
CUSTOMER = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": "customerNumber", "type": "string"},
        {"name": "email", "type": ["null", "string"]},
        {"name": "born", "type": {"type": "int", "logicalType": "date"}},
    ],
}
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kafka_bootstrap: str) -> Run:
    """Exit status, standard output and standard error of a command, for a new company of its own."""
    return runner(monkeypatch, tmp_path, kafka_bootstrap)


def runner(monkeypatch: pytest.MonkeyPatch, folder: Path, bootstrap: str) -> Run:
    monkeypatch.setenv("INNSYN_HOME", str(folder / "home"))
    monkeypatch.setenv("INNSYN_KAFKA_BOOTSTRAP", bootstrap)
    monkeypatch.setenv("INNSYN_COMPANY", str(folder / "ours"))

    def call(*arguments: str) -> tuple[int, str, str]:
        # A process reads a company once; each of these calls stands for one.
        _loaded.cache_clear()
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, result.stdout, result.stderr

    assert call("init", str(folder / "ours"), "--from", "minimal")[0] == 0
    return call


def made(bootstrap: str, name: str, *, partitions: int = 2, config: Mapping[str, str] | None = None) -> str:
    """A topic of a name that no other test has."""
    topic = f"{name}.{uuid.uuid4().hex[:6]}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    asked = NewTopic(topic, num_partitions=partitions, replication_factor=1, config=dict(config or {}))
    for future in admin.create_topics([asked]).values():
        future.result(HANGING_SECONDS)
    return topic


def send(
    bootstrap: str, topic: str, messages: Iterable[tuple[bytes | None, bytes | None]], **options: Any
) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, **options})
    for key, value in messages:
        producer.produce(topic, value=value, key=key)
        producer.poll(0)
    assert producer.flush(HANGING_SECONDS) == 0


def orders(count: int) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Orders of invented people, with every place in which a value may stand; and the key of the message."""
    dice = random.Random(11)
    for number in range(count):
        name = dice.choice(NAMES)
        mail = f"{name.split()[0].lower()}{number}@example.no"
        yield (
            {
                "orderId": f"ORD-{870_000 + number}",
                "placedAt": f"2026-02-{1 + number % 28:02}T10:{number % 60:02}:00Z",
                "customer": {"kundenr": f"TB{410_000 + number}", "navn": name, "epost": mail},
                "mottakere": [{"navn": dice.choice(NAMES), "mobil": f"+47400{number:05}"}],
                "fnr": "01819030037",
                "beskjed": f"Ring meg på +47400{number:05} når du står ved den gule døra",
                "by_mail": {mail: number},
            },
            f"TB{410_000 + number}".encode(),
        )


def test_a_stranger_is_found_drafted_decided_and_then_declared(
    run: Run, kafka_bootstrap: str, tmp_path: Path
) -> None:
    """From a topic that nobody knows to a contract; no value of a message is in what was printed or written."""
    topic = made(kafka_bootstrap, "webshop.orders")
    held, needles = list(orders(120)), Needles()
    for value, key in held:
        needles.add(
            value["customer"]["epost"],
            value["customer"]["kundenr"],
            value["orderId"],
            value["fnr"],
            key.decode(),
        )
        needles.add(value["mottakere"][0]["mobil"], value["beskjed"], *value["customer"]["navn"].split())
    send(kafka_bootstrap, topic, ((key, json.dumps(value).encode()) for value, key in held))
    drafts = tmp_path / "drafts"
    printed = [run("discover", "--topic", topic)]
    assert printed[0][0] == 0
    assert "not in topics.yaml" in printed[0][1]
    printed += [
        run("discover", "--topic", topic, "--sample", "100", *more)
        for more in ([], ["--json"], ["--out", str(drafts)])
    ]
    assert {status for status, *_ in printed[1:]} == {1}
    assert "undeclared" in printed[1][1]
    told = json.loads(printed[2][1])["topics"][0]
    assert (told["format"], told["read"], told["messages_a_day"]) == ("JSON", 100, 120)
    file = drafts / f"{topic}.yaml"
    fields = yaml.safe_load(file.read_text("utf-8"))["fields"]
    assert fields["customer.epost"]["identifier"] == {"kind": "email", "role": "owner"}
    assert fields["mottakere[].mobil"]["identifier"] == {"kind": "phone", "role": "counterparty"}
    assert fields["fnr"] == {"category": "C-02", "identifier": {"kind": "fodselsnummer", "role": "owner"}}
    assert fields["beskjed"]["free_text"]
    assert "by_mail.*" in fields
    places = {"printed": repr(printed).encode(), "drafts": file.read_bytes()}
    places |= {str(path): path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file()}
    assert needles.found_in(places) == {}
    assert needles.found_in({"blind": json.dumps(held[0][0]).encode()})
    _decide(run, file, topic, tmp_path / "ours")
    status, out, _ = run("discover", "--topic", topic, "--sample", "100")
    assert (status, "declared" in out) == (0, True)


def _decide(run: Run, draft: Path, topic: str, company: Path) -> None:
    """Put the draft where it belongs: refused as it is, taken once a person has decided."""
    contract = company / "contracts" / draft.name
    contract.write_text(draft.read_text("utf-8"), "utf-8")
    head = "".join(
        re.findall(
            r"^# ?(.*\n)", draft.read_text("utf-8").partition("topics.yaml needs this entry:\n")[2], re.M
        )
    )
    entry = head.replace("decide", "shop")
    with (company / "topics.yaml").open("a", encoding="utf-8") as file:
        file.write(entry.partition("record:")[0])
    status, _, err = run("company", "check", str(company))
    assert status == 2
    assert "is to be decided" in err
    said = decided(draft.read_text("utf-8"), retention=["T50", "T51", "T27"])
    with (company / "catalogue" / "retention.yaml").open("a", encoding="utf-8") as rules:
        rules.write(
            "T51: {name: {nb: Alt, en: All}, authority: GDPR Art. 6, period: P1Y, clock: event, effect: expiry,"
            " covers: [C-02], certainty: [D]}\n"
        )
    contract.write_text(yaml.safe_dump(said, allow_unicode=True), "utf-8")
    systems = company / "catalogue" / "systems.yaml"
    systems.write_text(systems.read_text("utf-8").replace("holds: [C-01, C-09]", "holds: []"), "utf-8")
    status, _, err = run("company", "check", str(company))
    assert (status, err) == (0, "")
    assert topic in load_company(company).contracts


def test_nothing_is_left_on_the_broker(run: Run, kafka_bootstrap: str) -> None:
    """No group is there that was not there before."""
    topic = made(kafka_bootstrap, "groups")
    send(kafka_bootstrap, topic, [(None, b'{"a": 1}')] * 10)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})

    def groups() -> set[str]:
        return {item.group_id for item in admin.list_consumer_groups().result(HANGING_SECONDS).valid}

    before = groups()
    assert run("discover", "--topic", topic, "--sample", "10")[0] == 0
    assert groups() == before


def found(run: Run, topic: str, *more: str) -> dict[str, Any]:
    """What is told of one topic."""
    _, out, err = run("discover", "--topic", topic, "--sample", "50", "--json", *more)
    assert err == ""
    told: dict[str, Any] = json.loads(out)["topics"][0]
    return told


def test_topics_of_every_kind_come_to_an_end(run: Run, kafka_bootstrap: str) -> None:
    """Empty, garbage, text, tombstones alone, and messages beside broken ones: each says what it is."""
    dice = random.Random(2)
    garbage = [dice.randbytes(80) for _ in range(30)]
    kinds: dict[str, tuple[list[bytes | None], str, str]] = {
        "empty": ([], "", "holds no message"),
        "garbage": ([b"\xff" + item for item in garbage], "unknown", "not readable"),
        "proto": (
            [b"\x08\x96\x01\x12\x07testing"] * 20,
            "Protobuf, it seems",
            "Protobuf is not readable yet",
        ),
        "framed": ([b"\x00\x00\x00\x00\x07abc"] * 20, "registry, unknown id", "no registry knows the schema"),
        "gone": ([None] * 20, "", "holds tombstones alone"),
        "lines": ([b"user logged in from somewhere far away"] * 20, "text", "no contract can describe"),
    }
    for name, (messages, of, note) in kinds.items():
        topic = made(kafka_bootstrap, name)
        send(kafka_bootstrap, topic, ((b"k", item) for item in messages))
        told = found(run, topic)
        assert (told["format"] or "") == of, name
        assert note in told["note"], name
    topic = made(kafka_bootstrap, "compacted", config={"cleanup.policy": "compact"})
    send(
        kafka_bootstrap,
        topic,
        ((f"{at}".encode(), None if at % 4 else b'{"epost": null}') for at in range(400)),
    )
    assert found(run, topic)["read"] == 50
    topic = made(kafka_bootstrap, "mixed")
    deep = b'{"a":' * 50_000
    send(
        kafka_bootstrap,
        topic,
        ((None, item) for item in [b'{"epost": "a@example.no"}'] * 30 + [garbage[0], deep, b"[1]"]),
    )
    told = found(run, topic)
    assert (told["format"], told["in_another_format"]) == ("JSON", 3)


def test_offsets_without_messages_are_passed(kafka_bootstrap: str) -> None:
    """Markers of transactions and aborted messages: what was committed is found, however few offsets it has."""
    topic = made(kafka_bootstrap, "transactions", partitions=1)
    for number in range(30):
        producer = Producer(
            {"bootstrap.servers": kafka_bootstrap, "transactional.id": f"{topic}-{number % 2}"}
        )
        producer.init_transactions(30)
        producer.begin_transaction()
        producer.produce(topic, value=json.dumps({"n": number}).encode())
        producer.flush(HANGING_SECONDS)
        (producer.abort_transaction if number % 3 else producer.commit_transaction)(30)
    connection, read = Connection(kafka_bootstrap), list[bytes]()
    (described,) = topics(connection, utc_now(), [topic])
    assert described.messages == 60
    taken = sample(connection, described, 8, lambda value, _: read.append(value))
    assert (taken.messages, taken.fault) == (8, "")
    numbers = [json.loads(item)["n"] for item in read]
    assert 27 in numbers
    assert all(number % 3 == 0 for number in numbers)
    read.clear()
    assert sample(connection, described, 500, lambda value, _: read.append(value)).messages == 10


def test_an_open_transaction_does_not_hold_it_up(kafka_bootstrap: str) -> None:
    """What is behind one that nobody ends is not committed: it is not waited for."""
    topic = made(kafka_bootstrap, "open", partitions=1)
    send(kafka_bootstrap, topic, [(None, b'{"n": 1}')] * 5)
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value=b'{"n": 2}')
    producer.flush(HANGING_SECONDS)
    connection = Connection(kafka_bootstrap)
    (described,) = topics(connection, utc_now(), [topic])
    taken = sample(connection, described, 50, lambda *_: None)
    producer.abort_transaction(30)
    assert (taken.messages, taken.fault) == (5, "")


def test_a_batch_that_unpacks_without_bounds_is_passed(run: Run, kafka_bootstrap: str) -> None:
    """A few kilobytes of zstd that come to hundreds of megabytes: what stands beside them is read."""
    topic = made(kafka_bootstrap, "bomb", partitions=1, config={"max.message.bytes": "20000000"})
    send(kafka_bootstrap, topic, [(None, b'{"epost": "a@example.no"}')] * 20)
    large = {"compression.type": "zstd", "message.max.bytes": 1_000_000_000, "batch.size": 1_000_000_000}
    send(kafka_bootstrap, topic, [(None, bytes(35_000_000))] * 4, **large, **{"linger.ms": 5_000})
    send(kafka_bootstrap, topic, [(None, b'{"epost": "b@example.no"}')] * 20)
    told = found(run, topic)
    assert (told["format"], told["read"]) == ("JSON", 40)


def test_a_registry_gives_owner_and_fields(run: Run, kafka_bootstrap: str) -> None:
    """Without a message by the schema's names, with messages by their values; its owner stands in the registry."""
    topic, schema = made(kafka_bootstrap, "crm.customers"), read_record(CUSTOMER, "customer.avsc")
    with registry_stub() as (url, store), Registry(url):
        number = store.put(
            f"{topic}-value", json.dumps(CUSTOMER), "AVRO", metadata={"properties": {"owner": "crm team"}}
        )
        by_name = found(run, topic, "--registry", url)
        assert (by_name["owner"], by_name["format"], by_name["verdict"]) == (
            "crm team",
            "Avro (registry)",
            "perhaps",
        )
        rows = [
            {"customerNumber": f"{700_000 + at}", "email": f"kari{at}@example.no", "born": 4_000 + 17 * at}
            for at in range(40)
        ]
        bodies = [confluent_prefix(number) + encode_body(schema, row) for row in rows]
        send(kafka_bootstrap, topic, ((None, body) for body in bodies))
        by_value = found(run, topic, "--registry", url)
        assert by_value["verdict"] == "undeclared"
        kinds = {
            item["path"]: (item["category"], (item["identifier"] or {}).get("kind"))
            for item in by_value["fields"]
        }
        assert kinds == {
            "customerNumber": ("C-01", "customer_number"),
            "email": ("C-01", "email"),
            "born": ("C-03", None),
        }


def test_a_topic_that_one_may_not_read_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kafka_bootstrap: str
) -> None:
    """The broker's refusal is told of, and those beside it are read."""
    plain = properties.server_properties
    rules = (
        "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n"
        "allow.everyone.if.no.acl.found=true\n"
    )
    monkeypatch.setattr(local, "server_properties", lambda *args: plain(*args) + rules)
    with LocalBroker(tmp_path / "broker") as broker:
        run = runner(monkeypatch, tmp_path, broker.bootstrap)
        secret, plain_topic = made(broker.bootstrap, "secret"), made(broker.bootstrap, "plain")
        for topic in (secret, plain_topic):
            send(broker.bootstrap, topic, [(None, b'{"epost": "a@example.no"}')] * 10)
        admin = AdminClient({"bootstrap.servers": broker.bootstrap})
        allowed = AclBinding(
            ResourceType.TOPIC, secret, ResourcePatternType.LITERAL, "User:ANONYMOUS", "*", AclOperation.DESCRIBE,
            AclPermissionType.ALLOW,
        )  # fmt: skip
        for future in admin.create_acls([allowed]).values():
            future.result(HANGING_SECONDS)
        status, out, err = run("discover", "--sample", "10", "--json")
        told = {item["topic"]: item for item in json.loads(out)["topics"]}
    assert (status, err) == (1, "")
    assert (told[secret]["verdict"], told[secret]["note"]) == ("not_read", "you may not read it")
    assert told[plain_topic]["verdict"] == "undeclared"


def test_drafts_are_written_over_nothing(run: Run, kafka_bootstrap: str, tmp_path: Path) -> None:
    """What a person has begun to decide stays; without a sample there is nothing to draft from."""
    topic = made(kafka_bootstrap, "again")
    send(kafka_bootstrap, topic, ((None, json.dumps(value).encode()) for value, _ in orders(20)))
    drafts = tmp_path / "drafts"
    assert run("discover", "--topic", topic, "--out", str(drafts))[0] == 2
    run("discover", "--topic", topic, "--sample", "20", "--out", str(drafts))
    (file,) = drafts.iterdir()
    file.write_text("mine", "utf-8")
    _, out, _ = run("discover", "--topic", topic, "--sample", "20", "--out", str(drafts))
    assert "is there already and stays as it is" in " ".join(out.split())
    assert file.read_text("utf-8") == "mine"

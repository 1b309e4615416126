"""The job for compacted topics on a real broker: tombstones and blanked values, once, and nobody else's are lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from innsyn_sdk.compacted import CompactedStore
from innsyn_sdk.compacted_log import Log
from innsyn_sdk.compacted_values import HEADER, Format, format_of
from innsyn_sdk.mapping import Column, JobFile, Keep, NotAJob, RecordMapping
from innsyn_sdk.outcome import StoreUnavailable
from innsyn_sdk.protocol import Identifier

from tests.sdk.mapped import TODAY, all_of, command_of
from tests.support.time_bounds import HANGING_SECONDS

pytestmark = pytest.mark.kafka

KARI, OLA = "700101", "700102"
PROFILE = RecordMapping(
    "Profile",
    "",
    (
        Column("customer", "customer_number", "customer_number", person=True, customer=True),
        Column("phone", "phone", "phone", "digits", person=True, country="47"),
        Column("interests", "interests"),
    ),
    other=frozenset({"n", "_key"}),
)
BY_PHONE = command_of(
    [Identifier("customer_number", KARI), Identifier("phone", "+4740000909")], all_of(PROFILE)
)


class Topic:
    """A topic of a test's own."""

    def __init__(self, bootstrap: str, name: str, policy: str = "compact") -> None:
        self.kafka: dict[str, Any] = {"bootstrap.servers": bootstrap}
        self.name = name
        topic = NewTopic(name, num_partitions=2, replication_factor=1, config={"cleanup.policy": policy})
        admin = AdminClient(self.kafka)
        admin.create_topics([topic])[name].result(HANGING_SECONDS)

    def put(self, key: str, value: dict[str, Any] | None, headers: Any = None, partition: int = -1) -> None:
        """`partition`: -1 for that which the key leads to."""
        producer = Producer(self.kafka)
        body = None if value is None else json.dumps(value).encode()
        producer.produce(self.name, body, key.encode(), partition, headers=headers)
        assert producer.flush(HANGING_SECONDS) == 0

    def store(self, folder: Path, mapping: RecordMapping = PROFILE) -> CompactedStore:
        mapped = replace(mapping, at=self.name)
        return CompactedStore(self.kafka, [mapped], folder / "state.sqlite", Format(), today=lambda: TODAY)

    def newest(self) -> dict[str, Any]:
        """Values by key; None for a tombstone."""
        return {key: value for (_, key), value in self.newest_of_each().items()}

    def newest_of_each(self) -> dict[tuple[int, str], Any]:
        """The same by partition and key."""
        found: dict[tuple[int, str], Any] = {}
        consumer = Consumer({**self.kafka, "group.id": "test", "enable.partition.eof": True})
        try:
            begin = {0: OFFSET_BEGINNING, 1: OFFSET_BEGINNING}
            for (partition, key), message in Log.messages(consumer, self.name, begin, {}):
                found[partition, key.decode()] = None if message.value is None else json.loads(message.value)
        finally:
            consumer.close()
        return found


def profile(
    customer: str | None, phone: str | None = None, interests: str | None = "chess"
) -> dict[str, Any]:
    return {"customer": customer, "phone": phone, "interests": interests, "n": 1}


@pytest.fixture
def topic(kafka_bootstrap: str, request: pytest.FixtureRequest) -> Topic:
    return Topic(kafka_bootstrap, f"profiles-{abs(hash(request.node.name))}")


def test_the_newest_of_each_key_counts(topic: Topic, tmp_path: Path) -> None:
    """One by number, one by phone alone; not one that is somebody else's by now, nor one that is gone."""
    put: dict[str, list[dict[str, Any] | None]] = {
        "a": [profile(KARI)],
        "b": [profile(None, "400 00 909")],
        "c": [profile(KARI), profile(OLA)],
        "d": [profile(KARI), None],
        "e": [profile(OLA, "40000908")],
    }
    for key, values in put.items():
        for value in values:
            topic.put(key, value)
    store = topic.store(tmp_path)
    store.check()
    said = store.erase(BY_PHONE)
    assert (said.state, said.deleted) == ("done", (("Profile", 2),))
    left = {key: value for key, value in topic.newest().items() if value is not None}
    assert left == {"c": profile(OLA), "e": profile(OLA, "40000908")}
    assert store.erase(replace(BY_PHONE, attempt=2)).deleted == (("Profile", 2),)
    assert store.erase(replace(BY_PHONE, command_id="r-2/s")).state == "not_found"
    store.close()


def test_a_key_that_stands_in_several_partitions_goes_from_each(topic: Topic, tmp_path: Path) -> None:
    """As where the topic got more partitions, or another client chooses them otherwise: the older value stays there."""
    for partition in (0, 1):
        topic.put("a", profile(KARI, interests=f"chess {partition}"), partition=partition)
        topic.put("c", profile(OLA, "40000908"), partition=partition)
    topic.put("b", profile(KARI), partition=0)
    topic.put("b", profile(OLA), partition=1)
    store = topic.store(tmp_path)
    for attempt in (1, 2):
        assert store.erase(replace(BY_PHONE, attempt=attempt)).deleted == (("Profile", 3),)
    left = {place: value for place, value in topic.newest_of_each().items() if value is not None}
    assert left == {(1, "b"): profile(OLA)} | dict.fromkeys([(0, "c"), (1, "c")], profile(OLA, "40000908"))
    store.close()


def test_fields_are_blanked_and_held_ones_stay(topic: Topic, tmp_path: Path) -> None:
    topic.put("a", profile(KARI))
    topic.put("b", profile(KARI) | {"n": "2030-01-01"})
    kept = replace(PROFILE, other=frozenset({"_key"}), keep=(Keep("n", "T01", "bokføringsloven § 13"),))
    topic.put("a", profile(KARI) | {"n": None})
    store = topic.store(tmp_path, kept)
    some = command_of([Identifier("customer_number", KARI)], ["Profile.interests"])
    for attempt in (1, 2):
        said = store.erase(replace(some, attempt=attempt))
        assert (said.state, said.redacted, said.held) == ("partial", (("Profile", 1),), 1)
    assert topic.newest()["a"] == {"customer": KARI, "phone": None, "interests": None, "n": None}
    assert topic.newest()["b"]["interests"] == "chess"
    store.close()


@pytest.mark.parametrize("nth", range(4))
def test_a_kill_between_messages_ends_the_same(
    topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """Killed after so many of them were stored: the next one counts what is gone, and takes the rest."""
    for number in range(4):
        topic.put(f"k{number}", profile(KARI))
    topic.put("other", profile(OLA))
    original: Callable[..., Any] = Log.sent

    class Killed(BaseException):
        pass

    def killed(self: Log, name: str, messages: Any) -> Any:
        original(self, name, messages[:nth])
        raise Killed

    monkeypatch.setattr(Log, "sent", killed)
    first = topic.store(tmp_path)
    with pytest.raises(Killed):
        first.erase(BY_PHONE)
    first.close()
    monkeypatch.undo()
    store = topic.store(tmp_path)
    assert store.erase(BY_PHONE).deleted == (("Profile", 4),)
    assert {key for key, value in topic.newest().items() if value is not None} == {"other"}
    store.close()


def test_a_tombstone_that_fell_upon_a_newer_value_is_undone(
    topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another person got the key between reading and writing: their value is there again, with its headers."""
    topic.put("a", profile(KARI))
    topic.put("b", profile(KARI))
    original: Callable[..., Any] = CompactedStore._write

    def meanwhile(*arguments: Any) -> Any:
        topic.put("a", profile(OLA), [("source", b"crm")])
        topic.put("b", profile(KARI, interests="again"))
        return original(*arguments)

    monkeypatch.setattr(CompactedStore, "_write", meanwhile)
    store = topic.store(tmp_path)
    assert store.erase(BY_PHONE).deleted == (("Profile", 2),)
    assert topic.newest() == {"a": profile(OLA), "b": None}
    store.close()


class Killed(BaseException):
    """The job's process is gone."""


def interrupted(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, killed: bool, **meanwhile: dict[str, Any] | None
) -> None:
    """Others write these values between the job's look and its messages, after which the job may be killed."""
    original: Callable[..., Any] = CompactedStore._write

    def written(*arguments: Any) -> Any:
        monkeypatch.undo()
        for key, value in meanwhile.items():
            topic.put(key, value)
        stored = original(*arguments)
        if killed:
            raise Killed
        return stored

    monkeypatch.setattr(CompactedStore, "_write", written)


def test_what_a_killed_job_had_fallen_upon_is_judged_when_it_begins_again(
    topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another's value is there again, the person's own goes, and what came after the tombstone stays newer."""
    for key in ("a", "b", "c", "d"):
        topic.put(key, profile(KARI))
    interrupted(topic, monkeypatch, True, a=profile(OLA), b=profile(KARI, interests="again"), d=profile(OLA))
    store = topic.store(tmp_path)
    with pytest.raises(Killed):
        store.erase(BY_PHONE)
    topic.put("d", profile(OLA, interests="since"))
    for attempt in (1, 2):
        said = store.erase(replace(BY_PHONE, attempt=attempt))
        assert said.state == "done"
        left = {key: value for key, value in topic.newest().items() if value is not None}
        assert left == {"a": profile(OLA), "d": profile(OLA, interests="since")}
    store.close()


@pytest.mark.parametrize("killed", [False, True])
def test_a_newer_value_of_a_record_that_stays_is_kept_and_loses_what_is_to_go(
    topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """The producer wrote what it knows of the person by now; one that it deleted meanwhile stays deleted."""
    topic.put("a", profile(KARI))
    topic.put("b", profile(KARI))
    interrupted(topic, monkeypatch, killed, a=profile(KARI, interests="go") | {"n": 2}, b=None)
    store = topic.store(tmp_path)
    some = command_of([Identifier("customer_number", KARI)], ["Profile.interests"])
    if killed:
        with pytest.raises(Killed):
            store.erase(some)
    assert store.erase(some).state == "done"
    newest = topic.newest()
    assert newest["a"] == profile(KARI, interests=None) | {"n": 2}
    assert newest["b"] is None
    store.close()


def test_what_is_written_again_falls_upon_nothing_unseen_either(
    topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ola writes anew just as her earlier value is put back."""
    topic.put("a", profile(KARI))
    interrupted(topic, monkeypatch, True, a=profile(OLA))
    store = topic.store(tmp_path)
    with pytest.raises(Killed):
        store.erase(BY_PHONE)
    original: Callable[..., Any] = Log.sent
    came = [profile(OLA, interests="newer")]

    def sent(self: Log, name: str, messages: Any) -> Any:
        if messages and came:
            topic.put("a", came.pop())
        return original(self, name, messages)

    monkeypatch.setattr(Log, "sent", sent)
    assert store.erase(BY_PHONE).state == "done"
    assert topic.newest() == {"a": profile(OLA, interests="newer")}
    store.close()


def test_a_value_that_cannot_be_judged_is_for_a_person(
    topic: Topic, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is no JSON, a field nobody mapped, and a key that names somebody whose value stays."""
    topic.put("a", profile(KARI) | {"shoe_size": 44})
    store = topic.store(tmp_path)
    assert store.erase(BY_PHONE).reason == "unknown_field"
    topic.put("a", profile(KARI))
    keyed = replace(
        PROFILE,
        columns=(*PROFILE.columns, Column("_key", "key", "customer_number", person=True, customer=True)),
        other=frozenset({"n"}),
    )
    by_key = topic.store(tmp_path, keyed)
    topic.put(KARI, profile(None))
    command = command_of([Identifier("customer_number", KARI)], ["Profile.key", "Profile.interests"])
    assert by_key.erase(command).reason == "needs_person"
    assert topic.newest()[KARI] == profile(None)
    producer = Producer(topic.kafka)
    producer.produce(topic.name, b"no json", b"z")
    producer.flush(HANGING_SECONDS)
    assert store.erase(BY_PHONE).reason == "needs_person"
    assert KARI not in caplog.text
    for item in (store, by_key):
        item.close()


def test_a_topic_that_is_not_compacted_is_refused(kafka_bootstrap: str, tmp_path: Path) -> None:
    """And one that is not there, and a broker that is away."""
    plain = Topic(kafka_bootstrap, "profiles-plain", "delete").store(tmp_path)
    with pytest.raises(NotAJob, match="not compacted"):
        plain.check()
    lacking = CompactedStore(
        {"bootstrap.servers": kafka_bootstrap},
        [replace(PROFILE, at="profiles-nowhere")],
        ":memory:",
        Format(),
    )
    with pytest.raises(NotAJob, match="no topic profiles-nowhere"):
        lacking.check()
    for item in (plain, lacking):
        item.close()


def test_a_broker_that_is_away_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("innsyn_sdk.compacted_log.SECONDS", 1.0)
    away = CompactedStore({"bootstrap.servers": "127.0.0.1:1"}, [PROFILE], ":memory:", Format())
    with pytest.raises(StoreUnavailable):
        away.erase(BY_PHONE)
    away.close()


def test_avro_is_written_as_it_was_read(tmp_path: Path) -> None:
    """Under the same schema and with the same frame; what may not be null is for a person."""
    schema = {"type": "record", "name": "P", "fields": [{"name": "a", "type": ["null", "string"]}]}
    (tmp_path / "p.avsc").write_text(json.dumps(schema))
    own = {"compacted": {"format": "avro", "schemas": ["p.avsc"], "schema_ids": {"17": "p.avsc"}}}
    found = format_of(JobFile(tmp_path / "job.toml", (), {}, (), None, own))
    for prefix in found.schemas:
        value = found.write(prefix, {"a": "x"}, "here")
        assert value.startswith(prefix)
        assert found.read(value, "here") == (prefix, {"a": "x"})
        with pytest.raises(Exception, match="here may not be blanked so"):
            found.write(prefix, {"a": 1}, "here")
        with pytest.raises(Exception, match="here cannot be read"):
            found.read(value + b"x", "here")
    assert sorted(map(len, found.schemas)) == [5, 10]
    with pytest.raises(NotAJob, match="needs `schemas`"):
        format_of(JobFile(tmp_path / "job.toml", (), {}, (), None, {"compacted": {"format": "avro"}}))
    lacking = {"compacted": {"format": "avro", "schemas": ["nowhere.avsc"]}}
    with pytest.raises(NotAJob, match="cannot be read"):
        format_of(JobFile(tmp_path / "job.toml", (), {}, (), None, lacking))


def test_the_header_is_the_commands(topic: Topic, tmp_path: Path) -> None:
    """It names no person, and what another one wrote under it is not taken for this job's."""
    topic.put("a", profile(KARI), [(HEADER, b"r-9/s")])
    store = topic.store(tmp_path)
    assert store.erase(BY_PHONE).deleted == (("Profile", 1),)
    store.close()

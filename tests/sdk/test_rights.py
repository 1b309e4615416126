"""A job that copies, corrects and restricts: once for each attempt, whole, and for nobody but innsyn."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import given
from hypothesis import strategies as st
from innsyn_sdk.copies import MOST, TooLarge, chunks
from innsyn_sdk.job import RightsJob, _commit
from innsyn_sdk.outcome import Outcome, StoreUnavailable, changed, done, failed, not_found
from innsyn_sdk.protocol import Command
from innsyn_sdk.state import SqliteState
from innsyn_sdk.staying import Staying
from innsyn_sdk.testing import NOW, Kit
from innsyn_sdk.watch import Watch, prometheus
from prometheus_client import CollectorRegistry

from tests.support.time_bounds import HANGING_SECONDS

KARI = [("customer_number", "100042")]
INVOICES: list[tuple[str, dict[str, Any]]] = [
    ("Invoice", {"number": "F-1", "sent": date(2026, 3, 1), "sum": Decimal("1.10")}),
    ("Note", {"text": "«å»"}),
]
PLAIN = [("Invoice", {"number": "F-1", "sent": "2026-03-01", "sum": "1.10"}), ("Note", {"text": "«å»"})]


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path, "billing")


def export(command: Command) -> Iterator[tuple[str, dict[str, Any]]]:
    assert command.always("customer_number") == ["100042"]
    return iter(INVOICES)


def test_each_right_does_what_the_kit_plays(kit: Kit) -> None:
    """The same cases as of an erasure; and the end of a restriction."""
    seen: list[tuple[str, Any]] = []

    def noted(command: Command) -> Outcome:
        seen.append((command.kind, dict(command.content) or command.purposes))
        return changed({"Customer": 1})

    content = {"Customer.name": "Kari Ås"}
    assert kit.play_right("access", export, KARI) == []
    assert kit.play_right("rectification", noted, KARI, content=content) == []
    assert kit.play_right("restrict", noted, KARI, purposes=["P-MARKETING"]) == []
    assert {kind for kind, _ in seen} == {"rectification", "restrict", "lift"}
    assert next(said for kind, said in seen if kind == "rectification") == content
    assert next(said for kind, said in seen if kind == "lift") == ("P-MARKETING",)


def test_a_copy_is_whole_and_opens_with_the_persons_key(kit: Kit) -> None:
    """Its types are those that JSON has."""
    assert kit.copy(kit.job(export=export), kit.message(kit.value_of_right("access", KARI))) == PLAIN


def test_a_copy_is_made_once_for_an_attempt(kit: Kit) -> None:
    """It is in Kafka by then, and its receipt says so again."""
    calls: list[Command] = []

    def counted(command: Command) -> Any:
        calls.append(command)
        return export(command)

    job, message = kit.job(export=counted), kit.message(kit.value_of_right("access", KARI))
    assert (
        kit.answers(job, message) == kit.answers(job, message) == [("accepted", 0, None), ("done", 2, None)]
    )
    assert len(calls) == 1


def test_of_nobody_there_is_no_copy(kit: Kit) -> None:
    """And a handler may say why there is none."""
    message = kit.message(kit.value_of_right("access", KARI))
    assert kit.answers(kit.job(export=lambda _: []), message)[-1] == ("not_found", 0, None)
    said = failed("legal_hold")
    assert kit.answers(kit.job(export=lambda _: said), message)[-1] == ("failed", 0, "legal_hold")


def test_a_copy_that_was_cut_off_is_made_again(kit: Kit) -> None:
    """Killed between two parts: the receipt that comes at last is of the parts of the second time."""
    large = [("Note", {"text": "x" * 500_000}), ("Note", {"text": "y" * 500_000})]
    job, message = kit.job(export=lambda _: large), kit.message(kit.value_of_right("access", KARI))
    sent: list[bytes] = []

    def broken(body: bytes, _: bytes) -> None:
        if sent:
            raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))
        sent.append(body)

    with pytest.raises(KafkaException):
        job.handle(message, lambda *_: None, broken)
    assert len(sent) == 1
    assert kit.copy(job, message) == large


@pytest.mark.parametrize(
    "records", [[("Note", {"text": "x" * 900_000})], [("Note", {"text": "x" * 899_000})] * (MOST + 2)]
)
def test_what_is_too_large_is_for_a_person(kit: Kit, records: list[Any]) -> None:
    message = kit.message(kit.value_of_right("access", KARI))
    assert kit.answers(kit.job(export=lambda _: records), message)[-1] == ("failed", 0, "needs_person")


@pytest.mark.parametrize("values", [{"at": object()}, {"at": float("nan")}])
def test_what_json_has_not_is_said_to_have_failed(kit: Kit, values: dict[str, Any]) -> None:
    """Never a copy that lacks something."""
    message = kit.message(kit.value_of_right("access", KARI))
    answers = kit.answers(kit.job(export=lambda _: [("Note", values)]), message)
    assert answers[-1] == ("failed", 0, "internal_error")


@given(
    st.lists(
        st.tuples(
            st.sampled_from("AB"), st.dictionaries(st.text(max_size=5), st.text(max_size=80), max_size=3)
        )
    )
)
def test_parts_are_as_large_as_they_may_be_and_lose_nothing(
    records: list[tuple[str, dict[str, str]]],
) -> None:
    """Each record whole, in its order."""
    try:
        parts, counts = chunks(records, 600)
    except TooLarge:
        assert any(len(json.dumps(values, ensure_ascii=False).encode()) > 500 for _, values in records)
        return
    assert all(len(part) <= 600 - 48 for part in parts)
    assert [(item["record"], item["values"]) for part in parts for item in json.loads(part)] == records
    assert sum(counts.values()) == len(records)


@pytest.mark.parametrize(
    ("kind", "other", "reason"),
    [
        ("rectification", {}, "command_not_understood"),
        ("rectification", {"content": {}}, "command_not_understood"),
        ("rectification", {"content": ["x"]}, "command_not_understood"),
        ("restrict", {"content": {"Customer.name": "x"}}, "command_not_understood"),
        ("access", {"copy_key": None}, "command_not_understood"),
        ("access", {"copy_key": b"short"}, "command_not_understood"),
        ("restrict", {"copy_key": bytes(32)}, "command_not_understood"),
    ],
)
def test_a_command_that_says_too_little_or_too_much_is_refused(
    kit: Kit, kind: str, other: dict[str, Any], reason: str
) -> None:
    def never(_: Command) -> Outcome:
        raise AssertionError

    job = kit.job(export=never, rectify=never, restrict=never)
    message = kit.message(kit.value_of_right(kind, KARI, **other))
    assert kit.answers(job, message) == [("failed", 0, reason)]


def test_what_a_job_has_no_handler_for_is_for_a_person(kit: Kit) -> None:
    """It is not taken for another right."""
    message = kit.message(kit.value_of_right("access", KARI))
    assert kit.answers(kit.job(lambda _: done()), message) == [("failed", 0, "needs_person")]
    job = kit.job(restrict=lambda _: not_found())
    assert job.topics == ["restriction.billing"]
    assert kit.answers(job, kit.message(kit.value(KARI, ["Invoice.name"]))) == [("failed", 0, "needs_person")]


def test_a_job_that_could_do_nothing_or_would_forget_does_not_start(kit: Kit) -> None:
    with pytest.raises(ValueError, match="that it can do"):
        RightsJob([kit.key_file], None, ":memory:")
    with pytest.raises(ValueError, match="`state`"):
        RightsJob([kit.key_file], lambda _: done())


def test_prometheus_counts_what_happens(kit: Kit) -> None:
    registry = CollectorRegistry()
    state, message = SqliteState(":memory:"), kit.message(kit.value(KARI, ["Invoice.name"]))
    watch = prometheus("billing", registry)
    job = RightsJob([kit.key_file], lambda _: done({"Invoice": 1}), state, watch=watch, clock=lambda: NOW)
    job.handle(message, lambda *_: None)
    job.handle(message[:-1] + b"\0", lambda *_: None)
    job.handle(b"nonsense", lambda *_: None)
    watch.partitions(3)
    of = {"system": "billing"}
    assert (
        registry.get_sample_value("innsyn_job_commands_total", {**of, "kind": "erasure", "state": "done"})
        == 1
    )
    assert registry.get_sample_value("innsyn_job_left_alone_total", of) == 1
    assert registry.get_sample_value("innsyn_job_partitions", of) == 3
    assert registry.get_sample_value("innsyn_job_seconds_count", {**of, "kind": "erasure"}) == 1
    refused = [
        item.value
        for metric in registry.collect()
        for item in metric.samples
        if item.name == "innsyn_job_refused_total"
    ]
    assert sum(refused) == 1


def test_a_retry_is_told(kit: Kit) -> None:
    class Counted(Watch):
        retries = 0

        def retried(self) -> None:
            self.retries += 1

    def away(_: Command) -> Outcome:
        raise StoreUnavailable

    watch = Counted()
    job = RightsJob([kit.key_file], away, ":memory:", watch=watch, clock=lambda: NOW, pauses=(0.0, 0.0))
    job.handle(kit.message(kit.value(KARI, ["Invoice.name"])), lambda *_: None)
    assert watch.retries == 2


class Group:
    """A consumer of whose group the test says what happens. `given`: what the next polls give."""

    def __init__(self, *given: Any) -> None:
        self.given, self.said = list(given), list[str]()
        self.polled = threading.Event()

    def assignment(self) -> list[Any]:
        return []

    def pause(self, _: list[Any]) -> None:
        self.said.append("pause")

    def resume(self, _: list[Any]) -> None:
        self.said.append("resume")

    def poll(self, _: float) -> Any:
        self.said.append("poll")
        if self.given:
            return self.given.pop(0)
        self.polled.set()
        return None


class Came:
    """A message that came between a change of partitions and their pause."""

    def error(self) -> None:
        return None


def test_a_long_command_keeps_its_place_in_the_group() -> None:
    """Somebody polls, nothing is lost that comes meanwhile, and at its end partitions go on."""
    came, waiting = Came(), deque[Any]()
    group: Any = Group(came)
    with Staying(group, waiting, {"max.poll.interval.ms": 30}):
        assert group.polled.wait(HANGING_SECONDS)
    assert list(waiting) == [came]
    assert group.said[:2] == ["pause", "poll"]
    assert group.said[-1] == "resume"


def test_a_short_one_does_not_pause() -> None:
    group: Any = Group()
    with Staying(group, deque(), {}):
        pass
    assert group.said == []


@pytest.mark.parametrize(
    ("code", "passes"),
    [(KafkaError.ILLEGAL_GENERATION, True), (KafkaError.TOPIC_AUTHORIZATION_FAILED, False)],
)
def test_a_commit_after_the_partition_went_is_no_failure(code: int, passes: bool) -> None:
    """The command comes again, to whom it went."""

    class Refusing:
        def commit(self, **_: Any) -> None:
            raise KafkaException(KafkaError(code))

    consumer: Any = Refusing()
    message: Any = None
    if passes:
        _commit(consumer, message)
    else:
        with pytest.raises(KafkaException):
            _commit(consumer, message)

"""Plays the cases of `innsyn_sdk.cases` over Kafka at a job in any language, and says of each whether it held.

The job runs on a broker for tests with the key file of `issuing.own_pair`, and on a store that has somebody to erase.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from innsyn_sdk.cases import Case, bad, good, run_out, wrong
from innsyn_sdk.issuing import Answer, Issuer, NotAnAnswer, read_receipt
from innsyn_sdk.protocol import COPIES, RECEIPTS, TOPICS

_APART = timedelta(hours=1)
"""Beyond the limits of time: a run takes a while, and the clock of the job may be another."""
_FIRST_SECONDS, _KAFKA_SECONDS = 5.0, 15.0
_PASSING = (
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
)


class JobSilent(Exception):
    """The job answers nothing, or lacks the key of the test; `str` says what to do."""


class Unanswered(Exception):
    """Kafka does not do what was asked; `str` goes on "Kafka"."""


@dataclass(frozen=True)
class Result:
    """Of one case: what it is, and what is wrong; None: it held. `answered`: the states that came."""

    case: str
    wrong: str | None
    answered: tuple[str, ...]
    seconds: float


@dataclass
class _Receipts:
    """What is written on the topic of receipts from now on about one request, by the command it names."""

    consumer: Consumer
    issuer: Issuer
    request_id: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    parts: dict[str, list[bytes]] = field(default_factory=dict)
    other_keys: bool = False
    """Whether the job said that it lacks the key, under one of its own."""

    def begin(self) -> None:
        places = [
            TopicPartition(topic, number)
            for topic in (RECEIPTS, COPIES)
            for number in self.consumer.list_topics(topic, _KAFKA_SECONDS).topics[topic].partitions
        ]
        for place in places:
            place.offset = self._end(place)
        self.consumer.assign(places)

    def _end(self, place: TopicPartition) -> int:
        """A topic that was just made has no leader yet."""
        until = time.monotonic() + _KAFKA_SECONDS
        while True:
            try:
                return int(self.consumer.get_watermark_offsets(place, _KAFKA_SECONDS)[1])
            except KafkaException as error:
                if error.args[0].code() not in _PASSING or time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def wait(self, command_id: str, count: int, seconds: float) -> list[Answer]:
        """The answers to a command from now on: as soon as there are so many, or what came in so many seconds."""
        self.answers = {}
        self._until(lambda: len(self.answers.get(command_id, ())) + len(self.faults) >= count, seconds)
        return self.answers.get(command_id, [])

    def copy(self, answer: Answer, seconds: float) -> str | None:
        """What is wrong with the copy that a receipt tells of, None if nothing is. Its parts may be read after it."""
        of, wanted = f"{answer.said['command_id']}#{answer.said['attempt']}", answer.said["parts"]
        self._until(lambda: len(self.parts.get(of, ())) >= wanted, seconds)
        try:
            self.issuer.copy(self.parts.get(of, []), answer)
        except NotAnAnswer as error:
            return f"a copy counts for nothing: {error}"
        return None

    def _until(self, met: Callable[[], bool], seconds: float) -> None:
        until = time.monotonic() + seconds
        while not met() and (left := until - time.monotonic()) > 0:
            message = self.consumer.poll(min(0.5, left))
            if message is None:
                continue
            if (error := message.error()) is not None:
                if error.fatal():
                    raise KafkaException(error)
                continue
            if message.topic() == COPIES:
                self._part(message.value() or b"")
            else:
                self._take(message.value() or b"", message.key())

    def _part(self, body: bytes) -> None:
        try:
            part = self.issuer.part(body)
        except NotAnAnswer as error:
            self.faults.append(f"a message on {COPIES} counts for nothing: {error}")
            return
        if part["request_id"] == self.request_id:
            self.parts.setdefault(f"{part['command_id']}#{part['attempt']}", []).append(body)

    def _take(self, body: bytes, key: Any) -> None:
        try:
            value = read_receipt(body)
        except NotAnAnswer as error:
            self.faults.append(f"a message on {RECEIPTS} counts for nothing: {error}")
            return
        if value["request_id"] != self.request_id:
            return
        if key not in (self.request_id, self.request_id.encode()):
            self.faults.append("the key of a receipt in Kafka is not its request_id")
        self.other_keys |= value["reason"] == "key_unknown" and value["key_id"] != self.issuer.pair.id
        try:
            self.answers.setdefault(value["command_id"], []).append(self.issuer.answer(body))
        except NotAnAnswer as error:
            self.faults.append(f"a receipt counts for nothing: {error}")


def played(
    kafka: Mapping[str, Any],
    issuer: Issuer,
    identifiers: Sequence[Any],
    fields: Sequence[str],
    *,
    right: str = "erasure",
    content: Mapping[str, Any] | None = None,
    undated: bool = False,
    seconds: float = 30.0,
    key_file: str = "its key file",
) -> Iterator[Result]:
    """Play each case in turn and give what came of it.

    `kafka`: options of librdkafka. `identifiers`: of somebody of whom the store has something, which is erased by this.
    `right`: a key of `TOPICS`; `content`: what fields shall say by a rectification. Of `retention` all records that are
    older than the test have run out, but at first for those of `identifiers`; `undated`: the store has one without a
    time, which is to be told and to stay; of an erasure, what it has of the person has none. `seconds`: how long an
    answer is waited for. Raises JobSilent, Unanswered; a job that answers nothing to the first command is waited for no
    longer.
    """
    try:
        request_id = f"t-{os.urandom(8).hex()}"
        if right == "erasure":
            value = issuer.value(identifiers, fields, request_id)
        elif right == "retention":
            value = issuer.value_of_retention(run_out(fields, issuer.now), identifiers, request_id)
        else:
            value = issuer.value_of_right(
                right, identifiers, request_id, fields=list(fields), content=content
            )
        cases = (*bad(issuer, value, _APART), *good(issuer, value, undated=undated))
        topic = f"{TOPICS[right]}{issuer.system}"
        yield from _played(kafka, issuer, request_id, cases, topic, seconds, key_file)
    except KafkaException as error:
        raise Unanswered(f"does not do its part ({error.args[0].name()})") from None


def _played(
    kafka: Mapping[str, Any],
    issuer: Issuer,
    request_id: str,
    cases: Sequence[Case],
    topic: str,
    seconds: float,
    key_file: str,
) -> Iterator[Result]:
    # Of all rights at once: a job that follows several finds them together.
    _made(kafka, *(f"{prefix}{issuer.system}" for prefix in dict.fromkeys(TOPICS.values())), RECEIPTS, COPIES)
    silent = {"log_level": 2}
    options = {**silent, "isolation.level": "read_committed", **kafka}
    consumer = Consumer({**options, "group.id": request_id, "enable.auto.commit": False})
    try:
        receipts = _Receipts(consumer, issuer, request_id)
        receipts.begin()
        unanswered: list[Case] = []
        before: list[Answer] = []
        for number, case in enumerate(cases):
            begun = time.monotonic()
            _sent({**silent, **kafka}, topic, case, request_id)
            if case.expected == "silence":
                # Whether it is answered shows by the time the next one is.
                unanswered.append(case)
                continue
            wanted = 1 if case.expected in ("refusal", "superseded") else 2
            answers = receipts.wait(case.command_id, wanted, seconds)
            if number == 0:
                _there(receipts, answers, topic, key_file, seconds)
            for earlier in unanswered:
                yield _judged(earlier, receipts.answers.get(earlier.command_id, []), (), 0.0, [])
            if answers and answers[-1].said.get("parts"):
                receipts.faults += filter(None, [receipts.copy(answers[-1], seconds)])
            yield _judged(case, answers, before, time.monotonic() - begun, receipts.faults)
            unanswered, before, receipts.faults = [], answers, []
    finally:
        consumer.close()


def _judged(
    case: Case, answers: Sequence[Answer], before: Sequence[Answer], seconds: float, faults: Sequence[str]
) -> Result:
    found = faults[0] if faults else wrong(case, answers, before)
    return Result(case.said, found, tuple(answer.state for answer in answers), seconds)


def _there(receipts: _Receipts, answers: Sequence[Answer], topic: str, key_file: str, seconds: float) -> None:
    """Raises JobSilent where it is no use to go on."""
    system = receipts.issuer.system
    if receipts.other_keys:
        raise JobSilent(f"the job of {system} lacks the key of the test; start it with {key_file}")
    if not answers and not receipts.faults:
        raise JobSilent(
            f"nothing answered on {topic} within {seconds:g} seconds; start the job of {system} on this broker with"
            f" {key_file}, or give it more time"
        )


def _made(kafka: Mapping[str, Any], *topics: str) -> None:
    """Those that are not there."""
    admin = AdminClient({"log_level": 2, **kafka})
    wanted = [
        NewTopic(name, 1, 1)
        for name in topics
        if name not in admin.list_topics(timeout=_FIRST_SECONDS).topics
    ]
    for future in admin.create_topics(wanted).values() if wanted else ():
        try:
            future.result(_KAFKA_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _sent(kafka: Mapping[str, Any], topic: str, case: Case, key: str) -> None:
    """Stored when it returns. Always the same partition: what comes after is read after."""
    errors: list[KafkaError | None] = []
    transaction = {"transactional.id": f"{key}-aborted"} if case.aborted else {}
    producer = Producer({**kafka, **transaction, "acks": "all", "linger.ms": 0})
    if case.aborted:
        producer.init_transactions(_KAFKA_SECONDS)
        producer.begin_transaction()
    producer.produce(topic, case.message, key, partition=0, on_delivery=lambda error, _: errors.append(error))
    producer.flush(_KAFKA_SECONDS)
    if errors != [None]:
        raise KafkaException(errors[0] if errors else KafkaError(KafkaError._MSG_TIMED_OUT))
    if case.aborted:
        producer.abort_transaction(_KAFKA_SECONDS)

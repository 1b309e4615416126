"""A job of a system: a team writes what erases, copies, corrects or restricts, `RightsJob` does the rest.

    from innsyn_sdk.job import RightsJob
    from innsyn_sdk.outcome import done, not_found

    def erase(command):
        numbers = command.always("customer_number")
        with database() as connection:
            gone = connection.execute("DELETE FROM invoice WHERE customer_number = ANY(%s)", (numbers,)).rowcount
        return done({"Invoice": gone}) if gone else not_found()

    RightsJob(["billing.json"], erase, "billing-job.sqlite").run({"bootstrap.servers": "kafka:9092"})

A command is opened and checked, carried out once for each attempt, and answered with signed receipts; its offset is
committed when the receipt is stored. A job that dies in between calls `erase` again for the same attempt: what is gone
already has to be counted as gone by then, or the counts kept in the transaction that erased (`innsyn_sdk.state.State`).

`export`, `rectify` and `restrict` are the handlers of other rights, `expire` that of what has run out by its retention
rule; each that is given has its topic followed.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from innsyn_sdk.copies import Copied, TooLarge, chunks, copied, sealed_parts
from innsyn_sdk.expiry import Expiry, received
from innsyn_sdk.keys import Key, read_keys
from innsyn_sdk.outcome import Outcome, StoreUnavailable, failed, not_found
from innsyn_sdk.placed import placed
from innsyn_sdk.protocol import (
    COPIES,
    RECEIPTS,
    TOPICS,
    Command,
    NotReadable,
    Refused,
    receipt,
)
from innsyn_sdk.state import SqliteState, State
from innsyn_sdk.staying import Staying
from innsyn_sdk.watch import Watch, nothing

Erase = Callable[[Command], Outcome]
Expire = Callable[[Expiry], Outcome]
Export = Callable[[Command], Iterable[Copied] | Outcome]
"""The person's records, each as its name and its fields; or why there are none to give."""
Send = Callable[[bytes, bytes], None]
"""A message and its key; returns when it is stored."""
PAUSES = (1.0, 5.0, 25.0)
"""Seconds between tries while the store is away."""
_DELIVERY_SECONDS = 60.0
# The partition went to another member: it gets the command again, and answers as before.
_MOVED = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError._STATE,
        KafkaError._NO_OFFSET,
    }
)
_log = logging.getLogger(__name__)


class RightsJob:
    """Does in one system what it is told to, and says what it did. `run` blocks until `stop`, SIGINT or SIGTERM."""

    def __init__(
        self,
        key_files: Sequence[Path | str],
        erase: Erase | None = None,
        state: State | Path | str | None = None,
        *,
        export: Export | None = None,
        rectify: Erase | None = None,
        restrict: Erase | None = None,
        expire: Expire | None = None,
        meanwhile: Callable[[], object] | None = None,
        every_seconds: float = 300.0,
        watch: Watch = nothing,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """`key_files`: read anew for each command, so that they may be exchanged while the job runs. `state`: the file
        in which it remembers what it did. `restrict` is also called for the end of a restriction: `command.kind` is
        `lift` then. `expire` deletes what has run out, but for what names one of `expiry.kept`. `meanwhile` is called
        between commands, so often; it may raise StoreUnavailable. `watch` is told what happens: `innsyn_sdk.watch`.
        Raises KeysUnreadable, ValueError."""
        if state is None:
            raise ValueError("a job needs `state`: the file in which it remembers what it did")
        handlers: dict[str, Callable[[Any], Any] | None] = {
            "erasure": erase,
            "retention": expire,
            "access": export,
            "rectification": rectify,
            "restrict": restrict,
            "lift": restrict,
        }
        self._handlers = {kind: handler for kind, handler in handlers.items() if handler is not None}
        if not self._handlers:
            raise ValueError(
                "a job needs something that it can do: `erase`, `expire`, `export`, `rectify` or `restrict`"
            )
        self._key_files = tuple(key_files)
        self.system = read_keys(self._key_files).system
        self._state: State = SqliteState(state) if isinstance(state, str | Path) else state
        self._meanwhile, self._every, self._next = meanwhile, every_seconds, time.monotonic() + every_seconds
        self._watch = watch
        self._clock = clock
        self._pauses = tuple(pauses)
        self._stop = threading.Event()

    @property
    def topics(self) -> list[str]:
        """What it follows."""
        followed = (prefix for kind, prefix in TOPICS.items() if kind in self._handlers)
        return [f"{prefix}{self.system}" for prefix in dict.fromkeys(followed)]

    def stop(self) -> None:
        """End after the command in hand. Safe to repeat, and from another thread."""
        self._stop.set()

    def run(self, kafka: Mapping[str, Any], *, dry_run: bool = False) -> None:
        """Serve commands. `kafka`: options of librdkafka, `bootstrap.servers` at least.

        `dry_run`: every command there is is opened, checked and logged; nothing is erased, answered or committed.
        Several may run with the same keys, where they share one `state`: partitions are divided among them.
        Raises KafkaException where a receipt cannot be stored: started again, the job goes on with that command.
        """
        group = f"innsyn-erasure-{self.system}" + ("-dry-run" if dry_run else "")
        options = {"auto.offset.reset": "earliest", "isolation.level": "read_committed", **kafka}
        consumer = Consumer({**options, "group.id": group, "enable.auto.commit": False})
        producer = Producer({**kafka, "acks": "all", "enable.idempotence": True})
        waiting: deque[Message] = deque()
        self._say_what_it_follows(kafka)
        try:
            consumer.subscribe(self.topics, on_assign=self._got, on_revoke=self._gave, on_lost=self._gave)
            with self._stopped_by_signals():
                while not self._stop.is_set():
                    if not dry_run:
                        with Staying(consumer, waiting, options):
                            self.between()
                    message = waiting.popleft() if waiting else consumer.poll(0.2)
                    if message is None:
                        continue
                    if (error := message.error()) is not None:
                        if error.fatal() or error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                            raise KafkaException(error)
                        _log.warning("commands of %s wait: %s", self.system, error.name())
                        continue
                    content = message.value() or b""
                    if dry_run:
                        self.look(content)
                        continue
                    with Staying(consumer, waiting, options):
                        settled = self.handle(content, _to(producer, RECEIPTS), _to(producer, COPIES))
                    if settled:
                        _commit(consumer, message)
        finally:
            consumer.close()

    def _say_what_it_follows(self, kafka: Mapping[str, Any]) -> None:
        """So that a wrong key file or broker is seen."""
        broker = kafka.get("bootstrap.servers", "no bootstrap.servers")
        _log.info("the job of %s follows %s at %s", self.system, ", ".join(self.topics), broker)

    def between(self) -> None:
        """Do what is to be done from time to time, if its time has come."""
        if self._meanwhile is None or time.monotonic() < self._next:
            return
        try:
            self._meanwhile()
        except StoreUnavailable as error:
            _log.warning("%s; it is tried again in %.0f s", error, self._every)
        self._next = time.monotonic() + self._every

    def look(self, message: bytes) -> Command | Expiry | None:
        """Open and check a command and say what it is; None for one that would not be carried out."""
        try:
            command = received(message, read_keys(self._key_files), self._clock())
        except (NotReadable, Refused) as error:
            _log.info("would not be carried out: %s", error)
            return None
        if isinstance(command, Expiry):
            _log.info(
                "%s attempt %d: what has run out of %s, but for %d identifiers",
                *(command.command_id, command.attempt),
                *(", ".join(item.record for item in command.records), len(command.kept)),
            )
            return command
        _log.info(
            "%s attempt %d: %s, %d identifiers, fields %s, %d orders",
            *(command.command_id, command.attempt, command.kind, len(command.identifiers)),
            *(", ".join(command.fields) or "none", len(command.orders)),
        )
        return command

    def handle(self, message: bytes, send: Send, send_part: Send | None = None) -> bool:
        """Carry out one message: receipts `accepted`, then what it came to. False where `stop` came before its end: it
        has to come again. `send_part`: takes the parts of copies, before the receipt that tells of them."""
        keys = read_keys(self._key_files)
        try:
            command = received(message, keys, self._clock())
        except NotReadable as error:
            _log.warning("a message to %s is left alone: %s", self.system, error)
            self._watch.left_alone()
            return True
        except Refused as refusal:
            _log.warning("a command is not carried out: %s", refusal.reason)
            key = keys.find(refusal.value["key_id"]) or keys.current
            self._answer(send, refusal.value, failed(refusal.reason), key)
            self._watch.refused(refusal.reason)
            return True
        begun = time.monotonic()
        key = keys.find(command.value["key_id"]) or keys.current
        outcome = self._outcome(
            command,
            lambda said: self._answer(send, command.value, said, key),
            lambda records: self._copied(command, records, key, send_part),
        )
        if outcome is None:
            return False
        self._answer(send, command.value, outcome, key)
        self._watch.handled(command.kind, outcome.state, time.monotonic() - begun)
        return True

    def _outcome(
        self,
        command: Command | Expiry,
        accept: Callable[[Outcome], None],
        copy: Callable[[Iterable[Copied]], Outcome],
    ) -> Outcome | None:
        if self._state.come(command.command_id, command.attempt) > command.attempt:
            return failed("superseded")
        if command.kind not in self._handlers:
            # What has run out may come to any job that erases.
            return (
                failed("no_handler", retryable=False)
                if isinstance(command, Expiry)
                else failed("needs_person")
            )
        accept(Outcome("accepted"))
        known = self._state.outcome(command.command_id, command.attempt)
        if known is not None:
            return Outcome.read(known)
        outcome = self._tried(command, copy)
        if outcome is not None and outcome.state != "failed":
            self._state.ended(command.command_id, command.attempt, outcome.text())
        return outcome

    def _tried(
        self, command: Command | Expiry, copy: Callable[[Iterable[Copied]], Outcome]
    ) -> Outcome | None:
        handler = self._handlers[command.kind]
        for pause in (*self._pauses, None):
            try:
                found = handler(command)
                outcome = found if isinstance(found, Outcome) or command.kind != "access" else copy(found)
                return _checked(outcome, command.kind)
            except StoreUnavailable:
                if pause is None:
                    break
                self._watch.retried()
                if self._stop.wait(pause):
                    return None
            except KafkaException:
                # Parts of a copy were not stored: the command comes again.
                raise
            except TooLarge:
                _log.error("a copy is too large to be sent")
                return failed("needs_person")
            except Exception as error:  # noqa: BLE001 - one command fails, not the job; its text may name somebody
                _log.error("carrying out %s failed: %s", command.kind, placed(error))
                return failed("internal_error")
        return failed("store_unavailable", retryable=True)

    def _copied(
        self, command: Command | Expiry, records: Iterable[Copied], key: Key, send_part: Send | None
    ) -> Outcome:
        if send_part is None:
            raise TypeError("nothing takes the parts of copies")
        parts, counts = chunks(records)
        if not parts:
            return not_found()
        digested = list[bytes]()
        for message, sealed in sealed_parts(command.value, parts, key, self._clock()):
            send_part(message, command.request_id.encode())
            digested.append(sealed)
        return copied(counts, digested)

    def _answer(self, send: Send, command: Mapping[str, Any], outcome: Outcome, key: Key) -> None:
        said = outcome.said_of_right() if "kind" in command else outcome.said()
        send(receipt(command, said, key, self._clock()), str(command["request_id"]).encode())

    def _got(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # All that it has: whoever assigns takes everything away before (the protocol `classic`, eager).
        self._watch.partitions(len(partitions))

    def _gave(self, *_: object) -> None:
        self._watch.partitions(0)

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        names = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(name, lambda *_: self.stop()) for name in names]
        try:
            yield
        finally:
            for name, handler in zip(names, before, strict=True):
                signal.signal(name, handler)


def _checked(outcome: Any, kind: str) -> Outcome:
    """What a handler returned, if a receipt can say it."""
    if not isinstance(outcome, Outcome):
        _log.error(
            "carrying out %s failed: the handler returned %s, no Outcome", kind, type(outcome).__name__
        )
        return failed("internal_error")
    try:
        outcome.check()
    except ValueError:
        _log.error("carrying out %s failed: the handler returned counts that cannot be", kind)
        return failed("internal_error")
    return outcome


def _commit(consumer: Consumer, message: Message) -> None:
    try:
        consumer.commit(message=message, asynchronous=False)
    except KafkaException as error:
        if error.args[0].code() not in _MOVED:
            raise
        _log.warning("a command was answered that another job gets again: %s", error.args[0].name())


def _to(producer: Producer, topic: str) -> Send:
    """What stores a message on the topic. Raises KafkaException."""

    def send(body: bytes, key: bytes) -> None:
        errors: list[KafkaError | None] = []
        producer.produce(topic, body, key, on_delivery=lambda error, _: errors.append(error))
        producer.flush(_DELIVERY_SECONDS)
        if errors != [None]:
            raise KafkaException(errors[0] if errors else KafkaError(KafkaError._MSG_TIMED_OUT))

    return send

"""An erasure job: a team writes what erases, `RightsJob` does the rest.

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
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

from innsyn_sdk.keys import Key, read_keys
from innsyn_sdk.outcome import Outcome, StoreUnavailable, failed
from innsyn_sdk.protocol import COMMANDS, RECEIPTS, Command, NotReadable, Refused, opened, receipt
from innsyn_sdk.state import SqliteState, State

Erase = Callable[[Command], Outcome]
Send = Callable[[bytes, bytes], None]
"""A receipt and its key; returns when it is stored."""
PAUSES = (1.0, 5.0, 25.0)
"""Seconds between tries while the store is away."""
_DELIVERY_SECONDS = 60.0
_log = logging.getLogger(__name__)


class RightsJob:
    """Erases from one system what it is told to, and says what it did. `run` blocks until `stop`, SIGINT or SIGTERM."""

    def __init__(
        self,
        key_files: Sequence[Path | str],
        erase: Erase,
        state: State | Path | str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """`key_files`: read anew for each command, so that they may be exchanged while the job runs. `state`: the file
        in which it remembers what it did. Raises KeysUnreadable."""
        self._key_files = tuple(key_files)
        self.system = read_keys(self._key_files).system
        self._erase = erase
        self._state: State = SqliteState(state) if isinstance(state, str | Path) else state
        self._clock = clock
        self._pauses = tuple(pauses)
        self._stop = threading.Event()

    def stop(self) -> None:
        """End after the command in hand. Safe to repeat, and from another thread."""
        self._stop.set()

    def run(self, kafka: Mapping[str, Any], *, dry_run: bool = False) -> None:
        """Serve commands. `kafka`: options of librdkafka, `bootstrap.servers` at least.

        `dry_run`: every command there is is opened, checked and logged; nothing is erased, answered or committed.
        Raises KafkaException where a receipt cannot be stored: started again, the job goes on with that command.
        """
        group = f"innsyn-erasure-{self.system}" + ("-dry-run" if dry_run else "")
        options = {"auto.offset.reset": "earliest", "isolation.level": "read_committed", **kafka}
        consumer = Consumer({**options, "group.id": group, "enable.auto.commit": False})
        producer = Producer({**kafka, "acks": "all", "enable.idempotence": True})
        try:
            consumer.subscribe([f"{COMMANDS}{self.system}"])
            with self._stopped_by_signals():
                while not self._stop.is_set():
                    message = consumer.poll(0.2)
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
                    elif self.handle(content, lambda body, key: _send(producer, body, key)):
                        consumer.commit(message=message, asynchronous=False)
        finally:
            consumer.close()

    def look(self, message: bytes) -> Command | None:
        """Open and check a command and say what it is; None for one that would not be carried out."""
        try:
            command = opened(message, read_keys(self._key_files), self._clock())
        except (NotReadable, Refused) as error:
            _log.info("would not be carried out: %s", error)
            return None
        _log.info(
            "%s attempt %d: %d identifiers, fields %s, %d orders",
            *(command.command_id, command.attempt, len(command.identifiers)),
            *(", ".join(command.fields) or "none", len(command.orders)),
        )
        return command

    def handle(self, message: bytes, send: Send) -> bool:
        """Carry out one message: receipts `accepted`, then what it came to. False where `stop` came before its end: it
        has to come again."""
        keys = read_keys(self._key_files)
        try:
            command = opened(message, keys, self._clock())
        except NotReadable as error:
            _log.warning("a message on %s%s is left alone: %s", COMMANDS, self.system, error)
            return True
        except Refused as refusal:
            _log.warning("a command is not carried out: %s", refusal.reason)
            key = keys.find(refusal.value["key_id"]) or keys.current
            self._answer(send, refusal.value, failed(refusal.reason), key)
            return True
        key = keys.find(command.value["key_id"]) or keys.current
        outcome = self._outcome(command, lambda said: self._answer(send, command.value, said, key))
        if outcome is None:
            return False
        self._answer(send, command.value, outcome, key)
        return True

    def _outcome(self, command: Command, accept: Callable[[Outcome], None]) -> Outcome | None:
        if self._state.come(command.command_id, command.attempt) > command.attempt:
            return failed("superseded")
        accept(Outcome("accepted"))
        known = self._state.outcome(command.command_id, command.attempt)
        if known is not None:
            return Outcome.read(known)
        outcome = self._tried(command)
        if outcome is not None and outcome.state != "failed":
            self._state.ended(command.command_id, command.attempt, outcome.text())
        return outcome

    def _tried(self, command: Command) -> Outcome | None:
        for pause in (*self._pauses, None):
            try:
                outcome = self._erase(command)
                if isinstance(outcome, Outcome):
                    return outcome
                raise TypeError("a handler returns an Outcome")
            except StoreUnavailable:
                if pause is None:
                    break
                if self._stop.wait(pause):
                    return None
            except Exception as error:  # noqa: BLE001 - one command fails, not the job; its text may name somebody
                _log.error("erasing failed: %s", type(error).__name__)
                return failed("internal_error")
        return failed("store_unavailable", retryable=True)

    def _answer(self, send: Send, command: Mapping[str, Any], outcome: Outcome, key: Key) -> None:
        send(receipt(command, outcome.said(), key, self._clock()), str(command["request_id"]).encode())

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


def _send(producer: Producer, body: bytes, key: bytes) -> None:
    errors: list[KafkaError | None] = []
    producer.produce(RECEIPTS, body, key, on_delivery=lambda error, _: errors.append(error))
    producer.flush(_DELIVERY_SECONDS)
    if errors != [None]:
        raise KafkaException(errors[0] if errors else KafkaError(KafkaError._MSG_TIMED_OUT))

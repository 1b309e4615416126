"""The reference erasure job of one system of record: takes commands, erases, answers with receipts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import structlog

from schemas.codec import encode
from schemas.errors import DecodeError, InnsynError, InputError, KeyUnavailable, Unavailable
from schemas.jobkeys import JobKey, JobKeys, read_job_keys
from schemas.messages import ErasureCommand, ErasureReceipt, Order, message_of, value_of
from schemas.own import own_record
from schemas.vocabulary import ReceiptState
from streams.kafka.connection import Connection
from streams.kafka.follow import messages_of
from streams.kafka.sender import sender
from streams.rights.protocol.messages import (
    DELETION,
    RECEIPTS,
    Identifiers,
    Named,
    Send,
    decoded,
    opened,
    receipt_message,
)
from streams.rights.protocol.receipts import CLOCKS_APART
from streams.rights.reference_job.store import Erased, Superseded

OLDEST = timedelta(days=30)
"""Age of a command from which it is not carried out any more: as long as Kafka keeps one, and the law gives."""
_log = structlog.get_logger(__name__)


class Store(Protocol):
    """What a system of record offers the job; `streams.rights.reference_job.store.SqliteStore` is one."""

    def erase(
        self,
        identifiers: Identifiers,
        categories: Sequence[str],
        fields: Sequence[str],
        *,
        orders: Sequence[Order] = (),
        once: str | None = None,
        now: datetime | None = None,
    ) -> Erased: ...


class ErasureJob:
    """Erases from one system what it is told to, and says what it did. `run` blocks until `stop`.

    Repeatable: an attempt that comes twice gets the same answer and erases nothing more, because the store keeps the
    outcome in the transaction that erased. Its offset is committed after the receipt is stored.

    It carries out only what innsyn sealed for this system as it stands, not an attempt older than one that came, and
    nothing older than `oldest`; its receipts are signed with its key.
    """

    def __init__(
        self,
        key_file: Path,
        connection: Connection,
        store: Store,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        oldest: timedelta = OLDEST,
    ) -> None:
        """`key_file`: the system's own, all the keys that a job needs; read anew for each command, so that it may be
        exchanged while the job runs. Raises KeyUnavailable."""
        self.system = read_job_keys(key_file).system
        self._key_file = key_file
        self._connection = connection
        self._store = store
        self._clock = clock
        self._oldest = oldest
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: InnsynError | None = None

    def start(self) -> None:
        """Run in a thread. What ends it early is in `error`."""
        self._thread = threading.Thread(target=self._guarded, name=f"erasure-{self.system}")
        self._thread.start()

    def stop(self) -> None:
        """End after the command in hand. Safe to repeat."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def run(self) -> None:
        """Serve `deletion.<system>` until `stop`. Raises BrokerUnavailable, KeyUnavailable."""
        topic = f"{DELETION}{self.system}"
        commands = messages_of(self._connection, topic, f"innsyn-erasure-{self.system}", self._stop)
        with closing(commands), sender(self._connection) as send:
            for message, commit in commands:
                self.handle(message, send)
                commit()

    def handle(self, message: bytes, send: Send) -> None:
        """Carry out one command and send its receipts: accepted, then done, partial or failed.

        A message that is no command at all is left alone and said in the log, by reason alone; what is not to be
        carried out is answered `failed`, with why. Raises KeyUnavailable where the job has no key to answer under.
        """
        try:
            value = decoded(own_record("ErasureCommand"), message)
        except DecodeError as error:
            _log.warning("erasure command not readable", system=self.system, reason=error.reason)
            return
        command = message_of(ErasureCommand, value)
        keys = read_job_keys(self._key_file)
        key = keys.find(command.key_id) or keys.current
        try:
            identifiers = self._opened(command, value, keys)
        except (_Refused, ValueError, TypeError) as error:
            self._failed(send, command, key, error)
            return
        self._answer(send, command, key, ReceiptState.ACCEPTED, Erased())
        try:
            outcome = self._erase(command, identifiers)
        except Exception as error:  # noqa: BLE001 - one command fails, not the job
            self._failed(send, command, key, error)
            return
        state = ReceiptState.PARTIAL if outcome.held else ReceiptState.DONE
        self._answer(send, command, key, state, outcome)

    def _failed(self, send: Send, command: ErasureCommand, key: JobKey, error: Exception) -> None:
        reason = _reason(error)
        _log.warning("erasure command failed", system=self.system, reason=reason, error=_shown(error))
        self._answer(send, command, key, ReceiptState.FAILED, Erased(), reason)

    def _opened(self, command: ErasureCommand, value: Mapping[str, Any], keys: JobKeys) -> list[Named]:
        """Whom a command is about, if innsyn sent it as it is, here, and not too long ago. Raises _Refused."""
        if command.system != self.system:
            raise _Refused("other_system")
        if not command.key_id:
            raise _Refused("not_authentic")
        key = keys.find(command.key_id)
        if key is None:
            raise _Refused("key_unknown")
        try:
            identifiers = opened(value, key)
        except KeyUnavailable:
            raise _Refused("not_authentic") from None
        now = self._clock()
        if command.issued_at > now + CLOCKS_APART:
            raise _Refused("clock_off")
        if command.issued_at < now - self._oldest:
            raise _Refused("too_old")
        return identifiers

    def _erase(self, command: ErasureCommand, identifiers: Identifiers) -> Erased:
        return self._store.erase(
            identifiers,
            command.categories,
            command.fields,
            orders=command.orders,
            once=f"{command.command_id}#{command.attempt}",
            now=self._clock(),
        )

    def _answer(
        self,
        send: Send,
        command: ErasureCommand,
        key: JobKey,
        state: ReceiptState,
        outcome: Erased,
        reason: str | None = None,
    ) -> None:
        said = ErasureReceipt(
            command_id=command.command_id,
            request_id=command.request_id,
            system=self.system,
            state=state,
            erased=outcome.erased,
            held=outcome.held,
            outcomes=tuple(outcome.outcomes),
            ground=outcome.ground,
            review_date=outcome.review_date,
            reason=reason,
            attempt=command.attempt,
            reported_at=outcome.at or self._clock(),
        )
        message = encode(own_record("ErasureReceipt"), receipt_message(value_of(said), key))
        send(RECEIPTS, message, command.request_id.encode())

    def _guarded(self) -> None:
        try:
            self.run()
        except InnsynError as error:
            self.error = error
            _log.error("erasure job ended", system=self.system, error=type(error).__name__)


class _Refused(InnsynError):
    """A command that is not carried out. Its text is the reason, a word of `streams.rights.protocol.reasons`."""


def _reason(error: Exception) -> str:
    if isinstance(error, _Refused):
        return str(error)
    if isinstance(error, Superseded):
        return "superseded"
    if isinstance(error, InputError):
        return "unknown_field"
    if isinstance(error, Unavailable):
        return "store_unavailable"
    return "command_not_understood" if isinstance(error, ValueError) else "internal_error"


def _shown(error: Exception) -> str:
    # An error of ours never shows a personal value; another's might.
    return str(error) if isinstance(error, InnsynError) else type(error).__name__

"""The reference erasure job of one system of record: takes commands, erases, answers with receipts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from schemas.codec import encode
from schemas.errors import DecodeError
from schemas.jobkeys import JobKey, read_job_keys
from schemas.messages import ErasureCommand, ErasureReceipt, Order, message_of, value_of
from schemas.own import own_record
from schemas.vocabulary import ReceiptState
from streams.kafka.connection import Connection
from streams.rights.protocol.messages import (
    DELETION,
    RECEIPTS,
    Send,
    Told,
    decoded,
    opened,
    receipt_message,
)
from streams.rights.reference_job.serving import OLDEST, Declined, Job, reason_of, shown
from streams.rights.reference_job.store import Erased

_log = structlog.get_logger(__name__)


class Store(Protocol):
    """What a system of record offers the job; `streams.rights.reference_job.store.SqliteStore` is one."""

    def erase(
        self,
        identifiers: Told,
        categories: Sequence[str],
        fields: Sequence[str],
        *,
        orders: Sequence[Order] = (),
        once: str | None = None,
        now: datetime | None = None,
    ) -> Erased: ...


class ErasureJob(Job):
    """Erases from one system what it is told to, and says what it did.

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
        """`key_file`, errors: as `Job`."""
        super().__init__(key_file, connection, clock, oldest)
        self._store = store

    @property
    def topic(self) -> str:
        return f"{DELETION}{self.system}"

    @property
    def group(self) -> str:
        return f"innsyn-erasure-{self.system}"

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
            identifiers = self._checked(command, keys, lambda key: opened(value, key))
        except (Declined, ValueError, TypeError) as error:
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
        reason = reason_of(error)
        _log.warning("erasure command failed", system=self.system, reason=reason, error=shown(error))
        self._answer(send, command, key, ReceiptState.FAILED, Erased(), reason)

    def _erase(self, command: ErasureCommand, identifiers: Told) -> Erased:
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

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
from schemas.messages import (
    ErasureCommand,
    ErasureReceipt,
    Order,
    RetentionCommand,
    RunOut,
    message_of,
    value_of,
)
from schemas.own import own_record
from schemas.vocabulary import ReceiptState
from streams.kafka.connection import Connection
from streams.rights.protocol.authentic import KEPT
from streams.rights.protocol.messages import (
    DELETION,
    RECEIPTS,
    Identifiers,
    Named,
    Send,
    Told,
    decoded,
    kept_of,
    opened,
    receipt_message,
)
from streams.rights.reference_job.outcomes import Erased
from streams.rights.reference_job.serving import OLDEST, Declined, Job, reason_of, shown

AnyCommand = ErasureCommand | RetentionCommand
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
        cut_off: datetime | None = None,
        once: str | None = None,
        now: datetime | None = None,
    ) -> Erased: ...

    def expire(
        self,
        records: Sequence[RunOut],
        kept: Identifiers,
        *,
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
        command: AnyCommand = (
            message_of(RetentionCommand, value) if KEPT in value else message_of(ErasureCommand, value)
        )
        keys = read_job_keys(self._key_file)
        key = keys.find(command.key_id) or keys.current
        try:
            identifiers = self._checked(
                command, keys, lambda key: kept_of(value, key) if KEPT in value else opened(value, key)
            )
            if any(moment > command.issued_at for moment in _moments(command)):
                raise Declined("clock_off")
        except (Declined, ValueError, TypeError) as error:
            self._failed(send, command, key, error)
            return
        self._answer(send, command, key, ReceiptState.ACCEPTED, Erased())
        try:
            outcome = self._do(command, identifiers)
        except Exception as error:  # noqa: BLE001 - one command fails, not the job
            self._failed(send, command, key, error)
            return
        state = ReceiptState.PARTIAL if outcome.held or outcome.undated else ReceiptState.DONE
        self._answer(send, command, key, state, outcome, "undated" if outcome.undated else None)

    def _failed(self, send: Send, command: AnyCommand, key: JobKey, error: Exception) -> None:
        reason = reason_of(error)
        _log.warning("erasure command failed", system=self.system, reason=reason, error=shown(error))
        self._answer(send, command, key, ReceiptState.FAILED, Erased(), reason)

    def _do(self, command: AnyCommand, identifiers: Told) -> Erased:
        once, now = f"{command.command_id}#{command.attempt}", self._clock()
        if isinstance(command, RetentionCommand):
            for item in command.records:
                # None must not be taken for all.
                if not item.fields or any(path.partition(".")[0] != item.record for path in item.fields):
                    raise ValueError("what has run out are fields of its record")
            # All that `kept_of` reads: a record is told by its own key where something is to go alone.
            kept = [item for item in identifiers if isinstance(item, Named)]
            return self._store.expire(command.records, kept, once=once, now=now)
        return self._store.erase(
            identifiers,
            command.categories,
            command.fields,
            orders=command.orders,
            cut_off=command.cut_off,
            once=once,
            now=now,
        )

    def _answer(
        self,
        send: Send,
        command: AnyCommand,
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
            held=outcome.held + outcome.undated,
            outcomes=tuple(outcome.outcomes),
            # Of rows that nobody can date no rule says that they stay.
            ground=None if outcome.undated else outcome.ground,
            review_date=None if outcome.undated else outcome.review_date,
            reason=reason,
            attempt=command.attempt,
            reported_at=outcome.at or self._clock(),
        )
        message = encode(own_record("ErasureReceipt"), receipt_message(value_of(said), key))
        send(RECEIPTS, message, command.request_id.encode())


def _moments(command: AnyCommand) -> list[datetime]:
    """By which records have run out."""
    items: Sequence[RunOut | Order] = (
        command.records if isinstance(command, RetentionCommand) else command.orders
    )
    return [item.before for item in items if item.before is not None]

"""The reference job for rights other than erasure: copies, corrects, restricts, frees, and answers with receipts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import structlog

from schemas.codec import encode
from schemas.errors import DecodeError
from schemas.jobkeys import JobKey, read_job_keys
from schemas.messages import RecordCount, RightsCommand, RightsReceipt, message_of, value_of
from schemas.own import own_record
from schemas.vocabulary import CommandKind, ReceiptState
from streams.kafka.connection import Connection
from streams.rights.protocol.messages import COPIES, RECEIPTS, Send, Told, decoded, receipt_message
from streams.rights.protocol.rights_commands import TOPICS, opened_command
from streams.rights.reference_job.changing import Changed, NeedsPerson
from streams.rights.reference_job.copying import Copy, Record, TooLarge, copy_parts
from streams.rights.reference_job.serving import OLDEST, Declined, Job, reason_of, shown

SERVED = (CommandKind.ACCESS, CommandKind.RESTRICT, CommandKind.RECTIFICATION)
"""Kinds of commands for which there is a job here; the one for restrictions ends them too."""
_log = structlog.get_logger(__name__)


class Changes(Protocol):
    """What a system of record offers the job; `streams.rights.reference_job.changing.ChangingStore` is one."""

    def copied(self, identifiers: Told, fields: Collection[str], *, once: str) -> Sequence[Record]: ...

    def restrict(
        self,
        identifiers: Told,
        categories: Collection[str],
        purposes: Collection[str],
        *,
        once: str,
        now: datetime | None = None,
    ) -> Changed: ...

    def lift(self, *, once: str, now: datetime | None = None) -> Changed: ...

    def rectify(
        self, identifiers: Told, content: Mapping[str, Any], *, once: str, now: datetime | None = None
    ) -> Changed: ...


class OtherRightsJob(Job):
    """Does in one system what commands of one kind say (`restrict` with `lift`), and answers.

    Repeatable, and careful whom it believes, as `streams.rights.reference_job.job.ErasureJob` is.
    """

    def __init__(
        self,
        key_file: Path,
        connection: Connection,
        store: Changes,
        kind: CommandKind,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        oldest: timedelta = OLDEST,
    ) -> None:
        """`key_file`, errors: as `Job`."""
        super().__init__(key_file, connection, clock, oldest)
        self._store = store
        self._kind = kind

    @property
    def topic(self) -> str:
        return f"{TOPICS[self._kind]}{self.system}"

    @property
    def group(self) -> str:
        return f"innsyn-{TOPICS[self._kind]}{self.system}"

    def handle(self, message: bytes, send: Send) -> None:
        """Carry out one command and send its receipts: accepted, then done, not found or failed.

        A message that is no command at all is left alone and said in the log, by reason alone.
        """
        try:
            value = decoded(own_record("RightsCommand"), message)
        except DecodeError as error:
            _log.warning("command not readable", system=self.system, reason=error.reason)
            return
        command = message_of(RightsCommand, value)
        keys = read_job_keys(self._key_file)
        key = keys.find(command.key_id) or keys.current
        try:
            named, content = self._checked(command, keys, lambda key: opened_command(value, key))
            if TOPICS[command.kind] != TOPICS[self._kind]:
                raise Declined("command_not_understood")
        except (Declined, ValueError, TypeError) as error:
            self._failed(send, command, key, error)
            return
        self._answer(send, command, key, ReceiptState.ACCEPTED, Changed())
        try:
            if command.kind is CommandKind.ACCESS:
                self._copy(send, command, key, named)
                return
            outcome = self._done(command, named, content)
        except Exception as error:  # noqa: BLE001 - one command fails, not the job
            self._failed(send, command, key, error)
            return
        state = ReceiptState.DONE if outcome.records else ReceiptState.NOT_FOUND
        self._answer(send, command, key, state, outcome)

    def _copy(self, send: Send, command: RightsCommand, key: JobKey, named: Told) -> None:
        """Send the person's copy and then the receipt; the second time all of it anew, since a part may be lost."""
        records = self._store.copied(named, command.fields, once=_errand(command))
        copy = copy_parts(command, records, key, self._clock())
        for message in copy.messages:
            send(COPIES, message, command.request_id.encode())
        state = ReceiptState.DONE if copy.messages else ReceiptState.NOT_FOUND
        self._answer(send, command, key, state, Changed(copy.records), copy=copy)

    def _done(self, command: RightsCommand, named: Told, content: Mapping[str, Any]) -> Changed:
        once, now = _errand(command), self._clock()
        match command.kind:
            case CommandKind.RESTRICT:
                return self._store.restrict(named, command.categories, command.purposes, once=once, now=now)
            case CommandKind.LIFT:
                return self._store.lift(once=once, now=now)
            case CommandKind.RECTIFICATION:
                return self._store.rectify(named, content, once=once, now=now)
        raise NeedsPerson("this job knows no such command")

    def _failed(self, send: Send, command: RightsCommand, key: JobKey, error: Exception) -> None:
        reason = "needs_person" if isinstance(error, NeedsPerson | TooLarge) else reason_of(error)
        _log.warning(
            "command failed", system=self.system, kind=command.kind, reason=reason, error=shown(error)
        )
        self._answer(send, command, key, ReceiptState.FAILED, Changed(), reason)

    def _answer(
        self,
        send: Send,
        command: RightsCommand,
        key: JobKey,
        state: ReceiptState,
        outcome: Changed,
        reason: str | None = None,
        copy: Copy | None = None,
    ) -> None:
        said = RightsReceipt(
            command_id=command.command_id,
            request_id=command.request_id,
            system=self.system,
            state=state,
            records=tuple(RecordCount(name, count) for name, count in sorted(outcome.records.items())),
            parts=len(copy.messages) if copy else 0,
            copy_digest=copy.digest if copy else None,
            ground=None,
            citation=None,
            review_date=None,
            reason=reason,
            retryable=True if reason == "store_unavailable" else None,
            attempt=command.attempt,
            reported_at=outcome.at or self._clock(),
            key_id=key.id,
        )
        message = encode(own_record("RightsReceipt"), receipt_message(value_of(said), key))
        send(RECEIPTS, message, command.request_id.encode())


def _errand(command: RightsCommand) -> str:
    """The command and, behind #, which attempt at it."""
    return f"{command.command_id}#{command.attempt}"

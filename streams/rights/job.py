"""The reference erasure job of one system of record: takes commands, erases, answers with receipts."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from schemas.codec import encode
from schemas.errors import DecodeError, InnsynError, KeyUnavailable, Unavailable
from schemas.keys import Keyring
from schemas.records import load_records
from streams.kafka.connection import Connection
from streams.kafka.follow import follow
from streams.kafka.sender import sender
from streams.rights.messages import (
    DELETION,
    RECEIPTS,
    Identifiers,
    Send,
    decoded,
    identifiers_from_json,
    orders_of,
)
from streams.rights.orders import Order
from streams.rights.store import Erased

_log = structlog.get_logger(__name__)


class Store(Protocol):
    """What a system of record offers the job; `streams.rights.store.SqliteStore` is one."""

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
    """

    def __init__(
        self,
        system: str,
        connection: Connection,
        keyring: Keyring,
        store: Store,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.system = system
        self._connection = connection
        self._keyring = keyring
        self._store = store
        self._clock = clock
        self._records = load_records()
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
        """Serve `deletion.<system>` until `stop`. Raises BrokerUnavailable."""
        topic = f"{DELETION}{self.system}"
        commands = follow(self._connection, topic, f"innsyn-erasure-{self.system}", self._stop)
        with closing(commands), sender(self._connection) as send:
            for message, commit in commands:
                self.handle(message, send)
                commit()

    def handle(self, message: bytes, send: Send) -> None:
        """Carry out one command and send its receipts: accepted, then done, partial or failed.

        A message that is no command of this system is left alone and said in the log, by reason alone.
        """
        try:
            command = decoded(self._records["ErasureCommand"], message)
        except DecodeError as error:
            _log.warning("erasure command not readable", system=self.system, reason=error.reason)
            return
        if command["system"] != self.system:
            _log.warning("erasure command for another system", system=self.system)
            return
        self._answer(send, command, "accepted", Erased())
        try:
            outcome = self._erase(command)
        except (InnsynError, ValueError) as error:
            self._answer(send, command, "failed", Erased(), _reason(error))
            return
        self._answer(send, command, "partial" if outcome.held else "done", outcome)

    def _erase(self, command: Mapping[str, Any]) -> Erased:
        sealed, aad = command["sealed_identifiers"], command["command_id"].encode()
        identifiers = json.loads(self._keyring.open(f"system-{self.system}", sealed, aad))
        return self._store.erase(
            identifiers_from_json(identifiers),
            command["categories"],
            command["fields"],
            orders=orders_of(command),
            once=f"{command['command_id']}#{command['attempt']}",
            now=self._clock(),
        )

    def _answer(
        self, send: Send, command: Mapping[str, Any], state: str, outcome: Erased, reason: str | None = None
    ) -> None:
        value = {
            "command_id": command["command_id"],
            "request_id": command["request_id"],
            "system": self.system,
            "state": state,
            "erased": outcome.erased,
            "held": outcome.held,
            "outcomes": [asdict(item) for item in outcome.outcomes],
            "ground": outcome.ground,
            "review_date": outcome.review_date,
            "reason": reason,
            "reported_at": outcome.at or self._clock(),
        }
        send(RECEIPTS, encode(self._records["ErasureReceipt"], value), command["request_id"].encode())

    def _guarded(self) -> None:
        try:
            self.run()
        except InnsynError as error:
            self.error = error
            _log.error("erasure job ended", system=self.system, error=type(error).__name__)


def _reason(error: Exception) -> str:
    if isinstance(error, KeyUnavailable):
        return "key_unavailable"
    if isinstance(error, Unavailable):
        return "store_unavailable"
    # An error of ours never shows a personal value; another's might.
    return str(error) if isinstance(error, InnsynError) else "command_not_understood"

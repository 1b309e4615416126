"""What every job of a system of record does with commands: read them, check them, run until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import structlog

from schemas.errors import InnsynError, InputError, KeyUnavailable, Unavailable
from schemas.jobkeys import JobKey, JobKeys, read_job_keys
from schemas.messages import ErasureCommand, RetentionCommand, RightsCommand
from streams.kafka.connection import Connection
from streams.kafka.follow import messages_of
from streams.kafka.sender import sender
from streams.rights.protocol.messages import Send
from streams.rights.protocol.receipts import CLOCKS_APART
from streams.rights.reference_job.store import Superseded

OLDEST = timedelta(days=30)
"""Age of a command from which it is not carried out any more: as long as Kafka keeps one, and the law gives."""
_Read = TypeVar("_Read")
_log = structlog.get_logger(__name__)


class Declined(InnsynError):
    """A command that is not carried out. Its text is the reason, a word of `streams.rights.protocol.reasons`."""


class Job:
    """Serves one topic of one system, by `handle`. `run` blocks until `stop`.

    An offset is committed after the receipt is stored. What ends it early is in `error`, where it was started.
    """

    def __init__(
        self,
        key_file: Path,
        connection: Connection,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        oldest: timedelta = OLDEST,
    ) -> None:
        """`key_file`: the system's own, all the keys that a job needs; read anew for each command, so that it may be
        exchanged while the job runs. Raises KeyUnavailable."""
        self.system = read_job_keys(key_file).system
        self._key_file = key_file
        self._connection = connection
        self._clock = clock
        self._oldest = oldest
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.error: InnsynError | None = None

    @property
    def topic(self) -> str:
        """What it serves."""
        raise NotImplementedError

    @property
    def group(self) -> str:
        """Under which name the broker keeps where it stands."""
        raise NotImplementedError

    def handle(self, message: bytes, send: Send) -> None:
        """Carry out one command and send its receipts. Raises KeyUnavailable where there is no key to answer under."""
        raise NotImplementedError

    def start(self) -> None:
        """Run in a thread. What ends it early is in `error`."""
        self._thread = threading.Thread(target=self._guarded, name=f"job-{self.topic}")
        self._thread.start()

    def stop(self) -> None:
        """End after the command in hand. Safe to repeat."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def run(self) -> None:
        """Serve the topic until `stop`. Raises BrokerUnavailable, KeyUnavailable."""
        commands = messages_of(self._connection, self.topic, self.group, self._stop)
        with closing(commands), sender(self._connection) as send:
            for message, commit in commands:
                self.handle(message, send)
                commit()

    def _checked(
        self,
        command: ErasureCommand | RetentionCommand | RightsCommand,
        keys: JobKeys,
        read: Callable[[JobKey], _Read],
    ) -> _Read:
        """What `read` makes of a command, if innsyn sent it as it is, here, and not too long ago. Raises Declined."""
        if command.system != self.system:
            raise Declined("other_system")
        if not command.key_id:
            raise Declined("not_authentic")
        key = keys.find(command.key_id)
        if key is None:
            raise Declined("key_unknown")
        try:
            found = read(key)
        except KeyUnavailable:
            raise Declined("not_authentic") from None
        now = self._clock()
        if command.issued_at > now + CLOCKS_APART:
            raise Declined("clock_off")
        if command.issued_at < now - self._oldest:
            raise Declined("too_old")
        return found

    def _guarded(self) -> None:
        try:
            self.run()
        except InnsynError as error:
            self.error = error
            _log.error("job ended", system=self.system, topic=self.topic, error=type(error).__name__)


def reason_of(error: Exception) -> str:
    """A word of `streams.rights.protocol.reasons` for what stopped a command."""
    if isinstance(error, Declined):
        return str(error)
    if isinstance(error, Superseded):
        return "superseded"
    if isinstance(error, InputError):
        return "unknown_field"
    if isinstance(error, Unavailable):
        return "store_unavailable"
    return "command_not_understood" if isinstance(error, ValueError) else "internal_error"


def shown(error: Exception) -> str:
    """For a log: an error of ours never shows a personal value; another's might."""
    return str(error) if isinstance(error, InnsynError) else type(error).__name__

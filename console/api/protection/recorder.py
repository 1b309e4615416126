"""Writes the record of questions to the index, so that no answer leaves before its record is on disk.

One thread writes all that wait at that moment in one insert. What could not be written is kept and tried again; while
it is, questions are refused: an answer that nobody can account for later must not be given (GDPR Art. 5(2)).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from schemas.counted import counted
from schemas.errors import IndexUnavailable, InnsynError, place_of
from sinks.ports.audit import AuditEntry, AuditLog

_AT_ONCE = 1_000
# The thread ends when nothing came for so long; the next entry starts another.
_IDLE_SECONDS = 5.0
_log = structlog.get_logger(__name__)
_Waiting = tuple[AuditEntry, Future[None]]


class Recorder:
    """Keeps entries in `log`. Safe from several threads.

    At most `most` wait to be written. `seconds`: how long one is waited for; what takes longer is a problem. `again`:
    how long after a failure it is tried anew.
    """

    def __init__(
        self,
        log: AuditLog,
        metrics: CollectorRegistry | None = None,
        *,
        most: int = 10_000,
        seconds: float = 10.0,
        again: float = 1.0,
    ) -> None:
        self.log = log
        self._most = most
        self._seconds = seconds
        self._again = again
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._failed: str | None = None
        self._begun: float | None = None
        self._lost = 0
        self._written = Counter(
            "innsyn_audit_entries", "Entries of the audit record.", ["outcome"], registry=metrics
        )
        for outcome in ("written", "lost"):
            self._written.labels(outcome)
        Gauge("innsyn_audit_waiting", "Entries that are not written yet.", registry=metrics).set_function(
            lambda: len(self._waiting)
        )

    def put(self, entry: AuditEntry) -> Future[None]:
        """Have it written. The future fails with IndexUnavailable where that was tried in vain: it is tried on."""
        done: Future[None] = Future()
        with self._changed:
            if len(self._waiting) >= self._most:
                self._lost += 1
                self._written.labels("lost").inc()
                done.set_exception(IndexUnavailable(self._refusal()))
                return done
            self._waiting.append((entry, done))
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, name="audit", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return done

    async def keep(self, entry: AuditEntry) -> bool:
        """Whether it is on disk now."""
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.wrap_future(self.put(entry))
        except (TimeoutError, IndexUnavailable):
            return False
        return True

    def record(self, entry: AuditEntry) -> None:
        """As `keep`, for a caller without an event loop. Raises IndexUnavailable."""
        try:
            self.put(entry).result(self._seconds)
        except TimeoutError:
            raise IndexUnavailable(self._refusal()) from None

    def refusal(self) -> str | None:
        """Why no question can be answered now: what was asked before is not written. None: one can be."""
        return self._refusal() if self._why() else None

    def problems(self) -> Sequence[str]:
        """What is wrong with the record, a sentence each."""
        found = []
        if why := self._why():
            found.append(
                f"{counted(len(self._waiting), 'question')} not recorded yet, others are refused: {why}"
            )
        if self._lost:
            found.append(
                f"{self._lost} entries of the audit record were lost since the start: too many waited"
            )
        return found

    def stop(self) -> None:
        """Write what waits, once, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(self._seconds)

    def _why(self) -> str | None:
        begun = self._begun
        if begun is not None and (waited := time.monotonic() - begun) > self._seconds:
            return f"the index has taken no entry for {waited:.0f} s"
        return self._failed

    def _refusal(self) -> str:
        why = self._why()
        return "questions about people cannot be recorded now, so none is answered" + (
            f" ({why})" if why else "; repeat it later"
        )

    def _write_on(self) -> None:
        while True:
            with self._changed:
                if not self._waiting and not self._stopping:
                    self._changed.wait(_IDLE_SECONDS)
                batch = self._waiting[:_AT_ONCE]
                if not batch:
                    self._thread = None
                    return
            written = self._write(batch)
            with self._changed:
                if not written and not self._stopping:
                    self._changed.wait(self._again)
                elif not written:
                    return

    def _write(self, batch: Sequence[_Waiting]) -> bool:
        self._begun = time.monotonic()
        try:
            self.log.write([entry for entry, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, the record goes on; its text may hold a value
            why = str(error) if isinstance(error, InnsynError) else f"a bug: {place_of(error)}"
            if self._failed is None:
                _log.error("audit.unwritten", entries=len(self._waiting), why=why)
            self._failed = why
            for _, done in batch:
                # Told once: whoever waited has been refused by then.
                with suppress(InvalidStateError):
                    done.set_exception(IndexUnavailable(self._refusal()))
            return False
        finally:
            self._begun = None
        if self._failed is not None:
            _log.info("audit.written_again")
        self._failed = None
        self._written.labels("written").inc(len(batch))
        with self._changed:
            del self._waiting[: len(batch)]
        for _, done in batch:
            with suppress(InvalidStateError):
                done.set_result(None)
        return True

"""Whose the tagged events are, counted beside the tagger: a figure, which nothing waits for."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa
import structlog

from schemas.errors import QuestionAbandoned, QuestionTooLong, Unavailable, place_of
from schemas.patience import Patience, patience
from sinks.ports.identity import OpenClaims
from streams.columns.observed import Observed
from streams.identity.coverage import Coverage
from streams.metrics import TagMetrics

log = structlog.get_logger()

_COUNT_SECONDS = 30.0
_STOP_SECONDS = 1.0
# Claims of batches that were passed over, kept so that what they changed is asked anew.
_MOST_CLAIMS = 100_000


@dataclass(frozen=True)
class _Seen:
    """Of one batch: what was observed, and what the batch says besides. `forget`: nothing remembered holds."""

    observed: Mapping[str, Observed]
    claims: OpenClaims
    prefixes: pa.Table
    forget: bool


class CoverageCounter:
    """Counts in a thread of its own, one batch at a time and one more waiting; batches beyond that are passed over.

    `take` and `close` are called by one thread each, `close` once and last.
    """

    def __init__(
        self, coverage: Coverage, metrics: TagMetrics, note_found: Callable[[pa.Table], object] | None = None
    ) -> None:
        """`note_found`: told which events led to whom, as `sinks.ports.views.ViewTables` takes it."""
        self._coverage = coverage
        self._note_found = note_found
        self._metrics = metrics
        self._waiting: queue.Queue[_Seen | None] = queue.Queue(1)
        self._missed: Sequence[OpenClaims] = ()
        self._forget = False
        self._patience = Patience(_COUNT_SECONDS)
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def take(self, observed: Mapping[str, Observed], claims: OpenClaims, prefixes: pa.Table) -> None:
        """Count these, which are in the index, unless there is no time for it. Never waits, never raises."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="coverage", daemon=True)
            self._thread.start()
        said = OpenClaims.joined([*self._missed, claims])
        if forget := self._forget or said.table.num_rows > _MOST_CLAIMS:
            said = OpenClaims()
        try:
            self._waiting.put_nowait(_Seen(observed, said, prefixes, forget))
        except queue.Full:
            self._metrics.uncounted.inc()
            self._missed, self._forget = (said,), forget
        else:
            self._missed, self._forget = (), False

    def close(self, seconds: float | None = None) -> None:
        """Count what waits, for so many seconds at most; then what is being asked of the index is ended."""
        if self._thread is None:
            return
        until = time.monotonic() + (2 * _COUNT_SECONDS if seconds is None else seconds)
        with suppress(queue.Full):
            self._waiting.put(None, timeout=until - time.monotonic())
            self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            self._closed.set()
            self._patience.leave()
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while (seen := self._waiting.get()) is not None and not self._closed.is_set():
            self._count(seen)
            self._waiting.task_done()

    def _count(self, seen: _Seen) -> None:
        self._patience = Patience(_COUNT_SECONDS)
        try:
            # Closed in between: the patience that was left is the one before.
            if self._closed.is_set():
                return
            with patience(self._patience):
                if seen.forget:
                    self._coverage.forget()
                found = self._coverage.count(seen.observed, seen.claims, seen.prefixes)
            if self._note_found is not None:
                self._note_found(found.events)
        except (Unavailable, QuestionTooLong, QuestionAbandoned) as error:
            # Only a figure is lost: what was observed is in the index, and answers ask anew.
            late = f"the index took longer than {_COUNT_SECONDS:g} s"
            log.warning("resolve.skipped", error=str(error) if isinstance(error, Unavailable) else late)
            self._metrics.uncounted.inc()
            return
        except Exception as error:  # noqa: BLE001 - nothing may end the tagger for the sake of a figure
            log.error("resolve.failed", error=place_of(error))
            self._metrics.uncounted.inc()
            return
        for (topic, resolution), count in found.totals.items():
            self._metrics.resolved.labels(topic, resolution).inc(count)

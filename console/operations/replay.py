"""Topics read again inside a running instance: the embedded index belongs to one process, so it replays itself."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter

from schemas.errors import InnsynError, InputError, place_of
from schemas.vocabulary import ReplayState
from streams.metrics import TagMetrics

_log = structlog.get_logger(__name__)


class Worker(Protocol):
    """A tagger that replays: `streams.tagging.worker.TagWorker`."""

    def run(self, stop: threading.Event, *, until_end: bool = False) -> None: ...


@dataclass(frozen=True)
class Replay:
    """One replay and how far it is. `failed`: `error` says why; what was written until then stays, and is right."""

    replay_id: str
    topics: tuple[str, ...]
    state: ReplayState
    started_at: datetime
    ended_at: datetime | None = None
    events: int = 0
    rows: int = 0
    dead_letters: int = 0
    error: str | None = None


class Replays:
    """Replays of one instance, one at a time. Safe from several threads.

    `make(topics, metrics)` gives a worker that begins at the oldest message; no topics: all. Raises InputError.
    """

    def __init__(
        self, make: Callable[[Sequence[str], TagMetrics], Worker], clock: Callable[[], datetime]
    ) -> None:
        self._make = make
        self._clock = clock
        self._known: dict[str, Replay] = {}
        self._metrics: dict[str, TagMetrics] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self, topics: Sequence[str]) -> Replay:
        """Begin one. Raises InputError: an unknown topic, or one is running already."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                running = next(
                    item.replay_id for item in self._known.values() if item.state is ReplayState.RUNNING
                )
                raise InputError(f"replay {running} is running; wait for its end")
            # Figures of their own: the tagger's count what is new.
            metrics = TagMetrics(CollectorRegistry())
            worker = self._make(topics, metrics)
            made = Replay(f"replay-{secrets.token_hex(4)}", tuple(topics), ReplayState.RUNNING, self._clock())
            self._known[made.replay_id] = made
            self._metrics[made.replay_id] = metrics
            self._thread = threading.Thread(target=self._run, args=(made, worker), name=made.replay_id)
            self._thread.start()
        return made

    def get(self, replay_id: str) -> Replay:
        """As it stands. Raises InputError for an unknown one: they are forgotten with the process."""
        known = self._known.get(replay_id)
        if known is None:
            raise InputError("no such replay in this process; start one")
        metrics = self._metrics[replay_id]
        return replace(
            known,
            events=_total(metrics.tagged),
            rows=_total(metrics.rows),
            dead_letters=_total(metrics.dead),
        )

    def stop(self) -> None:
        """End the one that runs, and wait until it has. What it wrote stays."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, made: Replay, worker: Worker) -> None:
        error: str | None = None
        try:
            worker.run(self._stop, until_end=True)
        except InnsynError as failure:
            error = str(failure)
        except Exception as failure:  # noqa: BLE001 - a bug of ours: whoever waits is told, and no value shown
            error = f"{place_of(failure)}: a bug in innsyn; report this"
        state = ReplayState.STOPPED if self._stop.is_set() else ReplayState.DONE
        if error is not None:
            state = ReplayState.FAILED
            _log.error("replay.failed", replay=made.replay_id, error=error)
        self._known[made.replay_id] = replace(made, state=state, ended_at=self._clock(), error=error)


def _total(counter: Counter) -> int:
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))

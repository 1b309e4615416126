"""Which parts of an installation are well, since when, and what is wrong with the others. Answered from memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from prometheus_client import CollectorRegistry, Gauge

from console.health.parts import Part, turned
from schemas.errors import InnsynError, place_of

Look = Callable[[], Sequence[str]]
_AGAIN_SECONDS = 1.0
_log = structlog.get_logger(__name__)


@dataclass
class _Watch:
    """What is known of a part: as of its last look, and since when (monotonic seconds, wall clock) one is under way."""

    look: Look
    every: float
    patience: float
    part: Part
    notice: bool = False
    asking: tuple[float, datetime] | None = None
    looked: threading.Event = field(default_factory=threading.Event)

    def seen(self, now: float) -> Part:
        """The part now: a look that does not come back is a problem by itself."""
        if self.asking is None or now - self.asking[0] < self.patience:
            return self.part
        hangs = f"{self.part.name} has not answered for {now - self.asking[0]:.0f} s"
        since = self.asking[1] if self.part.well else self.part.since
        return replace(self.part, since=since, problems=(hangs, *self.part.problems))


class Health:
    """Looks at each part on a thread of its own, since any of them may hang. Safe from several threads.

    `metrics`: where `innsyn_part_well` is set, 1 or 0 for each part. A change is logged, once. `waiting()`: how many
    messages of each topic are not in the index yet, as of a look some seconds ago; None: nobody knows.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        metrics: CollectorRegistry | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.waiting: Callable[[], Mapping[str, int] | None] = lambda: None
        self._monotonic = monotonic
        self._watches: dict[str, _Watch] = {}
        self._said: dict[str, tuple[str, ...]] = {}
        self._stop = threading.Event()
        self._started = False
        self._threads: list[threading.Thread] = []
        self._gauge = (
            Gauge("innsyn_part_well", "1: well, 0: /readyz says what is wrong.", ["part"], registry=metrics)
            if metrics is not None
            else None
        )

    def watch(
        self, name: str, look: Look, *, every: float = 10.0, patience: float = 30.0, notice: bool = False
    ) -> None:
        """Look at a part every so many seconds (each second while it is not well).

        `look()` gives a sentence for each thing that is wrong now; it may block and may raise InnsynError, which is
        one more sentence. It has `patience` seconds before that it does not answer is the problem.
        `notice`: what it says is told beside the parts, and turns nothing away.
        """
        self._watches[name] = _Watch(look, every, patience, Part(name, self.clock()), notice)
        if self._started:
            self._begin(self._watches[name])

    def start(self, wait: float = 5.0) -> None:
        """Begin to look; returns when all was looked at once, at the latest after `wait` seconds."""
        self._started = True
        for watch in self._watches.values():
            self._begin(watch)
        until = time.monotonic() + wait
        for watch in self._watches.values():
            watch.looked.wait(max(0.0, until - time.monotonic()))
        threading.Thread(target=self._tell_changes, name="health", daemon=True).start()

    def stop(self, wait: float = 2.0) -> None:
        """Ask the looks to end, so that what they look at may be closed. Waits no longer for one that hangs."""
        self._stop.set()
        until = time.monotonic() + wait
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def parts(self) -> list[Part]:
        """Every part as it is known now. Never waits."""
        return self._seen(notice=False)

    def notices(self) -> list[str]:
        """What somebody should mend though every part works. Never waits."""
        return [line for part in self._seen(notice=True) for line in part.problems]

    def _seen(self, *, notice: bool) -> list[Part]:
        now = self._monotonic()
        return [watch.seen(now) for watch in list(self._watches.values()) if watch.notice == notice]

    def problems(self) -> list[str]:
        """Every sentence, in the order of the parts; empty: all is well."""
        return [line for part in self.parts() for line in part.problems]

    def look(self, name: str) -> None:
        """Look at one part now, on this thread."""
        watch = self._watches[name]
        watch.asking = self._monotonic(), self.clock()
        try:
            problems = watch.look()
        except InnsynError as error:
            problems = [str(error)]
        except Exception as error:  # noqa: BLE001 - its text may hold a value
            problems = [f"looking at {name} failed ({place_of(error)}): a bug in innsyn; report this"]
        watch.part = turned(watch.part, problems, self.clock())
        watch.asking = None
        watch.looked.set()

    def tell(self) -> None:
        """Log what changed since the last call, and set the gauges."""
        for part in self.parts():
            if self._gauge is not None:
                self._gauge.labels(part.name).set(part.well)
            # Numbers inside a sentence grow; only a part that turns is news.
            if bool(self._said.get(part.name, ())) == part.well:
                say = _log.info if part.well else _log.error
                say("part.well" if part.well else "part.wrong", part=part.name, problems=list(part.problems))
            self._said[part.name] = part.problems

    def _begin(self, watch: _Watch) -> None:
        name = f"health-{watch.part.name}"
        self._threads.append(threading.Thread(target=self._look_on, args=(watch,), name=name, daemon=True))
        self._threads[-1].start()

    def _look_on(self, watch: _Watch) -> None:
        while not self._stop.is_set():
            self.look(watch.part.name)
            self._stop.wait(
                watch.every if watch.part.well or watch.notice else min(_AGAIN_SECONDS, watch.every)
            )

    def _tell_changes(self) -> None:
        while True:
            self.tell()
            if self._stop.wait(_AGAIN_SECONDS):
                return

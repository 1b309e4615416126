"""The role that carries rights requests out: its worker, looking again at what was answered, destroying old keys."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import Protocol

import structlog

from console.wiring.answering import keyring
from console.wiring.clock import now
from console.wiring.company import company_of
from schemas.errors import KeyUnavailable, Unavailable, place_of
from schemas.settings import Settings
from streams.kafka.dead_letters import expired_keys
from streams.rights.by_time import ByTime
from streams.rights.protocol.events import content_of
from streams.rights.protocol.states import RequestState
from streams.rights.service import RightsService
from streams.waits import Waits

_LOOK_SECONDS = 1.0
_TIDY_SECONDS = 3_600.0
_SEAL_SECONDS = 60.0
_TIMELY_SECONDS = 60.0
_LATE_PATIENCE = 600.0
_log = structlog.get_logger(__name__)


class Worker(Protocol):
    """What carries requests out, as `streams.rights.worker.RightsWorker` does."""

    @property
    def error(self) -> BaseException | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Service(Protocol):
    """What looks again at answers, as `streams.rights.service.RightsService` does."""

    def recheck(self, now: datetime) -> Sequence[RequestState]: ...

    def came_back(self, now: datetime) -> Sequence[RequestState]: ...


def carrying_out(
    make: Callable[[], Worker],
    service: RightsService,
    settings: Settings,
    waits: Waits,
    prove: Callable[[], object] = object,
) -> Callable[[threading.Event], None]:
    """What carries requests out until it is told to stop, at each start with a worker from `make`.

    `prove`: see `run_rights_role`.
    """
    return lambda stop: run_rights_role(
        make(),
        service,
        settings.late_check_seconds,
        stop,
        waits,
        tidy=partial(tidy, service, settings),
        prove=prove,
        timely=lambda: service.on_time(now()),
        expire=Expire(service, settings.retention_hour),
    )


def run_rights_role(
    worker: Worker,
    service: Service,
    late_seconds: float,
    stop: threading.Event,
    waits: Waits | None = None,
    tidy: Callable[[], object] = object,
    prove: Callable[[], object] = object,
    timely: Callable[[], object] = object,
    expire: Callable[[], object] = object,
) -> None:
    """Run the agents until `stop`; raise what ended them, if they end by themselves.

    Every `late_seconds` answers given earlier are compared with what came to light since; `waits` is told when that
    has to wait. Now and every hour `tidy`; now and every minute `timely`, `expire`, and `prove`, which seals what was
    recorded.
    """
    waits = waits or Waits()
    worker.start()
    due = time.monotonic() + late_seconds
    tidy_due = timely_due = prove_due = time.monotonic()
    try:
        while not stop.wait(min(_LOOK_SECONDS, late_seconds)):
            if worker.error is not None:
                raise worker.error
            if time.monotonic() >= due:
                _recheck(service, waits)
                due = time.monotonic() + late_seconds
            if time.monotonic() >= timely_due:
                _guarded(timely, "what time brings to requests")
                _guarded(expire, "deleting what has run out")
                timely_due = time.monotonic() + _TIMELY_SECONDS
            if time.monotonic() >= tidy_due:
                _guarded(tidy, "destroying keys")
                tidy_due = time.monotonic() + _TIDY_SECONDS
            if time.monotonic() >= prove_due:
                # First: nothing is certified of which rows stand that the index learnt of meanwhile.
                _recheck(service, waits)
                _proved(prove, waits)
                prove_due = time.monotonic() + _SEAL_SECONDS
    finally:
        worker.stop()
        waits.rest()


def _recheck(service: Service, waits: Waits) -> None:
    waits.begin("late", "looking for what answers lack has been under way", _LATE_PATIENCE)
    try:
        for request in service.recheck(now()):
            found = request.late_findings
            said = (
                "request opened again" if len(found) == 1 else "more came to light for a request that is open"
            )
            _log.info(said, request=request.request_id, found=content_of(found[-1]))
        for request in service.came_back(now()):
            back = request.came_back
            _log.warning("erased data came back", request=request.request_id, found=back and content_of(back))
        waits.wait("late", None)
    except Unavailable as error:
        waits.wait("late", f"looking for what answers lack waits: {error}")
        _log.warning("looking for late findings waits", error=str(error))
    except Exception as error:  # noqa: BLE001 - it looks again in a while, and requests are served meanwhile
        _log.error("looking for late findings failed", fault=place_of(error))
    finally:
        waits.end("late")


def _proved(prove: Callable[[], object], waits: Waits) -> None:
    waits.begin("log", "sealing what was recorded has been under way", _LATE_PATIENCE)
    try:
        prove()
        waits.wait("log", None)
    except (Unavailable, KeyUnavailable) as error:
        waits.wait("log", f"sealing what was recorded waits: {error}")
        _log.warning("sealing the log waits", error=str(error))
    except Exception as error:  # noqa: BLE001 - it seals in a while, and requests are served meanwhile
        waits.wait("log", f"sealing what was recorded failed ({place_of(error)})")
        _log.error("sealing the log failed", fault=place_of(error))
    finally:
        waits.end("log")


def _guarded(work: Callable[[], object], what: str) -> None:
    try:
        work()
    except (Unavailable, KeyUnavailable) as error:
        _log.warning(f"{what} waits", error=str(error))
    except Exception as error:  # noqa: BLE001 - it looks again in a while, and requests are served meanwhile
        _log.error(f"{what} failed", fault=place_of(error))


class Expire:
    """Begins the next retention run of the day, and what runs out for people by their own clocks, once its hour has
    come. Says once a day why nothing of people goes, and of how many identifiers nobody can say whose they are."""

    def __init__(self, service: ByTime, hour: int | None, clock: Callable[[], datetime] = now) -> None:
        """`hour`: see `INNSYN_RETENTION_HOUR`; None: never."""
        self._service = service
        self._hour = hour
        self._clock = clock
        self._said: tuple[date, str | None, int] | None = None

    def __call__(self) -> None:
        if self._hour is None:
            return
        run = self._service.retention_on_clock(self._clock(), self._hour)
        if run is not None:
            _log.info("retention run begun", request=run.request_id)
        moment = self._clock()
        begun = self._service.people_on_clock(moment, self._hour)
        if begun is None:
            return
        if begun.requests:
            _log.info("what ran out of people goes", requests=len(begun.requests), unclear=begun.unclear)
        said = moment.date(), begun.why, begun.unclear
        if said == self._said:
            return
        if begun.why is not None:
            _log.warning("nothing of people goes by their own clocks", why=begun.why)
            self._said = said
        elif begun.through and begun.unclear:
            _log.warning(
                "nobody can say whose identifiers these are; nothing of theirs goes", unclear=begun.unclear
            )
            self._said = said


def tidy(service: RightsService, settings: Settings) -> None:
    """Destroy the keys of what nobody needs any more: of ended requests, and of months without dead letters."""
    topics = company_of(settings).topics
    for order_id in service.destroy_order_keys(now()):
        _log.info("key destroyed", order=order_id)
    for request_id in service.destroy_keys(now()):
        _log.info("key destroyed", request=request_id)
    ring = keyring(settings)
    ring.finish_destroying()
    kept = max(topics[topic.dead_letter].retention for topic in topics.values() if topic.dead_letter)
    for name in expired_keys(ring.sealing_keys(), kept, now()):
        ring.destroy(name)
        _log.info("key destroyed", key=name)

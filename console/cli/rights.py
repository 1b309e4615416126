"""`innsyn rights`: the rights worker, until it is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import structlog

from console.cli.output import configure_logging
from console.roles import (
    Background,
    now,
    raise_first,
    refused_followed,
    rights_service,
    rights_worker,
    until_signal,
)
from console.running import broker
from console.session import open_index
from schemas.errors import Unavailable, place_of
from schemas.settings import load_settings
from streams.kafka.sender import sender
from streams.rights.states import RequestState

_LOOK_SECONDS = 1.0
_log = structlog.get_logger(__name__)


class Worker(Protocol):
    """What carries requests out, as `streams.rights.agents.RightsWorker` does."""

    @property
    def error(self) -> BaseException | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Service(Protocol):
    """What looks again at answers, as `streams.rights.service.RightsService` does."""

    def recheck(self, now: datetime) -> Sequence[RequestState]: ...


def rights() -> None:
    """Carry out rights requests: plan, command, take receipts, let the index forget. Looks again at what was answered.

    One at a time serves the requests; it goes on where the last one stopped. It also enters what feeds refused.

    Example: innsyn rights
    """
    settings = load_settings()
    configure_logging(settings.log_level)
    index = open_index(settings)
    connection = broker(settings)
    try:
        with sender(connection) as send:
            service = rights_service(settings, index, send)
            worker = rights_worker(settings, connection, index, service)
            stop = until_signal()
            refused = Background("refused", refused_followed(connection, index), stop)
            refused.start()
            try:
                follow(worker, service, settings.late_check_seconds, stop)
            finally:
                refused.stop()
            raise_first([refused])
    finally:
        index.close()


def follow(worker: Worker, service: Service, late_seconds: float, stop: threading.Event) -> None:
    """Run the agents until `stop`; raise what ended them, if they end by themselves.

    Every `late_seconds` answers given earlier are compared with what came to light since.
    """
    worker.start()
    due = time.monotonic() + late_seconds
    try:
        while not stop.wait(min(_LOOK_SECONDS, late_seconds)):
            if worker.error is not None:
                raise worker.error
            if time.monotonic() >= due:
                _recheck(service)
                due = time.monotonic() + late_seconds
    finally:
        worker.stop()


def _recheck(service: Service) -> None:
    try:
        for request in service.recheck(now()):
            _log.info("request opened again", request=request.request_id, found=request.late_findings[-1])
    except Unavailable as error:
        _log.warning("looking for late findings waits", error=str(error))
    except Exception as error:  # noqa: BLE001 - it looks again in a while, and requests are served meanwhile
        _log.error("looking for late findings failed", fault=place_of(error))

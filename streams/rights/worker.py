"""The rights workflow on Kafka: two thin Faust agents over the service.

Agents decode, hand over to a thread and wait; what is next is decided by the service from its ledger. Nothing is
kept in Faust tables, and a message is acknowledged only after its step was done: a worker may die anywhere.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import faust
import structlog
from faust.exceptions import ConsumerNotStarted
from faust.transport.drivers.aiokafka import KafkaError

from schemas.errors import Crashed, InnsynError, SettingsError, Unavailable, place_of
from schemas.own import own_record
from schemas.records import RecordSchema
from schemas.together import tried
from streams.kafka.connection import Connection
from streams.kafka.security import MECHANISMS, tls_context
from streams.kafka.topics import missing
from streams.rights.case import Recorded
from streams.rights.faust_transport import CommittedTransport
from streams.rights.inbox import Steps, StoreLetter, Taken, follow
from streams.rights.protocol.messages import COPIES, RECEIPTS, REQUESTS
from streams.rights.service import RightsService
from streams.waits import Waits

APP_ID = "innsyn-rights"
_RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# How often a step is repeated for one request before those behind it have their turn.
_PATIENCE = len(_RETRY_SECONDS) - 1
_RESUME_SECONDS = 60.0
_SESSION_SECONDS = 9.0
_AT_ONCE = 16
_LEAVE_SECONDS = 30.0
_STEP_PATIENCE = 300.0
_OF_THE_BROKER = (KafkaError, OSError, TimeoutError, ConsumerNotStarted)
_log = structlog.get_logger(__name__)

Run = Callable[[Callable[[], object], Callable[[], object] | None], Awaitable[None]]


class RightsWorker:
    """Runs the agents in a thread with its own event loop, without signal handlers.

    Steps run one at a time in one more thread, so that a slow index does not stop the heartbeat to the broker.
    """

    def __init__(
        self,
        connection: Connection,
        service: RightsService,
        set_aside: StoreLetter,
        waits: Waits | None = None,
    ) -> None:
        """`set_aside(topic, partition, offset, reason, payload)` keeps a message that is none of the record's.

        `waits` is told what a step waits for.
        """
        self._waits = waits or Waits()
        self._connection = connection
        self._service = service
        self._set_aside = set_aside
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._wake: Callable[[], object] = self._stop.set
        self._running: Future[None] | None = None
        self._leaving: float | None = None

    @property
    def error(self) -> InnsynError | None:
        """What ended the agents, if they ended by themselves, or do not end although they should."""
        if self._running is None or self._stop.is_set():
            return None
        if self._running.done():
            return self._why(self._running.exception(), "running the rights agents")
        if self._leaving is not None and time.monotonic() - self._leaving > _LEAVE_SECONDS:
            return self._connection.unavailable("ending the rights agents")
        return None

    def start(self, timeout_seconds: float = 60.0) -> None:
        """Return when the agents follow their topics. Raises BrokerUnavailable, SettingsError."""
        # Asked first: a Faust app whose broker is not there does not clean up after itself.
        missing(self._connection, [REQUESTS, RECEIPTS, *([COPIES] if self._service.copies_asked else [])])
        thread = ThreadPoolExecutor(1, thread_name_prefix=APP_ID)
        self._running = thread.submit(asyncio.run, self._main())
        self._running.add_done_callback(lambda _: self._ready.set())
        thread.shutdown(wait=False)
        if not self._ready.wait(timeout_seconds) or self._running.done():
            running = self._running
            error = running.exception() if running.done() else None
            self.stop()
            raise self._why(error, "starting the rights agents") from error

    def stop(self) -> None:
        """End after the step in hand and leave the consumer group. Safe to repeat.

        What does not end is left behind: what it does twice the ledger takes once.
        """
        self._stop.set()
        self._wake()
        if self._running is not None and wait([self._running], _LEAVE_SECONDS).not_done:
            _log.error("rights agents do not end", seconds=_LEAVE_SECONDS)

    async def _main(self) -> None:
        loop, ending = asyncio.get_running_loop(), asyncio.Event()
        with (
            ThreadPoolExecutor(1, thread_name_prefix=f"{APP_ID}-steps") as steps,
            # Faust makes its folders also where it has no tables: not in whatever folder somebody started us.
            TemporaryDirectory(prefix=f"{APP_ID}-") as folder,
        ):

            async def run(step: Callable[[], object], otherwise: Callable[[], object] | None) -> None:
                try:
                    await _persistently(step, steps, ending, self._waits)
                except Exception as error:  # noqa: BLE001 - one message or request is no reason to end the worker
                    _log.error("rights step failed", fault=place_of(error))
                    if otherwise is not None:
                        # A message that is neither done nor kept would be lost: whatever is wrong, it waits for that.
                        await _persistently(otherwise, steps, ending, self._waits, passing=Exception)

            app = rights_app(self._connection, self._service, self._set_aside, run, folder)
            self._wake = partial(_wake, loop, ending)
            if self._stop.is_set():
                return
            try:
                if await _first(app.start(), ending.wait()) and not app.crashed:
                    self._ready.set()
                    await _first(ending.wait(), app.wait_until_stopped())
            finally:
                self._leaving = time.monotonic()
                await app.stop()
        if app.crashed:
            raise self._why(app.crash_reason, "running the rights agents") from app.crash_reason

    def _why(self, error: BaseException | None, doing: str) -> InnsynError:
        """What ended the agents, in our words; None: they ended without one. Never a foreign error, which would end all
        roles: agents keep nothing, so that they can be started anew."""
        if isinstance(error, InnsynError):
            return error
        if error is None or isinstance(error, _OF_THE_BROKER):
            return self._connection.unavailable(doing)
        return Crashed(APP_ID, error)


def rights_app(
    connection: Connection, service: RightsService, set_aside: StoreLetter, run: Run, folder: str
) -> Any:
    """The Faust app on the broker of `connection`; `run` carries out a blocking step, and where that fails the other.

    Raises SettingsError.
    """
    app = faust.App(
        APP_ID,
        broker=[f"kafka://{address.strip()}" for address in connection.bootstrap.split(",")],
        broker_credentials=credentials(connection.options),
        store="memory://",
        datadir=folder,
        web_enabled=False,
        # Topics come from topics.yaml; Faust shall neither declare any nor elect a leader over one of its own.
        topic_allow_declare=False,
        topic_disable_leader=True,
        # Else stopping waits until every message is acknowledged, and one whose step was given up never is.
        stream_wait_empty=False,
        consumer_auto_offset_reset="earliest",
        # Each may be a mebibyte of nothing, a few bytes on the wire.
        broker_max_poll_records=_AT_ONCE,
        stream_buffer_maxsize=_AT_ONCE,
        # How long a worker that vanished keeps its partitions.
        broker_session_timeout=_SESSION_SECONDS,
        broker_heartbeat_interval=_SESSION_SECONDS / 3,
    )
    app.transport = CommittedTransport(app.conf.broker_consumer, app)
    _agent(app, REQUESTS, own_record("RightsRequest"), _each_decoded(service.on_requests), set_aside, run)
    _agent(app, RECEIPTS, own_record("ErasureReceipt"), _each_decoded(service.on_receipts), set_aside, run)
    if service.copies_asked:
        _agent(app, COPIES, own_record("CopyPart"), partial(_each_copy, service), set_aside, run)

    async def resume() -> None:
        await run(service.resume, None)

    async def resume_again() -> None:
        await run(service.resume, None)

    app.task(resume)
    # A request recorded while Kafka was away has no message that would bring it here.
    app.timer(interval=_RESUME_SECONDS)(resume_again)
    return app


def credentials(options: Mapping[str, str]) -> Any:
    """Faust's credentials for librdkafka's security options; None for a plain connection. Raises SettingsError."""
    protocol = options.get("security.protocol", "PLAINTEXT").upper()
    if protocol == "PLAINTEXT":
        return None
    context = tls_context(options) if protocol.endswith("SSL") else None
    if protocol == "SSL":
        return faust.SSLCredentials(context)
    mechanism = options.get("sasl.mechanism", "PLAIN")
    if mechanism not in MECHANISMS:
        raise SettingsError(
            f"INNSYN_KAFKA_SASL_MECHANISM: the rights agents know {', '.join(MECHANISMS)}; choose one of them"
        )
    return faust.SASLCredentials(
        username=options.get("sasl.username"),
        password=options.get("sasl.password"),
        ssl_context=context,
        mechanism=mechanism,
    )


def _agent(
    app: Any, topic: str, record: RecordSchema, steps: Steps, set_aside: StoreLetter, run: Run
) -> None:
    raw = app.topic(topic, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")

    async def work(messages: Sequence[Any]) -> None:
        taken = Taken(record, messages, steps, set_aside)
        await run(taken.take, taken.aside)

    async def agent(stream: Any) -> None:
        # Acknowledged by hand: a stream does it by itself also when its agent is cancelled in the middle of a step.
        await follow(stream.noack().events(), work, stream.ack)

    app.agent(raw, name=topic)(agent)


def _each_decoded(on_many: Callable[[Sequence[Mapping[str, Any]]], Sequence[object]]) -> Steps:
    return lambda given: on_many([value for value, _ in given])


def _each_copy(service: RightsService, given: Sequence[tuple[Mapping[str, Any], bytes]]) -> Sequence[object]:
    # A part may be a mebibyte: one after the other.
    return [tried(lambda item: service.on_copy(*item), item) for item in given]


async def _first(*waits: Awaitable[object]) -> bool:
    """Wait for the first to end and end the others. Whether it was the one named first; raises what that raised."""
    tasks = [asyncio.ensure_future(item) for item in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            tasks[0].result()
        return tasks[0].done()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
    with suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(event.set)


async def _persistently(
    step: Callable[[], object],
    steps: ThreadPoolExecutor,
    ending: asyncio.Event,
    waits: Waits,
    passing: type[Exception] = Unavailable,
) -> None:
    """Run a step in the thread; while something outside is away, again after a growing pause.

    Where what came is in the ledger, the step is left to `resume` after some tries, so that others have their turn.
    When the worker is to end, the step is given up: its message is not acknowledged, so it comes again.
    """
    attempt = 0
    while True:
        waits.begin("step", "a step of a rights request has been under way", _STEP_PATIENCE)
        try:
            await asyncio.get_running_loop().run_in_executor(steps, step)
            waits.wait("step", None)
            return
        except passing as error:
            pause = _RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)]
            why = str(error) if isinstance(error, InnsynError) else place_of(error)
            waits.wait("step", f"rights requests wait: {why}")
            attempt += 1
            if isinstance(error, Recorded) and attempt > _PATIENCE:
                _log.warning("rights step is left for later", error=why)
                return
            _log.warning("rights step waits", error=why, seconds=pause)
            waits.end("step")
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), pause)
            if ending.is_set():
                raise asyncio.CancelledError from None
        finally:
            waits.end("step")

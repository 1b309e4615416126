"""Connections to the API under limits: how many, how long they may say nothing, how long they may not listen.

uvicorn has a limit for the time between requests alone. Whoever opens connections and sends half a head, a byte a
second, or does not read what is sent, would hold all there are.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

_SWEEP_SECONDS = 0.5
# How long a shortage is a problem after it was last met.
_REMEMBERED_SECONDS = 30.0
_SHORT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_FULL_TEXT = b"all connections are in use; try again in a moment"
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
    b"retry-after: 1\r\ncontent-length: %d\r\n\r\n%b" % (len(_FULL_TEXT), _FULL_TEXT)
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ConnectionLimits:
    """`most` connections, of which `waiting` may have no whole request in hand; seconds for the head of a request,
    between two requests, and for a client that does not take what is sent."""

    most: int = 512
    waiting: int = 256
    head_seconds: float = 10.0
    idle_seconds: int = 5
    write_seconds: float = 30.0

    def within(self, files: int) -> ConnectionLimits:
        """As many as leave most of the open files that are allowed to the index and to Kafka clients."""
        most = max(8, min(self.most, files // 4))
        return ConnectionLimits(
            most,
            min(self.waiting, max(4, most // 2)),
            self.head_seconds,
            self.idle_seconds,
            self.write_seconds,
        )


class Connections:
    """All connections of one server. Belongs to the event loop's thread but for `problems`.

    Where there is no room, the one makes room that longest has had no whole request in hand, or has not taken its
    answer: who asks something is served at once, who only holds a place loses it.
    """

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._all: set[BoundedProtocol] = set()
        # In the order in which they began to wait.
        self._waiting: dict[BoundedProtocol, None] = {}
        self._short_at: float | None = None
        self._full_at: float | None = None
        self._spare: int | None = None

    def __len__(self) -> int:
        return len(self._all)

    @property
    def waiting(self) -> int:
        """Connections that only hold a place: without a whole request in hand, or not taking their answer."""
        return len(self._waiting)

    @property
    def busy(self) -> int:
        """Connections with a whole request in hand."""
        return len(self._all) - len(self._waiting)

    def problems(self) -> Sequence[str]:
        """What kept somebody out within the last half minute."""
        now = time.monotonic()
        found = []
        if self._full_at is not None and now - self._full_at < _REMEMBERED_SECONDS:
            found.append(f"all {self.limits.most} connections of the API are busy; further ones are refused")
        if self._short_at is not None and now - self._short_at < _REMEMBERED_SECONDS:
            found.append(
                "the API could take no connection: no open files are left; raise the limit (LimitNOFILE)"
            )
        return found

    def begin(self) -> None:
        """Start to look after time; called on the event loop."""
        self._keep_spare()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self.failed)
        loop.call_later(_SWEEP_SECONDS, self._sweep, loop)

    def enter(self, one: BoundedProtocol) -> None:
        """A new connection; another one goes, or it is refused, where there is no room."""
        if len(self._all) >= self.limits.most and not self._waiting:
            self._full_at = time.monotonic()
            # So few bytes that they are sent, and it closed, at once.
            one.transport.write(_FULL)
            one.transport.close()
            return
        self._all.add(one)
        self.waits(one)
        while len(self._waiting) > self.limits.waiting or len(self._all) > self.limits.most:
            oldest = next(iter(self._waiting))
            self.leave(oldest)
            oldest.transport.abort()

    def leave(self, one: BoundedProtocol) -> None:
        """It is closed."""
        self._all.discard(one)
        self._waiting.pop(one, None)

    def waits(self, one: BoundedProtocol) -> None:
        """It only holds a place now."""
        if one in self._all:
            self._waiting[one] = None

    def works(self, one: BoundedProtocol) -> None:
        """It has a request in hand, and takes its answer."""
        self._waiting.pop(one, None)

    def failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio cannot tell anybody. Its text may name an address: only the kind is logged."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _SHORT:
            _log.error("api.loop", error=type(error).__name__ if error else "unknown")
            return
        if self._short_at is None or time.monotonic() - self._short_at > _REMEMBERED_SECONDS:
            _log.error("api.no_files", waiting=len(self._waiting), connections=len(self._all))
        self._short_at = time.monotonic()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        for one in list(self._waiting):
            self.leave(one)
            one.transport.abort()

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = time.monotonic()
        for one in [*self._all]:
            if one.overdue(now):
                self.leave(one)
                one.transport.abort()
        self._keep_spare()
        loop.call_later(_SWEEP_SECONDS, self._sweep, loop)

    def _keep_spare(self) -> None:
        """One open file in reserve, so that a connection can be taken, and dropped, when there is no other."""
        if self._spare is None:
            try:
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return


class BoundedProtocol(H11Protocol):
    """uvicorn's, under the limits of `connections`, which is set on a subclass for each server."""

    room: Connections

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._since = time.monotonic()
        self._busy = False
        self._deaf: float | None = None
        self._closing: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.room.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.room.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self.transport.is_closing():
            super().data_received(data)

    def handle_events(self) -> None:
        super().handle_events()
        self._note()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deaf = time.monotonic()
        self._note()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._deaf = None
        self._note()

    def overdue(self, now: float) -> bool:
        """Whether it kept us waiting too long: with its request, or with taking its answer."""
        limits = self.room.limits
        if self.transport.is_closing():
            self._closing = self._closing or now
            return now - self._closing > limits.write_seconds
        if self._deaf is not None:
            return now - self._deaf > limits.write_seconds
        return not self._busy and now - self._since > limits.head_seconds

    def _note(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if self._busy and not busy:
            self._since = time.monotonic()
        self._busy = busy
        (self.room.works if busy and self._deaf is None else self.room.waits)(self)

"""Round every request: a bearer token that is not guessed, limits on its body, and no traceback on the way out."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus

import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.api.problems import problem
from console.api.protection.body import BODY_LIMIT, BODY_SECONDS, Gone, announced, body_of
from console.api.protection.doors import UNGUESSABLE, Doors, caller_name
from console.api.protection.recorder import Recorder
from schemas.errors import place_of
from sinks.ports.audit import AuditEntry

# Sent where a body may still come that nobody reads: the connection ends with the answer.
_CLOSE: Mapping[str, str] = {"Connection": "close"}
# What somebody with the token may send in vain, so that the answer is seen.
_DRAINED = 16 * BODY_LIMIT
_PROTECTED = ("/v1", "/metrics")

log = structlog.get_logger(__name__)


class Guard:
    """ASGI middleware. One of `tokens` is what `Authorization: Bearer` must hold on /v1 and /metrics.

    The client is who opened the connection: no header says otherwise, since anybody can write one. `state` of a request
    has its `caller` (name of the credential) and `client`.
    """

    def __init__(
        self,
        app: ASGIApp,
        tokens: Sequence[str],
        doors: Doors,
        recorder: Recorder,
        clock: Callable[[], datetime],
    ) -> None:
        self._app = app
        self._callers = {token.encode(): caller_name(token) for token in tokens}
        # Whoever sends wrong ones from an address that others share (a proxy, this machine) shall not keep them out.
        self._unguessable = all(len(token) >= UNGUESSABLE for token in self._callers)
        self._doors = doors
        self._recorder = recorder
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._serve(scope, receive, watched)
        except asyncio.CancelledError:
            # The server is ending, and has waited as long as it may.
            if started:
                raise
            ending = problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "innsyn is being stopped and did not finish this; ask again when it runs, and of a command look first"
                " whether it was done",
                headers={"Retry-After": "30", **_CLOSE},
            )
            await ending(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = announced(scope)
        # Before the body is read: who may not ask shall not make us read. What is open to all takes none. A small body
        # may be on its way already, and whoever is cut off while sending does not see the answer.
        close = {} if length is not None and length <= BODY_LIMIT else _CLOSE
        if not _is_protected(scope["path"]):
            await self._answer(scope, b"", receive, _closing(send) if close else send)
            return
        client = scope["client"][0] if scope.get("client") else ""
        if (refusal := self._refusal(scope, client, close)) is not None:
            await refusal(scope, receive, send)
            return
        scope.setdefault("state", {}).update(caller=self._caller(scope), client=client)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = None if length is not None and length > BODY_LIMIT else await body_of(receive)
        except TimeoutError:
            late = problem(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the body was not there within {BODY_SECONDS:.0f} s; send it again",
                headers=_CLOSE,
            )
            await late(scope, receive, send)
            return
        except Gone:
            return
        if body is None:
            too_large = problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a body has at most {BODY_LIMIT} bytes; send less",
                headers={} if length is not None and length <= _DRAINED else _CLOSE,
            )
            await too_large(scope, receive, send)
            return
        await self._answer(scope, body, receive, send)

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        started = False

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, replay, watched)
        except Exception as error:  # noqa: BLE001 - the server would log its text, which may hold a value
            log.error("bug", error=place_of(error))
            if not started:
                failed = problem(HTTPStatus.INTERNAL_SERVER_ERROR, "a bug in innsyn; its log says where")
                await failed(scope, receive, send)

    def _refusal(self, scope: Scope, client: str, close: Mapping[str, str]) -> Response | None:
        """What to answer instead of asking who it is, or because it is nobody; None: it is who may."""
        given = dict(scope["headers"]).get(b"authorization", b"")
        may = bool(self._caller(scope))
        if may and self._unguessable:
            return None
        if seconds := self._doors.closed(client):
            return problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"too many wrong tokens came from this address; wait {seconds} s",
                headers={"Retry-After": str(seconds), **close},
            )
        if may:
            return None
        if self._doors.refused(client, given=bool(given)):
            # Not waited for: whoever guesses shall not make the index slow.
            self._recorder.put(
                AuditEntry(self._clock(), "log-in", client=client, status=HTTPStatus.UNAUTHORIZED)
            )
        return problem(
            HTTPStatus.UNAUTHORIZED,
            "a bearer token is needed: send the one in INNSYN_API_TOKEN or <home>/token",
            headers={"WWW-Authenticate": 'Bearer realm="innsyn"', **close},
        )

    def _caller(self, scope: Scope) -> str:
        """Name of the credential that is given; empty: none that may."""
        given: bytes = dict(scope["headers"]).get(b"authorization", b"")
        scheme, _, token = given.partition(b" ")
        if scheme.lower() != b"bearer":
            return ""
        # Each is compared, so that the time does not tell which.
        names = [name for known, name in self._callers.items() if hmac.compare_digest(token.strip(), known)]
        return names[0] if names else ""


def _is_protected(path: str) -> bool:
    return any(path == prefix or path.startswith(f"{prefix}/") for prefix in _PROTECTED)


def _closing(send: Send) -> Send:
    """Sends that the connection ends with the answer."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return closing

"""The SQL endpoint: ClickHouse's HTTP interface over the views, for whoever has its user and token.

A query is recorded before its answer leaves: who, which views, how many rows, the hash of its shape and the tokens of
people that it names. Never its text, which may hold a value of a person.
"""

from __future__ import annotations

import asyncio
import hmac
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from console.api.protection.body import BODY_LIMIT, BODY_SECONDS, Gone, announced, body_of
from console.api.protection.doors import UNGUESSABLE, Doors, caller_name
from console.api.protection.pool import QuestionLimits, Questions
from console.api.protection.recorder import Recorder
from console.sql.answers import answered, plain_ok, refused
from console.sql.request import Asked, Login, asked_of, fields_of, login_of
from schemas.counted import counted
from schemas.errors import (
    InnsynError,
    QuestionAbandoned,
    QuestionsBusy,
    QuestionTooLong,
    Unavailable,
    place_of,
)
from sinks.ports.audit import AuditEntry
from sinks.ports.sql import SqlError, SqlReader, SqlSeen

ACTION = "SQL"
_ALIVE = frozenset({"/ping", "/replicas_status"})
_CLOSE: Mapping[str, str] = {"Connection": "close"}
# What ending a query may take.
_GRACE_SECONDS = 5.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SqlServices:
    """What the endpoint is made of. `key_id()`: of the tokens that the views show now."""

    reader: SqlReader
    user: str
    token: str = field(repr=False)
    recorder: Recorder
    doors: Doors
    clock: Callable[[], datetime]
    key_id: Callable[[], str]
    limits: QuestionLimits


@dataclass
class _Turn:
    """One request, and what is known of it for the record."""

    at: datetime
    client: str
    begun: float = field(default_factory=time.monotonic)
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    query_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    seen: list[SqlSeen] = field(default_factory=list)
    rows: int = 0
    key_id: str = ""


class SqlDoor:
    """The ASGI application."""

    def __init__(self, services: SqlServices) -> None:
        self._services = services
        self._caller = caller_name(services.token)
        self._questions = Questions(services.limits)
        self._running: dict[str, float] = {}

    def problems(self) -> Sequence[str]:
        """Queries that nothing ends: a sentence for all."""
        most = self._services.limits.seconds + _GRACE_SECONDS
        late = [begun for begun in [*self._running.values()] if time.monotonic() - begun > most]
        if not late:
            return ()
        return [
            f"{counted(len(late), 'query')} in SQL did not end after {most:.0f} s, the longest runs for"
            f" {time.monotonic() - min(late):.0f} s, and holds its worker; start innsyn again if it does not end"
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        client = scope["client"][0] if scope.get("client") else ""
        turn = _Turn(self._services.clock().astimezone(UTC), client)
        try:
            response: ASGIApp = await self._respond(Request(scope, receive), turn)
        except (Gone, QuestionAbandoned):
            return
        except asyncio.CancelledError:
            response = refused(
                SqlError(236, "ABORTED", "innsyn is being stopped; ask again when it runs"),
                turn.query_id,
                _CLOSE,
            )
        except Exception as error:  # noqa: BLE001 - the server would log its text, which may hold a value
            _log.error("bug", error=place_of(error))
            response = refused(
                SqlError(49, "LOGICAL_ERROR", "a bug in innsyn; its log says where"), turn.query_id, _CLOSE
            )
        await response(scope, receive, send)

    async def _respond(self, request: Request, turn: _Turn) -> Response:
        if request.method not in ("GET", "POST", "HEAD"):
            return refused(SqlError(48, "NOT_IMPLEMENTED", "send GET or POST"), turn.query_id, _CLOSE)
        if request.url.path in _ALIVE:
            return plain_ok()
        if request.url.path != "/":
            return Response("There is nothing here; queries go to /\n", HTTPStatus.NOT_FOUND, _CLOSE)
        try:
            fields = fields_of(request.scope["query_string"])
        except SqlError as error:
            return refused(error, turn.query_id, _CLOSE)
        if request.method != "POST" and "query" not in fields:
            return plain_ok()
        if (refusal := self._refusal(login_of(request.headers, fields), turn)) is not None:
            return refusal
        try:
            body = await self._body(request)
            asked = asked_of(request.headers, fields, body)
        except SqlError as error:
            return refused(error, turn.query_id, _CLOSE)
        turn.query_id = asked.query_id or turn.query_id
        return await self._recorded(request, asked, turn)

    def _refusal(self, login: Login, turn: _Turn) -> Response | None:
        """What to answer instead of the query, because it is nobody who may ask."""
        services = self._services
        user = hmac.compare_digest(login.user.encode(), services.user.encode())
        may = hmac.compare_digest(login.password.encode(), services.token.encode()) and user
        if may and len(services.token) >= UNGUESSABLE:
            return None
        if seconds := services.doors.closed(turn.client):
            text = f"too many wrong tokens came from this address; wait {seconds} s"
            return _login_refused(text, turn, {"Retry-After": str(seconds)})
        if may:
            return None
        if services.doors.refused(turn.client, given=login.given):
            services.recorder.put(
                AuditEntry(turn.at, f"{ACTION} log-in", client=turn.client, status=HTTPStatus.FORBIDDEN)
            )
        return _login_refused(
            "Authentication failed: user or token is wrong; `innsyn up` says which user, and where its token is",
            turn,
        )

    async def _body(self, request: Request) -> bytes:
        length = announced(request.scope)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = None if length is not None and length > BODY_LIMIT else await body_of(request.receive)
        except TimeoutError:
            raise SqlError(
                209, "SOCKET_TIMEOUT", f"the query was not there within {BODY_SECONDS:.0f} s"
            ) from None
        if body is None:
            raise SqlError(62, "SYNTAX_ERROR", f"a query has at most {BODY_LIMIT} bytes; send less")
        return body

    async def _recorded(self, request: Request, asked: Asked, turn: _Turn) -> Response:
        """The answer, once the record of it is on disk."""
        recorder = self._services.recorder
        if why := recorder.refusal():
            return refused(SqlError(210, "NETWORK_ERROR", why), turn.query_id)
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        try:
            response = await self._answer(request, asked, turn)
            status = response.status_code
        except BaseException:
            # Nothing is answered: it was given up, or by a bug.
            recorder.put(self._entry(turn, status))
            raise
        if not await recorder.keep(self._entry(turn, status)):
            why = "this query could not be recorded, so it is not answered; repeat it later"
            return refused(SqlError(210, "NETWORK_ERROR", why), turn.query_id)
        return response

    async def _answer(self, request: Request, asked: Asked, turn: _Turn) -> Response:
        limits = self._services.limits

        def work() -> Response:
            self._running[turn.key] = time.monotonic()
            try:
                found = self._services.reader.ask(asked.query, turn.seen)
            finally:
                del self._running[turn.key]
                if turn.seen and turn.seen[0].tokens:
                    turn.key_id = self._key_id()
            turn.rows = found.rows
            return answered(found, asked, turn.query_id)

        try:
            return await self._questions.ask(request, work)
        except SqlError as error:
            return refused(error, turn.query_id)
        except QuestionTooLong:
            text = (
                f"the query took longer than it may ({limits.seconds:g} s, waiting included) and was ended; read less"
                " (a day, a topic, a token), or set INNSYN_SQL_SECONDS"
            )
            return refused(SqlError(159, "TIMEOUT_EXCEEDED", text), turn.query_id)
        except QuestionsBusy:
            text = f"{limits.workers + limits.waiting} queries run or wait; repeat it soon, or set INNSYN_SQL_WORKERS"
            busy = SqlError(202, "TOO_MANY_SIMULTANEOUS_QUERIES", text)
            return refused(busy, turn.query_id, {"Retry-After": "1"})
        except Unavailable as error:
            return refused(SqlError(210, "NETWORK_ERROR", str(error)), turn.query_id)

    def _entry(self, turn: _Turn, status: int) -> AuditEntry:
        seen = turn.seen[0] if turn.seen else SqlSeen()
        return AuditEntry(
            at=turn.at,
            action=ACTION,
            caller=self._caller,
            client=turn.client,
            subjects=seen.tokens,
            key_id=turn.key_id,
            shape=seen.shape,
            views=seen.views,
            size=turn.rows,
            status=status,
            milliseconds=round((time.monotonic() - turn.begun) * 1000),
        )

    def _key_id(self) -> str:
        try:
            return self._services.key_id()
        except InnsynError:
            return ""


def _login_refused(text: str, turn: _Turn, headers: Mapping[str, str] | None = None) -> Response:
    return refused(SqlError(516, "AUTHENTICATION_FAILED", text), turn.query_id, {**_CLOSE, **(headers or {})})

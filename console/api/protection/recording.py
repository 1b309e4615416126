"""A record of every question about a person, on disk before its answer leaves.

It is kept for every route under /v1 but those that speak of nobody: a new route is recorded unless it is listed here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.api.problems import problem
from console.api.protection.doors import Doors
from console.api.protection.recorder import Recorder
from console.client import PURPOSE_HEADER
from console.operations.audit import Note
from schemas.asked_for import AskedFor, asked_for
from sinks.ports.audit import AuditEntry

_OF_NOBODY = frozenset({"/v1/catalogue", "/v1/topics", "/v1/schemas", "/v1/systems"})
_BELOW_OF_NOBODY = "/v1/schemas/"
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Recorded:
    """ASGI middleware inside of `console.api.protection.guard.Guard`, which says who it is."""

    def __init__(self, app: ASGIApp, recorder: Recorder, doors: Doors, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._recorder = recorder
        self._doors = doors
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_recorded(scope["path"]):
            await self._app(scope, receive, send)
            return
        if why := self._recorder.refusal():
            await problem(HTTPStatus.SERVICE_UNAVAILABLE, why)(scope, receive, send)
            return
        begun = time.monotonic()
        note = _note(scope, self._clock(), self._doors)
        scope.setdefault("state", {})["note"] = note
        start: Message = {}
        told = refused = False

        def entry(status: int) -> AuditEntry:
            return note.entry(_action(scope), status, time.monotonic() - begun)

        async def recorded(message: Message) -> None:
            nonlocal start, told, refused
            if message["type"] == "http.response.start":
                start = message
                return
            if not told:
                told = True
                refused = not await self._recorder.keep(entry(start["status"]))
                if refused:
                    await _unrecorded(note)(scope, receive, send)
                else:
                    await send(start)
            if not refused:
                await send(message)

        try:
            await self._app(scope, receive, recorded)
        finally:
            if not told:
                # Nothing was answered: by a bug, or because it was given up.
                self._recorder.put(entry(HTTPStatus.INTERNAL_SERVER_ERROR))


def declared_purpose(
    purpose: Annotated[
        AskedFor | None,
        Header(alias=PURPOSE_HEADER, description="What it is asked for; kept in the audit record."),
    ] = None,
) -> None:
    """Refuses a purpose that is none of the list; what is one is noted from the header itself."""


def note_of(state: Any) -> Note:
    """The note of a question, out of the `state` of its request."""
    note: Note = state.note
    return note


def _is_recorded(path: str) -> bool:
    return path.startswith("/v1/") and path not in _OF_NOBODY and not path.startswith(_BELOW_OF_NOBODY)


def _note(scope: Scope, now: datetime, doors: Doors) -> Note:
    given: Mapping[bytes, bytes] = dict(scope["headers"])
    purpose = asked_for(given.get(PURPOSE_HEADER.lower().encode(), b"").decode("latin-1"))
    return Note(
        now.astimezone(UTC),
        caller=scope["state"]["caller"],
        client=scope["state"]["client"],
        purpose=purpose or "",
        limit=doors.look_up,
    )


def _action(scope: Scope) -> str:
    """Method and route. Never the path: what stands in one that leads nowhere may be anything."""
    method = scope["method"] if scope["method"] in _METHODS else "OTHER"
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is None:
        return f"{method} unknown"
    # A router that is included knows its own part alone.
    return f"{method} {path if path.startswith('/v1/') else f'/v1{path}'}"


def _unrecorded(note: Note) -> ASGIApp:
    if note.changes:
        return problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "what was asked may be done, but could not be recorded yet; look before you ask again",
        )
    return problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "this question could not be recorded, so it is not answered; repeat it later",
    )

"""A record of every question about a person, on disk before its answer leaves.

It is kept for every route under /v1 but those that speak of nobody: a new route is recorded unless it is listed here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Header
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.api.models import Identifier
from console.api.people import Known
from console.api.problems import problem
from console.api.protection.doors import Doors
from console.api.protection.recorder import Recorder
from console.client import PURPOSE_HEADER
from schemas.asked_for import AskedFor, asked_for
from schemas.catalogue import Catalogue
from schemas.errors import IndexUnavailable
from schemas.tokens import Tokenizer
from sinks.audit import AuditEntry
from sinks.ports import IndexReader
from streams.answers.attribution import Resolver
from streams.identity.model import Given, Link, ResolvedSubject

_OF_NOBODY = frozenset({"/v1/catalogue", "/v1/topics", "/v1/systems"})
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


@dataclass
class Note:
    """What is known of one question while it is answered. Whoever answers it fills it in.

    `changes`: something else than the record may have changed by it.
    """

    at: datetime
    caller: str
    client: str = ""
    purpose: str = ""
    doors: Doors | None = field(default=None, repr=False)
    kinds: frozenset[str] = frozenset()
    identifiers: int = 0
    subjects: set[bytes] = field(default_factory=set, repr=False)
    key_id: str = ""
    request_id: str = ""
    resolution: str = ""
    size: int = 0
    changes: bool = False
    known: Known | None = field(default=None, repr=False)
    tokenizer: Tokenizer | None = field(default=None, repr=False)

    def asks(self, identifiers: Sequence[Identifier]) -> None:
        """It is about these. Raises TooOften."""
        self.kinds = frozenset(item.kind.value for item in identifiers)
        self.identifiers = len(identifiers)
        if self.doors is not None:
            self.doors.look_up(self.caller, self.identifiers)

    def of(self, known: Known) -> Known:
        """The same to ask of, where whom it finds is noted."""
        self.known = known
        return _Noted(known, self)

    def answered(self, answer: dict[str, Any]) -> dict[str, Any]:
        """The answer as it is, its resolution and size noted.

        Raises IndexUnavailable where the key it was asked under was retired meanwhile: under that nothing is found.
        """
        if self.key_id and self.known is not None and self.known.tokenizer.key_id != self.key_id:
            raise IndexUnavailable("the token keys changed while this was answered; ask again")
        self.resolution = str(answer["resolution"])
        self.size = int(answer.get("total_events", answer.get("links_total", 0)))
        return answer

    def about(self, request_id: str, subjects: Iterable[str] = ()) -> None:
        """It is about a request, of people with these tokens (hex)."""
        self.request_id = request_id
        self.subjects |= set(map(bytes.fromhex, subjects))

    def entry(self, action: str, status: int, seconds: float) -> AuditEntry:
        nobody = self.resolution == "none"
        return AuditEntry(
            at=self.at,
            action=action,
            caller=self.caller,
            client=self.client,
            kinds=tuple(sorted(self.kinds)),
            identifiers=self.identifiers,
            subjects=() if nobody else tuple(sorted(self.subjects)),
            key_id="" if nobody or not self.subjects else self.key_id,
            request_id=self.request_id,
            purpose=self.purpose,
            resolution=self.resolution,
            size=self.size,
            status=int(status),
            milliseconds=min(round(seconds * 1000), 2**32 - 1),
        )


@dataclass(frozen=True)
class _Noted:
    """A `Known` whose answers about identity are noted."""

    known: Known
    note: Note

    @property
    def reader(self) -> IndexReader:
        return self.known.reader

    @property
    def identities(self) -> Resolver:
        return _NotedIdentities(self.known.identities, self.note.subjects)

    @property
    def tokenizer(self) -> Tokenizer:
        """One for all of the question: a key may be retired between two looks."""
        if self.note.tokenizer is None:
            self.note.tokenizer = self.known.tokenizer
            self.note.key_id = self.note.tokenizer.key_id
        return self.note.tokenizer

    @property
    def catalogue(self) -> Catalogue:
        return self.known.catalogue


@dataclass(frozen=True)
class _NotedIdentities:
    """A `Resolver` that keeps whom it found."""

    identities: Resolver
    subjects: set[bytes]

    def person(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> ResolvedSubject:
        found = self.identities.person(givens, now, known_at)
        self.subjects.update(found.subjects)
        return found

    def each(
        self, givens: Sequence[Given], now: datetime, known_at: datetime | None = None
    ) -> Sequence[ResolvedSubject]:
        found = self.identities.each(givens, now, known_at)
        for item, person in zip(givens, found, strict=True):
            # Without a moment the links say whose it ever was.
            ever = {link.subject for link in person.links} if item.at is None else set()
            self.subjects.update(person.subjects, ever)
        return found

    def links(self, givens: Sequence[Given], known_at: datetime | None = None) -> Sequence[Sequence[Link]]:
        return self.identities.links(givens, known_at)

    def chains(self, givens: Sequence[Given], known_at: datetime | None = None) -> Sequence[Sequence[Link]]:
        return self.identities.chains(givens, known_at)

    def ever(self, givens: Sequence[Given]) -> Sequence[frozenset[bytes]]:
        return self.identities.ever(givens)


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
    return path.startswith("/v1/") and path not in _OF_NOBODY


def _note(scope: Scope, now: datetime, doors: Doors) -> Note:
    given: Mapping[bytes, bytes] = dict(scope["headers"])
    purpose = asked_for(given.get(PURPOSE_HEADER.lower().encode(), b"").decode("latin-1"))
    return Note(
        now.astimezone(UTC),
        caller=scope["state"]["caller"],
        client=scope["state"]["client"],
        purpose=purpose or "",
        doors=doors,
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

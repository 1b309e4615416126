"""The case file of each request: its events in the ledger, and what the person gave, sealed under the request's key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import date, datetime
from typing import Any

from schemas.calendars import NORWEGIAN, Calendar
from schemas.copykeys import CopyKey
from schemas.errors import InputError, KeyUnavailable, Unavailable
from schemas.keys import Keyring
from schemas.policy import RetentionAnchors
from schemas.systemkeys import SystemKeys
from schemas.times import whole_milliseconds
from schemas.together import asked, tried
from schemas.vocabulary import Resolution
from sinks.ports.lineage import Span
from sinks.ports.requests import RequestEvent, RequestLog
from streams.answers.attribution import spans_json
from streams.rights.listing import Listing
from streams.rights.protocol.events import Attention, Behind, LedgerEvent, Received, content_of, event_of
from streams.rights.protocol.messages import Named, identifiers_from_json, identifiers_json
from streams.rights.protocol.parts import Note
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.scope import EVERYTHING, Scope

TRIES = 50
"""How often something is tried anew because another process wrote to the request first."""


_FIRSTS_KEPT = 5_000


FOLLOWING = "follow-ups"
"""Name of the key by which requests are named that follow others up whose own key was destroyed."""

EXPIRING = "expiries"
"""Name of the key by which requests are named that nobody made."""


class Overtaken(Exception):
    """Another process wrote to the request since it was read. Read again, and decide again."""


class Recorded(Unavailable):
    """What came is in the ledger; the next step waits for something that is away. `resume` goes on with it as well.

    `str` says so, and that nobody shall ask again.
    """

    def __init__(self, error: Unavailable, request_id: str) -> None:
        super().__init__(
            f"recorded as {request_id}, which goes on by itself when what it waits for is back; do not ask again "
            f"({error})"
        )
        self.request_id = request_id


def busy(request_id: str) -> Unavailable:
    """Other processes were faster every time."""
    return Unavailable(f"other processes keep writing to request {request_id}; repeat, or end one of them")


class CaseFile:
    """Reads and writes the ledger. Methods may raise IndexUnavailable; opening what is sealed, KeyUnavailable."""

    def __init__(
        self,
        ledger: RequestLog,
        keyring: Keyring,
        clock: Callable[[], datetime],
        calendar: Calendar = NORWEGIAN,
    ) -> None:
        self.calendar = calendar
        self._ledger = ledger
        self._listing = Listing(calendar)
        self._keyring = keyring
        self._clock = clock
        self._firsts: dict[str, Received] = {}

    def now(self) -> datetime:
        """As the ledger keeps it: a moment must be the same when it is read back. All of a batch who ask for it at
        once get the same: what the index knew then is asked of all of them in one question."""
        return asked(self._now_each, None)

    def _now_each(self, questions: Sequence[None]) -> list[datetime]:
        return [whole_milliseconds(self._clock())] * len(questions)

    def length(self, request_id: str) -> int:
        """How many events the request has; 0 for an unknown one."""
        return len(self._ledger.events(request_id))

    def find(self, request_id: str) -> RequestState | None:
        """The request as it stands, None for an unknown one."""
        request = self._listing.folded(request_id, self._ledger.events(request_id))
        return request and self._with_reasons(request)

    def get(self, request_id: str) -> RequestState:
        """As `find`. Raises InputError for an unknown id."""
        request = self.find(request_id)
        if request is None:
            raise InputError(f"there is no request {request_id}; `innsyn requests` lists those there are")
        return request

    def every(self) -> list[RequestState]:
        """Every request, oldest first."""
        return [self._with_reasons(request) for request in self._listing.every(self._ledger)]

    def about(
        self, subjects: Iterable[str], spans: Sequence[Span], besides: str | None = None
    ) -> list[RequestState]:
        """Those that may be of the same person, and the one named, oldest first; see `Listing.about`."""
        return self._listing.about(self._ledger, subjects, spans, besides)

    def behind(self, request_id: str) -> list[RequestState]:
        """The open requests that wait for that one to end, oldest first."""
        return self._listing.behind(self._ledger, request_id)

    def seal(
        self,
        request_id: str,
        identifiers: list[Named],
        reason: str | None,
        corrections: Mapping[str, Any] | None = None,
    ) -> bytes:
        """What the person gave, wrote and corrects, readable with the request's own key alone."""
        given: dict[str, Any] = {"identifiers": identifiers_json(identifiers), "reason": reason}
        if corrections:
            given["corrections"] = dict(corrections)
        personal = json.dumps(given).encode()
        asked(self._keys_made_each, f"request-{request_id}")
        return self._keyring.seal(f"request-{request_id}", personal, request_id.encode())

    def _keys_made_each(self, names: Sequence[str]) -> list[None]:
        self._keyring.make_sealing(names)
        return [None] * len(names)

    def follow_up_id(self, request_id: str, number: int) -> str:
        """The id of a follow-up, the same at every try; whoever lacks the request's key cannot work it out.

        `number`: which of them, if those before it were taken.
        """
        own = f"request-{request_id}"
        if own in self._keyring.sealing_keys():
            return f"r-{self._keyring.unguessable(own, f'follow-up {number}')}"
        # Of a request whose key was destroyed: by a key that stands for all of those.
        self._keyring.seal(FOLLOWING, b"", b"")
        return f"r-{self._keyring.unguessable(FOLLOWING, f'follow-up {number} of {request_id}')}"

    def expiry_id(self, subjects: Sequence[str], day: date) -> str:
        """The id of the request for what has run out of a person on a day, the same at every try and for everybody
        who makes it; whoever lacks the key cannot work it out."""
        self._keyring.seal(EXPIRING, b"", b"")
        said = " ".join([day.isoformat(), *sorted(subjects)])
        return f"r-{self._keyring.unguessable(EXPIRING, said)}"

    def follows(self, request_id: str) -> str | None:
        """The request that this one was made to follow up here; None for any other, and for an unknown id."""
        events = self._ledger.events(request_id)
        # One that cannot be read is none that was made to follow this one.
        with suppress(ValueError):
            return _first(events).follows if events else None
        return None

    def opens(self, request_id: str, sealed: bytes) -> bool:
        """Whether the request's own key is here, and sealed this for this request."""
        try:
            self._keyring.open(f"request-{request_id}", sealed, request_id.encode())
        except KeyUnavailable:
            return False
        return True

    def seal_note(self, request_id: str, text: str) -> str:
        """What a person wrote about the request, readable with its own key alone: it may name somebody."""
        sealed = self._keyring.seal(f"request-{request_id}", text.encode(), f"{request_id}/note".encode())
        return base64.b64encode(sealed).decode()

    def copy_key(self, request_id: str) -> CopyKey:
        """What copies for the request are sealed to; it ends with the request's own key. Raises KeyUnavailable."""
        return self._keyring.copy_key(f"request-{request_id}")

    def system_keys(self, system: str) -> SystemKeys:
        """What commands of that system are sealed to, and its receipts signed with. Raises KeyUnavailable for none."""
        return asked(self._system_keys_each, system)

    def _system_keys_each(self, systems: Sequence[str]) -> list[SystemKeys | Exception]:
        """Each file is read once, however many of a batch want it."""
        found = {system: tried(self._keyring.systems.of, system) for system in dict.fromkeys(systems)}
        return [found[system] for system in systems]

    def receive(
        self,
        request_id: str,
        type: str,
        channel: str,
        received_at: datetime,
        sealed: bytes,
        anchors: RetentionAnchors,
        inherited: Sequence[Span] = (),
        follows: str | None = None,
        *,
        unchecked: bool = False,
        by: str | None = None,
        scope: Scope = EVERYTHING,
        reread: bool = False,
        subjects: Sequence[str] = (),
    ) -> bool:
        """The first event of a request. False, and nothing changes, if there is a request of that id.

        `inherited`, `by`, `scope`, `reread`: see `RequestState`; `subjects`: see `Received`; `follows`: the request
        whose late findings this one deals with; `unchecked`: it waits until somebody has checked who makes it.
        """
        event = Received(
            type=type,
            channel=channel,
            received_at=received_at,
            sealed=base64.b64encode(sealed).decode(),
            anchors={name: day.isoformat() for name, day in asdict(anchors).items() if day is not None},
            inherited=tuple(map(tuple, spans_json(inherited))) or None,
            follows=follows,
            unchecked=unchecked or None,
            by=by,
            scope=None if scope == EVERYTHING else scope,
            reread=reread or None,
            subjects=tuple(subjects) or None,
        )
        return self._ledger.append(request_id, 0, event.kind, self.now(), content_of(event))

    def record_received(self, request_id: str, *given: Any, **more: Any) -> bool:
        """`receive` on an index that may fail and have written it all the same. False if the id is taken."""
        try:
            return self.receive(request_id, *given, **more)
        except Unavailable as error:
            try:
                there = self.length(request_id) > 0
            except Unavailable:
                raise Unavailable(
                    f"{error}; it may be recorded as {request_id}: look at `innsyn requests` before you ask again"
                ) from error
            if there:
                return True
            raise

    def decide(
        self,
        request: RequestState,
        event: LedgerEvent,
        occurred_at: datetime | None = None,
    ) -> RequestState:
        """Append what was decided on the request as it was read, once; the request as it stands then.

        Raises Overtaken if anything was written since: the decision may be another one now.
        """
        name, length = request.request_id, request.length
        events = self._listing.read(name, length)
        if events is None:
            events = self._ledger.events(name)
        if len(events) != length:
            raise Overtaken
        content = content_of(event)
        if _holds(events, event.kind, content):
            return self.get(name)
        moment = occurred_at or self.now()
        # Where anything was written since, the number is taken.
        if not self._ledger.append(name, length, event.kind, moment, content):
            raise Overtaken
        return self._after(events, event.kind, moment, content)

    def stand(self, request: RequestState, reason: str, resolution: Resolution | None = None) -> RequestState:
        """At `attention`, once for each time that it comes to stand there: what a repeated step finds again adds
        nothing. Raises Overtaken."""
        if request.state is State.ATTENTION and request.problem == reason and not request.broke:
            return request
        return self.decide(request, Attention(reason, resolution, run=request.length))

    def wait(
        self, request: RequestState, first: tuple[str, ...], expiring: tuple[str, ...] = ()
    ) -> RequestState:
        """Behind these requests, once for each time that it comes to wait so; `expiring`: those of them by which
        systems delete what has run out of the person. Raises Overtaken."""
        if request.behind == first and request.state is State.RECEIVED:
            return request
        return self.decide(request, Behind(first, request.length, expiring or None))

    def note(self, request_id: str, event: LedgerEvent) -> RequestState:
        """Append what has happened and is so whatever else was written meanwhile, once; the request then.

        Raises Unavailable when other processes are always faster.
        """
        content = content_of(event)
        for _ in range(TRIES):
            events = self._ledger.events(request_id)
            if _holds(events, event.kind, content):
                return self.get(request_id)
            moment = self.now()
            if self._ledger.append(request_id, len(events), event.kind, moment, content):
                return self._after(events, event.kind, moment, content)
        raise busy(request_id)

    def _after(
        self, events: Sequence[RequestEvent], kind: str, moment: datetime, content: Mapping[str, Any]
    ) -> RequestState:
        """The request after these events and one that the ledger took behind them, as that would give it back."""
        stored = json.loads(json.dumps(content))
        last = RequestEvent(events[0].request_id, len(events), kind, whole_milliseconds(moment), stored)
        request = self._listing.folded(last.request_id, [*events, last])
        assert request is not None
        return self._with_reasons(request)

    def sealed(self, request_id: str) -> bytes:
        """As `seal` gave it."""
        return base64.b64decode(self._received(request_id).sealed)

    def anchors(self, request_id: str) -> RetentionAnchors:
        """The days that start retention clocks, as the case handler knew them."""
        stored = self._received(request_id).anchors
        return RetentionAnchors(**{name: date.fromisoformat(day) for name, day in stored.items()})

    def identifiers(self, request_id: str) -> list[Named]:
        """What the person gave, in canonical form."""
        return identifiers_from_json(self._open(request_id)["identifiers"])

    def reason(self, request_id: str) -> str | None:
        """What the person wrote."""
        reason: str | None = self._open(request_id)["reason"]
        return reason

    def corrections(self, request_id: str) -> dict[str, Any]:
        """What each `Record.field` shall say, by a rectification."""
        return dict(self._open(request_id).get("corrections", {}))

    def _received(self, request_id: str) -> Received:
        """The first event of a request, which never changes, kept since each step needs it several times."""
        first = self._firsts.get(request_id)
        if first is None:
            first = _first(self._ledger.events(request_id))
            if len(self._firsts) >= _FIRSTS_KEPT:
                self._firsts.clear()
            self._firsts[request_id] = first
        return first

    def _with_reasons(self, request: RequestState) -> RequestState:
        if not request.notes:
            return request
        return replace(request, notes=tuple(self._opened(request.request_id, note) for note in request.notes))

    def _opened(self, request_id: str, note: Note) -> Note:
        if note.sealed is None:
            return note
        with suppress(KeyUnavailable):
            sealed = base64.b64decode(note.sealed)
            text = self._keyring.open(f"request-{request_id}", sealed, f"{request_id}/note".encode())
            return replace(note, reason=text.decode())
        return note

    def _open(self, request_id: str) -> dict[str, Any]:
        sealed = self.sealed(request_id)
        opened: dict[str, Any] = json.loads(
            self._keyring.open(f"request-{request_id}", sealed, request_id.encode())
        )
        return opened


def _first(events: Sequence[RequestEvent]) -> Received:
    """Raises ValueError for a request whose first event is none that begins one, or cannot be read."""
    event = event_of(events[0])
    if not isinstance(event, Received):
        raise ValueError(f"{events[0].request_id} does not begin with its receipt")
    return event


def _holds(events: Sequence[RequestEvent], kind: str, content: Mapping[str, Any]) -> bool:
    # Compared as JSON, since that is what the ledger gives back.
    text = json.dumps(content, sort_keys=True)
    return any(item.kind == kind and json.dumps(item.content, sort_keys=True) == text for item in events)

"""Access and erasure requests, step by step over the ledger.

Every step reads the ledger, does what is next and writes what it did; so any step may be repeated after a crash, and
a step that runs twice sends the same command again (same id) or finds that there is nothing left to do.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from schemas.catalogue import Catalogue
from schemas.codec import encode
from schemas.errors import InputError, KeyUnavailable
from schemas.keys import Keyring
from schemas.policy import NORWAY, RetentionAnchors
from schemas.records import load_records
from schemas.tokens import parse_kind
from sinks.ports import IndexEraser, IndexReader, Span
from streams.rights.answer import access_report, iso
from streams.rights.messages import (
    DELETION,
    REQUESTS,
    Identifiers,
    Ledger,
    Send,
    canonical_identifiers,
    command_id,
    command_message,
    receipt_content,
    request_message,
)
from streams.rights.plan import make_plan, plan_from_json, plan_json
from streams.rights.states import RequestState, State, due_at, fold

TYPES = ("access", "erasure")


class RightsService:
    """Blocking; safe from several threads of one process. One process at a time serves the requests.

    Every method may raise IndexUnavailable or BrokerUnavailable; the request then stands where the ledger says, and
    the same call, or `resume`, goes on from there.
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: IndexReader,
        eraser: IndexEraser,
        keyring: Keyring,
        catalogue: Catalogue,
        send: Send,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._eraser = eraser
        self._keyring = keyring
        self._catalogue = catalogue
        self._send = send
        self._clock = clock
        self._random = random
        self._lock = threading.RLock()
        self._records = load_records()

    def create(
        self,
        type: str,
        identifiers: Identifiers,
        *,
        reason: str | None,
        channel: str,
        received_at: datetime,
        anchors: RetentionAnchors | None = None,
    ) -> RequestState:
        """Record a request and announce it on `rights.requests`.

        `anchors` are the days that start retention clocks, as far as the case handler knows them. What the person
        gave and wrote is sealed under the request's own key. Raises InputError, InvalidIdentifier.
        """
        if type not in TYPES:
            raise InputError(f"{type!r} is no request that is served; use one of {', '.join(TYPES)}")
        given = canonical_identifiers(identifiers)
        due_at(received_at)
        request_id = f"r-{self._random(8).hex()}"
        personal = json.dumps({"identifiers": given, "reason": reason}).encode()
        sealed = self._keyring.seal(f"request-{request_id}", personal, request_id.encode())
        self._receive(request_id, type, channel, received_at, sealed, anchors or RetentionAnchors())
        value = request_message(request_id, type, sealed, channel, received_at)
        self._send(REQUESTS, encode(self._records["RightsRequest"], value), request_id.encode())
        return self.get(request_id)

    def get(self, request_id: str) -> RequestState:
        """The request as it stands. Raises InputError for an unknown id."""
        request = fold(self._ledger.events(request_id))
        if request is None:
            raise InputError(f"there is no request {request_id}; `innsyn requests` lists those there are")
        return request

    def requests(self) -> list[RequestState]:
        """Every request, oldest first."""
        states = (fold(events) for events in self._ledger.requests().values())
        return [request for request in states if request is not None]

    def on_request(self, value: Mapping[str, Any]) -> RequestState:
        """A decoded RightsRequest: record it if it is new here, then do what is next."""
        with self._lock:
            request_id = value["request_id"]
            if not self._ledger.events(request_id):
                sealed, received_at = value["sealed_identifiers"], value["received_at"]
                kind, channel = value["type"], value["channel"]
                self._receive(request_id, kind, channel, received_at, sealed, RetentionAnchors())
            return self.advance(request_id)

    def advance(self, request_id: str) -> RequestState:
        """Do the next steps that wait for nobody. What stops them is in the state's `problems`."""
        with self._lock:
            request = self.get(request_id)
            if request.state is State.COMPLETED:
                return request
            try:
                if request.type == "access":
                    return self._answer(request)
                if request.type == "erasure":
                    return self.finish(request_id) if self.plan(request_id).settled else self.get(request_id)
                raise InputError(f"requests of type {request.type} are not served; answer the person by hand")
            except (InputError, KeyUnavailable) as error:
                return self._record(request_id, "attention", {"reason": str(error)})

    def resume(self) -> list[RequestState]:
        """Go on with every request that waits for nobody, as after a restart. Returns those.

        What stands at `attention` waits for a person: `advance` or `resend` it when the cause is mended.
        """
        return [self.advance(item.request_id) for item in self.requests() if _movable(item)]

    def plan(self, request_id: str) -> RequestState:
        """Plan an erasure, once, and send the commands not sent yet. Raises InputError, KeyUnavailable."""
        with self._lock:
            request = self.get(request_id)
            if request.plan is None:
                request = self._plan(request)
            for command in request.commands.values():
                if command.state == "unsent":
                    self._command(request, command.command_id, attempt=1)
            return self.get(request_id)

    def resend(self, request_id: str) -> RequestState:
        """Send every command again that is not done: the next attempt, under the same id."""
        with self._lock:
            request = self.get(request_id)
            for command in request.commands.values():
                if command.state != "done":
                    self._command(request, command.command_id, attempt=command.attempt + 1)
            return self.get(request_id)

    def on_receipt(self, value: Mapping[str, Any]) -> RequestState | None:
        """A decoded ErasureReceipt. One for an unknown command, a repeated or an outdated one changes nothing.

        Returns the request, None for an unknown one. After the last `done` the index forgets.
        """
        with self._lock:
            request = fold(self._ledger.events(value["request_id"]))
            if request is None:
                return None
            command = request.commands.get(value["command_id"])
            if command is None or command.system != value["system"] or command.state == "done":
                return request
            # A delivery out of order must not hide a refusal behind "accepted".
            if value["state"] == "accepted" and command.state != "sent":
                return request
            request = self._record(request.request_id, "receipt", receipt_content(value))
            return self.advance(request.request_id) if request.settled else request

    def finish(self, request_id: str) -> RequestState:
        """Let the index forget, look whether it did, and complete. Nothing happens before every command is done."""
        with self._lock:
            request = self.get(request_id)
            if not request.settled or request.plan is None or request.state is State.COMPLETED:
                return request
            plan = plan_from_json(request.plan)
            spans = self._spans(request, request.planned_at)
            run = len(self._ledger.events(request_id))
            self._record(request_id, "forgetting", {"run": run})
            forgotten = self._eraser.forget(spans, plan.kept)
            self._record(request_id, "forgotten", {"run": run, "counts": asdict(forgotten)})
            left = [item.tags for item in self._reader.find(spans).holdings if not item.tags.held_only]
            if left:
                topics = ", ".join(sorted({tags.topic for tags in left}))
                reason = (
                    f"the index still finds events that nothing holds ({topics}); make a new request for them"
                )
                return self._record(request_id, "attention", {"reason": reason})
            held = [part for part in request.plan["parts"] if part["action"] != "erase_now"]
            return self._record(request_id, "completed", {"held": held})

    def _plan(self, request: RequestState) -> RequestState:
        now = self._now()
        # The plan speaks of what happened before it: a later event is not erased by these commands, so it stays found.
        found = self._reader.find(self._spans(request, now))
        plan = make_plan(found, self._catalogue, _local_day(now), self._anchors(request.request_id))
        commands = [
            {"command_id": command_id(request.request_id, item.system), "system": item.system}
            for item in plan.commands
        ]
        return self._record(
            request.request_id, "planned", {"plan": plan_json(plan), "commands": commands}, now
        )

    def _command(self, request: RequestState, command_id: str, attempt: int) -> None:
        plan = plan_from_json(request.plan or {})
        system = request.commands[command_id].system
        told = next(item for item in plan.commands if item.system == system)
        identifiers = json.dumps(self._identifiers(request.request_id)).encode()
        sealed = self._keyring.seal(f"system-{system}", identifiers, command_id.encode())
        value = command_message(request.request_id, told, sealed, attempt, self._now())
        message = encode(self._records["ErasureCommand"], value)
        self._send(f"{DELETION}{system}", message, request.request_id.encode())
        self._record(request.request_id, "commanded", {"command_id": command_id, "attempt": attempt})

    def _answer(self, request: RequestState) -> RequestState:
        found = self._reader.find(self._spans(request, None))
        day = _local_day(self._now())
        report = access_report(found, self._catalogue, day, self._anchors(request.request_id))
        return self._record(request.request_id, "answered", {"report": report})

    def _receive(
        self,
        request_id: str,
        type: str,
        channel: str,
        received_at: datetime,
        sealed: bytes,
        anchors: RetentionAnchors,
    ) -> None:
        known = {name: day.isoformat() for name, day in asdict(anchors).items() if day is not None}
        content = {
            "type": type,
            "channel": channel,
            "received_at": iso(received_at),
            "sealed": base64.b64encode(sealed).decode(),
            "anchors": known,
        }
        self._ledger.append(request_id, 0, "received", self._now(), content)

    def _record(
        self, request_id: str, kind: str, content: Mapping[str, Any], occurred_at: datetime | None = None
    ) -> RequestState:
        events = self._ledger.events(request_id)
        # Compared as JSON, since that is what the ledger gives back.
        text = json.dumps(content, sort_keys=True)
        if not any(item.kind == kind and json.dumps(item.content, sort_keys=True) == text for item in events):
            self._ledger.append(request_id, len(events), kind, occurred_at or self._now(), content)
        return self.get(request_id)

    def _anchors(self, request_id: str) -> RetentionAnchors:
        stored = self._ledger.events(request_id)[0].content["anchors"]
        return RetentionAnchors(**{name: date.fromisoformat(day) for name, day in stored.items()})

    def _identifiers(self, request_id: str) -> list[tuple[str, str]]:
        sealed = base64.b64decode(self._ledger.events(request_id)[0].content["sealed"])
        opened = json.loads(self._keyring.open(f"request-{request_id}", sealed, request_id.encode()))
        return [(kind, value) for kind, value in opened["identifiers"]]

    def _spans(self, request: RequestState, until: datetime | None) -> list[Span]:
        tokenizer = self._keyring.tokenizer()
        return [
            Span(tokenizer.token(parse_kind(kind), value), until=until)
            for kind, value in self._identifiers(request.request_id)
        ]

    def _now(self) -> datetime:
        # The ledger keeps milliseconds; the plan's moment must be the same when it is read back.
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _movable(request: RequestState) -> bool:
    states = {item.state for item in request.commands.values()}
    if "unsent" in states:
        return True
    return request.state in (State.RECEIVED, State.PLANNED, State.FORGETTING) or (
        request.settled and request.state not in (State.ATTENTION, State.COMPLETED)
    )


def _local_day(moment: datetime) -> date:
    return moment.astimezone(NORWAY).date()

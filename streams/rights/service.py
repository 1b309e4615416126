"""Access and erasure requests, step by step over the ledger.

Every step reads the ledger, does what is next and writes what it did; so any step may be repeated after a crash, and
a step that runs twice sends the same command again (same id) or finds that there is nothing left to do.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, TypeVar

from schemas.catalogue import Catalogue
from schemas.codec import encode
from schemas.errors import InputError, KeyUnavailable, Unavailable
from schemas.keys import Keyring
from schemas.policy import RetentionAnchors
from schemas.records import load_records
from sinks.ports import IndexEraser, IndexReader
from streams.identity.model import Person
from streams.rights.answer import access_report
from streams.rights.asking import attributed
from streams.rights.casefile import TRIES, CaseFile, Overtaken, busy
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
from streams.rights.outcomes import records_gone
from streams.rights.persons import Persons
from streams.rights.plan import make_plan, plan_from_json, plan_json
from streams.rights.reopen import LATE, Recheck
from streams.rights.states import RequestState, State, due_at
from streams.rights.times import local_day
from streams.rights.whose import Resolver, before, by_link, frozen

TYPES = ("access", "erasure")
T = TypeVar("T")


class RightsService:
    """Blocking; safe from several threads, and beside other processes: a step that another one overtook is done anew on
    what the ledger says then.

    Every method may raise IndexUnavailable or BrokerUnavailable; the request then stands where the ledger says, and
    the same call, or `resume`, goes on from there.
    """

    def __init__(
        self,
        ledger: Ledger,
        reader: IndexReader,
        eraser: IndexEraser,
        identities: Resolver,
        keyring: Keyring,
        catalogue: Catalogue,
        send: Send,
        clock: Callable[[], datetime],
        random: Callable[[int], bytes] = secrets.token_bytes,
        changed: Callable[[], object] = object,
    ) -> None:
        """`changed()` gives something that stays equal as long as the index has learnt nothing; the default never."""
        self._file = CaseFile(ledger, keyring, clock)
        self._reader = reader
        self._eraser = eraser
        self._catalogue = catalogue
        self._send = send
        self._random = random
        self._persons = Persons(self._file, identities, keyring)
        self._late = Recheck(self._file, self._persons, reader, catalogue, changed)
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
        named = canonical_identifiers(identifiers)
        due_at(received_at)
        for _ in range(TRIES):
            request_id = f"r-{self._random(8).hex()}"
            sealed = self._file.seal(request_id, named, reason)
            known = anchors or RetentionAnchors()
            if self._file.receive(request_id, type, channel, received_at, sealed, known):
                return self._announce(request_id)
        raise Unavailable("no id for a new request is free; repeat")

    def get(self, request_id: str) -> RequestState:
        """The request as it stands. Raises InputError for an unknown id."""
        return self._file.get(request_id)

    def requests(self) -> list[RequestState]:
        """Every request, oldest first."""
        return self._file.every()

    def on_request(self, value: Mapping[str, Any]) -> RequestState:
        """A decoded RightsRequest: record it if it is new here, then do what is next."""
        request_id = value["request_id"]
        if not self._file.length(request_id):
            sealed, received_at = value["sealed_identifiers"], value["received_at"]
            kind, channel = value["type"], value["channel"]
            self._file.receive(request_id, kind, channel, received_at, sealed, RetentionAnchors())
        return self.advance(request_id)

    def advance(self, request_id: str) -> RequestState:
        """Do the next steps that wait for nobody. What stops them is in the state's `problems`."""
        return self._step(request_id, self._advance)

    def resume(self) -> list[RequestState]:
        """Go on with every request that waits for nobody, as after a restart. Returns those.

        What stands at `attention` waits for a person: `advance` or `resend` it when the cause is mended.
        """
        return [self.advance(item.request_id) for item in self.requests() if item.movable]

    def plan(self, request_id: str) -> RequestState:
        """Plan an erasure, once, and send the commands not sent yet. Raises InputError, KeyUnavailable."""
        return self._step(request_id, self._planned)

    def resend(self, request_id: str) -> RequestState:
        """Send every command again that is not done: the next attempt, under the same id."""
        return self._step(request_id, self._resent)

    def on_receipt(self, value: Mapping[str, Any]) -> RequestState | None:
        """A decoded ErasureReceipt. One for an unknown command, a repeated or an outdated one changes nothing.

        Returns the request, None for an unknown one. After the last `done` the index forgets.
        """
        request_id = value["request_id"]
        if self._file.find(request_id) is None:
            return None
        return self._step(request_id, lambda request: self._received(request, value))

    def finish(self, request_id: str) -> RequestState:
        """Let the index forget, look whether it did, and complete. Nothing happens before every command is done."""
        return self._step(request_id, self._finish)

    def recheck(self, now: datetime) -> list[RequestState]:
        """Look whether anything came to light that answers given earlier lack; returns the requests it opened again.

        A finding is recorded once; it is recorded again when it has grown or shrunk. Does nothing while the index has
        learnt nothing since the last look.
        """
        mark = self._late.mark()
        opened = []
        for request in self._late.due(mark):
            self._step(request.request_id, lambda item: opened.append(self._late.look(item, now)))
        self._late.done(mark)
        return [request for request in opened if request is not None]

    def follow_up(self, request_id: str) -> RequestState:
        """Deal with late findings: a new request of the same person and type, received when they were found.

        The old one is completed again and names it. Safe to repeat. Raises InputError if nothing came to light,
        KeyUnavailable.
        """
        return self._step(request_id, self._followed_up)

    def _step(self, request_id: str, work: Callable[[RequestState], T]) -> T:
        """Do the work on the request as it stands; anew on a fresh read when another process wrote in between."""
        with self._lock:
            for _ in range(TRIES):
                with suppress(Overtaken):
                    return work(self.get(request_id))
        raise busy(request_id)

    def _advance(self, request: RequestState) -> RequestState:
        if request.ended:
            return request
        try:
            if request.type == "access":
                return self._answer(request)
            if request.type == "erasure":
                planned = self._planned(request)
                return self._finish(planned) if planned.settled else planned
            raise InputError(f"requests of type {request.type} are not served; answer the person by hand")
        except (InputError, KeyUnavailable) as error:
            return self._file.decide(request, "attention", {"reason": str(error)})

    def _planned(self, request: RequestState) -> RequestState:
        if request.plan is None:
            request = self._plan(request)
        for command in request.commands.values():
            if command.state == "unsent":
                self._command(request, command.command_id, attempt=1)
        return self.get(request.request_id)

    def _resent(self, request: RequestState) -> RequestState:
        for command in request.commands.values():
            if command.state != "done":
                self._command(request, command.command_id, attempt=command.attempt + 1)
        return self.get(request.request_id)

    def _received(self, request: RequestState, value: Mapping[str, Any]) -> RequestState:
        command = request.commands.get(value["command_id"])
        if command is None or command.system != value["system"] or command.state == "done":
            return request
        # A delivery out of order must not hide a refusal behind "accepted".
        if value["state"] == "accepted" and command.state != "sent":
            return request
        request = self._file.decide(request, "receipt", receipt_content(value))
        return self._advance(request) if request.settled else request

    def _finish(self, request: RequestState) -> RequestState:
        if not request.settled or request.plan is None or request.identity is None or request.ended:
            return request
        plan = plan_from_json(request.plan)
        # Not looked up anew: the links to the person may be gone by now, and what was planned may not shrink.
        spans = request.identity.spans
        run = request.length
        self._file.decide(request, "forgetting", {"run": run})
        forgotten = self._eraser.forget(spans, plan.kept, records_gone(plan, request.commands))
        request = self._file.note(request.request_id, "forgotten", {"run": run, "counts": asdict(forgotten)})
        left = [item.tags for item in self._reader.find(spans).holdings if not item.tags.held_only]
        if left:
            topics = ", ".join(sorted({tags.topic for tags in left}))
            reason = (
                f"the index still finds events that nothing holds ({topics}); make a new request for them"
            )
            return self._file.decide(request, "attention", {"reason": reason})
        held = [part for part in (request.plan or {})["parts"] if part["action"] != "erase_now"]
        self._late.answered()
        return self._file.decide(request, "completed", {"held": held})

    def _followed_up(self, request: RequestState) -> RequestState:
        request_id = request.request_id
        if request.follow_up is not None:
            return self.get(request.follow_up)
        if request.state is not State.REOPENED:
            raise InputError(f"nothing came to light after {request_id}; there is nothing to follow up")
        # Made from the old id: a second try after a crash makes no second request.
        new_id = f"r-{hashlib.sha256(f'{request_id}/follow-up'.encode()).hexdigest()[:16]}"
        named, reason = self._file.identifiers(request_id), self._file.reason(request_id)
        sealed = self._file.seal(new_id, named, reason)
        found_at = datetime.fromisoformat(request.late_findings[0]["found_at"])
        inherited = request.identity.spans if request.identity and request.type == "erasure" else ()
        anchors = self._file.anchors(request_id)
        self._file.receive(new_id, request.type, LATE, found_at, sealed, anchors, inherited)
        made = self._announce(new_id)
        self._file.decide(request, "followed_up", {"follow_up": new_id})
        return made

    def _announce(self, request_id: str) -> RequestState:
        request = self.get(request_id)
        sealed = self._file.sealed(request_id)
        value = request_message(request_id, request.type, sealed, request.channel, request.received_at)
        self._send(REQUESTS, encode(self._records["RightsRequest"], value), request_id.encode())
        return request

    def _plan(self, request: RequestState) -> RequestState:
        now = self._file.now()
        person = self._persons.of(request, now)
        if person.resolution == "ambiguous":
            return self._unclear(request, person)
        # The plan speaks of what happened before it: a later event is not erased by these commands, so it stays found.
        person = replace(person, spans=before(person.spans, now), shared=before(person.shared, now))
        found, whose = attributed(person, self._reader, self._catalogue)
        anchors, others = self._file.anchors(request.request_id), self._reader.others(person.spans)
        plan = make_plan(found, self._catalogue, local_day(now), anchors, others=others)
        commands = [
            {"command_id": command_id(request.request_id, item.system), "system": item.system}
            for item in plan.commands
        ]
        content = {
            "plan": plan_json(plan),
            "commands": commands,
            "identity": frozen(person).json(),
            "resolution": whose.of_answer(bool(found.holdings)),
            "by_link": by_link(found, [command.system for command in plan.commands]),
        }
        return self._file.decide(request, "planned", content, now)

    def _command(self, request: RequestState, command_id: str, attempt: int) -> None:
        plan = plan_from_json(request.plan or {})
        system = request.commands[command_id].system
        told = next(item for item in plan.commands if item.system == system)
        sealed = self._file.seal_for(system, command_id, self._persons.told(request.request_id))
        value = command_message(request.request_id, told, sealed, attempt, self._file.now())
        message = encode(self._records["ErasureCommand"], value)
        self._send(f"{DELETION}{system}", message, request.request_id.encode())
        self._file.note(request.request_id, "commanded", {"command_id": command_id, "attempt": attempt})

    def _answer(self, request: RequestState) -> RequestState:
        now = self._file.now()
        person = self._persons.of(request, now)
        if person.resolution == "ambiguous":
            return self._unclear(request, person)
        found, whose = attributed(person, self._reader, self._catalogue)
        anchors = self._file.anchors(request.request_id)
        report = access_report(found, self._catalogue, local_day(now), anchors, whose)
        content = {"report": report, "identity": frozen(person).json(), "resolution": report["resolution"]}
        self._late.answered()
        return self._file.decide(request, "answered", content, now)

    def _unclear(self, request: RequestState, person: Person) -> RequestState:
        content = {"reason": self._persons.unclear(request, person), "resolution": "ambiguous"}
        return self._file.decide(request, "attention", content)

"""The steps of an erasure: planned, told, answered, forgotten; each on the request as it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from schemas.catalogue import Catalogue
from schemas.errors import InputError, KeyUnavailable
from sinks.ports import IndexEraser, IndexReader
from streams.identity.model import Person
from streams.rights.casefile import CaseFile
from streams.rights.command import CommandState
from streams.rights.messages import receipt_content
from streams.rights.outcomes import records_gone
from streams.rights.overlap import before_it
from streams.rights.persons import Persons
from streams.rights.plan import Plan, plan_from_json
from streams.rights.planning import Planner, left_over, outgrown
from streams.rights.receipts import aside, fault, repeats, unproven
from streams.rights.reopen import Recheck
from streams.rights.request import RequestState
from streams.rights.sending import Sending
from streams.rights.times import iso


class Erasing:
    """Every method may raise Overtaken, IndexUnavailable, BrokerUnavailable, KeyUnavailable, InputError."""

    def __init__(
        self,
        file: CaseFile,
        persons: Persons,
        reader: IndexReader,
        eraser: IndexEraser,
        catalogue: Catalogue,
        sending: Sending,
        late: Recheck,
    ) -> None:
        self._file = file
        self._persons = persons
        self._reader = reader
        self._eraser = eraser
        self._catalogue = catalogue
        self._planner = Planner(reader, catalogue)
        self._sending = sending
        self._late = late

    def advance(self, request: RequestState) -> RequestState:
        """As far as it comes without anybody's answer."""
        while not request.ended:
            request = self.planned(request)
            if not (request.settled or request.closing):
                break
            before, request = request.length, self.finish(request)
            if request.length == before or not any(
                item.state == "unsent" for item in request.commands.values()
            ):
                break
        return request

    def planned(self, request: RequestState) -> RequestState:
        """Plan, once and when its turn has come, and send the commands not sent yet."""
        if request.ended or request.closing or request.unread:
            return request
        if request.plan is None:
            request = self._plan(request)
        for command in request.commands.values():
            if command.state == "unsent" and not request.ended and not request.closing:
                request = self._sending.command(request, command.command_id)
        return request

    def resend(self, request: RequestState) -> RequestState:
        """Send every command again that is not settled, as the next attempt under the same id."""
        for command in request.commands.values():
            if not command.settled and not request.ended:
                request = self._sending.command(request, command.command_id)
        return request

    def receive(self, request: RequestState, receipt: Mapping[str, Any]) -> RequestState:
        """Take the answer of a system, or set it aside."""
        command = request.commands.get(receipt["command_id"])
        why = self._unproven(receipt, command) or fault(receipt, command, self._catalogue, self._file.now())
        if why is not None or command is None:
            return self._file.note(request.request_id, "aside", aside(receipt, why or "", self._catalogue))
        if repeats(receipt, command):
            return request
        content = receipt_content(receipt)
        # A plan from before anybody counted is counted at the end; what is known there is asked now.
        if receipt["state"] == "done" and receipt["erased"] > (command.planned or 0):
            content["known"] = self._planner.known(request, command.system)
        return self._file.decide(request, "receipt", content)

    def _unproven(self, receipt: Mapping[str, Any], command: CommandState | None) -> str | None:
        if command is None or receipt["system"] != command.system:
            return None
        try:
            return unproven(receipt, self._file.system_keys(command.system))
        except KeyUnavailable:
            return "cannot be checked, as the key of that system is not readable here; see `innsyn doctor`"

    def finish(self, request: RequestState) -> RequestState:
        """Let the index forget, look whether it did, and end: completed, or closed where a person chose that.

        Where the index holds more by now than was planned, a new plan is made of it first, and whoever has more to
        erase is to be told again: state `planned`.
        """
        done = (request.settled or request.closing) and not request.unread
        if not done or request.plan is None or request.identity is None or request.ended:
            return request
        plan = plan_from_json(request.plan)
        if any(item.planned is None for item in request.commands.values()):
            # Planned before anybody counted: what was answered since is held against what is there now.
            counts = self._planner.counts(request, plan, self._given(request)[0])
            request = self._file.decide(request, "counted", {"commands": counts})
            if not (request.settled or request.closing):
                return request
        # Not looked up anew: the links to the person may be gone by now, and what was planned may not shrink.
        spans = request.identity.spans if request.identity else ()
        found, over = self._reader.find(spans), request.forgotten_as_planned
        # After it was forgotten, whatever is there came since and no system was told of it.
        if not request.closing and (left_over(plan, found) if over else outgrown(plan, found)):
            given, now = self._given(request), self._file.now()
            again = self._planner.again(request, found, *given, now, forgotten=over)
            request = self._file.decide(request, "replanned", {**again, "at": iso(self._file.now())})
            if not request.settled:
                return request
            plan = plan_from_json(request.plan or {})
        run = request.length
        request = self._file.decide(request, "forgetting", {"run": run})
        kept = _kept(request, plan)
        gone = {key: item for key, item in records_gone(plan, request.commands).items() if key in kept}
        forgotten = self._eraser.forget(spans, kept, gone)
        request = self._file.note(request.request_id, "forgotten", {"run": run, "counts": asdict(forgotten)})
        if request.closing:
            return self._file.decide(request, "closed", {})
        found = self._reader.find(spans)
        if left := left_over(plan, found):
            if outgrown(plan, found):
                again = self._planner.again(
                    request, found, *self._given(request), self._file.now(), forgotten=True
                )
                return self._file.decide(request, "replanned", {**again, "at": iso(self._file.now())})
            reason = f"the index still finds events that nothing holds ({', '.join(left)})"
            return self._file.decide(request, "attention", {"reason": reason, "run": run})
        held = [part for part in (request.plan or {})["parts"] if part["action"] != "erase_now"]
        self._late.answered()
        return self._file.decide(request, "completed", {"held": held})

    def _plan(self, request: RequestState) -> RequestState:
        now = self._file.now()
        person = self._persons.of(request)
        if person.resolution == "ambiguous":
            content = {"reason": self._persons.unclear(request, person), "resolution": "ambiguous"}
            return self._file.decide(request, "attention", content)
        if first := before_it(self._file.every(), request, person.spans):
            return self._file.decide(request, "behind", {"behind": first})
        told, anchors = self._given(request, person)
        content = self._planner.plan(request, person, told, anchors, now)
        if content["commands"] and not told:
            raise InputError(
                "no system can be told to erase by the identifiers given: each was another person's as well; make a"
                " request by the customer number"
            )
        return self._file.decide(request, "planned", content, now)

    def _given(self, request: RequestState, person: Person | None = None) -> tuple[Any, Any]:
        """The identifiers that systems are sent, and the days that start retention clocks."""
        return self._persons.named(request, person), self._file.anchors(request.request_id)


def _kept(request: RequestState, plan: Plan) -> Mapping[int, Any]:
    """What the index forgets; of a request that is closed, what systems did in full: the rest is still there."""
    if not request.closing:
        return plan.kept
    settled = {item.system for item in request.commands.values() if item.settled}
    systems = {part.tag_set: part.system for part in plan.parts}
    return {tag_set: tags for tag_set, tags in plan.kept.items() if systems.get(tag_set) in settled}

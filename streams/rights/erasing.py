"""The steps of an erasure: planned, told, answered, forgotten; each on the request as it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from schemas.company import Company
from schemas.errors import KeyUnavailable
from schemas.messages import ErasureReceipt
from schemas.vocabulary import CommandState, ReceiptState, Resolution
from sinks.ports.erasure import Forgotten, IndexEraser
from sinks.ports.lineage import Found, IndexReader
from streams.answers.attribution import Resolver
from streams.answers.erasure_plan import Plan, plan_from_json
from streams.rights.case import CaseFile
from streams.rights.overlap import before_it
from streams.rights.planning import Planner, grown, left_over, outgrown, unjudged
from streams.rights.protocol.command import Command
from streams.rights.protocol.events import Attention, Behind, Closed, Completed, Forgetting, Forgot, answer_of
from streams.rights.protocol.outcomes import records_gone
from streams.rights.protocol.receipts import aside, fault, repeats, unproven
from streams.rights.protocol.request import RequestState
from streams.rights.reopen import Recheck
from streams.rights.sending import Sending
from streams.rights.subject import SubjectFinder


class Erasing:
    """Every method may raise Overtaken, IndexUnavailable, BrokerUnavailable, KeyUnavailable, InputError."""

    def __init__(
        self,
        file: CaseFile,
        subjects: SubjectFinder,
        reader: IndexReader,
        identities: Resolver,
        eraser: IndexEraser,
        company: Company,
        sending: Sending,
        late: Recheck,
    ) -> None:
        self._file = file
        self._subjects = subjects
        self._reader = reader
        self._eraser = eraser
        self._company = company
        self._catalogue = company.catalogue
        self._planner = Planner(reader, identities, company)
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
                item.state is CommandState.UNSENT for item in request.commands.values()
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
            if command.state is CommandState.UNSENT and not request.ended and not request.closing:
                request = self._sending.command(request, command.command_id)
        return request

    def resend(self, request: RequestState) -> RequestState:
        """Send every command again that is not settled, as the next attempt under the same id."""
        for command in request.commands.values():
            if not command.settled and not request.ended:
                request = self._sending.command(request, command.command_id)
        return request

    def receive(
        self, request: RequestState, receipt: ErasureReceipt, written: Mapping[str, Any]
    ) -> RequestState:
        """Take the answer of a system, or set it aside. `written`: the same as its authenticator covers it."""
        command = request.commands.get(receipt.command_id)
        why = self._unproven(receipt, written, command) or fault(
            receipt, command, self._catalogue, self._file.now()
        )
        if why is not None or command is None:
            return self._file.note(request.request_id, aside(receipt, why or "", self._catalogue))
        if repeats(receipt, command):
            return request
        known = None
        # A plan from before anybody counted is counted at the end; what is known there is asked now.
        if receipt.state is ReceiptState.DONE and receipt.erased > (command.planned or 0):
            known = self._planner.known(request, command.system)
        return self._file.decide(request, answer_of(receipt, known))

    def _unproven(
        self, receipt: ErasureReceipt, written: Mapping[str, Any], command: Command | None
    ) -> str | None:
        if command is None or receipt.system != command.system:
            return None
        try:
            return unproven(written, self._file.system_keys(command.system))
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
        if any(item.planned is None for item in request.commands.values()):
            # Planned before anybody counted: what was answered since is held against what is there now.
            plan = plan_from_json(request.plan)
            counts = self._planner.counts(request, plan, self._subjects.erasable(request))
            request = self._file.decide(request, counts)
        if not request.closing:
            request = self._grown(request)
        return self._forget(request) if request.settled or request.closing else request

    def _grown(self, request: RequestState) -> RequestState:
        """Planned anew, if the index holds what no system was told of: before it forgets, or since an earlier run."""
        assert request.identity is not None
        plan, found = plan_from_json(request.plan or {}), self._reader.find(request.identity.spans)
        over, interrupted = request.forgotten_as_planned, request.interrupted_at
        if interrupted is not None:
            # The run before may have removed some: more than planned would not show in what is there.
            came = grown(self._reader.find(request.identity.spans, known_at=interrupted), found)
        else:
            # After it was forgotten, whatever is there came since.
            came = bool(left_over(plan, found)) if over else outgrown(plan, found)
        # The catalogue may have been mended since.
        open_now = {item.tag_set for item in unjudged(found, self._company)}
        came = came or any(
            item.tags.id not in open_now
            for item in found.holdings
            if item.tags.id in {known.tag_set for known in plan.unjudged}
        )
        if not came:
            return request
        return self._replanned(request, found, forgotten=over and interrupted is None)

    def _replanned(self, request: RequestState, found: Found, *, forgotten: bool) -> RequestState:
        erasable, anchors = self._subjects.erasable(request), self._file.anchors(request.request_id)
        now = self._file.now()
        again = self._planner.again(request, found, erasable, anchors, now, forgotten=forgotten)
        return self._file.decide(request, again)

    def _forget(self, request: RequestState) -> RequestState:
        """What goes is counted and recorded before, so that the number stays true whatever ends the process then."""
        assert request.identity is not None
        # Not looked up anew: the links to the person may be gone by now, and what was planned may not shrink.
        spans, plan = request.identity.spans, plan_from_json(request.plan or {})
        kept, run, now = _kept(request, plan), request.length, self._file.now()
        gone = records_gone(plan, request.commands)
        going = self._eraser.going(spans, kept, gone)
        if request.counted_at is not None:
            # The run before counted what it did not come to remove.
            going = going.without(self._eraser.going(spans, kept, gone, request.counted_at))
        intent = Forgetting(run=run, going=asdict(going), as_of=now, tag_sets=tuple(map(str, kept)))
        request = self._file.decide(request, intent)
        self._eraser.forget(spans, kept, gone)
        meant = {key: plan.kept[key] for key in request.forgetting if key in plan.kept}
        # What came meanwhile was not among what was to go.
        left = self._eraser.going(spans, meant, gone, now)
        found = self._reader.find(spans)
        topics = left_over(plan, found)
        if left != Forgotten() and not request.closing:
            # Not through: the next run counts on from here.
            where = f" ({', '.join(topics)})" if topics else ""
            reason = f"the index still finds events that nothing holds{where}"
            return self._file.decide(request, Attention(reason, run=run))
        request = self._file.note(request.request_id, Forgot(run=run, left=asdict(left)))
        if request.closing:
            return self._file.decide(request, Closed())
        if topics:
            return self._replanned(request, found, forgotten=True)
        if open_now := unjudged(found, self._company):
            lines = dict.fromkeys(item.line for item in open_now)
            reason = f"the rest is erased, but {'; '.join(lines)}"
            return self._file.decide(request, Attention(reason, run=run))
        held = tuple(part for part in (request.plan or {})["parts"] if part["action"] != "erase_now")
        self._late.answered()
        return self._file.decide(request, Completed(held))

    def _plan(self, request: RequestState) -> RequestState:
        now = self._file.now()
        person = self._subjects.of(request)
        if person.resolution == Resolution.AMBIGUOUS:
            unclear = self._subjects.unclear(request, person)
            return self._file.decide(request, Attention(unclear, Resolution.AMBIGUOUS))
        if first := before_it(self._file.every(), request, person.spans):
            return self._file.decide(request, Behind(tuple(first)))
        givens, anchors = self._subjects.given(request.request_id), self._file.anchors(request.request_id)
        planned = self._planner.plan(request, person, givens, anchors, now)
        return self._file.decide(request, planned, now)


def _kept(request: RequestState, plan: Plan) -> Mapping[int, Any]:
    """What the index forgets; of a request that is closed, what systems did in full: the rest is still there."""
    if not request.closing:
        return plan.kept
    settled = {item.system for item in request.commands.values() if item.settled}
    systems = {part.tag_set: part.system for part in plan.parts}
    return {tag_set: tags for tag_set, tags in plan.kept.items() if systems.get(tag_set) in settled}

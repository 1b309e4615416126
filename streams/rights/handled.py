"""What people do about a request itself: ask and check who makes it, extend, approve, tell."""

from __future__ import annotations

from contextlib import suppress

from schemas.errors import BrokerUnavailable, InputError
from schemas.rights_rules import RightsRules
from schemas.vocabulary import CheckedHow, CheckedWhat, Doubt, ToldBy
from streams.rights.acts import refuse_ended, refuse_unread
from streams.rights.case import CaseFile
from streams.rights.protocol.deadlines import MOST_MONTHS_MORE, asked_at_once, due_at
from streams.rights.protocol.handling import Approved, Checked, Extended, IdentityAsked, Notified, Told
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.restricting import reaches_later
from streams.rights.restriction import lifting
from streams.rights.sending import Sending


class Handled:
    """Every method may raise InputError, Overtaken, IndexUnavailable."""

    def __init__(self, file: CaseFile, sending: Sending, rules: RightsRules) -> None:
        self._file = file
        self._sending = sending
        self._rules = rules

    def ask(self, request: RequestState, doubt: Doubt) -> RequestState:
        """Whoever makes it was asked who they are. Nothing is done until that is checked; the clock stands if they were
        asked at once."""
        refuse_ended(request)
        refuse_unread(request)
        if request.asked or request.checked:
            done = "checked" if request.checked else "asked"
            raise InputError(f"who makes {request.request_id} was {done} already; see `innsyn requests show`")
        if not request.may_be_asked:
            raise InputError(
                f"{request.request_id} is under way already, so the question comes too late; `innsyn requests cancel"
                f" {request.request_id}` stops it"
            )
        days = self._rules.ask_within_days
        at_once = asked_at_once(request.received_at, self._file.now(), days, self._file.calendar)
        return self._file.decide(request, IdentityAsked(doubt, at_once))

    def check(self, request: RequestState, how: CheckedHow, what: CheckedWhat) -> RequestState:
        """Somebody has checked who makes it; what waited for that goes on."""
        refuse_ended(request)
        refuse_unread(request)
        if request.checked:
            raise InputError(f"who makes {request.request_id} was checked already")
        waited = request.state is State.UNCHECKED
        request = self._file.decide(request, Checked(how, what))
        if waited:
            # Whoever carries requests out goes on; where Kafka is away, a moment later.
            with suppress(BrokerUnavailable):
                self._sending.announce(request)
        return request

    def extend(self, request: RequestState, months: int, reason: str) -> RequestState:
        """More time to answer (GDPR Art. 12(3)): once, by two months at most, and only within the first month."""
        refuse_ended(request)
        refuse_unread(request)
        if not 1 <= months <= MOST_MONTHS_MORE:
            raise InputError(
                f"a request is extended by 1 or {MOST_MONTHS_MORE} months, no more (GDPR Art. 12(3))"
            )
        if request.more:
            raise InputError(
                f"{request.request_id} was extended already, until {request.due}; that is done once"
            )
        calendar, now = self._file.calendar, self._file.now()
        first = due_at(request.received_at, calendar, pauses=request.pauses, now=now)
        if calendar.day(now) > first:
            raise InputError(
                f"the first month of {request.request_id} ended on {first}, and the person has to be told of more time"
                " within it (GDPR Art. 12(3)); answer now"
            )
        sealed = self._file.seal_note(request.request_id, reason)
        return self._file.decide(request, Extended(months, sealed))

    def approve(self, request: RequestState, digest: str, by: str) -> RequestState:
        """A second person approves the plan or answer as it was shown: whoever made the request may not, and where
        nobody knows who did (it came by Kafka), two people do."""
        refuse_ended(request)
        refuse_unread(request)
        if not request.awaits_approval:
            raise InputError(f"{request.request_id} waits for no approval; see `innsyn requests show`")
        if digest != request.digest:
            raise InputError(
                f"what was shown of {request.request_id} is no longer its plan; look at it again, then approve that"
            )
        if by == request.by:
            raise InputError(
                f"{request.request_id} was made under the same credential; whoever approves it needs another:"
                " INNSYN_APPROVER_TOKEN"
            )
        if by in request.approved_by:
            raise InputError(
                f"{request.request_id} was approved under the same credential; who made it is not known, so a second"
                " one has to approve it too: INNSYN_API_TOKEN and INNSYN_APPROVER_TOKEN"
            )
        request = self._file.decide(request, Approved(digest, by))
        if not request.awaits_approval:
            # Whoever carries requests out goes on; where Kafka is away, a moment later.
            with suppress(BrokerUnavailable):
                self._sending.announce(request)
        return request

    def tell(self, request: RequestState, how: ToldBy) -> RequestState:
        """The answer was sent; a request that only has to be answered is done with that."""
        refuse_unread(request)
        if request.told:
            raise InputError(
                f"the answer to {request.request_id} was sent already; see `innsyn requests show`"
            )
        if request.awaits_approval:
            raise InputError(f"the answer to {request.request_id} cannot be sent: {request.problems[0]}")
        if request.state is not State.ANSWERED and not request.carried_out:
            raise InputError(f"{request.request_id} is {request.state.value}: there is no answer to send yet")
        return self._file.decide(request, Told(how))

    def lift(self, request: RequestState, how: ToldBy, reason: str) -> RequestState:
        """A restriction ends; the person was told so before (GDPR Art. 18(3)). Every system that may restrict is told,
        also where others have not answered yet, or the request was closed without them."""
        refuse_unread(request)
        if request.lifting:
            raise InputError(f"the restriction by {request.request_id} was lifted already")
        if not (request.restricts or reaches_later(request)):
            raise InputError(
                f"by {request.request_id} no system restricts anything; an open one is taken back by `innsyn requests"
                f" cancel {request.request_id}`"
            )
        if request.forgets and not request.ended:
            raise InputError(
                f"{request.request_id} is {request.state.value}: it still erases what rested on the consent; wait for"
                f" that, or end it by `innsyn requests close {request.request_id} --reason ...`, and lift it then"
            )
        sealed = self._file.seal_note(request.request_id, reason)
        request = self._file.decide(request, lifting(request, how, sealed))
        with suppress(BrokerUnavailable):
            self._sending.announce(request)
        return request

    def notify(
        self, request: RequestState, recipient: str, how: ToldBy | None, impossible: str | None
    ) -> RequestState:
        """A recipient was told, or cannot be, and why (GDPR Art. 19); with the last one the request may be done. An
        erasure does not wait: they are told of it once it is completed."""
        if not (request.forgets and request.carried_out):
            refuse_ended(request)
        refuse_unread(request)
        if (how is None) == (impossible is None):
            raise InputError("say how the recipient was told, or why that is impossible; not both")
        if recipient not in request.to_notify:
            waits = ", ".join(request.to_notify) or "nobody"
            raise InputError(f"{request.request_id} has no such recipient to be told; those are {waits}")
        sealed = self._file.seal_note(request.request_id, impossible) if impossible else None
        request = self._file.decide(request, Notified(recipient, how, sealed))
        if not request.ended and request.settled and not request.to_notify:
            with suppress(BrokerUnavailable):
                self._sending.announce(request)
        return request

"""What a person does about what systems did: resend, accept, close, cancel. Each on the request as it was read."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from schemas.errors import BrokerUnavailable, InputError, Unavailable
from streams.rights.case import CaseFile, Recorded
from streams.rights.other_rules import OtherRules
from streams.rights.protocol.handling import Accepted, Cancelled, Closed, Closing, Waived
from streams.rights.protocol.request import RequestState, State
from streams.rights.sending import Sending


class Acts:
    """Every method may raise InputError, and what a step may raise.

    `carry_on` does the next steps of a request that wait for nobody.
    """

    def __init__(
        self, file: CaseFile, sending: Sending, carry_on: Callable[[RequestState], RequestState]
    ) -> None:
        self._file = file
        self._sending = sending
        self._carry_on = carry_on

    def resend(self, request: RequestState) -> RequestState:
        if request.reviews:
            refuse_unread(request)
            for command_id in request.reviews:
                request = self._sending.command(request, command_id)
            return request
        refuse_ended(request)
        refuse_unread(request)
        if request.state in (State.UNCHECKED, State.ANSWERED) or request.awaits_approval:
            raise InputError(
                f"nothing of {request.request_id} can be sent again: {'; '.join(request.problems)}"
            )
        if request.closing:
            _refuse_forgetting(request)
        length = request.length
        try:
            request = self._sending.again(request)
        except OtherRules as error:
            # Nothing of it will be sent again: a person has to end it.
            self._file.stand(request, str(error))
            raise
        if request.length == length:
            self._sending.announce(request)
        return request

    def accept(self, request: RequestState, system: str, reason: str) -> RequestState:
        refuse_ended(request)
        refuse_unread(request)
        doubtful = {
            item.system: item
            # One at a time where a system was told two things; first what comes first among the problems.
            for item in reversed([*request.commands.values()])
            # Without a copy, whatever the reason, a person may decide to answer.
            if item.doubtful or (item.copies and not item.settled)
        }
        if system not in doubtful:
            raise InputError(
                f"{request.request_id} has no answer of that system to accept; those in doubt are"
                f" {', '.join(sorted(doubtful)) or 'none'} (what was refused is resent, or the request closed)"
            )
        sealed = self._file.seal_note(request.request_id, reason)
        request = self._file.decide(request, Accepted(doubtful[system].command_id, system, sealed))
        if request.settled:
            # Whoever carries requests out lets the index forget; where Kafka is away, a moment later.
            with suppress(BrokerUnavailable):
                self._sending.announce(request)
        return request

    def waive(self, request: RequestState, reason: str) -> RequestState:
        """Let an erasure complete although nobody can tell whether what is unclear is the person's."""
        refuse_ended(request)
        refuse_unread(request)
        unclear = request.unclear
        if unclear is None:
            raise InputError(f"of {request.request_id} nothing is unclear, so nothing is to be waived")
        sealed = self._file.seal_note(request.request_id, reason)
        request = self._file.decide(
            request, Waived(unclear.dead_letters, unclear.shared_events, sealed, unclear.which)
        )
        with suppress(BrokerUnavailable):
            self._sending.announce(request)
        return request

    def close(self, request: RequestState, reason: str) -> RequestState:
        if request.closing and not request.ended and not request.unread:
            return self._carry_on(request)
        if request.state is not State.REOPENED:
            refuse_ended(request)
        _refuse_forgetting(request)
        sealed = self._file.seal_note(request.request_id, reason)
        if request.plan is None or request.carried_out or request.unread:
            return self._file.decide(request, Closed(sealed))
        request = self._file.decide(request, Closing(sealed))
        try:
            return self._carry_on(request)
        except Unavailable as error:
            raise Recorded(error, request.request_id) from error

    def cancel(self, request: RequestState, reason: str | None) -> RequestState:
        refuse_ended(request)
        _refuse_forgetting(request)
        if request.runs or request.forgotten is not None:
            raise InputError(
                f"the index has forgotten some of {request.request_id} already; close it with a reason instead"
            )
        if request.restricts and request.forgets:
            raise InputError(
                f"systems were told to restrict by {request.request_id} already; `innsyn requests close"
                f" {request.request_id} --reason ...` ends it, and `innsyn requests lift` what they restrict"
            )
        if request.restricts:
            raise InputError(
                f"systems were told to restrict by {request.request_id} already; `innsyn requests lift"
                f" {request.request_id} --told ... --reason ...` has them end it"
            )
        sealed = self._file.seal_note(request.request_id, reason) if reason else None
        return self._file.decide(request, Cancelled(sealed))


def refuse_ended(request: RequestState) -> None:
    """Raises InputError."""
    if request.ended:
        raise InputError(f"{request.request_id} is {request.state.value} already; make a new request")


def refuse_unread(request: RequestState) -> None:
    """Raises InputError."""
    if request.unread:
        raise InputError(
            f"{request.request_id} cannot be read in full, so it goes no further; close it and make a new request"
        )


def _refuse_forgetting(request: RequestState) -> None:
    if request.state is State.FORGETTING:
        raise InputError(f"the index is forgetting for {request.request_id} already; it ends by itself")

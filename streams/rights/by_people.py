"""What people do with a request, each act as the next event of its ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod

from schemas.vocabulary import CheckedHow, CheckedWhat, Doubt, ToldBy
from streams.rights.acts import Acts
from streams.rights.handled import Handled
from streams.rights.protocol.states import RequestState
from streams.rights.turns import Turns


class ByPeople(ABC):
    """The part of `streams.rights.service.RightsService` by which people act; what holds there holds here."""

    _turns: Turns
    _acts: Acts
    _handled: Handled

    @abstractmethod
    def _ending(self, request: RequestState) -> RequestState:
        """The request; if it has ended, those go on that waited for it."""

    def resend(self, request_id: str) -> RequestState:
        """Send every command again that is not settled: the next attempt, under the same id.

        Where no system has to be told, the request is announced again, so that its next step is tried anew. Raises
        InputError for one that has ended, KeyUnavailable.
        """
        return self._turns.take(request_id, self._acts.resend)

    def accept(self, request_id: str, system: str, reason: str) -> RequestState:
        """Take the answer of a system for enough although the numbers say otherwise. Raises InputError."""
        return self._ending(
            self._turns.take(request_id, lambda request: self._acts.accept(request, system, reason))
        )

    def waive(self, request_id: str, reason: str) -> RequestState:
        """Let an erasure complete although something stays unclear. Raises InputError."""
        return self._turns.take(request_id, lambda request: self._acts.waive(request, reason))

    def close(self, request_id: str, reason: str) -> RequestState:
        """End a request although not all of it was done.

        The index forgets what systems did in full; what the others hold stays in it and is found. No late findings
        are looked for, and those there are need no follow-up. Raises InputError.
        """
        return self._ending(self._turns.take(request_id, lambda request: self._acts.close(request, reason)))

    def cancel(self, request_id: str, reason: str | None = None) -> RequestState:
        """Take a request back. No system is told any more and the index forgets nothing; what was told stays told.

        Raises InputError for one that has ended or that the index forgets already.
        """
        return self._ending(self._turns.take(request_id, lambda request: self._acts.cancel(request, reason)))

    def ask(self, request_id: str, doubt: Doubt) -> RequestState:
        """Whoever makes it was asked who they are; see `streams.rights.handled`. Raises InputError."""
        return self._turns.take(request_id, lambda request: self._handled.ask(request, doubt))

    def check(
        self, request_id: str, how: CheckedHow, what: CheckedWhat = CheckedWhat.IDENTITY
    ) -> RequestState:
        """Somebody has checked who makes it. Raises InputError."""
        return self._turns.take(request_id, lambda request: self._handled.check(request, how, what))

    def extend(self, request_id: str, months: int, reason: str) -> RequestState:
        """Give it more time, which the person was told with the reason. Raises InputError."""
        return self._turns.take(request_id, lambda request: self._handled.extend(request, months, reason))

    def approve(self, request_id: str, digest: str, by: str) -> RequestState:
        """A second person, by another credential than the request's, approves the plan or answer of that digest.

        Raises InputError.
        """
        return self._turns.take(request_id, lambda request: self._handled.approve(request, digest, by))

    def tell(self, request_id: str, how: ToldBy) -> RequestState:
        """The answer was sent. Raises InputError."""
        return self._ending(self._turns.take(request_id, lambda request: self._handled.tell(request, how)))

    def lift(self, request_id: str, how: ToldBy, reason: str) -> RequestState:
        """End a restriction, of which the person was told before (GDPR Art. 18(3)). Raises InputError."""
        return self._turns.take(request_id, lambda request: self._handled.lift(request, how, reason))

    def notify(
        self, request_id: str, recipient: str, how: ToldBy | None, impossible: str | None = None
    ) -> RequestState:
        """A recipient was told of it, or cannot be, and why (GDPR Art. 19). Raises InputError."""
        return self._turns.take(
            request_id, lambda request: self._handled.notify(request, recipient, how, impossible)
        )

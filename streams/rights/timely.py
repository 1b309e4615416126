"""What time alone brings, done: systems told again, a person asked to look, holds to be reviewed."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from schemas.rights_rules import RightsRules
from streams.answers.frozen import HeldByLaw
from streams.rights.case import CaseFile
from streams.rights.kept_named import CannotName
from streams.rights.other_rules import OtherRules
from streams.rights.protocol.answering import Escalated, ReviewDue
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.schedule import to_escalate, to_review, to_tell_again
from streams.rights.returned import Returned
from streams.rights.sending import Sending


class Timely:
    """Two processes that do it at once tell a system the same attempt, which its job takes once.

    May raise Overtaken, Unavailable, KeyUnavailable.
    """

    def __init__(self, file: CaseFile, sending: Sending, rules: RightsRules) -> None:
        self._file = file
        self._sending = sending
        self._rules = rules

    def due(self, request: RequestState, now: datetime) -> bool:
        """Whether anything is to be done."""
        return any(
            next(found, None) is not None
            for found in (
                to_tell_again(request, now, self._rules),
                to_escalate(request, now, self._rules, self._file.calendar),
                to_review(request, self._file.calendar.day(now)),
            )
        )

    def done(self, request: RequestState, now: datetime) -> RequestState:
        """The request after it."""
        # First whom a person shall look at: telling it again begins another pause.
        for command in to_escalate(request, now, self._rules, self._file.calendar):
            request = self._file.decide(request, Escalated(command.command_id, command.attempt))
        for command in to_tell_again(request, now, self._rules):
            # While the law holds the data nobody is told to erase them.
            with suppress(HeldByLaw):
                try:
                    request = self._sending.command(request, command.command_id)
                except (OtherRules, Returned, CannotName) as error:
                    return self._file.stand(request, str(error))
        for command in to_review(request, self._file.calendar.day(now)):
            on = self._file.calendar.day(now)
            request = self._file.decide(request, ReviewDue(command.command_id, on, command.attempt))
        return request

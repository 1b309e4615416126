"""Data that have run out by their retention rule (GDPR Art. 5(1)(e)): nobody asks; it goes by the road of an erasure.

By the day of the event it is one run for everybody (`ExpiryRun`); by the day of a clock of the person it is a request
about that person, carried out as an erasure.
"""

from __future__ import annotations

from streams.rights.expiry_run import ExpiryRun
from streams.rights.person_expiry import PersonExpiry
from streams.rights.protocol.request import RequestState
from streams.rights.right import RightSteps, Step, Tools


class Expiry:
    """The steps of a run, and of a request about a person whose clocks have run out."""

    def __init__(self, tools: Tools) -> None:
        self._run = ExpiryRun(tools)
        self._person = PersonExpiry(tools)

    def next(self, request: RequestState) -> Step | None:
        return self._of(request).next(request)

    def do(self, step: Step, request: RequestState) -> RequestState:
        return self._of(request).do(step, request)

    def _of(self, request: RequestState) -> RightSteps:
        return self._run if request.of_everybody else self._person

"""Withdrawal of consent (GDPR Art. 7(3)): an erasure of what rested on that consent and on nothing else.

Systems in which data stay on another basis are told to use them for the withdrawn purposes no longer. That can be
lifted, when the person consents again."""

from __future__ import annotations

from dataclasses import replace

from streams.answers.consent import Consent, ConsentReader
from streams.rights.erasure import Erasure, next_step
from streams.rights.protocol.request import RequestState
from streams.rights.restriction import ended
from streams.rights.restriction import next_step as next_of_restriction
from streams.rights.right import Step, Tools


class Withdrawal:
    """The right to withdraw consent."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def next(self, request: RequestState) -> Step | None:
        # What is lifted was carried out before: nothing is erased or forgotten once more.
        return next_of_restriction(request) if request.lifting else next_step(request)

    def do(self, step: Step, request: RequestState) -> RequestState:
        if step is Step.END:
            return ended(self._tools, request)
        consent = Consent(frozenset(request.scope.purposes), self._tools.company.catalogue)
        carried = ConsentReader(self._tools.reader, consent)
        return Erasure(replace(self._tools, reader=carried), carried).do(step, request)

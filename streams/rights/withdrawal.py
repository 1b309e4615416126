"""Withdrawal of consent (GDPR Art. 7(3)): an erasure of what rested on that consent and on nothing else."""

from __future__ import annotations

from dataclasses import replace

from streams.answers.consent import Consent, ConsentReader
from streams.rights.erasure import Erasure, next_step
from streams.rights.protocol.request import RequestState
from streams.rights.right import Step, Tools


class Withdrawal:
    """The right to withdraw consent."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def next(self, request: RequestState) -> Step | None:
        return next_step(request)

    def do(self, step: Step, request: RequestState) -> RequestState:
        consent = Consent(frozenset(request.scope.purposes), self._tools.company.catalogue)
        carried = ConsentReader(self._tools.reader, consent)
        return Erasure(replace(self._tools, reader=carried), carried).do(step, request)

"""A run of retention: what has run out by the day of its event, of everybody at once."""

from __future__ import annotations

from schemas.errors import InputError
from streams.rights.protocol.request import RequestState, State
from streams.rights.right import Step, Tools


class ExpiryRun:
    """The steps of a run."""

    def __init__(self, tools: Tools) -> None:
        self._file = tools.file

    def next(self, request: RequestState) -> Step | None:
        return next_step(request)

    def do(self, step: Step, request: RequestState) -> RequestState:
        raise InputError(
            f"{request.request_id} names nobody, and this version carries out no run of everybody"
        )


def next_step(request: RequestState) -> Step | None:
    """What comes next of a run; None: nothing that anybody could do without a plan."""
    if request.ended or request.unread or request.state is State.UNCHECKED or request.plan is not None:
        return None
    return Step.PLAN

"""Requests as far as they come by themselves, with the answer sent to the person."""

from __future__ import annotations

from schemas.vocabulary import ToldBy
from streams.rights.protocol.states import RequestState, State
from streams.rights.service import RightsService


def advance_and_tell(service: RightsService, request_id: str) -> RequestState:
    """The next steps that wait for nobody; an answer is sent at once."""
    request = service.advance(request_id)
    return service.tell(request_id, ToldBy.LETTER) if request.state is State.ANSWERED else request

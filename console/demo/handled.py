"""What a company's rights.yaml leaves to people, done by the demo in their place."""

from __future__ import annotations

from schemas.vocabulary import CheckedHow
from streams.rights.protocol.states import RequestState, State
from streams.rights.service import RightsService

MADE_BY = "the demo"
"""Under which the demo makes its request: where nobody knows who made one, two people have to approve it."""
_SECOND = "the demo's second person"


def done_by_people(rights: RightsService, request: RequestState) -> str | None:
    """Do what the request waits for somebody to do, and say so in words; None: it waits for nobody."""
    if request.state is State.UNCHECKED:
        rights.check(request.request_id, CheckedHow.LOGIN)
        return "a case handler checked who asks, as rights.yaml wants (unchecked)"
    if request.awaits_approval and request.digest is not None:
        rights.approve(request.request_id, request.digest, _SECOND)
        return "a second person approved the plan, as rights.yaml wants (approval)"
    return None

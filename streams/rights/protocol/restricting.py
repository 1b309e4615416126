"""Which restrictions and objections stand. Pure."""

from __future__ import annotations

from streams.rights.protocol.request import RequestState


def reaches_later(request: RequestState) -> bool:
    """Whether it is a restriction or objection that also reaches what comes later: carried out, not lifted, and not
    followed up by another one. Also one for which no system had anything yet."""
    one = request.stores_alone and request.plan is not None
    return one and request.carried_out and not request.lifting and request.follow_up is None

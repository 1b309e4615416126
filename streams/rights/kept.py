"""Whose data stay although they have run out, since a request about them is open or restricts processing. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sinks.ports.lineage import Span
from streams.answers.attribution import spans_from_json
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.restricting import reaches_later


def keeps(request: RequestState) -> bool:
    """Whether the data of whom it is about stay: it is open, or they are stored until a restriction is lifted (GDPR
    Art. 18(2)). An objection and a withdrawn consent are no ground to store anything longer, nor is that data ran out.
    """
    if not request.ended:
        return not request.runs_out
    return request.stores_alone and not request.objects and (request.restricts or reaches_later(request))


def kept_by_requests(requests: Iterable[RequestState]) -> list[Span]:
    """Where the data lie of people with an open request, and of those whose processing is restricted.

    An open request counts on what was planned for it. Nobody is found of a request of which it is not known yet whom it
    is about (`streams.rights.kept_named.KeptPeople.unknown`).
    """
    spans: dict[Span, None] = {}
    for request in requests:
        if not keeps(request):
            continue
        spans |= dict.fromkeys(Span(bytes.fromhex(token)) for token in sorted(request.subjects))
        if request.identity is not None:
            spans |= dict.fromkeys((*request.identity.spans, *request.identity.shared))
    return list(spans)


def kept_while_told(run: RequestState) -> list[Span]:
    """Where the data lie of everybody of whom systems are told that their records stay: as planned, then who came in
    since."""
    return [*run.kept, *(spans_from_json(run.kept_since.kept) if run.kept_since is not None else ())]

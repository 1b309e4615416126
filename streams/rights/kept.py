"""Whose data stay although they have run out, since a request about them is open or restricts processing. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sinks.ports.lineage import Span
from streams.rights.protocol.request import RequestState


def kept_by_requests(requests: Iterable[RequestState]) -> list[Span]:
    """Where the data lie of people with an open request, and of those whose processing is restricted.

    An open request counts on what was planned for it; what is restricted is stored until the restriction is lifted
    (GDPR Art. 18(2)). Nobody is found of a request of which it is not known yet whom it is about.
    """
    spans: dict[Span, None] = {}
    for request in requests:
        if request.ended and not request.restricts:
            continue
        spans |= dict.fromkeys(Span(bytes.fromhex(token)) for token in sorted(request.subjects))
        if request.identity is not None:
            spans |= dict.fromkeys((*request.identity.spans, *request.identity.shared))
    return list(spans)

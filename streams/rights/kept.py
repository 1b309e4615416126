"""Whose data stay although they have run out, since a request about them is open, was answered without what came to
light since, or restricts processing. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from sinks.ports.lineage import Span
from streams.answers.attribution import spans_from_json
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.restricting import reaches_later


def keeps(request: RequestState) -> bool:
    """Whether the data of whom it is about stay: it is open, or lacks what came to light since, or restricts processing
    until that is lifted (GDPR Art. 18(2)). An objection and a withdrawn consent are no ground to store anything
    longer, nor is that data ran out.
    """
    if not request.ended:
        return not request.runs_out
    return lacks_what_came(request) or keeps_restricted(request)


def lacks_what_came(request: RequestState) -> bool:
    """Whether it was answered, or corrected what was wrong, without what came to light since, until a follow-up does or
    a person closes it. Of one that erases nobody asked for anything to stay; a restriction reaches what comes later."""
    return request.state is State.REOPENED and not (request.forgets or request.stores_alone)


def keeps_restricted(request: RequestState) -> bool:
    """Whether it was carried out, and what it is about may be stored and nothing else until it is lifted."""
    if not request.ended:
        return False
    return request.stores_alone and not request.objects and (request.restricts or reaches_later(request))


def is_looked_up(request: RequestState) -> bool:
    """Whether whom it is about is looked up once more: for its plan, for an answer that systems deliver copies for, or
    for what came to light since."""
    awaits_copies = request.report is None and any(item.copies for item in request.commands.values())
    return request.identity is None or lacks_what_came(request) or awaits_copies


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

"""What a person asks for goes before what runs out of them by itself."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.vocabulary import CommandState
from streams.rights.case import CaseFile
from streams.rights.overlap import before_it
from streams.rights.protocol.handling import Cancelled
from streams.rights.protocol.request import RequestState


def waits_for_others(
    file: CaseFile, beside: Sequence[RequestState], request: RequestState
) -> RequestState | None:
    """The request as it waits for others of the person, None: it need not. `beside`: see `before_it`.

    What has run out of the person gives way where no system was told of it yet: it is cancelled, and is found anew once
    the person's own request has ended. Raises Overtaken, IndexUnavailable.
    """
    others = {item.request_id: item for item in beside}
    first, expiring = list[str](), list[str]()
    for name in before_it(beside, request):
        if gives_way(others[name]):
            sealed = file.seal_note(name, f"{request.request_id}, which the person made, goes first")
            file.decide(others[name], Cancelled(sealed))
            continue
        first.append(name)
        if others[name].runs_out:
            expiring.append(name)
    return file.wait(request, tuple(first), tuple(expiring)) if first else None


def gives_way(request: RequestState) -> bool:
    """Whether nothing was done yet of what has run out of a person. Pure."""
    return (
        request.runs_out
        and not (request.of_everybody or request.ended or request.closing or request.runs)
        and request.forgotten is None
        and all(item.state is CommandState.UNSENT for item in request.commands.values())
    )

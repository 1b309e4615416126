"""Requests of a person whom a preservation order holds: nothing that erases or corrects is told or done while it runs.

What is restricted stays as it is, and a copy changes nothing: both go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from schemas.vocabulary import CommandKind, CommandState
from streams.answers.frozen import Frozen
from streams.answers.keeping import Keeping
from streams.answers.plan import plan_from_json
from streams.rights.kept import kept_while_told
from streams.rights.protocol.request import RequestState


def refuse_frozen(keeping: Keeping, clock: Callable[[], datetime], request: RequestState) -> None:
    """Raises HeldByLaw where an order came after the plan, which would erase or correct something; IndexUnavailable,
    KeyUnavailable."""
    plan = plan_from_json(request.plan) if request.plan and "kept" in request.plan else None
    erases = plan and (
        plan.segments or any(kept is None or kept.id != name for name, kept in plan.kept.items())
    )
    if (erases or request.corrects) and request.identity is not None:
        keeping.frozen(clock()).refuse(request.identity.spans)


def commands_out(requests: Iterable[RequestState], frozen: Frozen) -> list[tuple[str, str]]:
    """Ids of requests, and systems, that were told to erase or correct what is held now and have not answered: no
    message takes a command back, so their people have to stop it. Pure."""
    return [
        (request.request_id, command.system)
        for request in requests
        if _reaches(request, frozen)
        for command in request.commands.values()
        if command.kind in (None, CommandKind.RECTIFICATION)
        and (command.state in (CommandState.SENT, CommandState.ACCEPTED) or command.retrying)
        and not command.settled
    ]


def _reaches(request: RequestState, frozen: Frozen) -> bool:
    """Whether what is held may be among what systems were told; a retention run reaches everybody but those whose
    records it said have to stay."""
    if request.of_everybody:
        return not {*frozen.spans} <= {*kept_while_told(request)}
    return request.identity is not None and frozen.holds(request.identity.spans)

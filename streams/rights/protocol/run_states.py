"""What becomes of a retention run while the index forgets: that part of the fold. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from schemas.counted import counted
from streams.rights.protocol.commands import stands
from streams.rights.protocol.expiring import Expired, Expiring, KeptSince
from streams.rights.protocol.parts import Run
from streams.rights.protocol.request import RequestState, State


def run_after(request: RequestState, event: KeptSince | Expiring | Expired) -> RequestState:
    """The run after people came in, the index began to forget, or was through with it."""
    match event:
        case KeptSince():
            return _kept_since(request, event)
        case Expiring():
            return _expiring(request, event)
        case Expired():
            return _expired(request, event)


def _kept_since(request: RequestState, event: KeptSince) -> RequestState:
    commands = dict(request.commands)
    for name, records in event.records.items():
        if not commands[name].settled:
            least, planned = event.least.get(name, {}), sum(records.values())
            commands[name] = replace(commands[name], records=records, planned=planned, least=least)
    return replace(request, kept_since=event, commands=commands)


def _expiring(request: RequestState, event: Expiring) -> RequestState:
    run = Run(event.going, event.as_of, frozenset(), systems=frozenset(event.systems))
    return replace(request, state=State.FORGETTING, problem=None, runs=(*request.runs, run))


def _expired(request: RequestState, event: Expired) -> RequestState:
    """What is gone is what the runs since the last such event were to take, without what is left of it."""
    if not request.runs:
        return request
    counts = {
        name: max(sum(run.going.get(name, 0) for run in request.runs) - left, 0)
        for name, left in event.left.items()
    }
    remarks = request.remarks
    if event.since:
        remarks += (
            f"{counted(event.since, 'event')} of people who came in after the plan stay in the index, although systems"
            " were told to delete their records by then",
        )
    request = replace(
        request,
        forgotten=_sum(request.forgotten or {}, counts),
        expired_at=request.expired_at | frozenset(event.systems),
        runs=(),
        remarks=tuple(dict.fromkeys(remarks)),
    )
    return stands(request)


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}

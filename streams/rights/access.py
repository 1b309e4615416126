"""Access (GDPR Art. 15): what is held of a person, as a report. Answered from the index at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.vocabulary import Resolution
from streams.answers.attribution import snapshot_of
from streams.answers.lookup import disclosed
from streams.answers.unread import with_unread
from streams.rights.protocol.events import Answered, Attention
from streams.rights.protocol.request import RequestState, State
from streams.rights.restriction import restricted_lines
from streams.rights.right import Step, Tools

Report = dict[str, Any]


class Access:
    """The right of access."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def next(self, request: RequestState) -> Step | None:
        return next_step(request)

    def do(self, step: Step, request: RequestState) -> RequestState:
        return answer(self._tools, request)


def next_step(request: RequestState) -> Step | None:
    """Of any right that the index answers."""
    waits = request.state in (State.UNCHECKED, State.ANSWERED)
    return None if request.ended or request.unread or waits else Step.ANSWER


def answer(
    tools: Tools, request: RequestState, chosen: Callable[[Report], Report] = lambda report: report
) -> RequestState:
    """Answer with what is `chosen` of the access report; at `attention` where nobody knows whose it would be."""
    if not request.subjects:
        request = tools.about(request)
    now = tools.file.now()
    person = tools.subjects.of(request)
    if person.resolution is Resolution.AMBIGUOUS:
        unclear = tools.subjects.unclear(request, person)
        return tools.file.decide(request, Attention(unclear, Resolution.AMBIGUOUS))
    anchors = tools.keeping.anchors_for(person.spans, tools.file.anchors(request.request_id))
    _, report = disclosed(person, tools.reader, tools.company.catalogue, anchors, now)
    shown = {**chosen(report), **with_unread(tools.unread())}
    systems = {entry["system"]["id"] for entry in shown.get("entries", ())}
    approval = tools.company.rights.needs_approval(request.type, holds=False, systems=len(systems))
    answered = Answered(
        report=shown,
        identity=snapshot_of(person).json(),
        resolution=Resolution(report["resolution"]),
        remarks=(
            *person.problems,
            *tools.subjects.erased_before(request, person),
            *restricted_lines(tools.file.every(), request.subjects),
        ),
        to_tell=True,
        approval=approval or None,
    )
    tools.answered()
    return tools.file.decide(request, answered, now)

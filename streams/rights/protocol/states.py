"""The state of a rights request: a fold over its append-only events. Pure.

    received ─► planned ─► commanded ─► waiting ─► forgetting ─► completed ─► reopened ─► completed, with `follow_up`
      │ ▲ │                               ▲ │          │
      └─┘ └─ (access) ─► completed        │ ▼          └─► closed, where a person ended it with a reason
    while another                       attention
    erasure is open                     a person must act: why is in `problems`; resend, accept, close

Only a `done` receipt of as much as was planned settles a command. What a system could not or would not erase stays
visible with its reason. What comes to light after the answer opens the request again, until a new request follows it
up. Before the index forgets, a person may cancel a request; nothing more is sent then, and later answers are shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from schemas.times import iso, iso_or_none, received_can_be_no_day
from sinks.ports.requests import UNREADABLE, RequestEvent
from streams.answers.attribution import IdentitySnapshot, spans_from_json
from streams.answers.erasure_plan import shown
from streams.rights.protocol.command import CommandState
from streams.rights.protocol.deadlines import due_at
from streams.rights.protocol.request import Note, RequestState, State, taken_line

__all__ = ["CommandState", "RequestState", "State", "due_at", "fold", "summary"]


def fold(events: Iterable[RequestEvent]) -> RequestState | None:
    """The state after the events, None before the first. Repeated events, in place or later, change nothing.

    An event that cannot be read is passed over and named in `unread`; until the request has ended it stands at
    `attention` then. Never raises: one bad request shall not hide the others.
    """
    request: RequestState | None = None
    seen: set[tuple[str, str]] = set()
    length = 0
    for event in sorted(events, key=lambda item: item.sequence):
        length = event.sequence + 1
        mark = (event.kind, json.dumps(event.content, sort_keys=True))
        if mark in seen:
            continue
        seen.add(mark)
        try:
            request = _with(request, event)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the others are to be read
            request = _unreadable(request, event, error)
    if request is None:
        return None
    if request.unread and not request.ended:
        request = replace(request, state=State.ATTENTION)
    return replace(request, length=length)


def _with(request: RequestState | None, event: RequestEvent) -> RequestState | None:
    if event.kind == UNREADABLE:
        raise ValueError(event.kind)
    if event.kind == "received":
        return request or _received(event)
    if request is None:
        return None
    if event.kind == "key_destroyed":
        return replace(request, key_destroyed_at=event.occurred_at)
    request = _ended(request, event) if request.ended else _after(request, event)
    # What is wrong in an event may show only where it is told to people.
    _ = request.problems, request.waiting_for, request.movable
    return request


def _unreadable(request: RequestState | None, event: RequestEvent, error: Exception) -> RequestState:
    kind = event.content.get("kind", event.kind) if event.kind == UNREADABLE else event.kind
    line = f"event {event.sequence} of the ledger ({kind}) cannot be read ({type(error).__name__})"
    if request is None:
        at = event.occurred_at
        request = RequestState(
            event.request_id, type="unknown", channel="unknown", received_at=at, due=due_at(at)
        )
    return replace(request, unread=(*request.unread, line))


def summary(request: RequestState) -> dict[str, Any]:
    """The request as JSON, without a personal value, for lists, the API and the case file."""
    plan = request.plan or {}
    return {
        "request_id": request.request_id,
        "type": request.type,
        "state": request.state.value,
        "channel": request.channel,
        "received_at": iso(request.received_at),
        "due_at": request.due.isoformat(),
        "completed_at": iso_or_none(request.completed_at),
        "ended_at": iso_or_none(request.ended_at or request.completed_at),
        "key_destroyed_at": iso_or_none(request.key_destroyed_at),
        "resolution": request.resolution,
        "unlinked": list(request.identity.unlinked) if request.identity else [],
        "waiting_for": list(request.waiting_for),
        "problems": list(request.problems),
        "commands": [_shown(item) for item in request.commands.values()],
        "parts": shown(plan.get("parts", [])),
        "copies": plan.get("copies", []),
        "unjudged": [
            {name: item[name] for name in ("system", "topic", "record", "why")}
            for item in plan.get("unjudged", [])
        ],
        "held": shown(request.held),
        "forgotten": dict(request.forgotten) if request.forgotten is not None else None,
        "report": request.report,
        "late_findings": [dict(finding) for finding in request.late_findings],
        "follow_up": request.follow_up,
        "by_link": list(request.by_link),
        "also_open": [dict(item) for item in request.beside],
        "behind": list(request.behind),
        "set_aside": [dict(item) for item in request.set_aside],
        "notes": [
            {"what": note.what, "at": iso(note.at), "system": note.system, "reason": note.reason}
            for note in request.notes
        ],
    }


def _shown(command: CommandState) -> dict[str, Any]:
    """Without the counts by kind, in which events are that may not be counted aloud."""
    return {name: value for name, value in vars(command).items() if name not in ("records", "least")}


def _received(event: RequestEvent) -> RequestState:
    content = event.content
    received_at, recorded_at = datetime.fromisoformat(content["received_at"]), event.occurred_at
    # Recorded before days were bounded: it came in when it was recorded, at the latest.
    undated = received_can_be_no_day(received_at, recorded_at)
    received_at = recorded_at if undated else received_at
    return RequestState(
        request_id=event.request_id,
        type=content["type"],
        channel=content["channel"],
        received_at=received_at,
        due=due_at(received_at),
        undated=undated,
        inherited=spans_from_json(content.get("inherited", [])),
    )


def _after(request: RequestState, event: RequestEvent) -> RequestState:
    content = event.content
    if event.kind != "aside":
        request = replace(request, broke=False)
    match event.kind:
        case "about":
            subjects = request.subjects.union(content["subjects"])
            return replace(request, subjects=subjects, beside=tuple(content["beside"]) or request.beside)
        case "behind" if request.plan is None:
            return replace(request, behind=tuple(content["behind"]), problem=None, state=State.RECEIVED)
        case "planned" if request.plan is None:
            return _planned(_identified(request, content), event)
        case "replanned" if request.plan is not None:
            return _replanned(request, content)
        case "counted":
            counted = {item["command_id"]: item for item in content["commands"]}
            commands = request.commands.items()
            told = {key: _told(item, counted[key]) if key in counted else item for key, item in commands}
            return _stands(replace(request, commands=told))
        case "commanded" | "receipt" | "accepted":
            return _commands(_noted(request, event), event)
        case "aside":
            return replace(request, set_aside=(*request.set_aside, content))
        case "closing":
            return replace(_noted(request, event), state=State.FORGETTING, closing=True, problem=None)
        case "forgetting" if request.settled or request.closing:
            # Versions before did not count beforehand.
            runs = (*request.runs, content) if "going" in content else request.runs
            return replace(request, state=State.FORGETTING, problem=None, runs=runs)
        case "forgotten":
            return _forgotten(request, content)
        case "attention":
            resolution = content.get("resolution", request.resolution)
            broke = content.get("broke", False)
            request = replace(request, state=State.ATTENTION, resolution=resolution, broke=broke)
            return replace(request, problem=content["reason"])
        case "answered":
            request = replace(request, problem=None, report=content["report"], completed_at=event.occurred_at)
            remarks = tuple(content.get("remarks", ()))
            return replace(_identified(request, content), state=State.COMPLETED, remarks=remarks)
        case "completed" if request.settled:
            held = tuple(content["held"])
            return replace(request, state=State.COMPLETED, held=held, completed_at=event.occurred_at)
        case "closed" | "cancelled":
            request = replace(_noted(request, event), problem=None, behind=())
            return replace(request, state=State(event.kind), ended_at=event.occurred_at)
    return request


def _ended(request: RequestState, event: RequestEvent) -> RequestState:
    """After the end: what came to light later, until it is followed up or closed, and what systems still said."""
    content = event.content
    if event.kind == "aside":
        return replace(request, set_aside=(*request.set_aside, content))
    if not request.carried_out:
        return _commands(request, event) if event.kind in ("commanded", "receipt") else request
    if request.follow_up is not None:
        return request
    if event.kind == "late_finding":
        return replace(request, state=State.REOPENED, late_findings=(*request.late_findings, content))
    if event.kind == "followed_up":
        remarks = tuple(taken_line(name) for name in content.get("taken", ()))
        request = replace(request, remarks=(*request.remarks, *remarks))
        return replace(request, state=State.COMPLETED, follow_up=content["follow_up"])
    if event.kind == "looked":
        return replace(request, unchecked=content["failed"])
    if event.kind == "closed" and request.state is State.REOPENED:
        return replace(_noted(request, event), state=State.CLOSED, ended_at=event.occurred_at)
    return request


def _planned(request: RequestState, event: RequestEvent) -> RequestState:
    content = event.content
    commands = {
        item["command_id"]: _told(CommandState(item["command_id"], item["system"]), item)
        for item in content["commands"]
    }
    return replace(
        request,
        plan=content["plan"],
        planned_at=event.occurred_at,
        commands=commands,
        problem=None,
        behind=(),
        by_link=tuple(content.get("by_link", ())),
        remarks=tuple(content.get("remarks", ())),
        state=State.PLANNED,
    )


def _forgotten(request: RequestState, content: Mapping[str, Any]) -> RequestState:
    """What is gone is what the runs since the last such event were to remove, without what is left of it.

    Runs that were interrupted count too. Where two processes forget at once the first that is through says it of both.
    """
    if "counts" in content:
        removed = content["counts"]
    elif not request.runs:
        return request
    else:
        names = content["left"]
        removed = {
            name: max(sum(run["going"][name] for run in request.runs) - left, 0)
            for name, left in names.items()
        }
    earlier = request.forgotten or {}
    counts = {name: int(count) + earlier.get(name, 0) for name, count in removed.items()}
    over = request.forgotten_as_planned or any(removed.values())
    return replace(request, forgotten=counts, forgotten_as_planned=over, runs=())


def _replanned(request: RequestState, content: Mapping[str, Any]) -> RequestState:
    """What a system is told anew is to be sent; what it need not be told stays as it was answered."""
    commands = dict(request.commands)
    for item in content["commands"]:
        earlier = commands.get(item["command_id"], CommandState(item["command_id"], item["system"]))
        anew = CommandState(earlier.command_id, earlier.system, attempt=earlier.attempt)
        commands[earlier.command_id] = _told(anew if item["again"] else earlier, item)
    runs = tuple({**run, "replanned": True} for run in request.runs)
    request = replace(request, plan=content["plan"], commands=commands, runs=runs)
    return _stands(replace(request, problem=None, forgotten_as_planned=False))


def _told(command: CommandState, item: Mapping[str, Any]) -> CommandState:
    """With what the index counted there, which requests from before it did lack."""
    return replace(
        command,
        planned=item.get("planned"),
        by_link=item.get("by_link", 0),
        described=item.get("described", False),
        records=item.get("records", {}),
        least=item.get("least", {}),
    )


def _identified(request: RequestState, content: Mapping[str, Any]) -> RequestState:
    if "identity" not in content:
        return request
    identity = IdentitySnapshot.read(content["identity"])
    return replace(request, identity=identity, resolution=content["resolution"])


def _noted(request: RequestState, event: RequestEvent) -> RequestState:
    """With what a person did, where the event is that."""
    what = {"closing": "closed"}.get(event.kind, event.kind)
    if what not in ("accepted", "closed", "cancelled") or "sealed" not in event.content:
        return request
    system = event.content.get("system")
    return replace(
        request, notes=(*request.notes, Note(what, event.occurred_at, system, event.content["sealed"]))
    )


def _commands(request: RequestState, event: RequestEvent) -> RequestState:
    content = event.content
    command = request.commands.get(content["command_id"])
    if command is None or command.settled:
        return request
    if event.kind == "commanded":
        fresh = CommandState(command.command_id, command.system, "sent", int(content["attempt"]))
        command = replace(
            fresh,
            sent_at=iso(event.occurred_at),
            planned=command.planned,
            by_link=command.by_link,
            described=command.described,
            records=command.records,
            least=command.least,
        )
    elif event.kind == "accepted":
        command = replace(command, accepted=command.state == "done")
    else:
        names = ("state", "erased", "held", "ground", "review_date", "reason", "reported_at")
        said = {name: content[name] for name in names} | {"known": content.get("known")}
        said["outcomes"] = tuple(content.get("outcomes", ()))
        command = replace(command, **said, after_end=request.ended)
    request = replace(request, commands={**request.commands, command.command_id: command})
    return request if request.ended else _stands(request)


def _stands(request: RequestState) -> RequestState:
    """With the state that its commands give; one that a person ends is past that."""
    if request.closing:
        return request
    commands = request.commands.values()
    states = {item.state for item in commands}
    if any(item.refused or item.doubtful for item in commands):
        state = State.ATTENTION
    elif "unsent" in states:
        state = State.PLANNED
    elif states == {"sent"}:
        state = State.COMMANDED
    else:
        state = State.WAITING
    return replace(request, state=state)

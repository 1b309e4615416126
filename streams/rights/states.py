"""The state of a rights request: a fold over its append-only events. Pure.

    received ─► planned ─► commanded ─► waiting ─► forgetting ─► completed ─► reopened ─► completed, with `follow_up`
        │                                 ▲ │
        └─ (access) ─► completed          │ ▼
                                        attention   a person must act: why is in `problems`

Only a `done` receipt settles a command. What a system could not or would not erase stays visible with its reason.
What comes to light after the answer opens the request again, until a new request follows it up.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sinks.clickhouse.requests import RequestEvent
from sinks.ports import Span
from streams.rights.deadlines import due_at
from streams.rights.plan import shown
from streams.rights.times import iso, iso_or_none
from streams.rights.whose import Frozen, spans_from_json

__all__ = ["CommandState", "RequestState", "State", "due_at", "fold", "summary"]


class State(StrEnum):
    RECEIVED = "received"
    PLANNED = "planned"
    COMMANDED = "commanded"
    WAITING = "waiting"
    ATTENTION = "attention"
    FORGETTING = "forgetting"
    COMPLETED = "completed"
    REOPENED = "reopened"


@dataclass(frozen=True)
class CommandState:
    """Where one system stands. `state`: unsent, sent, accepted, done, partial, withheld, failed.

    `outcomes`: what it did to its records, by kind (`streams.rights.orders.Outcome`), if it says so.
    """

    command_id: str
    system: str
    state: str = "unsent"
    attempt: int = 0
    erased: int = 0
    held: int = 0
    ground: str | None = None
    review_date: str | None = None
    reason: str | None = None
    reported_at: str | None = None
    outcomes: tuple[Mapping[str, Any], ...] = ()

    @property
    def problem(self) -> str | None:
        """One line for the person who must act, or None."""
        if self.state not in ("partial", "withheld", "failed"):
            return None
        parts = [f"{self.system}: {self.state}"]
        if self.held:
            parts.append(f"{self.held} records held")
        if self.ground:
            parts.append(f"by {self.ground}")
        if self.review_date:
            parts.append(f"review on {self.review_date}")
        if self.reason:
            parts.append(f"({self.reason})")
        return " ".join(parts)


@dataclass(frozen=True)
class RequestState:
    """All that is known of a request. `plan` and `report` are JSON without personal values, as stored.

    `identity` is what it was carried out with, `resolution` what the identifiers gave then. `late_findings`: what came
    to light after the answer, newest last; `follow_up`: the request that deals with them. `inherited`: where the
    erased person that this request follows up was found, which links no longer tell. `length`: how many events of the
    ledger it was read from; what is decided on it is written as the next one.
    """

    request_id: str
    type: str
    channel: str
    received_at: datetime
    due: date
    state: State = State.RECEIVED
    plan: Mapping[str, Any] | None = None
    planned_at: datetime | None = None
    commands: Mapping[str, CommandState] = field(default_factory=dict)
    problem: str | None = None
    forgotten: Mapping[str, int] | None = None
    report: Mapping[str, Any] | None = None
    held: tuple[Mapping[str, Any], ...] = ()
    completed_at: datetime | None = None
    identity: Frozen | None = field(default=None, repr=False)
    inherited: Sequence[Span] = field(default=(), repr=False)
    resolution: str | None = None
    late_findings: tuple[Mapping[str, Any], ...] = ()
    follow_up: str | None = None
    by_link: tuple[str, ...] = ()
    length: int = field(default=0, compare=False)

    @property
    def ended(self) -> bool:
        """Whether the request was carried out, whatever came to light since."""
        return self.state in (State.COMPLETED, State.REOPENED)

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """Systems that have not answered for good."""
        open_states = ("unsent", "sent", "accepted")
        return tuple(item.system for item in self.commands.values() if item.state in open_states)

    @property
    def problems(self) -> tuple[str, ...]:
        """What a person has to look at, one line each."""
        lines = [self.problem, *(item.problem for item in self.commands.values())]
        if self.by_link:
            lines.append(_by_link(self.by_link))
        if self.state is State.REOPENED:
            lines.append(_late(self.request_id, self.late_findings[-1]))
        return tuple(line for line in lines if line is not None)

    @property
    def settled(self) -> bool:
        """Whether every command there is was done."""
        return self.plan is not None and all(item.state == "done" for item in self.commands.values())

    @property
    def movable(self) -> bool:
        """Whether a next step waits for nobody."""
        if any(item.state == "unsent" for item in self.commands.values()):
            return True
        return self.state in (State.RECEIVED, State.PLANNED, State.FORGETTING) or (
            self.settled and self.state is not State.ATTENTION and not self.ended
        )


def fold(events: Iterable[RequestEvent]) -> RequestState | None:
    """The state after the events, None before the first. Repeated events, in place or later, change nothing."""
    request: RequestState | None = None
    seen: set[tuple[str, str]] = set()
    length = 0
    for event in sorted(events, key=lambda item: item.sequence):
        length = event.sequence + 1
        mark = (event.kind, json.dumps(event.content, sort_keys=True))
        if mark in seen:
            continue
        seen.add(mark)
        if event.kind == "received":
            request = request or _received(event)
        elif request is not None:
            request = _ended(request, event) if request.ended else _after(request, event)
    return request and replace(request, length=length)


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
        "resolution": request.resolution,
        "waiting_for": list(request.waiting_for),
        "problems": list(request.problems),
        "commands": [vars(item) for item in request.commands.values()],
        "parts": shown(plan.get("parts", [])),
        "copies": plan.get("copies", []),
        "held": shown(request.held),
        "forgotten": dict(request.forgotten) if request.forgotten is not None else None,
        "report": request.report,
        "late_findings": [dict(finding) for finding in request.late_findings],
        "follow_up": request.follow_up,
        "by_link": list(request.by_link),
    }


def _by_link(systems: Sequence[str]) -> str:
    return (
        f"{', '.join(systems)}: some events there are this person's by link only (an address at a time, a cookie),"
        " which the identifiers sent do not name; see that they are erased there too"
    )


def _received(event: RequestEvent) -> RequestState:
    content = event.content
    received_at = datetime.fromisoformat(content["received_at"])
    return RequestState(
        request_id=event.request_id,
        type=content["type"],
        channel=content["channel"],
        received_at=received_at,
        due=due_at(received_at),
        inherited=spans_from_json(content.get("inherited", [])),
    )


def _after(request: RequestState, event: RequestEvent) -> RequestState:
    content = event.content
    match event.kind:
        case "planned" if request.plan is None:
            commands = {
                item["command_id"]: CommandState(item["command_id"], item["system"])
                for item in content["commands"]
            }
            request = replace(
                request,
                plan=content["plan"],
                planned_at=event.occurred_at,
                commands=commands,
                problem=None,
                by_link=tuple(content.get("by_link", ())),
            )
            return replace(_identified(request, content), state=State.PLANNED)
        case "commanded" | "receipt":
            return _commands(request, event.kind, content)
        case "forgetting" if request.settled:
            return replace(request, state=State.FORGETTING, problem=None)
        case "forgotten" if request.state is State.FORGETTING:
            # A repeated run finds less to remove: the counts add up to what the whole request removed.
            earlier = request.forgotten or {}
            counts = {name: int(count) + earlier.get(name, 0) for name, count in content["counts"].items()}
            return replace(request, forgotten=counts)
        case "attention":
            resolution = content.get("resolution", request.resolution)
            return replace(request, state=State.ATTENTION, problem=content["reason"], resolution=resolution)
        case "answered":
            request = replace(request, problem=None, report=content["report"], completed_at=event.occurred_at)
            return replace(_identified(request, content), state=State.COMPLETED)
        case "completed" if request.settled:
            held = tuple(content["held"])
            return replace(request, state=State.COMPLETED, held=held, completed_at=event.occurred_at)
    return request


def _identified(request: RequestState, content: Mapping[str, Any]) -> RequestState:
    if "identity" not in content:
        return request
    identity = Frozen.read(content["identity"])
    return replace(request, identity=identity, resolution=content["resolution"])


def _ended(request: RequestState, event: RequestEvent) -> RequestState:
    """After the end only what came to light later counts, until it is followed up."""
    if request.follow_up is not None:
        return request
    if event.kind == "late_finding":
        findings = (*request.late_findings, event.content)
        return replace(request, state=State.REOPENED, late_findings=findings)
    if event.kind == "followed_up":
        return replace(request, state=State.COMPLETED, follow_up=event.content["follow_up"])
    return request


def _late(request_id: str, finding: Mapping[str, Any]) -> str:
    """What to do about a late finding, in one line."""
    parts = []
    if finding["events"]:
        parts.append(f"{_events(finding['events'])} came to light after this was answered")
    if finding["no_longer"]:
        parts.append(f"of those answered, {_events(finding['no_longer'])} proved not to be this person's")
    where = ", ".join(finding["systems"])
    return f"{' and '.join(parts)} ({where}); follow it up with `innsyn requests --follow-up {request_id}`"


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _commands(request: RequestState, kind: str, content: Mapping[str, Any]) -> RequestState:
    command = request.commands.get(content["command_id"])
    if command is None or command.state == "done":
        return request
    if kind == "commanded":
        command = replace(
            CommandState(command.command_id, command.system), state="sent", attempt=int(content["attempt"])
        )
    else:
        names = ("state", "erased", "held", "ground", "review_date", "reason", "reported_at")
        outcomes = tuple(content.get("outcomes", ()))
        command = replace(command, **{name: content[name] for name in names}, outcomes=outcomes)
    commands = {**request.commands, command.command_id: command}
    states = {item.state for item in commands.values()}
    if states & {"partial", "withheld", "failed"}:
        state = State.ATTENTION
    elif "unsent" in states:
        state = State.PLANNED
    elif states == {"sent"}:
        state = State.COMMANDED
    else:
        state = State.WAITING
    return replace(request, commands=commands, state=state)

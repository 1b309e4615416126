"""A rights request as people and programs are shown it: as JSON, without a personal value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from schemas.calendars import NORWEGIAN, Calendar
from schemas.times import iso, iso_or_none
from streams.answers.plan import shown
from streams.rights.protocol.command import Command
from streams.rights.protocol.events import content_of
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.restricting import reaches_later
from streams.rights.protocol.rights_commands import KEYED
from streams.rights.protocol.standing import Standing, standing


def summary(
    request: RequestState, now: datetime | None = None, calendar: Calendar = NORWEGIAN
) -> dict[str, Any]:
    """The request as JSON, without a personal value, for lists, the API and the case file.

    `now`: at which its deadline is looked at; None: it is not.
    """
    plan = request.plan or {}
    stands = _stands(request, now, calendar)
    return {
        "request_id": request.request_id,
        "type": request.type,
        "state": request.state.value,
        "channel": request.channel,
        "received_at": iso(request.received_at),
        "due_at": stands.due and stands.due.isoformat(),
        "days_left": stands.days_left,
        "overdue": stands.overdue,
        "paused_since": iso_or_none(request.paused_since),
        "extended_months": request.more,
        "digest": request.digest if request.approval else None,
        "awaits_approval": request.awaits_approval,
        "answered_at": iso_or_none(request.answered_at or request.completed_at),
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
        **_other_rights(request, plan),
        "dead_letters": dict((request.plan or request.report or {}).get("dead_letters", {})),
        "unjudged": [
            {name: item[name] for name in ("system", "topic", "record", "why")}
            for item in plan.get("unjudged", [])
        ],
        "held": shown(request.held),
        "forgotten": dict(request.forgotten) if request.forgotten is not None else None,
        "report": request.report,
        "late_findings": [content_of(finding) for finding in request.late_findings],
        "came_back": content_of(request.came_back) if request.came_back is not None else None,
        "follow_up": request.follow_up,
        "by_link": list(request.by_link),
        "also_open": [content_of(item) for item in request.beside],
        "behind": list(request.behind),
        "set_aside": [content_of(item) for item in request.set_aside],
        **_unclear(request),
        "notes": [
            {
                "what": note.what,
                "at": iso(note.at),
                "system": note.system,
                "reason": note.reason or note.words,
            }
            for note in request.notes
        ],
    }


def _stands(request: RequestState, now: datetime | None, calendar: Calendar) -> Standing:
    if now is None:
        return Standing(None if request.runs_out else request.due, None)
    return standing(request, now, calendar)


def _other_rights(request: RequestState, plan: Mapping[str, Any]) -> dict[str, Any]:
    """What was restricted or corrected where, and who has to be told of it."""
    return {
        "restricted": [_told(item) for item in plan.get("restricted", ())],
        "restricts": request.restricts or reaches_later(request),
        "rectified": [_told(item) for item in plan.get("rectified", ())],
        "recipients": [
            {"recipient": name, "told": name in request.notified} for name in plan.get("recipients", [])
        ],
    }


def _told(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name != KEYED}


def _unclear(request: RequestState) -> dict[str, Any]:
    """What nobody can tell to be the person's, and how much of that a person let be; why is among the notes."""
    waived = request.waived
    said = (
        {"dead_letters": dict(waived.dead_letters), "shared_events": waived.shared_events} if waived else None
    )
    return {"unclear": content_of(request.unclear) if request.unclear else None, "waived": said}


def _shown(command: Command) -> dict[str, Any]:
    """Without the counts by kind, in which events are that may not be counted aloud."""
    said = {name: value for name, value in vars(command).items() if name not in ("records", "least")}
    return {**said, "outcomes": [content_of(item) for item in command.outcomes]}

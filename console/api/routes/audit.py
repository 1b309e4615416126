"""The record of who asked what about whom, to be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from console.api import paging
from console.api.protection.recording import note_of
from console.api.services import Services
from console.bodies import Moment
from schemas.asked_for import AskedFor
from schemas.errors import InputError
from schemas.vocabulary import Resolution
from sinks.ports.audit import AuditEntry, Looked, Position

_SHOWN = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class AuditItem(BaseModel):
    """One question, or a log-in that was refused; `entry` names it in the log. `subjects`: whom the answer was about,
    the first 12 hex digits of each token; the first hundred of `subjects_total`. `size`: events that it counts; of a
    list its items. `shape`: of a query in SQL, the hash of its text without its literals; `views`: those it reads."""

    at: datetime
    entry: str
    action: str
    caller: str
    client: str
    kinds: list[str]
    identifiers: int
    subjects: list[str]
    subjects_total: int
    request_id: str | None
    purpose: AskedFor | None
    resolution: Resolution | None
    size: int
    status: int
    milliseconds: int
    shape: str | None
    views: list[str]


class AuditPage(BaseModel):
    """Newest first. `next_cursor` None: it was the last."""

    items: list[AuditItem]
    next_cursor: str | None = None


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["audit"])

    @routes.get("/audit", response_model=AuditPage)
    def listed(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
        since: Moment | None = None,
        until: Moment | None = None,
        subject: Annotated[str | None, Query(pattern="^([0-9a-f]{2}){6,16}$")] = None,
        action: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
        request_id: Annotated[str | None, Query(min_length=1, max_length=80)] = None,
    ) -> dict[str, Any]:
        """Who asked what about whom, and which log-ins were refused, newest first. Reading it is recorded as well.

        `subject`: the beginning of a person's token, as answers show it. `action`: such as `POST /v1/access`, `log-in`.
        """
        token = bytes.fromhex(subject) if subject else None
        looked = Looked(since, until, token, action, request_id)
        found = list(services.recorder.log.find(looked, limit + 1, _position(cursor)))
        note_of(request.state).size = len(found[:limit])
        last = found[limit - 1] if len(found) > limit else None
        after = paging.write_cursor((last.at - _EPOCH) // _MILLISECOND, last.entry) if last else None
        return {"items": [_shown(item) for item in found[:limit]], "next_cursor": after}

    return routes


def _position(cursor: str | None) -> Position | None:
    if not cursor:
        return None
    millis, entry = paging.read_cursor(cursor, (0, ""))
    try:
        return _EPOCH + millis * _MILLISECOND, entry
    except OverflowError:
        raise InputError("cursor: is not one of this list; take the next_cursor of the page before") from None


def _shown(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "entry": entry.entry,
        "action": entry.action,
        "caller": entry.caller,
        "client": entry.client,
        "kinds": list(entry.kinds),
        "identifiers": entry.identifiers,
        "subjects": [token.hex()[:12] for token in entry.subjects[:_SHOWN]],
        "subjects_total": len(entry.subjects),
        "request_id": entry.request_id or None,
        "purpose": entry.purpose or None,
        "resolution": entry.resolution or None,
        "size": entry.size,
        "status": entry.status,
        "milliseconds": entry.milliseconds,
        "shape": entry.shape or None,
        "views": list(entry.views),
    }

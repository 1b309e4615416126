"""What was erased and is looked out for, and what of it came back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from console.api import paging
from console.api.problems import REQUEST_RESPONSES
from console.api.protection.recording import note_of
from console.api.request_bodies import Closed
from console.api.services import Services
from schemas.ids import is_id
from schemas.times import iso, iso_or_none
from sinks.ports.offsets import PARTITIONS, in_kafka
from sinks.ports.suppression import Origin
from streams.rights.suppressing import LookedOut


class CameFromShown(BaseModel):
    """One partition from which it came again. `history`: how often its topic was made anew. `arrival`: `producer`,
    `replay` or `retry`; `events` in so many `batches`. Offsets include both ends."""

    topic: str
    partition: int
    history: int
    arrival: str
    first_offset: int
    last_offset: int
    events: int
    batches: int
    first_seen: datetime
    last_seen: datetime


class LookedOutShown(BaseModel):
    """What one erasure took away: under so many spans, from when until when it is looked out for, or why not any more
    (`ending`: `lifted`, `followed_up` or `closed`). `stands`: it is now."""

    request_id: str
    stands: bool
    spans: int
    entered_at: datetime
    until: datetime
    ended_at: datetime | None
    ending: str | None
    came_back: list[CameFromShown]


class SuppressionPage(BaseModel):
    """By request. `next_cursor` null: it was the last page."""

    items: list[LookedOutShown]
    next_cursor: str | None


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/suppression", tags=["requests"])

    @routes.get("", response_model=SuppressionPage)
    def listed(
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """Every erasure that is or was looked out for, and what came back of it."""
        now = services.clock()
        items, after = paging.page(services.rights.looked_out_for(), limit, cursor)
        return {"items": [_shown(item, now) for item in items], "next_cursor": after}

    @routes.post("/{request_id}/lift", response_model=LookedOutShown, responses=REQUEST_RESPONSES)
    def lift(request_id: str, body: Closed, request: Request) -> dict[str, Any]:
        """What that erasure took away is looked out for no more. The reason is kept sealed."""
        note = note_of(request.state)
        note.changes = True
        known = is_id("request_id", request_id)
        if not known or all(item.entry.request_id != request_id for item in services.rights.looked_out_for()):
            # Not the id: what stands there may be anything.
            raise HTTPException(
                404, "nothing is looked out for of a request of that id; GET /v1/suppression lists what is"
            )
        note.about(request_id)
        lifted = services.rights.look_out_no_more(request_id, body.reason, note.caller)
        return _shown(lifted, services.clock())

    return routes


def _shown(item: LookedOut, now: datetime) -> dict[str, Any]:
    entry = item.entry
    return {
        "request_id": entry.request_id,
        "stands": entry.stands(now),
        "spans": entry.spans,
        "entered_at": iso(entry.entered_at),
        "until": iso(entry.until),
        "ended_at": iso_or_none(entry.ended_at),
        "ending": entry.ending.value if entry.ending else None,
        "came_back": [_origin(origin) for origin in item.origins],
    }


def _origin(origin: Origin) -> dict[str, Any]:
    said = {name: value for name, value in vars(origin).items() if name != "request_id"}
    return {
        **said,
        "partition": in_kafka(origin.partition),
        "history": origin.partition // PARTITIONS,
        "arrival": origin.arrival.value,
        "first_seen": iso(origin.first_seen),
        "last_seen": iso(origin.last_seen),
    }

"""Messages that were no events: listed, tried again, given up."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from console.api import paging
from console.api.models import DropLetters, LetterChoice, LettersDone, Page, RetryLetters
from console.api.protection.recording import note_of
from console.api.routes.lineage import log
from console.api.services import Services
from console.bodies import AnyMoment
from console.operations.dead_letters import DeadLetterDesk
from schemas.errors import Unavailable
from schemas.vocabulary import LetterState
from sinks.ports.dead_letters import Chosen

Name = Annotated[str | None, Query(min_length=1, max_length=400)]


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/deadletters", tags=["dead letters"])

    @routes.get("", response_model=Page)
    def listed(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        cursor: Annotated[str | None, Query(max_length=800)] = None,
        topic: Name = None,
        reason: Name = None,
        state: LetterState | None = None,
        since: AnyMoment | None = None,
        until: AnyMoment | None = None,
    ) -> dict[str, Any]:
        """Where each lies, why it was no event, and what was done about it by whom. Their payloads stay sealed."""
        name, partition, offset = paging.read_cursor(cursor, ("", -1, -1))
        chosen = Chosen(topic, reason, since, until, state)
        # Asked as before where nothing is chosen: whoever hands the list in need not choose.
        more = () if chosen == Chosen() else (chosen,)
        items = list(services.dead_letters((name, partition, offset), limit + 1, *more))
        last = items[limit - 1] if len(items) > limit else None
        after = paging.write_cursor(last["topic"], last["partition"], last["offset"]) if last else None
        note_of(request.state).size = len(items[:limit])
        return {"items": items[:limit], "next_cursor": after}

    @routes.post("/retry", response_model=LettersDone)
    def retry(body: RetryLetters, request: Request) -> dict[str, Any]:
        """Try open letters again, all or those chosen; one that is an event now is tagged where it lay."""
        note = note_of(request.state)
        note.changes = True
        done = _desk(services).retry(_chosen(body), body.by)
        note.size = done.letters
        log.info("audit", action="deadletters.retry", by=body.by, letters=done.letters)
        return asdict(done)

    @routes.post("/drop", response_model=LettersDone)
    def drop(body: DropLetters, request: Request) -> dict[str, Any]:
        """Give open letters up. The reason is kept with each."""
        note = note_of(request.state)
        note.changes = True
        done = _desk(services).drop(_chosen(body), body.by, body.why)
        note.size = done.letters
        log.info("audit", action="deadletters.drop", by=body.by, letters=done.letters)
        return asdict(done)

    return routes


def _desk(services: Services) -> DeadLetterDesk:
    if services.desk is None:
        raise Unavailable("this process has no broker, so no dead letter can be opened")
    return services.desk


def _chosen(body: LetterChoice) -> Chosen:
    at = [(item.topic, item.partition, item.offset) for item in body.letters]
    since: datetime | None = body.since
    return Chosen(body.topic, body.reason, since, body.until, at=tuple(at))

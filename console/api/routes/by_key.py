"""A question about one record of a system, by the key that the system knows it by."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import APIRouter, Request, Response

from console.api.lineage_models import RecordAnswer
from console.api.problems import QUESTION_RESPONSES
from console.api.protection.recording import note_of
from console.api.routes.lineage import asked
from console.api.services import Services
from console.bodies import RecordQuery
from schemas.errors import Unavailable
from streams.answers.by_key import about_record

log = structlog.get_logger(__name__)


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["lineage"])

    @routes.post(
        "/lineage/record",
        response_model=RecordAnswer,
        response_model_exclude_unset=True,
        responses=QUESTION_RESPONSES,
    )
    async def record(body: RecordQuery, request: Request) -> Response:
        """What is held about one record, by the key that its system knows it by."""
        note, finder = note_of(request.state), services.breaches
        if finder is None:
            raise Unavailable(
                "this instance has no index to look in; ask one that `innsyn serve` or `up` runs"
            )
        log.info("audit", action="lineage.record")
        note.asks_by_key()

        def answer() -> dict[str, Any]:
            found, people = about_record(body.question(), finder, note.of(services), services.clock())
            note.subjects |= people
            return note.answered(found)

        return await asked(request, RecordAnswer, answer)

    return routes

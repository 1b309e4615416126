"""Which decisions about a person were made by machine alone (GDPR Art. 22)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from console.api.lineage_models import DecisionsAnswer
from console.api.problems import QUESTION_RESPONSES
from console.api.routes.lineage import asked, asked_about
from console.api.services import Services
from console.bodies import DecisionsQuery
from schemas.errors import Unavailable
from streams.answers.decisions import decisions


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["lineage"])

    @routes.post(
        "/lineage/decisions",
        response_model=DecisionsAnswer,
        response_model_exclude_unset=True,
        responses=QUESTION_RESPONSES,
    )
    async def decided(body: DecisionsQuery, request: Request) -> Response:
        """What events say of decisions about the person: by machine alone, or by people."""
        facts = services.facts
        if facts is None:
            raise Unavailable(
                "this instance has no index to look in; ask one that `innsyn serve` or `up` runs"
            )
        question = body.question(services.company.kinds)
        note = asked_about("lineage.decisions", request, question.identifiers)

        def answer() -> dict[str, Any]:
            return note.answered(decisions(question, note.of(services), facts, services.clock()))

        return await asked(request, DecisionsAnswer, answer)

    return routes

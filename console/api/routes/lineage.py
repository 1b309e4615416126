"""Questions about a person: the look-up and the access report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from console.api import paging
from console.api.lineage_models import LineageAnswer
from console.api.models import AccessReport, IdentityAnswer
from console.api.problems import QUESTION_RESPONSES
from console.api.protection.pool import Questions
from console.api.protection.recording import note_of
from console.api.services import Services
from console.bodies import AccessQuery, IdentityQuery, LineageQuery
from console.operations.audit import Note
from streams.answers import identity as identities
from streams.answers import lookup
from streams.answers.question import Identifier

log = structlog.get_logger(__name__)


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["lineage"])

    @routes.post(
        "/lineage/query",
        response_model=LineageAnswer,
        response_model_exclude_unset=True,
        responses=QUESTION_RESPONSES,
    )
    async def query(body: LineageQuery, request: Request) -> Response:
        """What is held under the identifiers, per system and tags, now or as known at a moment that has passed."""
        question = body.question(services.company.kinds)
        note = asked_about("lineage.query", request, question.identifiers)

        def answer() -> dict[str, Any]:
            found = note.answered(lookup.lineage(question, note.of(services), services.clock()))
            items, cursor = paging.page(found["items"], body.limit, body.cursor)
            return {**found, "items": items, "next_cursor": cursor}

        return await asked(request, LineageAnswer, answer)

    @routes.post(
        "/access",
        response_model=AccessReport,
        response_model_exclude_unset=True,
        responses=QUESTION_RESPONSES,
    )
    async def access(body: AccessQuery, request: Request) -> Response:
        """The access answer (GDPR Art. 15(1)): what, where, why, until when, from and to whom."""
        question = body.question(services.company.kinds)
        note = asked_about("access", request, question.identifiers)
        return await asked(
            request,
            AccessReport,
            lambda: note.answered(lookup.access(question, note.of(services), services.clock())),
        )

    @routes.post(
        "/identity",
        response_model=IdentityAnswer,
        response_model_exclude_unset=True,
        responses=QUESTION_RESPONSES,
    )
    async def identity(body: IdentityQuery, request: Request) -> Response:
        """Who it was: whom an identifier belonged to, at a moment and behind a port, and what says so. No values."""
        question = body.question(services.company.kinds)
        note = asked_about("identity", request, question.identifiers)
        return await asked(
            request,
            IdentityAnswer,
            lambda: note.answered(identities.identity(question, note.of(services), services.clock())),
        )

    return routes


async def asked(
    request: Request, shape: type[BaseModel], answer: Callable[[], dict[str, Any]], *, whole: bool = False
) -> Response:
    """The answer of a question about a person, worked out and written by the threads for such questions.

    `whole`: with fields that it does not name. Raises what `answer` raises; QuestionsBusy, QuestionTooLong.
    """

    def written() -> Response:
        # Here too, not on the event loop: an answer may be long.
        body = shape.model_validate(answer()).model_dump_json(exclude_unset=not whole, by_alias=True)
        return Response(body, media_type="application/json")

    pool: Questions = request.app.state.questions
    return await pool.ask(request, written)


def asked_about(what: str, request: Request, identifiers: Sequence[Identifier]) -> Note:
    """The note of a question about a person, and a log line: kinds and how many, never a value or a token.

    Raises TooOften.
    """
    kinds = sorted({item.kind.name for item in identifiers})
    log.info("audit", action=what, tokens=len(identifiers), kinds=kinds)
    note = note_of(request.state)
    note.asks(identifiers)
    return note

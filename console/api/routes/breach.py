"""How far a personal data breach reaches (GDPR Art. 33, 34)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, Field

from console.api.problems import QUESTION_RESPONSES
from console.api.protection.doors import caller_name
from console.api.protection.recording import note_of
from console.api.routes.lineage import asked
from console.api.services import Services
from console.bodies import BreachQuery
from schemas.errors import Unavailable

log = structlog.get_logger(__name__)
_NOT_NAMED = (
    "customer numbers of a breach are given to the approver alone; ask with INNSYN_APPROVER_TOKEN as the token, or"
    " leave `named` out"
)


class BilingualName(BaseModel):
    """In Norwegian and English."""

    nb: str
    en: str


class ExposedCategory(BaseModel):
    """A category of the events, and of how many people. `sensitivity`: 1 ordinary to 3 high, null for one of an older
    catalogue. `national_id`: national identity numbers; `telecom_secrecy`: what telecom secrecy covers.
    `in_texts_alone`: nothing but free texts revealed it."""

    category: str
    name: BilingualName
    sensitivity: int | None
    national_id: bool
    telecom_secrecy: bool
    in_texts_alone: bool
    people: int


class ExposedTopic(BaseModel):
    """Events of a topic, each once, and the people in them."""

    topic: str
    systems: list[str]
    records: list[str]
    events: int
    people: int


class BreachAnswer(BaseModel):
    """How far a breach reaches, of what the index holds now. `people`: at least so many; each of the identifiers that
    lead to nobody who is known (`identifiers_of_nobody`) or to several people may be one more. `can_be_told`: of whom
    the customer number is known. `unread`: messages of these topics that nobody could read. `notify`: customer numbers,
    where `named` was asked for. `from` and `to`, null: no bound."""

    as_of: str
    since: str | None = Field(alias="from")
    until: str | None = Field(alias="to")
    topics: list[str]
    systems: list[str]
    events_named: int
    events: int
    first_seen: str | None
    last_seen: str | None
    people: int
    can_be_told: int
    cannot_be_told: int
    identifiers_of_several: int
    identifiers_of_nobody: int
    categories: list[ExposedCategory]
    topics_reached: list[ExposedTopic]
    unread: dict[str, int]
    notify: list[str] | None = Field(None, repr=False)


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["breach"])
    approver = caller_name(services.approver_token) if services.approver_token else None

    @routes.post(
        "/breach",
        response_model=BreachAnswer,
        response_model_exclude_unset=True,
        responses=QUESTION_RESPONSES,
    )
    async def radius(body: BreachQuery, request: Request) -> Response:
        """How many people, which categories, whom the company can tell; with `named` their customer numbers."""
        note, finder, reach = note_of(request.state), services.breaches, body.reach
        if finder is None:
            raise Unavailable(
                "this instance has no index to look in; ask one that `innsyn serve` or `up` runs"
            )
        if body.named and request.state.caller != approver:
            raise HTTPException(HTTPStatus.FORBIDDEN, _NOT_NAMED)
        log.info("audit", action="breach", named=body.named)

        def answer() -> dict[str, Any]:
            found = finder.radius(reach, services.clock(), named=body.named)
            note.size = found["people"]
            if body.named:
                note.kinds = frozenset({services.company.kinds.customer.name})
                note.identifiers = len(found["notify"])
            return found

        return await asked(request, BreachAnswer, answer)

    return routes

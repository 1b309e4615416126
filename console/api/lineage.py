"""Questions about a person: the look-up and the access report."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import APIRouter

from console.api import questions
from console.api.models import AccessReport, LineageAnswer, LineageQuery, Person
from console.api.services import Services

log = structlog.get_logger(__name__)


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["lineage"])
    given = (services.reader, services.tokenizer, services.catalogue)

    @routes.post("/lineage/query", response_model=LineageAnswer)
    def query(body: LineageQuery) -> dict[str, Any]:
        """What is held under the identifiers, per system and tags."""
        audit("lineage.query", body)
        found = questions.lineage(body, *given, services.clock())
        items, cursor = questions.page(found["items"], body.limit, body.cursor)
        return {**found, "items": items, "next_cursor": cursor}

    @routes.post("/access", response_model=AccessReport)
    def access(body: Person) -> dict[str, Any]:
        """The access answer (GDPR Art. 15(1)): what, where, why, until when, from and to whom."""
        audit("access", body)
        return questions.access(body, *given, services.clock())

    return routes


def audit(what: str, person: Person) -> None:
    """One line for a read of a person's data: kinds and how many, never a value or a token."""
    kinds = sorted({item.kind.value for item in person.identifiers})
    log.info("audit", action=what, tokens=len(person.identifiers), kinds=kinds)

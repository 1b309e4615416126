"""Questions about a person: the look-up and the access report."""

from __future__ import annotations

from typing import Any

import structlog
from fastapi import APIRouter

from console.api import questions
from console.api.models import (
    AccessQuery,
    AccessReport,
    Identifiers,
    IdentityAnswer,
    IdentityQuery,
    LineageAnswer,
    LineageQuery,
)
from console.api.services import Services

log = structlog.get_logger(__name__)


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["lineage"])

    @routes.post("/lineage/query", response_model=LineageAnswer, response_model_exclude_unset=True)
    def query(body: LineageQuery) -> dict[str, Any]:
        """What is held under the identifiers, per system and tags, now or as known at a moment that has passed."""
        audit("lineage.query", body.identifiers)
        found = questions.lineage(body, services, services.clock())
        items, cursor = questions.page(found["items"], body.limit, body.cursor)
        return {**found, "items": items, "next_cursor": cursor}

    @routes.post("/access", response_model=AccessReport, response_model_exclude_unset=True)
    def access(body: AccessQuery) -> dict[str, Any]:
        """The access answer (GDPR Art. 15(1)): what, where, why, until when, from and to whom."""
        audit("access", body.identifiers)
        return questions.access(body, services, services.clock())

    @routes.post("/identity", response_model=IdentityAnswer, response_model_exclude_unset=True)
    def identity(body: IdentityQuery) -> dict[str, Any]:
        """Who it was: whom an identifier belonged to, at a moment and behind a port, and what says so. No values."""
        audit("identity", body.identifiers)
        return questions.identity(body, services, services.clock())

    return routes


def audit(what: str, identifiers: Identifiers) -> None:
    """One line for a read of a person's data: kinds and how many, never a value or a token."""
    kinds = sorted({item.kind.value for item in identifiers})
    log.info("audit", action=what, tokens=len(identifiers), kinds=kinds)

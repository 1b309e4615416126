"""Rights requests: made, listed, shown."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException

from console.api import questions
from console.api.lineage import audit
from console.api.models import Created, ErasurePlan, NewRequest, Person, RequestPage, RequestSummary
from console.api.services import Services
from schemas.errors import InputError
from streams.rights.states import summary


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/requests", tags=["requests"])

    @routes.post("", status_code=201, response_model=Created)
    def create(body: NewRequest) -> dict[str, Any]:
        """Exercise a right. The answer says until when the law wants it done."""
        audit(f"request.{body.type}", body)
        made = services.rights.create(
            body.type,
            [(item.kind.value, item.value) for item in body.identifiers],
            reason=body.reason,
            channel=body.channel,
            received_at=body.received_at or services.clock(),
            anchors=body.anchors.days(),
        )
        return {"request_id": made.request_id, "due_at": made.due, "state": made.state.value}

    @routes.post("/plan", response_model=ErasurePlan)
    def plan(body: Person) -> dict[str, Any]:
        """What an erasure would do now: erase, hold (rule, citation, date) or wait. Nothing is stored or sent."""
        audit("request.plan", body)
        return questions.plan(body, services.reader, services.tokenizer, services.catalogue, services.clock())

    @routes.get("", response_model=RequestPage)
    def listed(
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """All requests, oldest first."""
        items, after = questions.page(services.rights.requests(), limit, cursor)
        return {"items": [summary(item) for item in items], "next_cursor": after}

    @routes.get("/{request_id}", response_model=RequestSummary)
    def shown(request_id: str) -> dict[str, Any]:
        """One request with its plan, its commands and what was held."""
        try:
            return summary(services.rights.get(request_id))
        except InputError:
            # Not its text: it names the id, and what stands there may be anything.
            raise HTTPException(404) from None

    return routes

"""Rights requests: made, listed, shown."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.exceptions import HTTPException

from console.api import questions
from console.api.lineage import audit, log
from console.api.models import Created, ErasurePlan, NewRequest, Person, RequestPage, RequestSummary
from console.api.services import Services
from schemas.errors import InputError
from streams.rights.messages import Named
from streams.rights.states import RequestState, summary


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/requests", tags=["requests"])

    @routes.post("", status_code=201, response_model=Created)
    def create(body: NewRequest) -> dict[str, Any]:
        """Exercise a right. The answer says until when the law wants it done."""
        audit(f"request.{body.type}", body.identifiers)
        made = services.rights.create(
            body.type,
            [Named(item.kind.value, item.value, item.at, item.port) for item in body.identifiers],
            reason=body.reason,
            channel=body.channel,
            received_at=body.received_at or services.clock(),
            anchors=body.anchors.days(),
        )
        return _created(made)

    @routes.post("/plan", response_model=ErasurePlan)
    def plan(body: Person) -> dict[str, Any]:
        """What an erasure would do now: erase, hold (rule, citation, date) or wait. Nothing is stored or sent."""
        audit("request.plan", body.identifiers)
        return questions.plan(body, services, services.clock())

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
        """One request with its plan, its commands, what was held, and what came to light after its answer."""
        return summary(_known(services, request_id))

    @routes.post("/{request_id}/follow-up", status_code=201, response_model=Created)
    def follow_up(request_id: str) -> dict[str, Any]:
        """Deal with what came to light after the answer: a new request of the same person and type."""
        _known(services, request_id)
        log.info("audit", action="request.follow-up")
        return _created(services.rights.follow_up(request_id))

    return routes


def _known(services: Services, request_id: str) -> RequestState:
    try:
        return services.rights.get(request_id)
    except InputError:
        # Not its text: it names the id, and what stands there may be anything.
        raise HTTPException(
            404, "there is no request of that id; GET /v1/requests lists those there are"
        ) from None


def _created(made: RequestState) -> dict[str, Any]:
    return {"request_id": made.request_id, "due_at": made.due, "state": made.state.value}

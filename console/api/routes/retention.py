"""Retention: what has run out by its rule, and what will."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from console.api.protection.recording import note_of
from console.api.services import Services
from schemas.errors import Unavailable
from streams.answers.expiry import Means
from streams.rights.retention import MOST_MONTHS, preview


class RunningOutShown(BaseModel):
    """Events of a system that run out by one rule: `overdue` have already, `kept` of these stay since a request about
    the person is open or restricts processing, or a preservation order holds them. `months`: how many in each month
    ahead (YYYY-MM), `later` after these, of what is held now. `means`: `delete`, nothing is left of such an event then;
    `narrow`, other categories of it are kept longer; `expires`, the system deletes by itself. An event counts in each
    line that speaks of one of its categories."""

    system: str
    rule: str
    citation: str
    clock: str
    period: str | None
    categories: list[str]
    means: Means
    overdue: int
    kept: int
    months: dict[str, int]
    later: int


class AwaitingShown(BaseModel):
    """Events whose categories run out on another day for each person, by `clocks`; none: no active rule says when."""

    system: str
    categories: list[str]
    rules: list[str]
    clocks: list[str]
    events: int


class RetentionShown(BaseModel):
    """What has run out on the day `as_of`, and what will in `months`. `unjudged`: of what nobody can say it, why."""

    as_of: date
    catalogue_version: str
    months: list[str]
    items: list[RunningOutShown]
    waiting: list[AwaitingShown]
    unjudged: list[str]


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/retention", tags=["retention"])

    @routes.get("/preview", response_model=RetentionShown)
    def previewed(
        request: Request, months: Annotated[int, Query(ge=1, le=MOST_MONTHS)] = 3
    ) -> dict[str, Any]:
        """How many events have run out by their retention rule, and how many will in each month, this one among them.

        Nothing is deleted by it. Costs a scan of the index.
        """
        if services.expiry is None:
            raise Unavailable("the index behind this API cannot be counted by age; ask another process")
        now = services.clock()
        found = preview(
            services.expiry, services.company, services.rights.requests(), services.keeping, now, months
        )
        note_of(request.state).size = sum(item.overdue for item in found.items)
        return found.shown()

    return routes

"""Questions about many: counted by what the tags say, and reports with a name. No token of anybody is in an answer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from console.api.problems import QUESTION_RESPONSES, REPORT_RESPONSES
from console.api.protection.recording import note_of
from console.api.routes.lineage import asked
from console.api.services import Services
from console.bodies import Body, ClockDay, Text
from schemas.errors import Unavailable
from sinks.ports.reports import COUNTED, MOST_ROWS, REPORTS, Aggregate, Dimension, Reports, Rows

_Values = Annotated[list[Annotated[str, Field(max_length=200)]], Field(min_length=1, max_length=100)]
_Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]


class AggregateQuery(Body):
    """How many events and people there are for each combination of `by`, of these values of tags alone (`where`) and of
    events from the day `since` on and before `until` (UTC)."""

    by: Annotated[list[Dimension], Field(min_length=1, max_length=len(Dimension))]
    where: dict[Dimension, _Values] = Field(default={})
    since: ClockDay | None = None
    until: ClockDay | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 1_000


class RowsShown(BaseModel):
    """`items`: a row each, by the names of `columns`, in their order. `more`: there were more than the limit. `note`:
    what has to be known of the figures."""

    columns: list[str]
    items: list[dict[str, Any]]
    more: bool
    note: str


class ReportShown(BaseModel):
    """A report: `view` that it shows, None where it is counted by dimensions; `takes_days`: whether since and until
    bound it."""

    name: Text
    summary: str
    view: str | None
    takes_days: bool


class ReportsShown(BaseModel):
    items: list[ReportShown]


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["reports"])

    @routes.post("/lineage/aggregate", response_model=RowsShown, responses=QUESTION_RESPONSES)
    async def aggregate(body: AggregateQuery, request: Request) -> Response:
        """How many events and people there are by purpose, category, recipient, source, record, origin, system or day.

        An event counts under each of its purposes, categories and recipients, so that rows do not add up.
        """
        wanted = Aggregate(body.by, body.where, body.since, body.until, body.limit)
        return await _asked(request, lambda: _reports(services).aggregate(wanted), COUNTED)

    @routes.get("/reports", response_model=ReportsShown)
    def every_report() -> dict[str, Any]:
        """Every report there is."""
        return {
            "items": [
                {
                    "name": item.name,
                    "summary": item.summary,
                    "view": item.view or None,
                    "takes_days": item.takes_days,
                }
                for item in REPORTS.values()
            ]
        }

    @routes.get("/reports/{name}", response_model=RowsShown, responses=QUESTION_RESPONSES | REPORT_RESPONSES)
    async def report(
        name: str,
        request: Request,
        since: ClockDay | None = None,
        until: ClockDay | None = None,
        limit: _Limit = 1_000,
    ) -> Response:
        """What a report shows, of the days from `since` on and before `until`."""
        wanted = REPORTS.get(name)
        if wanted is None:
            raise HTTPException(404, "there is no report of that name; GET /v1/reports lists those there are")
        return await _asked(
            request, lambda: _reports(services).report(wanted, since, until, limit), wanted.note
        )

    return routes


def _reports(services: Services) -> Reports:
    if services.reports is None:
        raise Unavailable("the index behind this API has no views; ask another process")
    return services.reports


async def _asked(request: Request, answer: Any, note: str) -> Response:
    def shown() -> dict[str, Any]:
        found: Rows = answer()
        note_of(request.state).size = len(found.rows)
        items = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        return {"columns": list(found.columns), "items": items, "more": found.more, "note": note}

    return await asked(request, RowsShown, shown)

"""Retention: what has run out by its rule, what will, and the runs that delete it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from console.api.problems import QUESTION_RESPONSES
from console.api.protection.recording import note_of
from console.api.services import Services
from console.bodies import Body, Text
from schemas.company import Company
from schemas.entries import RetentionRule
from schemas.errors import Unavailable
from streams.answers.expiry import Means
from streams.rights.protocol.states import RequestState, State
from streams.rights.retention import MOST_MONTHS, preview


class RunningOutShown(BaseModel):
    """Events of a system that run out by one rule: `overdue` have already, `kept` of these stay since a request about
    the person is open or restricts processing, a preservation order holds them, or their system withholds them by law.
    `months`: how many in each month
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
    """Events whose categories run out on another day for each person, by `clocks`; none: no active rule says when.
    `people`: of how many all has ended that the clock stands for, and it runs out in each month, the first with those
    of before; each by the identifier that events name. null: nobody can count that."""

    system: str
    categories: list[str]
    rules: list[str]
    clocks: list[str]
    events: int
    people: dict[str, int] | None


class RetentionShown(BaseModel):
    """What has run out on the day `as_of`, and what will in `months`. `unjudged`: of what nobody can say it, why."""

    as_of: date
    catalogue_version: str
    months: list[str]
    items: list[RunningOutShown]
    waiting: list[AwaitingShown]
    unjudged: list[str]


class OtherRules(Body):
    """Retention rules to count by instead of those in force, with their ids."""

    months: Annotated[int, Field(ge=1, le=MOST_MONTHS)] = 3
    rules: dict[Text, RetentionRule] = Field(max_length=1_000)


class RunShown(BaseModel):
    """A retention run: `rules` is the fingerprint of the retention rules it went by, `more`: it left some to the next.
    `records` what it takes, by system and record, before which moment; `forgotten` events of the index. What else there
    is of it is shown as of any request."""

    run: str
    state: str
    begun_at: datetime
    completed_at: datetime | None
    awaits_approval: bool
    digest: str | None
    rules: str | None
    more: bool
    records: list[dict[str, Any]]
    forgotten: dict[str, int] | None
    waiting_for: list[str]
    problems: list[str]


class Looked(BaseModel):
    """A request about a person at which a person has to look: `problems` name system, records and until when."""

    request: str
    problems: list[str]


class StatusShown(BaseModel):
    """The newest runs, newest first, and how many events have run out that no run has taken yet; None where the index
    behind this API cannot be counted by age. `people_under_way`: of how many people something goes by clocks of
    their own now; `people_waiting`: of how many a person has to look, the oldest of them in `looked_for` with why."""

    runs: list[RunShown]
    overdue: int | None
    people_under_way: int
    people_waiting: int
    looked_for: list[Looked]


class Begun(BaseModel):
    """The run that was begun or is under way, and why none was begun; of how many people something goes by clocks of
    their own, begun now, and why of none."""

    run: str | None
    why: str | None
    people: int
    people_why: str | None


_RUN_RESPONSES: dict[int | str, dict[str, Any]] = {503: QUESTION_RESPONSES[503]}


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/retention", tags=["retention"])

    @routes.get("/preview", response_model=RetentionShown)
    def previewed(
        request: Request, months: Annotated[int, Query(ge=1, le=MOST_MONTHS)] = 3
    ) -> dict[str, Any]:
        """How many events have run out by their retention rule, and how many will in each month, this one among them.

        Nothing is deleted by it. Costs a scan of the index.
        """
        return _previewed(services, request, services.company, months)

    @routes.post("/preview", response_model=RetentionShown)
    def previewed_by_others(body: OtherRules, request: Request) -> dict[str, Any]:
        """The same by other retention rules, before these are put in force. Nothing is deleted or changed by it."""
        catalogue = replace(services.company.catalogue, retention_rules=dict(body.rules))
        return _previewed(services, request, replace(services.company, catalogue=catalogue), body.months)

    @routes.post("/runs", status_code=202, response_model=Begun, responses=_RUN_RESPONSES)
    def run(request: Request) -> dict[str, Any]:
        """Begin a retention run now, of what has run out by the day of its event, and requests about people of whom
        something has run out by clocks of their own. They go on by themselves; where a run awaits approval, approve it
        as any request: until then nothing of people goes either."""
        note = note_of(request.state)
        note.changes = True
        looked = services.rights.run_retention(services.clock(), note.caller)
        if looked.run is not None:
            note.about(looked.run.request_id)
        people = services.rights.expire_people(services.clock())
        return {
            "run": looked.run and looked.run.request_id,
            "why": looked.why,
            "people": len(people.requests),
            "people_why": people.why,
        }

    @routes.get("/runs", response_model=StatusShown)
    def status(request: Request, limit: Annotated[int, Query(ge=1, le=1_000)] = 10) -> dict[str, Any]:
        """The newest retention runs, and how much has run out that none has taken yet. Costs a scan of the index."""
        runs = [item for item in services.rights.requests() if item.of_everybody]
        overdue = None
        if services.expiry is not None:
            rights, now = services.rights.requests(), services.clock()
            kept = services.rights.kept_spans()
            found = preview(services.expiry, services.company, rights, kept, now, 1)
            overdue = sum(item.overdue - item.kept for item in found.items)
        note_of(request.state).size = len(runs)
        return {
            "runs": [_run(item) for item in reversed(runs[-limit:])],
            "overdue": overdue,
            **_of_people(services.rights.requests(), limit),
        }

    return routes


def _previewed(services: Services, request: Request, company: Company, months: int) -> dict[str, Any]:
    if services.expiry is None:
        raise Unavailable("the index behind this API cannot be counted by age; ask another process")
    requests, now = services.rights.requests(), services.clock()
    kept = services.rights.kept_spans()
    found = preview(services.expiry, company, requests, kept, now, months, services.owners)
    note_of(request.state).size = sum(item.overdue for item in found.items)
    return found.shown()


def _of_people(requests: Iterable[RequestState], most: int) -> dict[str, Any]:
    people = [item for item in requests if item.runs_out and not item.of_everybody and not item.ended]
    waiting = [item for item in people if item.state is State.ATTENTION]
    return {
        "people_under_way": len(people) - len(waiting),
        "people_waiting": len(waiting),
        "looked_for": [
            {"request": item.request_id, "problems": list(item.problems)} for item in waiting[:most]
        ],
    }


def _run(request: RequestState) -> dict[str, Any]:
    plan = (request.plan or {}).get("run", {})
    names = ("system", "record", "categories", "before", "rule", "citation", "whole", "expected", "kept")
    return {
        "run": request.request_id,
        "state": request.state.value,
        "begun_at": request.received_at,
        "completed_at": request.completed_at,
        "awaits_approval": request.awaits_approval,
        "digest": request.digest if request.plan is not None else None,
        "rules": plan.get("rules"),
        "more": plan.get("more", False),
        "records": [{name: item[name] for name in names} for item in plan.get("records", ())],
        "forgotten": request.forgotten,
        "waiting_for": list(request.waiting_for),
        "problems": list(request.problems),
    }

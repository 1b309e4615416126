"""Rights requests: made, listed, shown."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.exceptions import HTTPException

from console.api import models, paging
from console.api.models import Created, ErasurePlan, RequestPage, RequestSummary
from console.api.problems import QUESTION_RESPONSES, REQUEST_RESPONSES
from console.api.protection.recording import note_of
from console.api.request_bodies import (
    Accepted,
    Approval,
    Asked,
    Cancelled,
    Check,
    Closed,
    Extension,
    Lift,
    NewRequest,
    Notification,
    Telling,
)
from console.api.routes.lineage import asked, asked_about, log
from console.api.services import Services
from console.bodies import PlanQuery
from schemas.errors import InputError
from schemas.ids import is_id
from streams.answers.erasure import preview
from streams.rights.case import Recorded
from streams.rights.protocol.events import content_of
from streams.rights.protocol.messages import Named
from streams.rights.protocol.states import RequestState, State, due_at, summary


def router(services: Services) -> APIRouter:
    routes = APIRouter(prefix="/requests", tags=["requests"])
    _add_making(routes, services)
    _add_showing(routes, services)
    _add_acts(routes, services)
    _add_handling(routes, services)
    return routes


def _add_making(routes: APIRouter, services: Services) -> None:
    """Exercising a right, and what that would do."""

    @routes.post("", status_code=201, response_model=models.Recorded, response_model_exclude_none=True)
    def create(body: NewRequest, request: Request) -> dict[str, Any]:
        """Exercise a right. The answer says until when the law wants it done, and what else is open for the person."""
        question = body.question(services.company.kinds)
        note = asked_about(f"request.{body.type}", request, question.identifiers)
        note.changes = True
        now, calendar = services.clock(), services.catalogue.calendar
        received_at = body.received_at or now
        try:
            made = services.rights.create(
                body.type,
                [Named(item.kind.name, item.value, item.at, item.port) for item in question.identifiers],
                reason=body.reason,
                channel=body.channel,
                received_at=received_at,
                anchors=body.anchors.days(),
                checked=body.checked,
                by=note.caller,
                scope=body.scope(),
                corrections=body.corrections,
            )
        except Recorded as recorded:
            note.about(recorded.request_id)
            due = due_at(received_at, calendar)
            # No error: whoever is told of one asks again, and the person has two requests.
            return {
                "request_id": recorded.request_id,
                "due_at": due,
                "state": State.RECEIVED.value,
                "overdue": calendar.day(now) > due,
                "notice": str(recorded),
            }
        note.about(made.request_id, made.subjects)
        return {**_created(made), "overdue": calendar.day(now) > made.due}

    @routes.post("/plan", response_model=ErasurePlan, responses=QUESTION_RESPONSES)
    async def plan(body: PlanQuery, request: Request) -> Response:
        """What an erasure would do now: erase, hold (rule, citation, date) or wait, and what to look after in it.

        `received_at`: of a request that came in then, as it is made with it. Nothing is stored or sent.
        """
        question = body.question(services.company.kinds)
        note = asked_about("request.plan", request, question.identifiers)
        return await asked(
            request,
            ErasurePlan,
            lambda: note.answered(preview(question, note.of(services), services.clock())),
            whole=True,
        )


def _add_showing(routes: APIRouter, services: Services) -> None:
    """What there is of requests."""

    @routes.get("", response_model=RequestPage)
    def listed(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        """All requests, oldest first."""
        items, after = paging.page(services.rights.requests(), limit, cursor)
        note_of(request.state).size = len(items)
        return {"items": [_shown(services, item) for item in items], "next_cursor": after}

    @routes.get("/{request_id}", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def shown(request_id: str, request: Request) -> dict[str, Any]:
        """One request with its plan, its commands, what was held, and what came to light after its answer."""
        return _shown(services, _known(services, request_id, request))


def _add_acts(routes: APIRouter, services: Services) -> None:
    """What a person does with a request that does not go on by itself."""

    @routes.post(
        "/{request_id}/follow-up",
        status_code=201,
        response_model=Created,
        response_model_exclude_none=True,
        responses=REQUEST_RESPONSES,
    )
    def follow_up(request_id: str, request: Request) -> dict[str, Any]:
        """Deal with what came to light after the answer: a new request of the same person and type."""
        _act(services, request_id, "follow-up", request)
        return _created(services.rights.follow_up(request_id, note_of(request.state).caller))

    @routes.post("/{request_id}/resend", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def resend(request: Request, request_id: str) -> dict[str, Any]:
        """Tell every system again that has not done all it was told; or try again what stopped the request."""
        _act(services, request_id, "resend", request)
        return _shown(services, services.rights.resend(request_id))

    @routes.post("/{request_id}/accept", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def accept(request: Request, request_id: str, body: Accepted) -> dict[str, Any]:
        """Take a system's answer for enough although it erased fewer or more records than the index can explain."""
        _act(services, request_id, "accept", request)
        return _shown(services, services.rights.accept(request_id, body.system, body.reason))

    @routes.post("/{request_id}/waive", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def waive(request: Request, request_id: str, body: Closed) -> dict[str, Any]:
        """Let an erasure complete although nobody can tell whether what could not be read, or was shared, is theirs."""
        _act(services, request_id, "waive", request)
        return _shown(services, services.rights.waive(request_id, body.reason))

    @routes.post("/{request_id}/close", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def close(request: Request, request_id: str, body: Closed) -> dict[str, Any]:
        """End a request although not all was done: the index forgets only what systems did in full."""
        _act(services, request_id, "close", request)
        return _shown(services, services.rights.close(request_id, body.reason))

    @routes.post("/{request_id}/cancel", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def cancel(request: Request, request_id: str, body: Cancelled | None = None) -> dict[str, Any]:
        """Take a request back: nothing more is sent, the index forgets nothing; what was told stays told."""
        _act(services, request_id, "cancel", request)
        return _shown(services, services.rights.cancel(request_id, body.reason if body else None))


def _add_handling(routes: APIRouter, services: Services) -> None:
    """What a person does about whoever makes a request."""

    @routes.post("/{request_id}/ask", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def ask(request: Request, request_id: str, body: Asked) -> dict[str, Any]:
        """Whoever makes it was asked who they are, on reasonable doubt: it waits for that."""
        _act(services, request_id, "ask", request)
        return _shown(services, services.rights.ask(request_id, body.doubt))

    @routes.post("/{request_id}/check", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def check(request: Request, request_id: str, body: Check) -> dict[str, Any]:
        """Somebody has checked who makes it: what waited for that goes on."""
        _act(services, request_id, "check", request)
        return _shown(services, services.rights.check(request_id, body.how, body.what))

    @routes.post("/{request_id}/extend", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def extend(request: Request, request_id: str, body: Extension) -> dict[str, Any]:
        """Give it one or two months more, within the first one: the person was told of it, with the reason."""
        _act(services, request_id, "extend", request)
        return _shown(services, services.rights.extend(request_id, body.months, body.reason))

    @routes.post("/{request_id}/approve", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def approve(request: Request, request_id: str, body: Approval) -> dict[str, Any]:
        """Approve the plan or answer as it was shown; under another token than the request was made."""
        _act(services, request_id, "approve", request)
        caller = note_of(request.state).caller
        return _shown(services, services.rights.approve(request_id, body.digest, caller))

    @routes.post("/{request_id}/told", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def told(request: Request, request_id: str, body: Telling) -> dict[str, Any]:
        """The answer was sent to the person: an access request is done with that."""
        _act(services, request_id, "told", request)
        return _shown(services, services.rights.tell(request_id, body.how))

    @routes.post("/{request_id}/lift", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def lift(request: Request, request_id: str, body: Lift) -> dict[str, Any]:
        """End a restriction: the person was told before, and every system that restricts is told now."""
        _act(services, request_id, "lift", request)
        return _shown(services, services.rights.lift(request_id, body.how, body.reason))

    @routes.post("/{request_id}/notified", response_model=RequestSummary, responses=REQUEST_RESPONSES)
    def notified(request: Request, request_id: str, body: Notification) -> dict[str, Any]:
        """A recipient of the data was told what became of them, or cannot be told, and why."""
        _act(services, request_id, "notified", request)
        made = services.rights.notify(request_id, body.recipient, body.how, body.impossible)
        return _shown(services, made)


def _shown(services: Services, request: RequestState) -> dict[str, Any]:
    return summary(request, services.clock(), services.catalogue.calendar)


def _act(services: Services, request_id: str, action: str, request: Request) -> None:
    _known(services, request_id, request)
    note_of(request.state).changes = True
    log.info("audit", action=f"request.{action}")


def _known(services: Services, request_id: str, request: Request) -> RequestState:
    try:
        if is_id("request_id", request_id):
            found = services.rights.get(request_id)
            note_of(request.state).about(request_id, found.subjects)
            return found
        raise InputError("no id of a request")
    except InputError:
        # Not its text: it names the id, and what stands there may be anything.
        raise HTTPException(
            404, "there is no request of that id; `innsyn requests` and GET /v1/requests list those there are"
        ) from None


def _created(made: RequestState) -> dict[str, Any]:
    answer = {"request_id": made.request_id, "due_at": made.due, "state": made.state.value}
    return {**answer, "also_open": [content_of(item) for item in made.beside] or None}

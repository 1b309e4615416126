"""Duties: what checks found, what was said of it, and the checks themselves. Nobody is named: tokens and places."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel

from console.api.problems import FINDING_RESPONSES, RUN_RESPONSES
from console.api.protection.doors import caller_name
from console.api.protection.recording import note_of
from console.api.request_bodies import Acceptance, Explanation, ToRun
from console.api.services import Services
from schemas.errors import Unavailable
from schemas.ids import is_id
from sinks.ports.findings import ControlRun
from streams.duties.check import Verdict
from streams.duties.desk import Control, Desk
from streams.duties.findings import Finding, Standing
from streams.duties.promises import PromiseStands

MOST = 10_000
_APPROVER = (
    "a finding is accepted by the approver alone; ask with INNSYN_APPROVER_TOKEN as the token, or explain it"
)
_RUNNING = "checks run already; wait until they have, and look at GET /v1/controls"
_UNKNOWN = "there is no finding of that id; GET /v1/findings lists those there are"
log = structlog.get_logger(__name__)


class EvidenceShown(BaseModel):
    """Where to look: an event by its place in Kafka, and the token under which the index has it; or what `note` names.
    `history`: how often the topic was made anew before."""

    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    history: int | None = None
    token: str | None = None
    at: datetime | None = None
    note: str | None = None


class FindingShown(BaseModel):
    """Something that breaks a duty. `state`: open, explained, accepted (until the day `until`), mended. `since`: from
    when on it is one; `opened`: when a run first found it; `moved`: when it came to stand so."""

    finding: str
    check: str
    key: str
    state: Standing
    says: str
    since: datetime
    opened: datetime
    moved: datetime
    evidence: list[EvidenceShown]
    reason: str | None
    by: str | None
    until: date | None


class FindingPage(BaseModel):
    """`more`: there were more than the limit."""

    items: list[FindingShown]
    more: bool


class RunShown(BaseModel):
    """A run of a check: `verdict` is kept, broken, not_observable or failed; `looked_at` how many things it looked at,
    `found` how many violations, `why` what is missing or what happened."""

    check: str
    begun: datetime
    ended: datetime
    verdict: str
    looked_at: int
    found: int
    why: str | None


class ControlShown(BaseModel):
    """A check, its last run (null: none yet), since when every run said the same, how many of its findings are open."""

    check: str
    title: str
    citation: str
    last: RunShown | None
    since: datetime | None
    open: int


class ControlsShown(BaseModel):
    items: list[ControlShown]


class RunsShown(BaseModel):
    items: list[RunShown]


class TextShown(BaseModel):
    """What the policy says, and what that is in English."""

    nb: str
    en: str


class CheckOfPromise(BaseModel):
    """What one check says of a promise, since when, and why it is not observable. `last`: when its last run began."""

    check: str
    verdict: Verdict
    since: datetime | None
    why: str | None
    last: datetime | None


class PromiseShown(BaseModel):
    """A promise: `verdict` is kept where all of its checks say so, broken where one does, else not observable. `line`:
    of the policy. `findings`: of its checks, without those that are mended; `open`: how many nobody has explained or
    accepted."""

    promise: str
    line: int
    text: TextShown
    verdict: Verdict
    since: datetime | None
    checks: list[CheckOfPromise]
    findings: list[FindingShown]
    open: int


class PromisesShown(BaseModel):
    items: list[PromiseShown]


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["duties"])
    running = threading.Lock()
    approver = caller_name(services.approver_token) if services.approver_token else None

    @routes.get("/findings", response_model=FindingPage)
    def listed(
        request: Request,
        state: Annotated[list[Standing] | None, Query()] = None,
        check: Annotated[str | None, Query(max_length=64)] = None,
        limit: Annotated[int, Query(ge=1, le=MOST)] = 1_000,
    ) -> dict[str, Any]:
        """Findings, the oldest first; of these states and this check alone. What is mended is there when asked for."""
        desk = _desk(services)
        found = desk.findings(state or [item for item in Standing if item is not Standing.MENDED], check)
        note_of(request.state).size = len(found)
        return {"items": [_shown(item, desk.today) for item in found[:limit]], "more": len(found) > limit}

    @routes.post("/findings/{finding}/explain", response_model=FindingShown, responses=FINDING_RESPONSES)
    def explain(finding: str, body: Explanation, request: Request) -> dict[str, Any]:
        """Say why it is so. It stays broken, and is no longer open."""
        desk = _known(services, finding, request, "finding.explain")
        return _shown(desk.explain(finding, body.reason, request.state.caller), desk.today)

    @routes.post("/findings/{finding}/accept", response_model=FindingShown, responses=FINDING_RESPONSES)
    def accept(finding: str, body: Acceptance, request: Request) -> dict[str, Any]:
        """Let it be until a day; it is open again when that is over. Where there is an approver, by them alone."""
        desk = _known(services, finding, request, "finding.accept")
        if approver is not None and request.state.caller != approver:
            raise HTTPException(HTTPStatus.FORBIDDEN, _APPROVER)
        return _shown(desk.accept(finding, body.reason, request.state.caller, body.until), desk.today)

    @routes.get("/promises", response_model=PromisesShown)
    def promises(request: Request) -> dict[str, Any]:
        """What the company's policy promises, and whether it is kept, by what was observed."""
        desk = _desk(services)
        found = desk.promises()
        note_of(request.state).size = len(found)
        return {"items": [_promise(item, desk.today) for item in found]}

    @routes.get("/controls", response_model=ControlsShown)
    def controls(request: Request) -> dict[str, Any]:
        """Every check and its last run."""
        found = _desk(services).controls()
        note_of(request.state).size = len(found)
        return {"items": [_control(item) for item in found]}

    @routes.post("/controls/run", response_model=RunsShown, responses=RUN_RESPONSES)
    def run(body: ToRun, request: Request) -> dict[str, Any]:
        """Run checks now, one call at a time. Costs scans of the index."""
        note = note_of(request.state)
        note.changes = True
        with _alone(running):
            runs = _desk(services).run(body.names)
        note.size = len(runs)
        return {"items": [_run(item) for item in runs]}

    return routes


@contextmanager
def _alone(running: threading.Lock) -> Iterator[None]:
    """Who comes while another is at it is refused."""
    if not running.acquire(blocking=False):
        raise HTTPException(HTTPStatus.CONFLICT, _RUNNING)
    try:
        yield
    finally:
        running.release()


def _desk(services: Services) -> Desk:
    if services.duties is None:
        raise Unavailable("duties are not served here; ask a process that `innsyn serve` or `up` runs")
    return services.duties


def _known(services: Services, finding: str, request: Request, action: str) -> Desk:
    desk = _desk(services)
    if not is_id("request_id", finding) or all(item.id != finding for item in desk.findings()):
        raise HTTPException(HTTPStatus.NOT_FOUND, _UNKNOWN)
    note = note_of(request.state)
    note.changes = True
    note.about(finding)
    log.info("audit", action=action, finding=finding)
    return desk


def _shown(finding: Finding, today: date) -> dict[str, Any]:
    return {
        "finding": finding.id,
        "check": finding.check,
        "key": finding.key,
        "state": finding.stands(today),
        "says": finding.says,
        "since": finding.since,
        "opened": finding.opened,
        "moved": finding.moved,
        "evidence": [item.as_json() for item in finding.evidence],
        "reason": finding.reason or None,
        "by": finding.by or None,
        "until": finding.until,
    }


def _run(run: ControlRun) -> dict[str, Any]:
    return {
        "check": run.check,
        "begun": run.begun,
        "ended": run.ended,
        "verdict": run.verdict,
        "looked_at": run.looked_at,
        "found": run.found,
        "why": run.why or None,
    }


def _control(control: Control) -> dict[str, Any]:
    stands = control.stands
    return {
        "check": control.check.name,
        "title": control.check.title,
        "citation": control.check.citation,
        "last": None if stands is None else _run(stands.last),
        "since": None if stands is None else stands.since,
        "open": control.open,
    }


def _promise(stands: PromiseStands, today: date) -> dict[str, Any]:
    return {
        "promise": stands.promise.id,
        "line": stands.promise.line,
        "text": {"nb": stands.promise.name.nb, "en": stands.promise.name.en},
        "verdict": stands.verdict,
        "since": stands.since,
        "checks": [
            {
                "check": item.check,
                "verdict": item.verdict,
                "since": item.since,
                "why": item.why or None,
                "last": item.last,
            }
            for item in stands.checks
        ],
        "findings": [_shown(item, today) for item in stands.findings],
        "open": stands.open,
    }

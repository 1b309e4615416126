"""The checks of duties on a schedule, as a role: runs what is due, and tells the topic what became of findings."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import structlog

from console.wiring.answering import identities, token_keys
from console.wiring.clock import now
from console.wiring.company import company_of
from console.wiring.processes import Background
from schemas.errors import InnsynError, place_of
from schemas.settings import Settings
from sinks.ports.findings import ControlLog, ControlRun, FindingLog
from sinks.ports.lineage import Span
from sinks.ports.sinks import Sinks
from streams.duties.check import Looking
from streams.duties.desk import Desk
from streams.duties.looking import looking
from streams.duties.registry import CHECKS
from streams.duties.run import FAILED, Runner, due
from streams.duties.telling import Send, tell
from streams.identity.rekeyed import Same
from streams.rights.protocol.request import RequestState

_LOOK_SECONDS = 30.0
log = structlog.get_logger(__name__)


class Requests(Protocol):
    """What checks ask of rights, as `streams.rights.service.RightsService` answers it."""

    def requests(self) -> Sequence[RequestState]: ...

    def kept_spans(self) -> Sequence[Span]: ...


class Controls:
    """Runs checks whose last run is `seconds` old, and sends what was not sent. `seconds` 0: only sends.

    Raises IndexUnavailable, BrokerUnavailable; it may begin anew then, and goes on where the ledgers say.
    """

    def __init__(
        self,
        desk: Desk,
        findings: FindingLog,
        controls: ControlLog,
        send: Send,
        seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._desk = desk
        self._findings = findings
        self._controls = controls
        self._send = send
        self._seconds = seconds
        self._clock = clock

    def run(self, stop: threading.Event) -> None:
        """Until `stop`."""
        while True:
            self.turn()
            if stop.wait(min(_LOOK_SECONDS, self._seconds or _LOOK_SECONDS)):
                return

    def turn(self) -> Sequence[ControlRun]:
        """Run what is due, then tell. What was run. A bug ends neither this nor what runs beside it: it is logged, and
        the next turn tries again."""
        try:
            return self._turn()
        except InnsynError:
            raise
        except Exception as error:  # noqa: BLE001 - one broken row of a ledger shall not end the process
            log.error("controls.broken", where=place_of(error))
            return []

    def _turn(self) -> Sequence[ControlRun]:
        names = due(self._desk.checks, self._controls, self._seconds, self._clock()) if self._seconds else ()
        runs = self._desk.run(names) if names else []
        for run in runs:
            if run.verdict == FAILED:
                log.warning("control.failed", check=run.check, why=run.why)
        for item in self._desk.findings() if runs else ():
            if item.lost:
                log.warning("finding.entries_lost", finding=item.id, check=item.check, lost=item.lost)
        tell(self._findings, self._send)
        return runs


def duties_desk(sinks: Sinks, settings: Settings, rights: Requests) -> Desk:
    """Findings and controls of an open index."""
    company = company_of(settings)
    calendar = company.catalogue.calendar
    same = Same(sinks.pairs, token_keys(sinks, settings).rotated)
    people = identities(sinks.claims, sinks.beside, company.catalogue, same)

    def look(moment: datetime) -> Looking:
        asked = rights.requests, rights.kept_spans
        return looking(sinks, company, people, *asked, CHECKS, moment, same)

    runner = Runner(CHECKS, look, sinks.findings, sinks.controls, now, calendar)
    return Desk(CHECKS, sinks.findings, sinks.controls, runner, now, calendar, company.promises)


def controls_run(
    sinks: Sinks, settings: Settings, desk: Desk, send: Send, ended: threading.Event
) -> Background:
    """The role."""
    role = Controls(desk, sinks.findings, sinks.controls, send, settings.controls_seconds, now)
    return Background("controls", role.run, ended)

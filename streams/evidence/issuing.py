"""Looks which erasures are completed, whether what the index forgot is gone from its disk, and issues certificates.

Every step is recorded once, whoever does it first, and each may be repeated after a crash.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence, Set
from datetime import datetime
from typing import Any

from schemas.calendars import Calendar
from schemas.errors import IndexUnavailable
from schemas.signingkeys import SigningKey
from schemas.times import iso, whole_milliseconds
from sinks.ports.evidence import EvidenceLog, Statement
from sinks.ports.purge import IndexPurge
from sinks.ports.requests import RequestEvent, RequestLog
from streams.evidence.canonical import canonical
from streams.evidence.certificate import certificate, why_not
from streams.evidence.sealing import Sealer
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.states import fold

PURGED, CERTIFICATE = "purged", "certificate"


class Issuer:
    """Raises IndexUnavailable, KeyUnavailable. Safe beside others."""

    def __init__(
        self,
        log: EvidenceLog,
        ledger: RequestLog,
        purge: IndexPurge,
        key: Callable[[], SigningKey],
        clock: Callable[[], datetime],
        catalogue_version: str,
        calendar: Calendar,
    ) -> None:
        self._log = log
        self._ledger = ledger
        self._purge = purge
        self._key = key
        self._clock = clock
        self._catalogue_version = catalogue_version
        self._calendar = calendar
        self._sealer = Sealer(log, key, clock)

    def turn(self) -> list[str]:
        """Issue what can be issued now; the ids of those requests."""
        stated = {(item.request_id, item.kind): item for item in self._log.statements()}
        waiting = self._completed({name for name, kind in stated if kind == CERTIFICATE})
        unpurged = [request for request, _ in waiting if (request.request_id, PURGED) not in stated]
        for request in self._gone(unpurged):
            gone = Statement(
                request.request_id, PURGED, self._now(), _text({"forgotten_at": _ended(request)})
            )
            if self._log.state(gone):
                stated[request.request_id, PURGED] = gone
        ready = [
            (request, events, purged.at)
            for request, events in waiting
            if (purged := stated.get((request.request_id, PURGED))) is not None
        ]
        return self._issue(ready) if ready else []

    def _completed(self, certified: Set[str]) -> list[tuple[RequestState, Sequence[RequestEvent]]]:
        found: list[tuple[RequestState, Sequence[RequestEvent]]] = []
        for name, events in self._ledger.requests().items():
            if name in certified:
                continue
            request = fold(events, self._calendar)
            if request is not None and why_not(request) is None:
                found.append((request, events))
        return found

    def _gone(self, requests: Sequence[RequestState]) -> Sequence[RequestState]:
        """Those of which no byte is left. Of a later moment nothing is left only if nothing is of an earlier one, so
        few questions find out, however many there are."""
        ordered = sorted(requests, key=_moment)
        first, last = 0, len(ordered)
        while first < last:
            middle = (first + last) // 2
            if self._purge.left(_moment(ordered[middle])):
                last = middle
            else:
                first = middle + 1
        return ordered[:first]

    def _issue(self, ready: Sequence[tuple[RequestState, Sequence[RequestEvent], datetime]]) -> list[str]:
        """The ids of those of which this call issued the certificate."""
        # After they were read: the head that they name has all that they say.
        self._sealer.seal(whatever=True)
        head = self._log.newest()
        if head is None:
            raise IndexUnavailable("the log of what was recorded is empty although requests are; repeat")
        key, issued_now = self._key(), []
        for request, events, purged_at in ready:
            made = certificate(
                request,
                events,
                purged_at=purged_at,
                head=head,
                catalogue_version=self._catalogue_version,
                at=self._now(),
                key=key,
            )
            if self._log.state(Statement(request.request_id, CERTIFICATE, self._now(), _text(made))):
                issued_now.append(request.request_id)
        return issued_now

    def _now(self) -> datetime:
        return whole_milliseconds(self._clock())


def issued(log: EvidenceLog, request: RequestState) -> tuple[dict[str, Any] | None, str | None]:
    """The certificate of a request, or None and why there is none. Raises IndexUnavailable."""
    for item in log.statements(request.request_id):
        if item.kind == CERTIFICATE:
            return json.loads(item.content), None
    return None, why_not(request) or (
        "it is completed, and its certificate is issued as soon as the bytes that the index forgot are gone from its"
        " disk: that takes some minutes"
    )


def _moment(request: RequestState) -> datetime:
    assert request.completed_at is not None
    return request.completed_at


def _ended(request: RequestState) -> str:
    return iso(_moment(request))


def _text(value: object) -> str:
    return canonical(value).decode()

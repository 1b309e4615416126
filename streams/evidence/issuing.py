"""Looks which erasures are completed, whether what the index forgot is gone from its disk, and issues certificates.

Every step is recorded once for each completion, whoever does it first, and each may be repeated after a crash.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from schemas.calendars import Calendar
from schemas.canonical import canonical
from schemas.errors import IndexUnavailable
from schemas.signingkeys import SigningKey
from schemas.times import iso, iso_or_none, whole_milliseconds
from sinks.ports.evidence import EvidenceLog, Statement
from sinks.ports.purge import IndexPurge
from sinks.ports.requests import RequestEvent, RequestLog
from streams.evidence.certificate import certificate, follow_ups_of, why_not
from streams.evidence.sealing import Sealer
from streams.rights.protocol.events import Completed
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.states import fold

PURGED, CERTIFICATE = "purged", "certificate"
_AT_ONCE = 250
"""Statements that are stored together; a certificate has some ten kilobytes."""
_SOON = (
    "it is completed, and its certificate is issued as soon as the bytes that the index forgot are gone from its disk:"
    " that takes some minutes"
)


@dataclass(frozen=True)
class _Case:
    """A completed erasure, its ledger, and what followed it up."""

    request: RequestState
    events: Sequence[RequestEvent]
    follow_ups: Sequence[RequestState]

    @property
    def moment(self) -> datetime:
        """When the index had forgotten the last of it."""
        ends = (item.completed_at for item in (self.request, *self.follow_ups))
        return max(end for end in ends if end is not None)


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
        stated = _by_request(self._log.statements())
        waiting = self._waiting(stated)
        unpurged = [case for case in waiting if _purged(case, stated) is None]
        gone = [self._purged(case, stated[case.request.request_id]) for case in self._gone(unpurged)]
        for statement in self._stated(gone):
            stated[statement.request_id].append(statement)
        ready = [
            (case, len(_of(CERTIFICATE, stated[case.request.request_id])) + 1, purged.at)
            for case in waiting
            if (purged := _purged(case, stated)) is not None
        ]
        return self._issue(ready) if ready else []

    def _waiting(self, stated: Mapping[str, Sequence[Statement]]) -> list[_Case]:
        """Completed erasures of whose last completion there is no certificate."""
        ledger = self._ledger.requests()

        def find(name: str) -> RequestState | None:
            return fold(ledger.get(name, ()), self._calendar)

        found: list[_Case] = []
        for name, events in ledger.items():
            certificates = _of(CERTIFICATE, stated.get(name, ()))
            # Most have as many as they were completed, and need not be looked at.
            if certificates and len(certificates) >= sum(event.kind == Completed.kind for event in events):
                continue
            request = find(name)
            if request is None or (certificates and _is_of(request, json.loads(certificates[-1].content))):
                continue
            follow_ups = follow_ups_of(request, find)
            if why_not(request, follow_ups) is None:
                found.append(_Case(request, events, follow_ups))
        return found

    def _gone(self, cases: Sequence[_Case]) -> Sequence[_Case]:
        """Those of which no byte is left. Of a later moment nothing is left only if nothing is of an earlier one, so
        few questions find out, however many there are."""
        ordered = sorted(cases, key=lambda case: case.moment)
        first, last = 0, len(ordered)
        while first < last:
            middle = (first + last) // 2
            if self._purge.left(ordered[middle].moment):
                last = middle
            else:
                first = middle + 1
        return ordered[:first]

    def _issue(self, ready: Sequence[tuple[_Case, int, datetime]]) -> list[str]:
        """The ids of those of which this call issued the certificate, of that number; bytes were gone at the moment."""
        # After they were read: the head that they name has all that they say.
        self._sealer.seal(whatever=True)
        head = self._log.newest()
        if head is None:
            raise IndexUnavailable("the log of what was recorded is empty although requests are; repeat")
        key = self._key()

        def of(case: _Case, number: int, purged_at: datetime) -> Statement:
            made = certificate(
                case.request,
                case.events,
                number=number,
                follow_ups=case.follow_ups,
                purged_at=purged_at,
                head=head,
                catalogue_version=self._catalogue_version,
                at=self._now(),
                key=key,
            )
            kind = numbered(CERTIFICATE, number)
            return Statement(case.request.request_id, kind, self._now(), _text(made))

        return [item.request_id for item in self._stated([of(*item) for item in ready])]

    def _purged(self, case: _Case, stated: Sequence[Statement]) -> Statement:
        kind = numbered(PURGED, len(_of(PURGED, stated)) + 1)
        return Statement(
            case.request.request_id, kind, self._now(), _text({"forgotten_at": iso(case.moment)})
        )

    def _stated(self, statements: Sequence[Statement]) -> list[Statement]:
        """Those that this call stored, and nobody else before."""
        return [
            item
            for start in range(0, len(statements), _AT_ONCE)
            for item, stored in zip(
                statements[start : start + _AT_ONCE],
                self._log.state_each(statements[start : start + _AT_ONCE]),
                strict=True,
            )
            if stored
        ]

    def _now(self) -> datetime:
        return whole_milliseconds(self._clock())


def issued(
    log: EvidenceLog, request: RequestState, find: Callable[[str], RequestState | None]
) -> tuple[dict[str, Any] | None, str | None]:
    """The newest certificate of a request, or None; and why there is none of how the request stands now, or None.

    Both, where the request went on after it was issued. `find` gives a request by its id. Raises IndexUnavailable.
    """
    certificates = _of(CERTIFICATE, log.statements(request.request_id))
    why = why_not(request, follow_ups_of(request, find))
    if not certificates:
        return None, why or _SOON
    made: dict[str, Any] = json.loads(certificates[-1].content)
    if why is None and not _is_of(request, made):
        why = f"it was completed anew; {_SOON}"
    elif why is None and len(request.late_findings) > made["later"]["findings"]:
        why = f"something came to light later, which {request.follow_up} erased: see the certificate of that"
    return made, why


def numbered(kind: str, number: int) -> str:
    """The kind of the statement of that number, from 1 on: `certificate`, `certificate-2` and so on."""
    return kind if number == 1 else f"{kind}-{number}"


def _of(kind: str, statements: Iterable[Statement]) -> list[Statement]:
    """Those of a kind, by number."""
    found = {item.kind: item for item in statements}
    numbers = itertools.takewhile(lambda name: name in found, (numbered(kind, n) for n in itertools.count(1)))
    return [found[name] for name in numbers]


def _by_request(statements: Iterable[Statement]) -> defaultdict[str, list[Statement]]:
    found: defaultdict[str, list[Statement]] = defaultdict(list)
    for item in statements:
        found[item.request_id].append(item)
    return found


def _purged(case: _Case, stated: Mapping[str, Sequence[Statement]]) -> Statement | None:
    """That the bytes are gone which the index forgot until this completion, not until one before."""
    moment = iso(case.moment)
    for item in _of(PURGED, stated.get(case.request.request_id, ())):
        if json.loads(item.content)["forgotten_at"] == moment:
            return item
    return None


def _is_of(request: RequestState, made: Mapping[str, Any]) -> bool:
    """Whether the certificate is of the completion that the request is at."""
    return bool(made["request"]["completed_at"] == iso_or_none(request.completed_at))


def _text(value: object) -> str:
    return canonical(value).decode()

"""What was erased is looked out for; what comes back all the same is erased again, unless a person has to decide.

Taggers tell where it came from (`streams.tagging.suppressed`). Whether anything of it stands in the index is what a
look for late findings says: a replay also brings what was never erased. Every step may be repeated after a crash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

import structlog

from schemas.counted import counted
from schemas.errors import InputError, KeyUnavailable
from schemas.vocabulary import RestrictionGround
from sinks.ports.lineage import IndexReader
from sinks.ports.resurrected import Arrival
from sinks.ports.suppression import Ending, Origin, Suppressed, SuppressionEntry, SuppressionLedger
from streams.answers.plan import plan_from_json
from streams.rights.case import CaseFile
from streams.rights.follow_ups import FollowUps, in_vain
from streams.rights.protocol.came_back import CameFrom, SuppressionLifted, came_back
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.restricting import reaches_later
from streams.rights.reopen import RESURRECTED, Recheck
from streams.rights.returned import afterwards, relation_since
from streams.rights.turns import Turns, each

MOST_BY_ITSELF = 3
"""So often in a row one person's data are erased again by themselves: who sends them again each time has to stop."""
_INSTEAD_OF_ERASURE = (RestrictionGround.UNLAWFUL, RestrictionGround.CLAIMS)
_FIELDS = tuple(item.name for item in fields(CameFrom))
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class LookedOut:
    """What one erasure took away, and from where it came back."""

    entry: SuppressionEntry
    origins: Sequence[Origin]


class Suppressing:
    """All may raise IndexUnavailable; what was done by then is found when it is repeated."""

    def __init__(
        self,
        file: CaseFile,
        turns: Turns,
        reader: IndexReader,
        recheck: Recheck,
        follow_ups: FollowUps,
        ledger: SuppressionLedger,
        kept: timedelta,
    ) -> None:
        """`kept`: so long after an erasure what it took away is looked out for."""
        self._file = file
        self._turns = turns
        self._reader = reader
        self._recheck = recheck
        self._follow_ups = follow_ups
        self._ledger = ledger
        self._kept = kept
        self._seen: Sequence[Origin] = ()
        self._waits = False
        self._looked: dict[str, datetime] = {}

    def enter(self, request: RequestState) -> None:
        """Look out from now on: before the index forgets, so that nothing comes in between unseen.

        Not for what a withdrawn consent took: the person stays, and may consent again.
        """
        if not request.erases or request.identity is None or request.planned_at is None or request.closing:
            return
        plan, now = plan_from_json(request.plan or {}), self._file.now()
        stays = {key for key, tags in plan.kept.items() if tags is not None and tags.id == key}
        stays |= {
            part.tag_set
            for part in plan.parts
            if request.withheld.keeps(part.system, part.record) or part.tag_set not in plan.kept
        }
        stays |= {item.tag_set for item in plan.unjudged}
        spans = request.identity.spans
        entry = Suppressed(request.request_id, spans, sorted(stays), now, now + self._kept)
        self._ledger.enter(entry)

    def looked_out_for(self) -> list[LookedOut]:
        """By request."""
        origins: dict[str, list[Origin]] = {}
        for origin in self._ledger.origins():
            origins.setdefault(origin.request_id, []).append(origin)
        return [LookedOut(item, origins.get(item.request_id, [])) for item in self._ledger.entries()]

    def lift(self, request_id: str, reason: str, by: str) -> LookedOut:
        """End it before its time. Safe to repeat after a crash. Raises InputError."""
        now = self._file.now()
        entries = {item.request_id: item for item in self._ledger.entries()}
        if request_id not in entries or not entries[request_id].stands(now):
            raise InputError(
                f"nothing is looked out for of {request_id}; `innsyn suppression show` says what is, and what ended"
            )

        def noted(request: RequestState) -> RequestState:
            # Where its key was destroyed a reason could not be kept sealed: that, when and by whom is.
            sealed = None if request.key_destroyed_at else self._file.seal_note(request_id, reason)
            return self._file.decide(request, SuppressionLifted(by, sealed))

        self._turns.take(request_id, noted)
        self._ledger.end(request_id, Ending.LIFTED, now)
        return next(item for item in self.looked_out_for() if item.entry.request_id == request_id)

    def turn(self, now: datetime) -> list[RequestState]:
        """Erase again what came back, or say why not; the requests that it came back of. Does nothing while nothing
        came back."""
        origins = self._ledger.origins()
        if not origins or (origins == self._seen and not self._waits):
            return []
        requests = {item.request_id: item for item in self._file.every()}
        entries = {item.request_id: item for item in self._ledger.entries()}
        self._end(requests, entries, now)
        if ended := [name for name, entry in entries.items() if entry.stands(now) and _left(requests, name)]:
            # Its follow-up was ended while nobody could reopen it.
            each(ended, lambda name: self._turns.take(name, self._follow_ups.reopened))
            requests = {item.request_id: item for item in self._file.every()}
        of_last: dict[str, list[Origin]] = {}
        for origin in origins:
            if (last := last_of(requests, origin.request_id)) is not None:
                of_last.setdefault(last.request_id, []).append(origin)
        self._waits = False
        due = {
            name: came
            for name, every in of_last.items()
            if name in entries
            and entries[name].stands(now)
            # What came before it was entered went with the forgetting.
            and (came := [item for item in every if item.last_seen >= entries[name].entered_at])
        }
        done = each(due, lambda name: self._one(name, due[name], requests, now))
        self._seen = origins
        return [request for request in done if request is not None]

    def _one(
        self, name: str, origins: Sequence[Origin], requests: Mapping[str, RequestState], now: datetime
    ) -> RequestState | None:
        """What came back of one request, dealt with; None: nothing of it stands, or it waits for something."""
        request = self._file.get(name)
        newest = max(item.last_seen for item in origins)
        if not request.ended:
            # It asks every system for all that is left; what is there in the end is found then.
            self._waits = True
            return None
        if request.state is State.COMPLETED and request.follow_up is None:
            if self._looked.get(name) == newest:
                return None
            self._turns.take(name, lambda item: self._recheck.looked(item, now))
            self._looked[name] = newest
            request = self._file.get(name)
        if request.state is not State.REOPENED or not request.late_findings or request.follow_up is not None:
            return None
        return self._turns.take(name, lambda item: self._again(item, origins, requests))

    def _again(
        self, request: RequestState, origins: Sequence[Origin], requests: Mapping[str, RequestState]
    ) -> RequestState | None:
        places = [CameFrom(**{name: getattr(item, name) for name in _FIELDS}) for item in origins]
        waits = self._why_not(request, requests, places)
        refused = None
        event = came_back(places, waits)
        if not event.says_the_same(request.came_back):
            request = self._file.decide(request, event)
        elif waits is not None:
            return None
        if waits is None:
            reread = all(item.arrival is Arrival.REPLAY for item in origins)
            try:
                made = self._follow_ups.made(request, channel=RESURRECTED, reread=reread)
            except (InputError, KeyUnavailable) as error:
                refused = str(error)
            else:
                _log.info("erased again", request=request.request_id, follow_up=made.request_id)
                self._waits = True
        if refused is not None:
            request = self._file.decide(request, replace(event, waits=refused))
        return self._file.get(request.request_id)

    def _why_not(
        self, request: RequestState, requests: Mapping[str, RequestState], places: Sequence[CameFrom]
    ) -> str | None:
        """Why a person has to decide, None: it may be erased again."""
        if request.came_back is not None and request.came_back.waits is not None:
            # Who has to decide is not passed over since something else changed.
            return request.came_back.waits
        if ended := self._follow_ups.ended_in_vain(request.request_id):
            return f"the request that was to do it, {ended[-1].request_id}, was {ended[-1].state.value} by a person"
        if (claims := restricted_for_person(requests.values(), request)) is not None:
            return f"{claims} restricts what is kept for the person instead of erasing it (GDPR Art. 18(1)(b), (c))"
        relation = relation_since(self._reader.find(*afterwards(request)))
        if relation is not None:
            return f"a new relationship began after the erasure ({relation})"
        if (times := in_a_row(requests, request.request_id)) >= MOST_BY_ITSELF:
            topics = ", ".join(sorted({item.topic for item in places}))
            return f"it came back {counted(times + 1, 'time')} in a row; stop what sends it to {topics}"
        return None

    def _end(
        self,
        requests: Mapping[str, RequestState],
        entries: Mapping[str, SuppressionEntry],
        now: datetime,
    ) -> None:
        """What is not looked out for any more: a later erasure does it, or a person ended the request."""
        for name, entry in entries.items():
            request = requests.get(name)
            if request is None or not entry.stands(now):
                continue
            if request.ended and not request.carried_out:
                self._ledger.end(name, Ending.CLOSED, now)
            elif request.follow_up is not None:
                later = requests.get(request.follow_up)
                if later is not None and later.carried_out and later.request_id in entries:
                    self._ledger.end(name, Ending.FOLLOWED_UP, now)


def _left(requests: Mapping[str, RequestState], request_id: str) -> bool:
    request = requests.get(request_id)
    later = requests.get(request.follow_up) if request is not None and request.follow_up else None
    return later is not None and in_vain(later)


def restricted_for_person(requests: Iterable[RequestState], request: RequestState) -> str | None:
    """A restriction of the same person, asked for or in force, since they need the data for legal claims, or oppose the
    erasure of what was unlawful (GDPR Art. 18(1)(b) and (c)); None for none. Pure."""
    found = (
        other.request_id
        for other in requests
        if other.scope.ground in _INSTEAD_OF_ERASURE
        and other.subjects & request.subjects
        and not other.lifting
        and (not other.ended or other.restricts or reaches_later(other))
    )
    return next(found, None)


def last_of(requests: Mapping[str, RequestState], request_id: str) -> RequestState | None:
    """The request that deals with what comes to light of that one by now: the end of its follow-ups."""
    seen: set[str] = set()
    request = requests.get(request_id)
    while request is not None and request.request_id not in seen:
        seen.add(request.request_id)
        request = requests.get(request.follow_up or "", request)
    return request


def in_a_row(requests: Mapping[str, RequestState], request_id: str) -> int:
    """How many requests up to this one, without one that a person made between them, erased what had come back."""
    before = {item.follow_up: item for item in requests.values() if item.follow_up is not None}
    times, seen = 0, set[str]()
    request = requests.get(request_id)
    while request is not None and request.channel == RESURRECTED and request.request_id not in seen:
        seen.add(request.request_id)
        times, request = times + 1, before.get(request.request_id)
    return times

"""A new request for what came to light after an answer: of the same person and type, received when it was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import structlog

from schemas.errors import BrokerUnavailable, InputError, Unavailable
from streams.rights.case import TRIES, CaseFile
from streams.rights.protocol.events import FollowedUp
from streams.rights.protocol.messages import Named
from streams.rights.protocol.request import RequestState, State
from streams.rights.reopen import LATE
from streams.rights.sending import Sending
from streams.rights.subject import SubjectFinder

_log = structlog.get_logger(__name__)


class FollowUps:
    """May raise IndexUnavailable; whatever was done by then is found when it is repeated."""

    def __init__(
        self,
        file: CaseFile,
        subjects: SubjectFinder,
        sending: Sending,
        about: Callable[[str], RequestState],
    ) -> None:
        """`about` records whom the request of that id is about."""
        self._file = file
        self._subjects = subjects
        self._sending = sending
        self._about = about

    def made(
        self,
        request: RequestState,
        by: str | None = None,
        *,
        channel: str = LATE,
        reread: bool = False,
    ) -> RequestState:
        """The follow-up of the request, which then names it; the same if it was made before. `by`: the credential.

        `channel`: another than that of a person who follows it up: of what comes back and is erased again, also where
        nobody can read any more what was given. `reread`: see `RequestState`. Raises InputError if nothing came to
        light or nobody can tell of whom, KeyUnavailable, Overtaken.
        """
        request_id = request.request_id
        if request.follow_up is not None:
            return self._file.get(request.follow_up)
        if request.state is not State.REOPENED or not request.late_findings:
            raise InputError(f"nothing came to light after {request_id}; there is nothing to follow up")
        if request.key_destroyed_at is not None:
            return self._by_tokens(request, by, channel, reread=reread)
        reason, named = self._given(request)
        found_at = request.late_findings[0].found_at
        inherited = request.identity.spans if request.identity and request.forgets else ()
        anchors = self._file.anchors(request_id)
        taken: list[str] = []
        # The same each time: a second try after a crash makes no second request.
        for new_id in self._ids(request_id):
            sealed = self._file.seal(new_id, named, reason, self._file.corrections(request_id))
            given = (request.type, LATE, found_at, sealed, anchors, inherited, request_id)
            more = {"scope": request.scope, "reread": reread}
            self._file.record_received(new_id, given[0], channel, *given[2:], by=by, **more)
            if self._file.follows(new_id) == request_id:
                break
            # Nobody can know the id without our keys: somebody has to look who made that request.
            _log.error("the id of a follow-up was taken by another request", request=request_id, taken=new_id)
            taken.append(new_id)
        else:
            raise Unavailable(f"no id for the follow-up of {request_id} is free; repeat")
        return self._announced(request, new_id, tuple(taken))

    def reopened(self, request: RequestState) -> RequestState:
        """The request, reopened if its follow-up was ended by a person and not carried out. Raises Overtaken."""
        made = self._file.find(request.follow_up) if request.follow_up is not None else None
        if request.state is not State.COMPLETED or made is None or not in_vain(made):
            return request
        last = request.late_findings[-1]
        # Later than the last, so that it is no repeat of it.
        found_at = max(self._file.now(), last.found_at + timedelta(milliseconds=1))
        return self._file.decide(request, replace(last, found_at=found_at))

    def ended_in_vain(self, request_id: str) -> list[RequestState]:
        """Follow-ups of the request that a person ended, so that they were not carried out."""
        ended = []
        for number in range(TRIES):
            new_id = self._file.follow_up_id(request_id, number)
            made = self._file.find(new_id)
            if made is None:
                break
            if in_vain(made) and self._file.follows(new_id) == request_id:
                ended.append(made)
        return ended

    def _ids(self, request_id: str) -> Iterator[str]:
        """The ids that a follow-up may have, without those that were ended in vain."""
        ended = {item.request_id for item in self.ended_in_vain(request_id)}
        ids = (self._file.follow_up_id(request_id, number) for number in range(TRIES + len(ended)))
        return (new_id for new_id in ids if new_id not in ended)

    def _announced(self, request: RequestState, new_id: str, taken: tuple[str, ...] = ()) -> RequestState:
        """The new request, which the other one names."""
        made = self._about(new_id)
        with suppress(BrokerUnavailable):
            # Recorded, so `resume` goes on with it.
            self._sending.announce(made)
        self._file.decide(request, FollowedUp(new_id, taken))
        return made

    def _by_tokens(
        self, request: RequestState, by: str | None, channel: str, *, reread: bool
    ) -> RequestState:
        """Where nobody can read any more what was given: of what an erasure had taken away and came back."""
        request_id, identity = request.request_id, request.identity
        if (channel == LATE and request.came_back is None) or identity is None:
            raise InputError(
                f"what the person gave with {request_id} cannot be read since its key was destroyed; ask the person for"
                " their identifiers, make a new request and close this one"
            )
        subjects = sorted(token.hex() for token in identity.subjects)
        found_at, anchors = request.late_findings[0].found_at, self._file.anchors(request_id)
        for new_id in self._ids(request_id):
            sealed = self._file.seal(new_id, [], None)
            given = (request.type, channel, found_at, sealed, anchors, identity.spans, request_id)
            more = {"scope": request.scope, "reread": reread, "subjects": subjects}
            self._file.record_received(new_id, *given, by=by, **more)
            if self._file.follows(new_id) == request_id:
                return self._announced(request, new_id)
            _log.error("the id of a follow-up was taken by another request", request=request_id, taken=new_id)
        raise Unavailable(f"no id for the follow-up of {request_id} is free; repeat")

    def _given(self, request: RequestState) -> tuple[str | None, list[Named]]:
        """What the person wrote and gave. Raises InputError where that leads to somebody else by now."""
        request_id, kinds = request.request_id, self._subjects.kinds
        if self._subjects.others(request):
            raise InputError(
                f"the identifiers of {request_id} lead to somebody else by now than whom it was carried out for; make a"
                f" new request by the customer number, then `innsyn requests close {request_id}`"
            )
        # Of the person whose they were then, whoever has them when it is followed up.
        named = [
            item if item.at or kinds.parse(item.kind).is_place else item._replace(at=request.received_at)
            for item in self._file.identifiers(request_id)
        ]
        return self._file.reason(request_id), named


def in_vain(follow_up: RequestState) -> bool:
    """Whether a person ended it, so that it was not carried out."""
    return follow_up.ended and not follow_up.carried_out

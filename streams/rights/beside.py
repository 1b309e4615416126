"""Whom a request is about, and what else is open for them: recorded when it comes."""

from __future__ import annotations

import structlog

from schemas.errors import Unavailable, place_of
from streams.rights.case import CaseFile, Overtaken
from streams.rights.overlap import subjects_of
from streams.rights.protocol.events import About, OpenRequest
from streams.rights.protocol.request import RequestState
from streams.rights.subject import SubjectFinder

_log = structlog.get_logger(__name__)


class Beside:
    """May raise Overtaken, IndexUnavailable."""

    def __init__(self, file: CaseFile, subjects: SubjectFinder) -> None:
        self._file = file
        self._subjects = subjects

    def record(self, request: RequestState) -> RequestState:
        """The request, with whom it is about. Raises KeyUnavailable, InvalidIdentifier too."""
        givens = self._subjects.given(request.request_id)
        person = self._subjects.of(request)
        subjects = subjects_of(person, givens)
        others = tuple(
            OpenRequest(item.request_id, item.type, item.state.value)
            for item in self._subjects.requests_of(subjects, person.spans)
            if not item.ended and item.request_id != request.request_id
        )
        return self._file.decide(request, About(tuple(subjects), others))

    def record_if_known(self, request: RequestState) -> RequestState:
        """Whoever cannot be known here stands at attention in the next step."""
        try:
            return self.record(request)
        except (Overtaken, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - the request is recorded, whatever is wrong with it
            _log.warning(
                "nobody can tell whom a request is about", request=request.request_id, fault=place_of(error)
            )
            return request

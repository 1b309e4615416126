"""Requests whose step failed: they stand at attention with why. Those that a fault of ours stopped are tried again."""

from __future__ import annotations

import structlog

from schemas.errors import InnsynError, place_of
from streams.rights.case import CaseFile
from streams.rights.protocol.events import Attention
from streams.rights.protocol.request import RequestState, State

_log = structlog.get_logger(__name__)


class Broken(InnsynError):
    """A step failed by a fault of ours; `str` says where."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error) if isinstance(error, Broken) else f"a step failed, {place_of(error)}")


class Stopped:
    """May raise Overtaken, IndexUnavailable."""

    def __init__(self, file: CaseFile) -> None:
        self._file = file
        self._tried: set[str] = set()

    def by(self, request: RequestState, error: Exception) -> RequestState:
        """At attention with why; without anything of the person's, which the text of a foreign error may hold."""
        if isinstance(error, InnsynError) and not isinstance(error, Broken):
            return self._file.stand(request, str(error))
        reason = str(Broken(error))
        _log.error("request stands at attention", request=request.request_id, why=reason)
        self._tried.add(request.request_id)
        if request.state is State.ATTENTION and request.problem == reason:
            return request
        return self._file.decide(request, Attention(reason, broke=True, after=request.length))

    def may_be_mended(self, request: RequestState) -> bool:
        """Whether a fault of ours stopped it, and this process, which may be of another version, has not tried it."""
        return request.broke and request.state is State.ATTENTION and request.request_id not in self._tried

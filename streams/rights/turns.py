"""Work on requests: one piece at a time in this process, anew where another process wrote meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import structlog

from schemas.errors import InnsynError, Unavailable, place_of
from schemas.together import Together, tried, within_batch
from streams.rights.case import TRIES, CaseFile, Overtaken, busy
from streams.rights.protocol.request import RequestState
from streams.rights.stopped import Broken

T = TypeVar("T")
AT_ONCE = 1_000
"""Requests that are worked on at once. Whoever acts on any request waits until they are done."""
_log = structlog.get_logger(__name__)


class Turns:
    """Safe from several threads. `lock` is held during each piece of work; a thread may take it again."""

    def __init__(self, file: CaseFile) -> None:
        self._file = file
        self._together = Together(AT_ONCE)
        self.lock = threading.RLock()

    def take(self, request_id: str, work: Callable[[RequestState], T]) -> T:
        """Do the work on the request as it stands; anew on a fresh read when another process wrote in between.

        Raises Broken for a fault of ours, Unavailable when other processes are always faster, and what the work raises.
        """
        if within_batch():
            # Whoever runs the batch holds the lock for all of it.
            return self._done(request_id, work)
        with self.lock:
            return self._done(request_id, work)

    def take_new(self, request_id: str, work: Callable[[RequestState], T]) -> T:
        """As `take`, for a request that nobody else knows of yet: it does not wait for what is under way."""
        return self._done(request_id, work)

    def take_each(self, request_ids: Sequence[str], work: Callable[[str], T]) -> list[T | Exception]:
        """The work on each, or the exception with which it ended; what they ask the index is asked of all at once.

        The work may `take` the requests. It must not be of two requests of one person of which one has to wait for
        the other.
        """
        found: list[T | Exception] = []
        for start in range(0, len(request_ids), AT_ONCE):
            with self.lock:
                found += self._together.each(request_ids[start : start + AT_ONCE], work)
        return found

    def _done(self, request_id: str, work: Callable[[RequestState], T]) -> T:
        for _ in range(TRIES):
            try:
                return work(self._file.get(request_id))
            except Overtaken:
                continue
            except InnsynError:
                raise
            except Exception as error:
                _log.error("request cannot be worked on", request=request_id, fault=place_of(error))
                raise Broken(error) from error
        raise busy(request_id)


def each(request_ids: Iterable[str], work: Callable[[str], T]) -> list[T]:
    """The work on each. One that fails is logged; what was away is raised when all others were served."""
    names = list(request_ids)
    return outcomes(names, [tried(work, name) for name in names])


def outcomes(request_ids: Sequence[str], found: Sequence[T | Exception]) -> list[T]:
    """What was done, without what failed; as `each`."""
    done, away = [], None
    for request_id, outcome in zip(request_ids, found, strict=True):
        if isinstance(outcome, Unavailable):
            away = away or outcome
        elif isinstance(outcome, Exception):
            _log.error("request cannot be worked on", request=request_id, fault=place_of(outcome))
        else:
            done.append(outcome)
    if away is not None:
        raise away
    return done


def outcome(found: Sequence[T | Exception]) -> T:
    """That of the only one; raises what it ended with."""
    (one,) = found
    if isinstance(one, Exception):
        raise one
    return one

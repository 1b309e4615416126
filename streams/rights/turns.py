"""Work on requests: one piece at a time in this process, anew where another process wrote meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

import structlog

from schemas.errors import InnsynError, Unavailable, place_of
from streams.rights.case import TRIES, CaseFile, Overtaken, busy
from streams.rights.protocol.request import RequestState
from streams.rights.stopped import Broken

T = TypeVar("T")
_log = structlog.get_logger(__name__)


class Turns:
    """Safe from several threads. `lock` is held during each piece of work; a thread may take it again."""

    def __init__(self, file: CaseFile) -> None:
        self._file = file
        self.lock = threading.RLock()

    def take(self, request_id: str, work: Callable[[RequestState], T]) -> T:
        """Do the work on the request as it stands; anew on a fresh read when another process wrote in between.

        Raises Broken for a fault of ours, Unavailable when other processes are always faster, and what the work raises.
        """
        with self.lock:
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
    done, away = [], None
    for request_id in request_ids:
        try:
            done.append(work(request_id))
        except Unavailable as error:
            away = away or error
        except Exception as error:  # noqa: BLE001 - one request is no reason to leave the others
            _log.error("request cannot be worked on", request=request_id, fault=place_of(error))
    if away is not None:
        raise away
    return done

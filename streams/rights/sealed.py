"""What a person gave and wrote with a request, and when nobody can read it any more.

It lies sealed under a key of the request's own. The proof of what was done needs none of it: it goes by tokens, counts
and dates. So some time after the request has ended its key is destroyed (GDPR Art. 5(1)(e)): not at once, because an
answer may be objected to, a late finding may need a follow-up, and Art. 12(3) gives both sides up to three months.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta

from schemas.counted import counted
from schemas.keys import Keyring
from streams.rights.case import CaseFile, Overtaken
from streams.rights.protocol.events import KeyDestroyed
from streams.rights.protocol.request import RequestState, State
from streams.rights.protocol.restricting import reaches_later


def key_of(request_id: str) -> str:
    """Name of the request's own key."""
    return f"request-{request_id}"


def readable_until(request: RequestState, kept: timedelta) -> datetime | None:
    """When the key of a request goes; None for one that still needs it: not ended, with something to follow up,
    or a restriction that stands."""
    ended_at = request.ended_at or request.completed_at
    # The end of a restriction is told to systems, and so is what they get of the person while it stands.
    if ended_at is None or not request.ended or request.state is State.REOPENED:
        return None
    if request.restricts or reaches_later(request):
        return None
    # What a system withholds until a day is asked of it again then, by what the person gave.
    reviews = [
        datetime.combine(date.fromisoformat(item.review_date), time.min, UTC)
        for item in request.commands.values()
        if item.withholds and item.review_date is not None and request.follow_up is None
    ]
    return max([ended_at, *reviews]) + kept


class Destroying:
    """Destroys the keys of requests that have ended `kept` ago. May raise IndexUnavailable, KeyUnavailable."""

    def __init__(self, file: CaseFile, keyring: Keyring, kept: timedelta) -> None:
        self._file = file
        self._keyring = keyring
        self._kept = kept
        self._missing: tuple[str, ...] = ()

    def run(self, now: datetime) -> list[str]:
        """Ids of the requests whose keys this call destroyed.

        First the key, then the record of it: after a crash in between the next run records what is so. Every host that
        runs it destroys its own copy, also of keys that another host has destroyed.
        """
        there = set(self._keyring.sealing_keys())
        gone: list[str] = []
        needed: list[str] = []
        for request in self._file.every():
            until = readable_until(request, self._kept)
            name = key_of(request.request_id)
            if until is None or until > now:
                if request.key_destroyed_at is None:
                    needed.append(request.request_id)
                continue
            if name in there:
                self._keyring.destroy(name)
                gone.append(request.request_id)
            if request.key_destroyed_at is None:
                with suppress(Overtaken):
                    self._file.decide(request, KeyDestroyed())
        self._missing = tuple(item for item in needed if key_of(item) not in there)
        return gone

    def problems(self) -> tuple[str, ...]:
        """Keys that are missing although nobody destroyed them here, as of the last run; one line, or none."""
        if not self._missing:
            return ()
        count, some = len(self._missing), ", ".join(self._missing[:3])
        return (
            f"the keys of {counted(count, 'request')} ({some}{', ...' if count > 3 else ''}) are missing, so what they"
            " gave cannot be read; restore the key folder from your key backup, or set INNSYN_KEYS_DIR to where it is",
        )

"""What a person does about dead letters: look, try again, drop. Each retry and drop is kept with who, when and why."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from schemas.errors import InputError
from schemas.vocabulary import LetterState
from sinks.ports.dead_letters import TAGGED, Chosen, Coordinates, DeadLetterList, Done
from streams.tagging.prepare import ENDED_PROCESS

MOST = 10_000
_START = ("", -1, -1)


class Retry(Protocol):
    """Contract: `streams.tagging.retry.Retrier`."""

    def retry(self, places: Sequence[Coordinates]) -> Mapping[Coordinates, str]: ...


@dataclass(frozen=True)
class Outcome:
    """Of one call: how many letters were chosen, and what became of them. `more`: call again for the rest."""

    letters: int
    outcomes: Mapping[str, int]
    more: bool


class DeadLetterDesk:
    """One call at a time; each waits for the one before."""

    def __init__(self, letters: DeadLetterList, retrier: Retry, clock: Callable[[], datetime]) -> None:
        self._letters = letters
        self._retrier = retrier
        self._clock = clock
        self._lock = threading.Lock()

    def retry(self, chosen: Chosen, by: str) -> Outcome:
        """Try the open letters chosen again, at most 10,000. Raises InputError for named ones that are not there or
        are tagged, Unavailable."""
        with self._lock:
            places, more = self._choose(chosen, "retried")
            outcomes = self._retrier.retry(places)
            done = [Done(place, "retry", outcome, by) for place, outcome in outcomes.items()]
            self._letters.note(done, self._clock())
        return Outcome(len(places), dict(Counter(outcomes.values())), more)

    def drop(self, chosen: Chosen, by: str, why: str) -> Outcome:
        """Give the open letters chosen up, for a reason. Their payloads stay sealed until their month's key goes."""
        if chosen == Chosen():
            raise InputError(
                "say which letters to drop: by topic, reason or time (since, until), or one by one"
                " (--at; `letters` over HTTP)"
            )
        with self._lock:
            places, more = self._choose(chosen, "dropped")
            self._letters.note([Done(place, "drop", "", by, why) for place in places], self._clock())
        return Outcome(len(places), {LetterState.DROPPED: len(places)} if places else {}, more)

    def _choose(self, chosen: Chosen, verb: str) -> tuple[list[Coordinates], bool]:
        # A letter that is named may have been dropped by mistake; what a filter finds is open.
        if not chosen.at:
            chosen = replace(chosen, state=LetterState.OPEN)
        found = self._letters.find(_START, MOST + 1, chosen)
        if verb == "retried" and not chosen.at and chosen.reason is None:
            # It ended the tagger, and may end whoever tries it: for somebody who means it.
            found = [item for item in found if item["reason"] != ENDED_PROCESS]
        there = {(item["topic"], item["partition"], item["offset"]): item["state"] for item in found}
        for place in chosen.at:
            name = "/".join(map(str, place))
            if place not in there:
                raise InputError(f"{name} is no dead letter that was chosen; `innsyn deadletters` lists them")
            if there[place] == TAGGED:
                raise InputError(f"{name} is tagged already, so it is not {verb}")
        return list(there)[:MOST], len(there) > MOST

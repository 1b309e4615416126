"""Many requests at once: what they ask the index is asked of all together, and each comes to what it would alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from schemas.errors import Unavailable
from schemas.together import tried
from streams.identity.model import ResolvedSubject
from streams.rights.case import CaseFile, Recorded
from streams.rights.overlap import spans_meet, subjects_of
from streams.rights.protocol.request import RequestState
from streams.rights.subject import Remembered, SubjectFinder
from streams.rights.turns import AT_ONCE, Turns

T = TypeVar("T")
V = TypeVar("V")


class Batches:
    """Of two requests of one person in a batch the second is worked on after the first."""

    def __init__(
        self,
        turns: Turns,
        file: CaseFile,
        subjects: SubjectFinder,
        advance: Callable[[str], RequestState],
    ) -> None:
        """`advance`: takes one request as far as it comes."""
        self._turns = turns
        self._file = file
        self._subjects = subjects
        self._advance = advance

    def advance(self, request_ids: Sequence[str]) -> list[RequestState | Exception]:
        """Each as far as it comes, or the exception with which it ended."""
        done: dict[str, RequestState | Exception] = {}
        for start in range(0, len(request_ids), AT_ONCE):
            done |= self._advance_some(request_ids[start : start + AT_ONCE], Remembered())
        return [done[name] for name in request_ids]

    def _advance_some(self, some: Sequence[str], known: Remembered) -> dict[str, RequestState | Exception]:
        """`known`: what was asked of requests a moment ago."""
        # After the first wave the index may say something else of whom the others are about.
        with self._subjects.knowing(known):
            if len(some) < 2:
                return self._advanced(some)
            people = self._to_plan(some)
            first, *later = in_waves(people) or [[]]
            done = self._advanced([*(name for name in some if name not in people), *first])
        for wave in later:
            done |= self._advanced(wave)
        return done

    def received(
        self, given: Sequence[tuple[str, V]], read: Callable[[V], str | None]
    ) -> list[RequestState | Exception | None]:
        """Each message read, then each request as far as it comes. `read`: the id, None for what is no request."""
        found: list[RequestState | Exception | None] = []
        for start in range(0, len(given), AT_ONCE):
            known = Remembered()
            with self._subjects.knowing(known):
                names = self.in_turn(given[start : start + AT_ONCE], read, lambda name: name)
            ids = list(dict.fromkeys(name for name in names if isinstance(name, str)))
            states = {
                # What came is in the ledger: whoever sent it shall not send it again.
                name: Recorded(state, name) if isinstance(state, Unavailable) else state
                for name, state in self._advance_some(ids, known).items()
            }
            found += [states[name] if isinstance(name, str) else name for name in names]
        return found

    def in_turn(
        self, given: Sequence[tuple[str, V]], work: Callable[[V], T], then: Callable[[T], T]
    ) -> list[T | Exception]:
        """The work on what was given for each request, in order; `then` goes on once from the last that did not fail.

        What came of each, at its place.
        """
        places: dict[str, list[int]] = {}
        for place, (request_id, _) in enumerate(given):
            places.setdefault(request_id, []).append(place)

        def one(request_id: str) -> list[T | Exception]:
            found = [tried(work, given[place][1]) for place in places[request_id]]
            for place, outcome in reversed(list(enumerate(found))):
                if not isinstance(outcome, Exception):
                    found[place] = tried(then, outcome)
                    break
            return found

        found: list[T | Exception] = [LookupError()] * len(given)
        for request_id, outcomes in zip(places, self._turns.take_each(list(places), one), strict=True):
            if isinstance(outcomes, Exception):
                raise outcomes
            for place, outcome in zip(places[request_id], outcomes, strict=True):
                found[place] = outcome
        return found

    def _advanced(self, request_ids: Sequence[str]) -> dict[str, RequestState | Exception]:
        return dict(zip(request_ids, self._turns.take_each(request_ids, self._advance), strict=True))

    def _to_plan(self, request_ids: Sequence[str]) -> dict[str, About]:
        """Of the requests that are still to be planned, whom they are about, as far as that can be told: an erasure
        waits for copies, and whoever asks for copies for an erasure."""

        def about(request_id: str) -> About | None:
            request = self._file.find(request_id)
            if request is None or request.ended or request.unread or request.plan is not None:
                return None
            person = self._subjects.of(request)
            return About(frozenset([*request.subjects, *subjects_of(person, ())]), person)

        found = zip(request_ids, self._turns.take_each(request_ids, about), strict=True)
        return {name: item for name, item in found if isinstance(item, About)}


@dataclass(frozen=True)
class About:
    """Whom a request is about. `subjects`: also those it was recorded with."""

    subjects: frozenset[str]
    person: ResolvedSubject


def in_waves(people: Mapping[str, About]) -> list[list[str]]:
    """The requests in portions, in order: those of one person, and of people who share events, in different ones."""
    waves: list[list[str]] = []
    known: dict[str | bytes, list[tuple[int, About]]] = {}
    for name, one in people.items():
        keys: set[str | bytes] = {*one.subjects, *(span.token for span in one.person.spans)}
        before = {
            wave
            for key in keys
            for wave, other in known.get(key, ())
            if one.subjects & other.subjects or spans_meet(one.person.spans, other.person.spans)
        }
        wave = max(before, default=-1) + 1
        waves += [[]] * (wave == len(waves))
        waves[wave] = [*waves[wave], name]
        for key in keys:
            known.setdefault(key, []).append((wave, one))
    return waves

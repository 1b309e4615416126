"""People whose records stay although they have run out, as a system is told of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from schemas.counted import counted
from schemas.errors import InputError, KeyUnavailable
from schemas.vocabulary import Proof, Role
from sinks.ports.lineage import Filter, IndexReader, Span
from streams.answers.keeping import Keeping
from streams.answers.naming import Namer
from streams.answers.run_plan import RunPlan
from streams.rights.case import CaseFile
from streams.rights.kept import keeps, kept_by_requests, unknown
from streams.rights.protocol.lines import unknown_line
from streams.rights.protocol.messages import Named
from streams.rights.protocol.request import RequestState
from streams.rights.subject import SubjectFinder, named_told


class CannotName(InputError):
    """Somebody whose records stay cannot be named to a system, which would delete them."""


class KeptPeople:
    """Every method may raise IndexUnavailable and KeyUnavailable."""

    def __init__(
        self,
        file: CaseFile,
        subjects: SubjectFinder,
        reader: IndexReader,
        namer: Namer,
        keeping: Keeping,
        clock: Callable[[], datetime],
    ) -> None:
        self._file = file
        self._subjects = subjects
        self._reader = reader
        self._namer = namer
        self._keeping = keeping
        self._clock = clock

    def spans(self) -> list[Span]:
        """Where the data lie of everybody whose data are kept now."""
        requests = self._file.every()
        spans = dict.fromkeys([*kept_by_requests(requests), *self._keeping.frozen(self._clock()).spans])
        for request in requests:
            # Of one that is not planned yet, as who makes it is still checked: all that leads to the person by now.
            if keeps(request) and request.identity is None and (request.subjects or request.about):
                person = self._subjects.of(request)
                spans |= dict.fromkeys((*person.spans, *person.shared))
        return list(spans)

    def told(self, run: RequestState, plan: RunPlan, system: str) -> list[Named]:
        """By what the system knows those whose records stay: as planned, and who came in since. Raises CannotName if
        its records may hold somebody of whom it knows nothing that could be told, or while nobody knows whom an open
        request is about."""
        if first := unknown(self._file.every()):
            raise CannotName(unknown_line(first))
        spans = list(dict.fromkeys([*run.kept, *self.spans()]))
        if not spans:
            return []
        # Whoever may be meant is kept, by whatever proof.
        naming = replace(self._namer.of(spans), proofs=frozenset(Proof))
        found = naming.told(system)
        given = self._given(system, {*run.kept})
        reached = [*naming.covered(system), *(span for span, _ in given)]
        lines = [item for item in plan.records if item.system == system]
        limits = Filter(
            until=max(item.before for item in lines),
            systems=[system],
            tag_sets=sorted({tag_set for item in lines for tag_set in item.every}),
        )
        if texts := self._in_texts_alone(spans, limits.tag_sets):
            raise CannotName(
                f"{system}: {counted(texts, 'event')} of others mention people whose data are kept in a text, where no"
                " job looks for them; once their requests, or the orders that hold them, have ended, end this run:"
                " the next one takes it"
            )
        held = self._reader.find(spans, limits).total_events
        named = self._reader.find(reached, limits).total_events if reached else 0
        if named < held:
            raise CannotName(
                f"{system}: {counted(held - named, 'event')} that ran out belong to people whose data are kept, and"
                " nothing that its records know them by can be told; once their requests, or the orders that hold them,"
                " have ended, end this run: the next one takes it"
            )
        return list(dict.fromkeys([*(one for _, one in given), *map(named_told, found)]))

    def _in_texts_alone(self, spans: Sequence[Span], tag_sets: Sequence[int]) -> int:
        """Events with these tags in which they stand in a text and nowhere else; also later ones, which run out some
        day."""
        return sum(
            item.events
            for item in self._reader.others(spans)
            if item.tag_set in tag_sets and item.roles == {Role.MENTIONED}
        )

    def _given(self, system: str, planned: Collection[Span]) -> list[tuple[Span, Named]]:
        """What was given with requests that keep data, but for addresses: these are another's at another time. Also
        with those that have ended since it was `planned` whose data stay."""
        knows, found = self._namer.knows(system), list[tuple[Span, Named]]()
        for request in self._file.every():
            if not keeps(request) and not any(
                Span(bytes.fromhex(one)) in planned for one in request.subjects
            ):
                continue
            with suppress(KeyUnavailable):
                named: Sequence[Named] = self._file.identifiers(request.request_id)
                for one, item in zip(named, self._subjects.given(request.request_id), strict=True):
                    if one.kind in knows and not item.kind.is_place:
                        found.append((Span(item.token), Named(one.kind, one.value)))
        return found

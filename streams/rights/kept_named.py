"""People whose records stay although they have run out, as a system is told of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from schemas.counted import counted
from schemas.errors import InputError, KeyUnavailable
from schemas.vocabulary import Proof, Resolution, Role
from sinks.ports.expiry import ExpiryReader
from sinks.ports.lineage import Filter, IndexReader, Span
from streams.answers.attribution import spans_json
from streams.answers.keeping import Keeping
from streams.answers.naming import Namer
from streams.answers.run_plan import RunPlan
from streams.rights.case import CaseFile
from streams.rights.kept import is_looked_up, keeps, kept_by_requests, kept_while_told, lacks_what_came
from streams.rights.protocol.expiring import KeptSince
from streams.rights.protocol.lines import unknown_line
from streams.rights.protocol.messages import Named
from streams.rights.protocol.request import RequestState
from streams.rights.run_counts import planned_commands, with_counts
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
        aged: ExpiryReader | None = None,
    ) -> None:
        """`aged`: counts what has run out; without it nobody is told of a run here."""
        self._aged = aged
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
            # Also what has come to lead to the person since it was planned or answered.
            if keeps(request) and is_looked_up(request) and (request.subjects or request.about):
                spans |= dict.fromkeys(self._looked_up(request))
        return list(spans)

    def _looked_up(self, request: RequestState) -> list[Span]:
        """Where whom it is about is found by now; nowhere else than then if nobody can read what was given."""
        try:
            person = self._subjects.still(request) if lacks_what_came(request) else self._subjects.of(request)
        except KeyUnavailable:
            if request.identity is None:
                raise
            return []
        return [*person.spans, *person.shared]

    def unknown(self) -> list[str]:
        """The ids of open requests of which nobody knows whom they are about, so that it is not known either whose data
        stay: also where what was given may mean several people, or cannot be read."""
        found = []
        for request in self._file.every():
            if not keeps(request) or request.identity is not None:
                continue
            if not (request.subjects or request.about) or self._may_be_several(request):
                found.append(request.request_id)
        return found

    def _may_be_several(self, request: RequestState) -> bool:
        try:
            return self._subjects.of(request).resolution is Resolution.AMBIGUOUS
        except KeyUnavailable:
            return True

    def told(self, run: RequestState, plan: RunPlan, system: str) -> tuple[RequestState, list[Named]]:
        """The run, to which stands now who came in since the plan, and by what the system knows those whose records
        stay. Raises CannotName if
        its records may hold somebody of whom it knows nothing that could be told, or while nobody knows whom an open
        request is about."""
        if first := self.unknown():
            raise CannotName(unknown_line(first))
        run = self._with_who_came_in(run, plan)
        return run, self._named(kept_while_told(run), plan, system)

    def _with_who_came_in(self, run: RequestState, plan: RunPlan) -> RequestState:
        """The run, its counts without their records: what a system was told to keep stays in the index, whatever
        becomes of the requests for which it is kept."""
        told = kept_while_told(run)
        spans = list(dict.fromkeys([*told, *self.spans()]))
        if len(spans) == len(told) or self._aged is None:
            return run
        runs = [one for one in self._file.every() if one.of_everybody and one.request_id != run.request_id]
        counted = with_counts(plan, self._aged, runs, spans)
        commands = planned_commands(run.request_id, counted)
        event = KeptSince(
            kept=tuple(map(tuple, spans_json(spans[len(run.kept) :]))),
            expected=tuple(item.expected for item in counted.records),
            records={item.command_id: item.records for item in commands},
            least={item.command_id: item.least for item in commands if item.least is not None},
        )
        return self._file.note(run.request_id, event)

    def _named(self, spans: Sequence[Span], plan: RunPlan, system: str) -> list[Named]:
        if not spans:
            return []
        # Whoever may be meant is kept, by whatever proof.
        naming = replace(self._namer.of(spans), proofs=frozenset(Proof))
        found = naming.told(system)
        given = self._given(system, {*spans})
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

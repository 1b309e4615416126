"""Requests that were answered, looked at again: what came to light since opens them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.errors import InnsynError, KeyUnavailable, Unavailable
from sinks.ports.changes import IndexMarks
from sinks.ports.lineage import IndexReader, Span
from streams.identity.model import ResolvedSubject
from streams.rights.case import CaseFile, Overtaken
from streams.rights.late_findings import LateFinding, late_finding
from streams.rights.protocol.events import LateFound, Looked, Widened
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.restricting import reaches_later
from streams.rights.stopped import Broken
from streams.rights.subject import SubjectFinder
from streams.rights.touched import Touched, noting
from streams.rights.widening import widening

LATE = LateFound.kind
"""Channel of a request that follows such a finding up."""
RESURRECTED = "resurrected"
"""Channel of a request that erases again what came back."""


class Recheck:
    """Compares answers with the present. May raise IndexUnavailable; what was found by then is recorded."""

    def __init__(
        self,
        file: CaseFile,
        subjects: SubjectFinder,
        reader: IndexReader,
        catalogue: Catalogue,
        changed: Callable[[], object],
        touched: Touched | None = None,
    ) -> None:
        """`touched` None: every answer is looked at whenever anything was learnt."""
        self._file = file
        self._subjects = subjects
        self._reader = reader
        self._catalogue = catalogue
        self._changed = changed
        self._touched = touched
        self._answers = 0
        self._seen: object = None

    def answered(self) -> None:
        """A request was answered: links may have come between its identity and its answer."""
        self._answers += 1

    def mark(self) -> object:
        """Equal marks: nothing was learnt and nothing answered in between."""
        return self._changed(), self._answers

    def due(self, mark: object) -> list[RequestState]:
        """The requests to look at, none if the mark is the one of the last `done`."""
        if mark == self._seen:
            return []
        requests = self._file.every()
        answered = [
            item
            for item in requests
            if item.carried_out
            and item.identity is not None
            and not item.follow_up
            # What runs out later, or came later, the next run takes.
            and not item.runs_out
        ]
        return self._touched.of(answered, self._subjects.key_id()) if self._touched is not None else answered

    def unreadable(self, requests: Sequence[str]) -> None:
        """What was given with these requests cannot be read any more: they are looked at by what was known of then."""
        if self._touched is not None:
            self._touched.forget(requests)

    def done(self, mark: object) -> None:
        """Every due request was looked at."""
        self._seen = mark

    def looked(self, request: RequestState, now: datetime) -> RequestState | None:
        """As `look`; why it cannot be looked is said on the request, and the others are looked at. Raises Overtaken."""
        found = failed = None
        try:
            found = self.look(request, now)
        except (Overtaken, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one
            failed = str(error) if isinstance(error, InnsynError) else str(Broken(error))
        if failed != request.unlooked:
            self._file.note(request.request_id, Looked(failed, request.length))
        return found

    def look(self, request: RequestState, now: datetime) -> RequestState | None:
        """Record a finding that says something else than the last one of the request, and what systems are to be told
        by a restriction that stands; the request then, None where there is neither.

        Raises Overtaken.
        """
        with noting() as noted:
            present = self._present(request)
            more = self._widening(request, present)
            finding = self._finding(request, present.spans)
        if self._touched is not None:
            self._touched.looked(request, noted)
        after = self._noted(request, finding, now)
        return after if more is None else self._file.decide(after or request, more)

    def _widening(self, request: RequestState, present: ResolvedSubject) -> Widened | None:
        if not reaches_later(request):
            return None
        keyed = self._subjects.keyed(request, present, self._reader)
        return widening(request, present, self._reader, self._catalogue, keyed)

    def _noted(
        self, request: RequestState, finding: LateFinding | None, now: datetime
    ) -> RequestState | None:
        found = finding.found(now) if finding else None
        last = request.late_findings[-1] if request.late_findings else None
        if found is None or (last is not None and says_the_same(found, last)):
            return None
        return self._file.decide(request, found)

    def _present(self, request: RequestState) -> ResolvedSubject:
        """The person as resolved now; where nobody can tell any more who it was, what is known of then is all."""
        try:
            return self._subjects.still(request)
        except KeyUnavailable:
            assert request.identity is not None
            known = request.identity
            return ResolvedSubject(
                known.resolution, known.candidates, known.subjects, known.spans, known.shared, ()
            )

    def _finding(self, request: RequestState, present: Sequence[Span]) -> LateFinding | None:
        assert request.identity is not None
        finding = late_finding(request, present, self._reader, self._catalogue)
        if finding is not None and reaches_later(request):
            # Whoever uses what came since is told by itself; who was restricted for nothing is for a person.
            return replace(finding, events=0) if finding.no_longer else None
        if finding is None or not request.forgets:
            return finding
        # Where a link came since, the events are somebody else's, or this person's by `present`.
        theirs = replace(request.identity, spans=self._subjects.unlinked_spans(request.identity.spans))
        return late_finding(replace(request, identity=theirs), present, self._reader, self._catalogue)


def says_the_same(finding: LateFound, last: LateFound) -> bool:
    """Whether the last finding tells a person all that this one would: of the same, and not yet twice as many.

    While late events keep coming each look counts more of them: each recorded, the ledger would grow without end.
    Fewer are always said, so that what was found is never less than what is shown.
    """
    if (finding.systems, finding.categories, finding.because) != (
        last.systems,
        last.categories,
        last.because,
    ):
        return False
    counts = ((last.events, finding.events), (last.no_longer, finding.no_longer))
    return all(then <= now < max(2 * then, 1) for then, now in counts)


def nobody_tells() -> object:
    """Something new at each call: nobody can tell whether the index has learnt anything, so it is looked each time."""
    return object()


def recheck_of(
    file: CaseFile,
    subjects: SubjectFinder,
    reader: IndexReader,
    company: Company,
    changed: Callable[[], object],
    marks: IndexMarks | None,
) -> Recheck:
    """As it looks with these marks; None: at all answers, whenever anything was learnt."""
    touched = Touched(marks) if marks is not None else None
    return Recheck(file, subjects, reader, company.catalogue, changed, touched)

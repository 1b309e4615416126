"""Requests of people whom nothing speaks of: a mistyped number looks like that, so a person has to look."""

from __future__ import annotations

from sinks.ports.lineage import IndexReader
from streams.answers.unread import NOBODY_KNOWN
from streams.identity.model import ResolvedSubject
from streams.rights.protocol.request import RequestState
from streams.rights.subject import SubjectFinder


def nobody_known(
    request: RequestState,
    person: ResolvedSubject,
    reader: IndexReader,
    subjects: SubjectFinder,
) -> str | None:
    """What a person has to do where no link and no event of the index speaks of what was given; None where any does.

    None also where an erasure of this person was completed before, which the request then says; where systems were
    told of the person by another request, after which nothing may be left; and for a follow-up.
    `reader`: of all that is held. May raise KeyUnavailable, IndexUnavailable.
    """
    if person.links or person.shared or person.problems or request.inherited or request.about:
        return None
    if person.spans and reader.find(person.spans).holdings:
        return None
    if any(item.commands for item in subjects.requests_of(request.subjects, person.spans)):
        return None
    if subjects.erased_before(request, person):
        return None
    return NOBODY_KNOWN

"""What the index holds of a person, at one moment: found under the spans that identity gives."""

from __future__ import annotations

from datetime import datetime

from schemas.catalogue import Catalogue
from sinks.ports.lineage import NO_LIMITS, Filter, Found, IndexReader
from streams.answers.attribution import Attribution
from streams.answers.report import disclosed_events
from streams.identity.model import ResolvedSubject


def attributed(
    person: ResolvedSubject,
    reader: IndexReader,
    catalogue: Catalogue,
    limits: Filter = NO_LIMITS,
    known_at: datetime | None = None,
) -> tuple[Found, Attribution]:
    """What is the person's alone, and the identity it rests on, with the number of events shared with others.

    Raises IndexUnavailable.
    """
    found = reader.find(person.spans, limits, known_at) if person.spans else Found()
    shared = 0
    if person.shared:
        both = reader.find([*person.spans, *person.shared], limits, known_at)
        shared = disclosed_events(both, catalogue) - disclosed_events(found, catalogue)
    return found, Attribution(
        person.resolution, person.candidates, shared, person.links, person.disagree, person.unlinked
    )

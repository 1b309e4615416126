"""Questions about what is held of a person: the look-up and the access report, now or as known then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from schemas.catalogue import Catalogue
from schemas.errors import InputError
from sinks.ports.lineage import Filter, Found, IndexReader
from streams.answers.attribution import Attribution, differences
from streams.answers.clocks import KnownAnchors
from streams.answers.erased import erased_before
from streams.answers.held import attributed
from streams.answers.moments import Asked, looked_up, moment_of
from streams.answers.question import Known, Question
from streams.answers.report import access_report, answer, disclosed_events
from streams.answers.restricted import Restricted, narrowed
from streams.answers.unread import unread
from streams.identity.model import ResolvedSubject

_Answered = tuple[Found, Attribution]


def lineage(question: Question, known: Known, now: datetime) -> dict[str, Any]:
    """The whole JSON of a look-up, unpaged. Raises InvalidIdentifier, InputError, IndexUnavailable."""
    wanted = limits(question, known.catalogue)

    def asked(moment: Asked) -> tuple[_Answered, ResolvedSubject, Sequence[Restricted]]:
        person, unclear = looked_up(question.identifiers, moment)
        found, attribution = attributed(person, known.reader, known.catalogue, wanted, moment.known_at)
        if unclear:
            both = known.reader.find(unclear, wanted, moment.known_at)
            more = disclosed_events(both, known.catalogue)
            attribution = replace(attribution, ambiguous_events=attribution.ambiguous_events + more)
        standing = known.restricted(person, moment.given(question.identifiers))
        if question.restricted is not None:
            found = narrowed(
                found, standing, question.restricted, known.reader, person.spans, wanted, moment.known_at
            )
        return (found, attribution), person, standing

    moment = moment_of(question, known, now)
    (found, attribution), person, standing = asked(moment)
    answered = answer(
        found,
        known.catalogue,
        known.catalogue.calendar.day(moment.moment),
        _anchors(question, moment, person).anchors,
        attribution,
        standing,
    )
    changes = _changes(question, lambda moment: asked(moment)[0], (found, attribution), Asked(known, now))
    return answered | _beside(question, moment, person, standing) | changes


def _beside(
    question: Question, moment: Asked, person: ResolvedSubject, standing: Sequence[Restricted]
) -> dict[str, Any]:
    """What an answer cannot know or no longer finds, and what may not be done with the rest."""
    known = moment.known
    given = moment.given(question.identifiers)
    before = erased_before(known, person, given)
    return {
        "waiting": known.waiting(),
        "dead_letters": unread(known.open_letters(), known.company, question.limits.systems),
        "erased_before": [item.shown() for item in before],
        "restricted": [item.shown() for item in standing],
    }


def access(question: Question, known: Known, now: datetime) -> dict[str, Any]:
    """The access report. Raises InvalidIdentifier, InputError, IndexUnavailable."""

    def asked(moment: Asked) -> tuple[_Answered, dict[str, Any], ResolvedSubject]:
        person = moment.person(question.identifiers)
        anchors = _anchors(question, moment, person)
        then, report = disclosed(
            person, known.reader, known.catalogue, anchors, moment.moment, moment.known_at
        )
        return then, report, person

    moment = moment_of(question, known, now)
    then, report, person = asked(moment)
    changes = _changes(question, lambda moment: asked(moment)[0], then, Asked(known, now))
    standing = known.restricted(person, moment.given(question.identifiers))
    return report | _beside(question, moment, person, standing) | changes


def disclosed(
    person: ResolvedSubject,
    reader: IndexReader,
    catalogue: Catalogue,
    anchors: KnownAnchors,
    moment: datetime,
    known_at: datetime | None = None,
) -> tuple[_Answered, dict[str, Any]]:
    """What is held of a person and the access report of it, for a question as for a request. Raises IndexUnavailable.

    The report counts days from `moment`, and clocks from the days of `anchors`; `known_at` None: with what the index
    knows by now.
    """
    found, attribution = attributed(person, reader, catalogue, known_at=known_at)
    day = catalogue.calendar.day(moment)
    report = access_report(found, catalogue, day, anchors.anchors, attribution)
    return (found, attribution), report | {"clocks": anchors.shown()}


def _anchors(question: Question, moment: Asked, person: ResolvedSubject) -> KnownAnchors:
    """From which days clocks ran, as far as it was known then."""
    return moment.known.keeping.anchors_for(person.spans, question.anchors, moment.known_at)


def _changes(
    question: Question, asked: Callable[[Asked], _Answered], then: _Answered, present: Asked
) -> dict[str, Any]:
    """What became of an answer of then, if that was asked."""
    if not question.changes:
        return {}
    catalogue = present.known.catalogue
    found, attribution = asked(present)
    events = {
        "events_then": disclosed_events(then[0], catalogue),
        "events_now": disclosed_events(found, catalogue),
    }
    return {"changed_since": events | differences(then[1].links, attribution.links)}


def limits(question: Question, catalogue: Catalogue) -> Filter:
    """The limits of a question. Raises InputError for a name that is not in the catalogue: it would find nothing."""
    asked = question.limits
    for what, given, known in (
        ("categories", asked.categories, catalogue.categories),
        ("purposes", asked.purposes, catalogue.purposes),
        ("systems", asked.systems, catalogue.systems),
        ("recipients", asked.recipients, catalogue.recipients),
    ):
        for position, name in enumerate(given):
            if name not in known:
                raise InputError(
                    f"{what}: number {position + 1} is not in the catalogue; use one like {next(iter(known))}"
                )
    if asked.since and asked.until and asked.since >= asked.until:
        raise InputError("from: is not before to; give the earlier time first")
    revealing = [
        category.id
        for category in catalogue.categories.values()
        if category.revealed and not category.revealed.purposes.keys().isdisjoint(asked.purposes)
    ]
    return replace(asked, revealing=revealing)

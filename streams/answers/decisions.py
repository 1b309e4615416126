"""Which decisions about a person were made by machine alone (GDPR Art. 22), by what the events say that tell of them.

An event says it where its contract has a fact `decision`. What the catalogue says is decided so by purpose is named
beside: an event for such a purpose that says nothing of a decision is not taken for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from schemas.catalogue import Catalogue
from schemas.company import Company
from schemas.errors import InputError
from schemas.times import iso
from sinks.ports.facts import FactReader
from sinks.ports.identity import ALL_PORTS
from sinks.ports.lineage import Filter, Found, Span
from streams.answers.held import attributed
from streams.answers.moments import moment_of
from streams.answers.question import Known, Question
from streams.answers.report import disclosed_events, only_described
from streams.answers.unjudged import judged
from streams.answers.unread import unread

_FACT, _BY_MACHINE = "decision", "automated"


def decisions(question: Question, known: Known, facts: FactReader, now: datetime) -> dict[str, Any]:
    """The JSON: {automated, by_people, unclear, decisions: [{at, system, topic, partition, offset, by}],
    automated_purposes: {id: events}} and of identity what a look-up has; newest first.

    `by`: `automated`, `by_people`, or `unknown` where the event has another word. `automated_purposes`: those that the
    catalogue says are decided by machine, with the person's events for each. What may only be described, and what
    cannot be judged, is in none of it. Raises InvalidIdentifier, InputError, IndexUnavailable.
    """
    limits = question.limits
    if limits.since and limits.until and limits.since >= limits.until:
        raise InputError("from: is not before to; give the earlier time first")
    moment = moment_of(question, known, now)
    person = moment.person(question.identifiers)
    found, attribution = attributed(person, known.reader, known.catalogue, limits, moment.known_at)
    tokens = sorted({span.token for span in person.spans})
    rows = facts.facts(tokens, (_FACT,), moment.known_at).to_pylist() if tokens else []
    told = _told(_of_person(rows, person.spans, limits), found, known.catalogue)
    said = list(_shown(told, known.company))
    counts = {word: sum(item["by"] == word for item in said) for word in (_BY_MACHINE, "by_people")}
    return {
        **attribution.shown(bool(found.holdings)),
        "total_events": disclosed_events(found, known.catalogue),
        **counts,
        "unclear": len(said) - sum(counts.values()),
        "decisions": said,
        "automated_purposes": _automated_purposes(found, known),
        "waiting": known.waiting(),
        "dead_letters": unread(known.open_letters(), known.company),
    }


def _of_person(
    rows: Iterable[Mapping[str, Any]], spans: Sequence[Span], limits: Filter
) -> list[Mapping[str, Any]]:
    """What was said within the person's spans, once for each event and rule, newest first.

    A fact has no port: of an address that several share at a time nobody is given one.
    """
    mine: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    within = [(span, limits.since, limits.until) for span in spans]
    for row in rows:
        at = row["event_time"].replace(tzinfo=UTC)
        if any(
            span.token == row["token"]
            and (span.port_from, span.port_to) == ALL_PORTS
            and all(bound is None or bound <= at for bound in (span.since, since))
            and all(bound is None or at < bound for bound in (span.until, until))
            for span, since, until in within
        ):
            mine[row["topic"], row["partition"], row["offset"], row["part"]] = row
    return sorted(
        mine.values(),
        key=lambda row: (row["event_time"], row["topic"], row["partition"], row["offset"], row["part"]),
        reverse=True,
    )


def _told(
    rows: Iterable[Mapping[str, Any]], found: Found, catalogue: Catalogue
) -> Iterator[Mapping[str, Any]]:
    """Those of which an answer may tell. A fact has no tags: in a topic where the person has events of which nobody may
    tell (ekomloven § 3-14), or that cannot be judged, nothing is told from the first of these to the last."""
    open_to_all = {
        item.tags.id
        for item in judged(found, catalogue)[0].holdings
        if not only_described(item.tags, catalogue)
    }
    silent = [item for item in found.holdings if item.tags.id not in open_to_all]
    for row in rows:
        at = row["event_time"].replace(tzinfo=UTC)
        if not any(
            item.tags.topic == row["topic"] and item.first_seen <= at <= item.last_seen for item in silent
        ):
            yield row


def _shown(rows: Iterable[Mapping[str, Any]], company: Company) -> Iterator[dict[str, Any]]:
    for row in rows:
        topic = company.topics.get(row["topic"])
        yield {
            "at": iso(row["event_time"].replace(tzinfo=UTC)),
            "by": row["says"],
            "system": topic.system if topic else None,
            "topic": row["topic"],
            "partition": row["partition"],
            "offset": row["offset"],
        }


def _automated_purposes(found: Found, known: Known) -> dict[str, int]:
    """Events of the person for each purpose that is decided by machine."""
    purposes = {name for name, entry in known.catalogue.purposes.items() if entry.automated is not None}
    events: dict[str, int] = {}
    for holding in judged(found, known.catalogue)[0].holdings:
        if only_described(holding.tags, known.catalogue):
            continue
        for name in sorted(purposes.intersection(holding.tags.purposes)):
            events[name] = events.get(name, 0) + holding.events
    return events

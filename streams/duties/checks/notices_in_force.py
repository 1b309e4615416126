"""The notice that was in force when an event happened, and whether it says what the event is for (GDPR Art. 13)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from schemas.calendars import Calendar
from schemas.notices import ELEMENTS, Notice
from sinks.ports.held import HeldTags
from streams.duties.check import (
    Check,
    Checked,
    Evidence,
    Looking,
    Violation,
    judged,
    not_observable,
)
from streams.duties.held import Missing, by_periods
from streams.duties.periods import Period, gaps, period

_NONE = "The company's folder has no catalogue/notices.yaml, so no version of its privacy notice is known."
VOLUNTARY = "voluntary"


def in_force(notices: Mapping[str, Notice], at: datetime, calendar: Calendar) -> tuple[Notice, ...]:
    """The versions of the privacy notice that held at a moment, by the days of the company. Pure."""
    found = []
    for notice in notices.values():
        since, until = period(notice.valid_from, notice.valid_until, calendar)
        if notice.kind == "notice" and since <= at < until:
            found.append(notice)
    return tuple(found)


def without_a_notice(looking: Looking) -> Checked:
    """Held events of a time at which no version of the notice was in force."""

    def wrong(held: HeldTags) -> Iterator[Missing]:
        missing = gaps(_periods(looking, ""), held.first_seen, held.last_seen)
        topic = held.tags.topic
        yield Missing(
            topic, f"Events on {topic} happened while no privacy notice was in force.", held, missing
        )

    return _checked(looking, wrong)


def purpose_not_named(looking: Looking) -> Checked:
    """Held events for a purpose that no version of the notice named at their time."""

    def wrong(held: HeldTags) -> Iterator[Missing]:
        for purpose in () if held.tags.held_only else held.tags.purposes:
            missing = gaps(_periods(looking, purpose), held.first_seen, held.last_seen)
            says = (
                f"Events on {held.tags.topic} serve {purpose}, which no privacy notice of their time names."
            )
            yield Missing(f"{held.tags.topic}/{purpose}", says, held, missing)

    return _checked(looking, wrong)


def voluntary_not_said(looking: Looking) -> Checked:
    """Held events with voluntary data of a time at which the notice did not say of which data giving is voluntary."""
    voluntary = {
        name
        for name, record in looking.company.every_record.items()
        if any(field.necessity == VOLUNTARY for field in record.fields)
    }

    def wrong(held: HeldTags) -> Iterator[Missing]:
        if held.tags.record in voluntary:
            missing = gaps(_periods(looking, VOLUNTARY), held.first_seen, held.last_seen)
            says = f"Events on {held.tags.topic} hold voluntary data, and no privacy notice of their time says so."
            yield Missing(f"{held.tags.topic}/{held.tags.record}", says, held, missing)

    return _checked(looking, wrong)


def incomplete(looking: Looking) -> Checked:
    """What the versions of the notice that are in force now do not say of all that they have to."""
    if not looking.company.notices:
        return not_observable(_NONE)
    calendar = looking.company.catalogue.calendar
    now = in_force(looking.company.notices, looking.now, calendar)
    if not now:
        ends = (
            period(item.valid_from, item.valid_until, calendar)[1]
            for item in looking.company.notices.values()
        )
        since = max((end for end in ends if end <= looking.now), default=looking.now)
        evidence = (Evidence(note="catalogue/notices.yaml"),)
        return judged(0, [Violation("none", "No privacy notice is in force.", since, evidence)])
    return judged(
        len(now),
        [
            Violation(
                key=f"{notice.id}/{element}",
                says=f"The privacy notice {notice.id} says nothing of {element}.",
                since=period(notice.valid_from, None, calendar)[0],
                evidence=(Evidence(note="catalogue/notices.yaml"),),
            )
            for notice in now
            for element in ELEMENTS
            if element not in notice.elements
        ],
    )


def _periods(looking: Looking, named: str) -> list[Period]:
    """When a notice was in force that names the purpose, or is VOLUNTARY; for nothing: any notice."""
    calendar = looking.company.catalogue.calendar
    return [
        period(notice.valid_from, notice.valid_until, calendar)
        for notice in looking.company.notices.values()
        if notice.kind == "notice"
        and (notice.voluntary if named == VOLUNTARY else not named or named in notice.purposes)
    ]


def _checked(looking: Looking, wrong: Callable[[HeldTags], Iterable[Missing]]) -> Checked:
    if not looking.company.notices:
        return not_observable(_NONE)
    return by_periods(looking, wrong)


CHECKS = (
    Check(
        "notice_in_force",
        "Every event falls under the version of the privacy notice that was in force at its time.",
        "GDPR Art. 13, 14",
        without_a_notice,
    ),
    Check(
        "notice_names_purpose",
        "What is collected serves the purposes that the notice of its time names.",
        "GDPR Art. 5(1)(b), 13(1)(c)",
        purpose_not_named,
    ),
    Check(
        "voluntary_notice",
        "Nobody gives voluntary data without having been told that they are voluntary.",
        "GDPR Art. 13(2)(e)",
        voluntary_not_said,
    ),
    Check(
        "notice_complete",
        "The privacy notice that is in force says all that it has to.",
        "GDPR Art. 13(1), 13(2)",
        incomplete,
    ),
)

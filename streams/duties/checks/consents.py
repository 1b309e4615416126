"""Consent at the time of the event: what rests on consent needs one that was given and not withdrawn by then."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from schemas.counted import counted
from schemas.tags import TagSet
from sinks.ports.held import HeldRow
from streams.duties.check import (
    MOST_EVIDENCE,
    Check,
    Checked,
    Looking,
    Violation,
    event,
    judged,
    not_observable,
)
from streams.duties.periods import period
from streams.duties.whose import subjects

_BASIS = "a"
_MOST = 100_000
_GIVEN = "given"
_SAYS = {
    "": "without a consent",
    "refused": "although consent was refused",
    "withdrawn": "after consent was withdrawn",
}

Consents = Mapping[tuple[bytes, str], Sequence[tuple[datetime, int, str]]]
"""Of each subject and purpose when what was decided, in order; of two at one moment the one that was given is last."""


def without_consent(looking: Looking) -> Checked:
    """Events for a purpose that rests on consent, of somebody who had not consented to it at their time.

    A consent counts under every identifier that leads to whoever gave it, as known now.
    """
    tags = {item.tags.id: item.tags for item in looking.held.held() if _purposes(item.tags)}
    purposes = {number: _purposes(item) for number, item in tags.items()}
    rows = looking.duties.unconsented(purposes, _MOST)
    if not rows.num_rows:
        return judged(len(tags), ())
    every = sorted({purpose for each in purposes.values() for purpose in each})
    consents = _consents(looking, looking.duties.facts_of_all("consent", every))
    owners = subjects(looking.identities, rows["who"], rows["event_time"])
    found = defaultdict[tuple[str, str, str, str], list[tuple[bytes, dict[str, Any]]]](list)
    for row, owner in zip(rows.to_pylist(), owners, strict=True):
        said = decided(consents.get((owner, row["purpose"]), ()), row["event_time"])
        if said != _GIVEN:
            of = tags[row["tag_set"]]
            found[of.topic, of.record, row["purpose"], said].append((owner, row))
    return judged(len(tags), [_violation(place, each) for place, each in found.items()])


def unproven(looking: Looking) -> Checked:
    """Consents on a text that nobody knows, that was not in force then, or that names no such purpose."""
    if not looking.company.notices:
        return not_observable(
            "The company's folder has no catalogue/notices.yaml, so no text is known that a consent is given on."
        )
    calendar = looking.company.catalogue.calendar
    texts = {
        name: (item, period(item.valid_from, item.valid_until, calendar))
        for name, item in looking.company.notices.items()
    }
    given = [row for row in looking.duties.facts_of_all("consent").to_pylist() if row["says"] == _GIVEN]
    found = defaultdict[str, list[Mapping[str, Any]]](list)
    for row in sorted(
        given, key=lambda row: (row["event_time"], row["topic"], row["partition"], row["offset"])
    ):
        text, name = texts.get(row["version"]), row["version"] or "none"
        for purpose in row["about"]:
            if text is None or purpose not in text[0].purposes:
                found[f"{name}/{purpose}"].append(row)
            elif not text[1][0] <= row["event_time"].replace(tzinfo=UTC) < text[1][1]:
                found[f"{name}/out_of_force"].append(row)
    return judged(
        len(given),
        [
            Violation(
                key=key,
                says=f"{counted(len(rows), 'consent')} on a text that does not prove it: {key}.",
                since=rows[0]["event_time"].replace(tzinfo=UTC),
                evidence=tuple(event(_row({**row, "who": row["token"]})) for row in rows[:MOST_EVIDENCE]),
            )
            for key, rows in found.items()
        ],
    )


def decided(decisions: Sequence[tuple[datetime, int, str]], at: datetime) -> str:
    """What somebody had decided at a moment, empty for nothing. Pure."""
    place = bisect_right(decisions, at, key=lambda item: item[0])
    return decisions[place - 1][2] if place else ""


def _purposes(tags: TagSet) -> tuple[str, ...]:
    return tuple(purpose for purpose in tags.purposes if tags.legal_basis.get(purpose) == _BASIS)


def _consents(looking: Looking, told: pa.Table) -> Consents:
    owners = subjects(looking.identities, told["token"], told["event_time"])
    found = defaultdict[tuple[bytes, str], list[tuple[datetime, int, str]]](list)
    for row, owner in zip(told.to_pylist(), owners, strict=True):
        for purpose in row["about"]:
            found[owner, purpose].append((row["event_time"], int(row["says"] == _GIVEN), row["says"]))
    return {key: sorted(each) for key, each in found.items()}


def _violation(
    place: tuple[str, str, str, str], found: Sequence[tuple[bytes, Mapping[str, Any]]]
) -> Violation:
    """`found`: subject and event, the oldest first."""
    topic, record, purpose, said = place
    people = len({owner for owner, _ in found})
    return Violation(
        key=f"{topic}/{record}/{purpose}/{said or 'none'}",
        says=f"{counted(len(found), 'event')} of {record} on {topic} for {purpose}"
        f" {_SAYS[said]}, of {counted(people, 'person')}.",
        since=found[0][1]["event_time"].replace(tzinfo=UTC),
        evidence=tuple(event(_row(row)) for _, row in found[:MOST_EVIDENCE]),
    )


def _row(row: Mapping[str, Any]) -> HeldRow:
    at = row["event_time"].replace(tzinfo=UTC)
    return HeldRow(row["topic"], row["partition"], row["offset"], row["who"], at)


CHECKS = (
    Check(
        "consent_at_event_time",
        "What rests on consent happened while whoever it is about consented to it.",
        "GDPR Art. 6(1)(a), 7(3)",
        without_consent,
    ),
    Check(
        "consents_provable",
        "Each consent was given on a text that is known, was in force and named the purpose.",
        "GDPR Art. 7(1)",
        unproven,
    ),
)

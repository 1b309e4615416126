"""Consent at the time of the event: what rests on consent needs one that was given and not withdrawn by then."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.counted import counted
from schemas.facts import UNKNOWN
from schemas.notices import Notice
from schemas.tags import TagSet
from sinks.ports.duties import Row
from streams.duties.check import (
    Check,
    Checked,
    Looking,
    Violation,
    judged,
    not_observable,
)
from streams.duties.periods import Period, period
from streams.duties.tally import Tally, each, utc
from streams.duties.whose import subjects

_BASIS = "a"
_GIVEN = "given"
_TOKENS_AT_ONCE = 10_000
_SAYS = {
    "": "without a consent",
    "refused": "although consent was refused",
    "withdrawn": "after consent was withdrawn",
}


class _Decisions:
    """What everybody decided, by whoever the identifier led to then."""

    def __init__(self, looking: Looking) -> None:
        self._told = looking.duties.facts_of_all("consent")
        owners = subjects(looking.identities, self._told["token"], self._told["event_time"])
        self._owners = pa.array(owners, pa.binary())
        unwilling = pc.filter(self._owners, pc.not_equal(self._told["says"].combine_chunks(), _GIVEN))
        self.unwilling: set[bytes] = set(unwilling.to_pylist())
        """Who ever refused a consent or withdrew one."""

    def of(self, owners: Collection[bytes], every: Collection[str]) -> Decided:
        """Those of these people."""
        chosen = pc.is_in(self._owners, value_set=pa.array(sorted(owners), pa.binary()))
        names = self._owners.filter(chosen).to_pylist()
        found = defaultdict[tuple[bytes, str], list[tuple[datetime, int, str]]](list)
        for row, owner in zip(self._told.filter(chosen).to_pylist(), names, strict=True):
            for purpose in purposes_of(row, every):
                found[owner, purpose].append((row["event_time"], int(row["says"] == _GIVEN), row["says"]))
        return {key: sorted(taken) for key, taken in found.items()}


Decided = Mapping[tuple[bytes, str], Sequence[tuple[datetime, int, str]]]
"""Of each subject and purpose when what was decided, in order; of two at one moment the one that was given is last."""


def without_consent(looking: Looking) -> Checked:
    """Events for a purpose that rests on consent, of somebody who had not consented to it at their time.

    A decision counts under every identifier that leads to whoever took it, as known now: a consent, and a withdrawal.
    """
    tags = {item.tags.id: item.tags for item in looking.held.held() if _purposes(item.tags)}
    purposes = {number: _purposes(item) for number, item in tags.items()}
    every = sorted({purpose for some in purposes.values() for purpose in some})
    decisions = _Decisions(looking)
    # Of them events count whatever the newest decision by the event's own token was.
    changed = looking.identities.identifiers_of(decisions.unwilling)
    found = defaultdict[tuple[str, str, str, str], Tally](Tally)
    for row, owner, said in _decided_each(looking, decisions, purposes, every, changed):
        if said != _GIVEN:
            of = tags[row["tag_set"]]
            found[of.topic, of.record, row["purpose"], said].add(row, row["who"], owner)
    return judged(len(tags), [_violation(*item) for item in found.items()])


def unproven(looking: Looking) -> Checked:
    """Consents on a text that nobody knows, that was not in force then, or that names no such purpose; and decisions of
    which nobody knows what they are of."""
    if not looking.company.notices:
        return not_observable(
            "The company's folder has no catalogue/notices.yaml, so no text is known that a consent is given on."
        )
    calendar = looking.company.catalogue.calendar
    texts = {
        name: (item, period(item.valid_from, item.valid_until, calendar))
        for name, item in looking.company.notices.items()
    }
    told = looking.duties.facts_of_all("consent")
    found = defaultdict[str, Tally](Tally)
    for row in each(told):
        for key in _unproven(row, texts):
            found[key].add(row, row["token"])
    return judged(
        told.num_rows,
        [
            item.violation(key, f"{counted(item.events, 'decision')} on consent that nothing proves: {key}.")
            for key, item in found.items()
        ],
    )


def decided(decisions: Sequence[tuple[datetime, int, str]], at: datetime) -> str:
    """What somebody had decided at a moment, empty for nothing. Pure."""
    place = bisect_right(decisions, at, key=lambda item: item[0])
    return decisions[place - 1][2] if place else ""


def purposes_of(row: Mapping[str, Any], every: Collection[str]) -> Collection[str]:
    """The purposes that a decision is of: one against consent that names none, or one that no list knows, is of all.
    Pure."""
    unclear = not row["about"] or UNKNOWN in row["about"]
    return every if unclear and row["says"] != _GIVEN else row["about"]


def _decided_each(
    looking: Looking,
    decisions: _Decisions,
    purposes: Mapping[int, Sequence[str]],
    every: Collection[str],
    changed: Collection[bytes],
) -> Iterator[tuple[Mapping[str, Any], bytes, str]]:
    """Each event and purpose that may lack consent, whose it is, and what they had decided by then."""
    ways: list[Callable[[Row | None], pa.Table]] = [partial(looking.duties.unconsented, purposes)]
    tokens = sorted(changed)
    for first in range(0, len(tokens), _TOKENS_AT_ONCE):
        some = tokens[first : first + _TOKENS_AT_ONCE]
        ways.append(partial(looking.duties.owned, some, list(purposes)))
    for number, way in enumerate(ways):
        after: Row | None = None
        while rows := (page := way(after)).to_pylist():
            after = rows[-1]
            owners = subjects(looking.identities, page["who"], page["event_time"])
            known = decisions.of({*owners}, every)
            for row, owner in zip(rows, owners, strict=True):
                if number == 0 and row["who"] in changed:
                    continue
                for purpose in [row["purpose"]] if number == 0 else purposes[row["tag_set"]]:
                    said = decided(known.get((owner, purpose), ()), row["event_time"])
                    yield {**row, "purpose": purpose}, owner, said


def _unproven(row: Mapping[str, Any], texts: Mapping[str, tuple[Notice, Period]]) -> Iterator[str]:
    """Keys of what is wrong with a decision."""
    if not row["about"] or UNKNOWN in row["about"]:
        yield f"{row['topic']}/purpose"
    if row["says"] != _GIVEN:
        return
    text, name = texts.get(row["version"]), row["version"] or "none"
    for purpose in row["about"]:
        if text is None or purpose not in text[0].purposes:
            yield f"{name}/{purpose}"
        elif not text[1][0] <= utc(row["event_time"]) < text[1][1]:
            yield f"{name}/out_of_force"


def _purposes(tags: TagSet) -> tuple[str, ...]:
    return tuple(purpose for purpose in tags.purposes if tags.legal_basis.get(purpose) == _BASIS)


def _violation(place: tuple[str, str, str, str], found: Tally) -> Violation:
    topic, record, purpose, said = place
    return found.violation(
        f"{topic}/{record}/{purpose}/{said or 'none'}",
        f"{counted(found.events, 'event')} of {record} on {topic} for {purpose}"
        f" {_SAYS[said]}, of {counted(len(found.people), 'person')}.",
    )


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

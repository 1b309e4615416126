"""Who is told that their data came from somebody else (GDPR Art. 14), and when at the latest.

A collection is due one month after it (Art. 14(3)(a)), or with the first disclosure of such data if that is earlier
(c). Each day on which data of a person came is a collection of its own, and a notice tells of those from BEFORE it on.
The first communication with the person (b) stands in no event as such, so it is not looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
from dateutil.relativedelta import relativedelta

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
from streams.duties.tally import Tally, each, utc
from streams.duties.whose import subjects

_ORIGIN = "third_party."
_OCCASIONS = ("third_party", "collection")
_MONTH = relativedelta(months=1)
BEFORE = timedelta(days=31)
"""So long before a collection whoever is told of it may be told: an applicant, that their credit will be asked for."""
_NONE = (
    "No event says that anybody was told: no record or contract of the company has a fact `notice`"
    " (docs/contracts.md)."
)


@dataclass(frozen=True)
class Collection:
    """Data of a subject that came from a third party: which, first when, and where that stands."""

    subject: bytes
    tags: TagSet
    row: HeldRow


@dataclass(frozen=True)
class Told:
    """A notice to a subject, or an exemption from it (`says`): of which categories, when, and whether on evidence."""

    says: str
    categories: frozenset[str]
    at: datetime
    evidence: bool

    @property
    def counts(self) -> bool:
        """An exemption needs what it rests on (GDPR Art. 14(5)), a notice only to have been sent."""
        return self.says == "sent" or self.evidence


def due(collection: Collection, disclosed: Sequence[tuple[datetime, frozenset[str]]]) -> datetime:
    """When the subject is to be told at the latest: the earliest of one month and the first disclosure. Pure."""
    at = collection.row.at
    given = [
        moment
        for moment, categories in disclosed
        if moment >= at and categories.intersection(collection.tags.categories)
    ]
    return min([at + _MONTH, *given])


def open_until_told(
    collection: Collection,
    told: Sequence[Told],
    disclosed: Sequence[tuple[datetime, frozenset[str]]],
    now: datetime,
) -> datetime | None:
    """Since when a notice is overdue; None where it is not, or where the subject was told since, late or not. Pure.

    A notice counts that names any of the categories: which fields of an event came from elsewhere nobody says. One from
    long before the collection told of another one.
    """
    earliest = collection.row.at - BEFORE
    covers = [
        item
        for item in told
        if item.at >= earliest and item.categories.intersection(collection.tags.categories)
    ]
    if any(item.counts for item in covers):
        return None
    latest = due(collection, disclosed)
    return latest if latest < now else None


def overdue(looking: Looking) -> Checked:
    """Collections from third parties of which the person has not been told in time, and is not told yet."""
    if not any(
        fact.fact == "notice"
        for record in looking.company.every_record.values()
        for fact in record.annotation.facts
    ):
        return not_observable(_NONE)
    found = _collections(looking)
    told, disclosed = _told(looking), _disclosed(looking)
    late = defaultdict[tuple[str, str], list[tuple[datetime, Collection]]](list)
    for item in found:
        of = told.get(item.subject, ())
        since = open_until_told(item, of, disclosed.get(item.subject, ()), looking.now)
        if since is not None:
            late[item.tags.topic, item.tags.record].append((since, item))
    return judged(len(found), [_violation(*item) for item in late.items()])


def exempt_without_evidence(looking: Looking) -> Checked:
    """Exemptions from telling somebody that name nothing they rest on."""
    exempt, bare = 0, defaultdict[str, Tally](Tally)
    for row in each(looking.duties.facts_of_all("notice")):
        if row["says"] != "sent":
            exempt += 1
            if not row["evidence"]:
                bare[f"{row['topic']}/{row['says']}"].add(row, row["token"])
    return judged(
        exempt,
        [
            item.violation(
                key, f"{counted(item.events, 'exemption')} from notice without anything to rest on: {key}."
            )
            for key, item in bare.items()
        ],
    )


def _collections(looking: Looking) -> list[Collection]:
    tags = {item.tags.id: item.tags for item in looking.held.held() if item.tags.origin.startswith(_ORIGIN)}
    rows = looking.duties.first_of_days(sorted(tags))
    owners = subjects(looking.identities, rows["who"], rows["event_time"])
    first: dict[tuple[bytes, int, date], Collection] = {}
    for row, owner in zip(each(rows), owners, strict=True):
        made = Collection(owner, tags[row["tag_set"]], _row(row, row["who"]))
        place = owner, row["tag_set"], made.row.at.date()
        known = first.setdefault(place, made)
        if made.row.at < known.row.at:
            first[place] = made
    return list(first.values())


def _told(looking: Looking) -> Mapping[bytes, Sequence[Told]]:
    found = defaultdict[bytes, list[Told]](list)
    for owner, row in _owned(looking, looking.duties.facts_of_all("notice")):
        if row["occasion"] in _OCCASIONS:
            said = frozenset(row["about"])
            found[owner].append(Told(row["says"], said, utc(row["event_time"]), row["evidence"]))
    return found


def _disclosed(looking: Looking) -> Mapping[bytes, Sequence[tuple[datetime, frozenset[str]]]]:
    found = defaultdict[bytes, list[tuple[datetime, frozenset[str]]]](list)
    for owner, row in _owned(looking, looking.duties.facts_of_all("disclosure")):
        found[owner].append((utc(row["event_time"]), frozenset(row["about"])))
    return found


def _owned(looking: Looking, facts: pa.Table) -> Iterator[tuple[bytes, Mapping[str, Any]]]:
    owners = subjects(looking.identities, facts["token"], facts["event_time"])
    return zip(owners, each(facts), strict=True)


def _violation(place: tuple[str, str], late: Sequence[tuple[datetime, Collection]]) -> Violation:
    topic, record = place
    late = sorted(late, key=lambda item: (item[0], item[1].row.topic, item[1].row.offset))
    return Violation(
        key=f"{topic}/{record}",
        says=f"{counted(len({item.subject for _, item in late}), 'person')} not told in time that their data came"
        f" from a third party, in {record}.",
        since=late[0][0],
        evidence=tuple(event(item.row) for _, item in late[:MOST_EVIDENCE]),
    )


def _row(row: Mapping[str, Any], token: bytes) -> HeldRow:
    return HeldRow(row["topic"], row["partition"], row["offset"], token, utc(row["event_time"]))


CHECKS = (
    Check(
        "third_party_notices",
        "Whoever's data come from a third party is told of it in time, or an exemption says why not.",
        "GDPR Art. 14(3), 14(5)",
        overdue,
    ),
    Check(
        "exemptions_with_evidence",
        "An exemption from telling somebody names what it rests on.",
        "GDPR Art. 14(5)",
        exempt_without_evidence,
    ),
)

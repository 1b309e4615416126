"""Fields that are of another category now than when an event was tagged. Pure.

An event says of which categories it has something, and not of which its fields were. So where a field changed, what has
run out of one category goes only once the other one has run out as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from schemas.records import RecordSchema
from schemas.tags import TagSet

Versions = Mapping[tuple[str, str], Sequence[RecordSchema]]
"""Every version of the records by name and fingerprint, in hex; several where they differ in annotations alone."""
NO_VERSIONS: Versions = MappingProxyType({})


@dataclass(frozen=True)
class Tie:
    """Categories that go together, and the fields that may be of any of them."""

    categories: frozenset[str]
    fields: tuple[str, ...]


def versions_by_schema(writers: Iterable[RecordSchema]) -> Versions:
    """`writers`: as `schemas.company.Company.writers`."""
    found: defaultdict[tuple[str, str], list[RecordSchema]] = defaultdict(list)
    for record in writers:
        found[record.name, record.fingerprint.hex()].append(record)
    return dict(found)


def ties(record: RecordSchema | None, tag_sets: Iterable[TagSet], versions: Versions) -> list[Tie]:
    """Which categories of these events go together; those of one tie are in no other."""
    if record is None:
        return []
    found = list[Tie]()
    for name, category in ((item.name, item.category) for item in record.fields if item.personal):
        tie = Tie(frozenset({category}), (name,))
        for tags in tag_sets:
            tie = Tie(tie.categories | _then(name, tags, record, versions), tie.fields)
        if len(tie.categories) > 1:
            meeting = [item for item in found if item.categories & tie.categories]
            found = [item for item in found if item not in meeting]
            found.append(
                Tie(
                    tie.categories.union(*(item.categories for item in meeting)),
                    (*(field for item in meeting for field in item.fields), *tie.fields),
                )
            )
    return found


def _then(name: str, tags: TagSet, record: RecordSchema, versions: Versions) -> frozenset[str]:
    """The categories of which the field may have been when the event was tagged."""
    known = versions.get((record.name, tags.schema), ())
    if not known:
        # Of a version that nobody committed it shows only where a category is no field's any more.
        return frozenset(tags.categories if {*tags.categories} - {*record.categories} else ())
    fields = [item.find(name) for item in known]
    return frozenset(
        item.category for item in fields if item and item.personal and item.category in tags.categories
    )

"""Fields that are of another category now than when an event was tagged. Pure.

An event says of which categories it has something, and not of which its fields were. So where a field changed, what has
run out of one category goes only once the other one has run out as well, and of what is erased on request the field
stays that may be of a category which is held.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from schemas.policy import Decision
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
    found = list[Tie]()
    for name, categories in may_be(record, list(tag_sets), versions).items():
        tie = Tie(categories, (name,))
        if len(categories) > 1:
            meeting = [item for item in found if item.categories & tie.categories]
            found = [item for item in found if item not in meeting]
            found.append(
                Tie(
                    tie.categories.union(*(item.categories for item in meeting)),
                    (*(field for item in meeting for field in item.fields), *tie.fields),
                )
            )
    return found


def may_be(
    record: RecordSchema | None, tag_sets: Sequence[TagSet], versions: Versions
) -> dict[str, frozenset[str]]:
    """By personal field of the record the categories that it may be of in these events: that of now, and those of when
    they were tagged."""
    if record is None:
        return {}
    then = [_then(tags, record, versions) for tags in tag_sets]
    return {
        item.name: frozenset({item.category}).union(*(of(item.name) for of in then))
        for item in record.fields
        if item.personal
    }


def held_fields(
    changed: Mapping[str, frozenset[str]], decisions: Mapping[str, Decision]
) -> dict[str, Decision]:
    """Of fields that may be of several categories those of which one is held, and what was decided of the one that is
    held longest. `decisions`: by category."""
    found = {}
    for name, categories in changed.items():
        held = [decisions[item] for item in sorted(categories) if item in decisions and decisions[item].rule]
        if held:
            found[name] = max(held, key=lambda decision: decision.until or date.max)
    return found


def _then(tags: TagSet, record: RecordSchema, versions: Versions) -> Callable[[str], Collection[str]]:
    """By field, the categories of which it may have been when the event was tagged."""
    known = versions.get((record.name, tags.schema), ())
    others = {*tags.categories} - {*record.categories}
    if not known or others.difference(*(item.categories for item in known)):
        # Of a version that nobody committed it shows only where a category is no field's any more; and neither version
        # has one as which a field was held that had been of it in other events.
        return lambda name: tags.categories if others else ()
    then: defaultdict[str, set[str]] = defaultdict(set)
    for version in known:
        for item in version.fields:
            if item.personal and item.category in tags.categories:
                then[item.name].add(item.category)
    return lambda name: then.get(name, ())

"""Where data come from: from the person in the main, and from third parties of known classes."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.tags import TagSet
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
from streams.duties.held import Wrong, by_tags

THIRD_PARTY = "third_party"


def origin_known(looking: Looking) -> Checked:
    """Held data of an origin that is not of the list: a third party of no class, or none at all."""
    known = looking.company.catalogue.origins

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        if tags.origin not in known:
            name = tags.origin or "none"
            yield (
                f"{tags.topic}/{name}",
                f"Events on {tags.topic} come from {name}, which is no origin of the list: it says public, private or"
                " partner of third parties.",
            )

    return by_tags(looking, wrong)


def mainly_direct(looking: Looking) -> Checked:
    """Whether more than half of what is held comes from third parties."""
    held = looking.held.held()
    third = [item for item in held if item.tags.origin.startswith(THIRD_PARTY)]
    every, theirs = sum(item.rows for item in held), sum(item.rows for item in third)
    if not every:
        return not_observable("Nothing is held yet, so nobody can say where most of it comes from.")
    if 2 * theirs <= every:
        return judged(len(held), [])
    rows = looking.held.first_rows([item.tags.id for item in third], MOST_EVIDENCE)
    shown = sorted(
        (row for some in rows.values() for row in some), key=lambda row: (row.at, row.topic, row.offset)
    )
    violation = Violation(
        key=THIRD_PARTY,
        says="More than half of what is held comes from third parties, and not from the people.",
        since=min(item.first_seen for item in third),
        evidence=tuple(map(event, shown[:MOST_EVIDENCE])),
    )
    return judged(len(held), [violation])


def category_origin(looking: Looking) -> Checked:
    """Held data of a category that has certain origins alone (`only_from`), from another one."""
    only = {
        item.id: item.only_from for item in looking.company.catalogue.categories.values() if item.only_from
    }

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        for name in tags.categories:
            if name in only and tags.origin not in only[name]:
                yield (
                    f"{tags.topic}/{name}",
                    f"Data of category {name} on {tags.topic} come from {tags.origin or 'nowhere'}, and may come from"
                    f" {', '.join(only[name])} alone.",
                )

    return by_tags(looking, wrong)


CHECKS = (
    Check(
        "origin_known",
        "Of everything that is held the origin is known, of third parties their class.",
        "GDPR Art. 14(2)(f), 15(1)(g)",
        origin_known,
    ),
    Check(
        "mainly_direct",
        "Most of what is held comes from the people.",
        "GDPR Art. 5(1)(a)",
        mainly_direct,
    ),
    Check(
        "category_origin",
        "What has certain origins alone, such as messages of social media, comes from one of them.",
        "GDPR Art. 5(1)(a)",
        category_origin,
    ),
)

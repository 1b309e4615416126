"""How long what is held may be kept: each of it has a rule."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.tags import TagSet
from streams.duties.check import Check, Checked, Looking
from streams.duties.held import Wrong, by_tags


def without_a_rule(looking: Looking) -> Checked:
    """Rows of which no active rule of the catalogue in force says how long they are kept."""
    active = {rule.id for rule in looking.company.catalogue.retention_rules.values() if rule.active}

    def wrong(tags: TagSet) -> Iterator[Wrong]:
        if active.isdisjoint(tags.retention):
            yield (
                f"{tags.topic}/{tags.record}",
                f"Events of {tags.record} on {tags.topic} are held, and no active retention rule says how long.",
            )

    return by_tags(looking, wrong)


CHECKS = (
    Check(
        "held_without_a_rule",
        "Everything that is held has a retention rule that says how long.",
        "GDPR Art. 5(1)(e)",
        without_a_rule,
    ),
)

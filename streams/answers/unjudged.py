"""Events of which the catalogue of today cannot say what holds for them: shown as that, and in nobody's way. Pure.

A schema may name what the catalogue lacks. What is held under such tags is neither erased nor counted, since nobody
knows whether it may be; all the rest of an answer or a plan stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import PlainSerializer

from schemas.catalogue import Catalogue
from schemas.records import RecordSchema
from schemas.tags import TagSet
from sinks.ports.lineage import Found

# As text in JSON: numbers of 64 bits do not survive every reader of it.
TagSetId = Annotated[int, PlainSerializer(str, return_type=str, when_used="json")]


@dataclass(frozen=True)
class Unjudged:
    """A holding that cannot be judged: where it is, and what is to be mended."""

    system: str
    topic: str
    record: str
    tag_set: TagSetId
    why: str

    def shown(self) -> dict[str, Any]:
        """As an answer shows it. How many events, and when, nobody may say who does not know what keeps them."""
        return {"system": self.system, "topic": self.topic, "record": self.record, "why": self.why}

    @property
    def line(self) -> str:
        return f"{self.topic} of {self.system} cannot be judged: it {self.why}"


def rule_fault(tags: TagSet, catalogue: Catalogue) -> str | None:
    """Why nobody can say how long events with these tags are kept, or whether they may be told of."""
    missing = [rule for rule in tags.retention if rule not in catalogue.retention_rules]
    if not missing:
        return None
    return (
        f"names the retention rule {missing[0]}, which the catalogue lacks; put it back into retention.yaml,"
        " inactive if it no longer applies"
    )


def erasure_fault(tags: TagSet, catalogue: Catalogue, records: Mapping[str, RecordSchema]) -> str | None:
    """Why nobody can say whether events with these tags may be erased, or tell a system to."""
    if tags.system not in catalogue.systems:
        return f"names the system {tags.system}, which systems.yaml lacks; nobody can tell it to erase"
    if catalogue.systems[tags.system].erasure == "command" and tags.record not in records:
        return f"is of record {tags.record}, which the company has not; no command can name its fields"
    for what, named, known in (
        ("category", tags.every_category, catalogue.categories),
        ("purpose", tags.purposes, catalogue.purposes),
    ):
        if missing := [name for name in named if name not in known]:
            return f"names the {what} {missing[0]}, which the catalogue lacks; put it back"
    return rule_fault(tags, catalogue)


def judged(found: Found, catalogue: Catalogue) -> tuple[Found, list[Unjudged]]:
    """What an answer can speak of, and what it can only name."""
    return _apart(found, {item.tags.id: rule_fault(item.tags, catalogue) for item in found.holdings})


def judged_for_erasure(
    found: Found, catalogue: Catalogue, records: Mapping[str, RecordSchema]
) -> tuple[Found, list[Unjudged]]:
    """The same for a plan, which has to know more."""
    return _apart(
        found, {item.tags.id: erasure_fault(item.tags, catalogue, records) for item in found.holdings}
    )


def _apart(found: Found, faults: Mapping[int, str | None]) -> tuple[Found, list[Unjudged]]:
    if not any(faults.values()):
        return found, []
    stays = [item for item in found.holdings if not faults[item.tags.id]]
    apart = [item for item in found.holdings if faults[item.tags.id]]
    total = max(found.total_events - sum(item.events for item in apart), 0)
    return replace(found, holdings=tuple(stays), total_events=total), [
        Unjudged(
            item.tags.system, item.tags.topic, item.tags.record, item.tags.id, faults[item.tags.id] or ""
        )
        for item in apart
    ]

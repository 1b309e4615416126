"""What was processed for which purpose, from the tags of events whoever they are about: records of processing are made
of it (GDPR Art. 30). No token of anybody is in an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from schemas.tags import TagSet


class By(StrEnum):
    """What a count is of. `record`: of a topic and the record on it."""

    PURPOSE = "purpose"
    CATEGORY = "category"
    SYSTEM = "system"
    RECORD = "record"


@dataclass(frozen=True)
class Tagged:
    """That there were events with these tags, erased since or not: how many, and the first and last day (UTC) on which
    they happened."""

    tags: TagSet
    events: int
    first_day: date
    last_day: date


@dataclass(frozen=True)
class Processed:
    """Of a purpose, and of a category, a system, or a topic and record within it (`value`, empty for the purpose as a
    whole): distinct events tagged, erased since or not, and people whose rows are held now, counted as in
    `sinks.ports.reports.COUNTED`."""

    purpose: str
    by: By
    value: tuple[str, ...]
    events: int
    people: int


class ProcessedReader(Protocol):
    """Safe from several threads. Of events from the day `since` on and before `until`, by UTC. Both raise
    IndexUnavailable, QuestionTooLong."""

    def tagged(self, since: date | None = None, until: date | None = None) -> Sequence[Tagged]:
        """One for each tag set of which there are events."""

    def processed(
        self, revealed: Mapping[str, Sequence[str]], since: date | None = None, until: date | None = None
    ) -> Sequence[Processed]:
        """Every count there is. `revealed`: the purposes that a category serves where only a free text reveals it; one
        that is not among them serves what the text serves."""

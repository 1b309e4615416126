"""The company whose events are invented: the model company, and no other. What it has is part of the story."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.company import load_company
from schemas.records import RecordSchema
from schemas.topics import Topic


def records() -> Mapping[str, RecordSchema]:
    return load_company().records


def topics() -> Mapping[str, Topic]:
    return load_company().topics

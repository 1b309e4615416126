"""What is in force: catalogue, topics, systems."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import APIRouter

from console.api.models import Page
from console.api.services import Services
from schemas.catalogue import Catalogue, Entry
from schemas.topics import Topic

_SECTIONS = (
    "categories", "purposes", "legal_bases", "origins", "operations", "subject_types", "roles", "identifier_kinds",
    "recipients", "systems", "retention_rules",
)  # fmt: skip


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["rules"])
    catalogue = services.catalogue
    topics = services.company.topics

    @routes.get("/catalogue")
    def whole() -> dict[str, Any]:
        """Every category, purpose, basis, recipient, system and retention rule, by id."""
        return {"version": catalogue.version} | {name: _entries(catalogue, name) for name in _SECTIONS}

    @routes.get("/topics", response_model=Page)
    def every_topic() -> dict[str, Any]:
        """Every Kafka topic with record, key, owner, system and retention (ISO 8601)."""
        return {"items": [_topic(topic) for topic in topics.values()]}

    @routes.get("/systems", response_model=Page)
    def every_system() -> dict[str, Any]:
        """Every system of record, how it erases, and the topics it sends."""
        return {"items": [_system(system, topics) for system in catalogue.systems.values()]}

    return routes


def _entries(catalogue: Catalogue, section: str) -> dict[str, Any]:
    entries: Mapping[str, Entry] = getattr(catalogue, section)
    return {key: entry.model_dump(mode="json") for key, entry in entries.items()}


def _topic(topic: Topic) -> dict[str, Any]:
    # Whole days, as the file has them.
    return topic.model_dump(mode="json") | {"retention": f"P{topic.retention // timedelta(days=1)}D"}


def _system(system: Entry, topics: Mapping[str, Topic]) -> dict[str, Any]:
    sends = [topic.name for topic in topics.values() if topic.system == system.id and topic.tagged]
    return system.model_dump(mode="json") | {"topics": sends}

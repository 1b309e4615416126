"""What is in force: catalogue, topics, schemas, systems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException

from console.api.models import Page, WholeSchema
from console.api.problems import SCHEMA_RESPONSES
from console.api.services import Services
from console.operations.producers import schema_entry, schemas_of, topic_entry, whole_schema
from schemas.catalogue import Catalogue, Entry
from schemas.topics import Topic

_SECTIONS = (
    "categories", "purposes", "legal_bases", "origins", "operations", "subject_types", "roles", "identifier_kinds",
    "recipients", "systems", "retention_rules",
)  # fmt: skip


def router(services: Services) -> APIRouter:
    routes = APIRouter(tags=["rules"])
    catalogue = services.catalogue
    company = services.company
    topics = company.topics

    @routes.get("/catalogue")
    def whole() -> dict[str, Any]:
        """Every category, purpose, basis, recipient, system and retention rule, by id."""
        return {"version": catalogue.version} | {name: _entries(catalogue, name) for name in _SECTIONS}

    @routes.get("/topics", response_model=Page)
    def every_topic() -> dict[str, Any]:
        """Every Kafka topic with record or contract, key, owner, who writes it, system, retention (ISO 8601) and the
        fingerprints of its schema."""
        return {"items": [topic_entry(company, topic) for topic in topics.values()]}

    @routes.get("/schemas", response_model=Page)
    def every_schema() -> dict[str, Any]:
        """The Avro schema of every record in short: its topics, and its fingerprints in hexadecimal digits."""
        found = schemas_of(company)
        return {"items": [schema_entry(company, name, schema) for name, schema in found.items()]}

    @routes.get("/schemas/{record}", response_model=WholeSchema, responses=SCHEMA_RESPONSES)
    def one_schema(record: str) -> dict[str, Any]:
        """The Avro schema of a record, its Parsing Canonical Form, and by what it is known."""
        schema = schemas_of(company).get(record)
        if schema is None:
            raise HTTPException(
                404, "there is no Avro schema of that record; GET /v1/schemas lists those there are"
            )
        return whole_schema(company, record, schema)

    @routes.get("/systems", response_model=Page)
    def every_system() -> dict[str, Any]:
        """Every system of record, how it erases, and the topics it sends."""
        return {"items": [_system(system, topics) for system in catalogue.systems.values()]}

    return routes


def _entries(catalogue: Catalogue, section: str) -> dict[str, Any]:
    entries: Mapping[str, Entry] = getattr(catalogue, section)
    return {key: entry.model_dump(mode="json") for key, entry in entries.items()}


def _system(system: Entry, topics: Mapping[str, Topic]) -> dict[str, Any]:
    sends = [topic.name for topic in topics.values() if topic.system == system.id and topic.tagged]
    return system.model_dump(mode="json") | {"topics": sends}

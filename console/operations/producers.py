"""What a producer has to know of a company's topics and schemas, as the API and the commands show it. Pure."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from schemas.annotations import RecordSchema
from schemas.company import Company
from schemas.contracts import Contract
from schemas.errors import InputError
from schemas.fingerprints import canonical_form, fingerprints_of
from schemas.topics import Topic


def topic_entry(company: Company, topic: Topic) -> dict[str, Any]:
    """The topic with who writes it, the format of its messages, and the fingerprints of its schema; `schema` None where
    messages are JSON, or Avro by the schemas of a registry."""
    contract = company.contracts.get(topic.name)
    schema = contract.writer if contract else company.records[topic.record]
    return topic.model_dump(mode="json") | {
        "retention": topic.retention_iso,
        "writers": list(topic.written_by),
        "contract": contract.record.file if contract else None,
        "format": message_format(contract),
        "schema": asdict(fingerprints_of(schema)) if schema else None,
    }


def schemas_of(company: Company) -> dict[str, RecordSchema]:
    """The Avro schema of each record that has one, by the record's name, those of contracts last."""
    foreign = {item.record.name: item.writer for item in company.contracts.values() if item.writer}
    return {**company.records, **foreign}


def schema_entry(company: Company, name: str, schema: RecordSchema) -> dict[str, Any]:
    """A record's schema in short: the topics that carry it, and its fingerprints."""
    carriers = [topic.name for topic in company.topics.values() if name in (topic.record, *topic.also)]
    doc = schema.json.get("doc")
    said = {"record": name, "fullname": schema.fullname, "file": schema.file, "topics": carriers}
    return {**said, "doc": doc if isinstance(doc, str) else None, **asdict(fingerprints_of(schema))}


def whole_schema(company: Company, name: str, schema: RecordSchema) -> dict[str, Any]:
    """All of a record's schema. `earlier`: frames of committed versions that are still read, oldest first."""
    now = fingerprints_of(schema).frame
    frames = [fingerprints_of(item).frame for item in company.writers if item.name == name]
    return {
        **schema_entry(company, name, schema),
        "avsc": schema.json,
        "canonical": canonical_form(schema),
        "earlier": [frame for frame in dict.fromkeys(frames) if frame != now],
    }


def find_schema(company: Company, name: str) -> RecordSchema:
    """The Avro schema of a record. Raises InputError, which quotes nothing that was given."""
    found = schemas_of(company)
    if name in found:
        return found[name]
    for contract in company.contracts.values():
        if contract.record.name == name:
            raise InputError(
                f"{contract.record.name} has no Avro schema here: {contract.record.file} describes its messages, which "
                f"are {message_format(contract)}"
            )
    raise InputError(f"there is no such record; name one of {', '.join(sorted(found))}")


def known_as(company: Company, schema: RecordSchema) -> str:
    """In words, the newest record of the company with the bytes of that schema; empty: there is none."""
    fingerprint = schema.fingerprint
    for name, record in schemas_of(company).items():
        if record.fingerprint == fingerprint:
            return f"messages of it are read as {name}, the schema as it is now"
    for record in reversed(company.writers):
        if record.fingerprint == fingerprint:
            return f"messages of it are read as {record.name}, an older version of it"
    return ""


def message_format(contract: Contract | None) -> str:
    """What the messages of a topic are, in words; without a contract Avro in either framing."""
    if contract is None:
        return "Avro, confluent or single_object"
    inside = "JSON" if contract.format == "json" else f"Avro, {contract.framing}"
    return f"Debezium over {inside}" if contract.debezium else inside

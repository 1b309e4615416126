"""Topics and records, as a person reads them before writing a producer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from console.cli.show.output import joined, marked, screen, table
from console.operations.producers import find_schema, message_format, topic_entry
from schemas.annotations import FieldAnnotation, RecordSchema
from schemas.company import Company
from schemas.contracts import Contract
from schemas.fingerprints import fingerprints_of


def show_topics(items: list[dict[str, Any]]) -> None:
    """A row for each topic."""
    rows = table("topic", "carries", "key", "parts", "kept", "dead letters", right=("parts",))
    rows.columns[0].no_wrap = rows.columns[-1].no_wrap = True
    for item in items:
        frame = item["schema"]["frame"] if item["schema"] else item["format"]
        rows.add_row(
            joined([item["name"], marked("[dim]{}[/dim]", frame)]),
            joined([item["record"], marked("[dim]by {}[/dim]", ", ".join(item["writers"]))]),
            item["key"] or "–",
            str(item["partitions"]),
            item["retention"],
            item["dead_letter"] or "–",
        )
    out = screen()
    out.print(rows)
    # A note of our own, which holds no value.
    out.print(
        marked(
            "[dim]Below a topic: the first bytes of its messages in single-object encoding, or their format.[/dim]"
        )
    )


def show_record(company: Company, name: str) -> None:
    """A record: what it is, the topics that carry it, its fields, its frame or its contract. Raises InputError."""
    contract = next((item for item in company.contracts.values() if item.record.name == name), None)
    schema = contract.record if contract else find_schema(company, name)
    out = screen()
    out.print(marked("[bold]{}[/bold]  {}", name, schema.json.get("doc") or ""))
    for topic in company.topics.values():
        if name in (topic.record, *topic.also):
            out.print(marked("  {}", _topic_line(topic_entry(company, topic))))
    rows = table("field", "type", "holds", "names", "what it is")
    rows.columns[0].no_wrap = True
    for item in schema.fields:
        rows.add_row(
            item.name,
            _type(item, contract),
            item.category or "–",
            _names(item),
            "; ".join(_said(schema, item)),
        )
    out.print(rows)
    time = schema.find(schema.event_time)
    of = f", {_type(time, contract)}" if contract and time else ""
    out.print(marked("event time  {}{}", schema.event_time, of))
    if contract is not None:
        out.print(marked("contract    {}, messages are {}", schema.file, message_format(contract)))
    if contract is None or contract.writer is not None:
        prints = fingerprints_of(contract.writer if contract and contract.writer else schema)
        out.print(
            marked(
                "frame       {}  single-object encoding (CRC-64-AVRO {})", prints.frame, prints.crc_64_avro
            )
        )


def _topic_line(item: Mapping[str, Any]) -> str:
    key = f"key {item['key']}" if item["key"] else "no key"
    return (
        f"{item['name']}: {key}, {item['partitions']} partitions, kept {item['retention']}, "
        f"written by {', '.join(item['writers'])}"
    )


def _type(item: FieldAnnotation, contract: Contract | None) -> str:
    """Of a contract as its messages have it, not as the record has what was read of them."""
    if contract is not None:
        time = (
            contract.event_time if item.name == contract.event_time.column else contract.since.get(item.name)
        )
        kind = contract.types.get(item.name, "integer")
        if time is None:
            return kind
        said = kind if kind in time.kinds else time.kinds[0]
        return f"{said} in {time.unit}{f', {time.zone}' if time.zone else ''}"
    logical = f" {item.logical_type}" if item.logical_type else ""
    return f"{item.type}{logical}{' or null' if item.nullable else ''}"


def _names(item: FieldAnnotation) -> str:
    if item.identifier is None:
        return ""
    return f"{item.identifier.role} by {item.identifier.kind}"


def _said(schema: RecordSchema, item: FieldAnnotation) -> Iterator[str]:
    doc = next((field.get("doc") for field in schema.json["fields"] if field["name"] == item.name), None)
    if doc:
        yield str(doc)
    if item.free_text:
        yield "read as free text"

"""Records of processing as OpenLineage events, so that catalogues of data can show where personal data flow. Pure.

A topic is a data set as OpenLineage names those of Kafka (`kafka://host:port`, topic); what lies of it in a system of
record is one in the namespace of the company. Between them runs a job for each topic and system, whose run is the time
in which its events were seen. Categories, purposes and legal bases are tags of data sets, categories of fields too.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.annotations import FieldAnnotation
from schemas.company import Company
from streams.ropa.record import Record, SourceOfData

PRODUCER = "urn:innsyn:ropa"
_CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
_FACETS = "https://openlineage.io/spec/facets/"
_SCHEMAS = {
    "schema": f"{_FACETS}1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet",
    "columnLineage": f"{_FACETS}1-2-0/ColumnLineageDatasetFacet.json#/$defs/ColumnLineageDatasetFacet",
    "tags": f"{_FACETS}1-0-0/TagsDatasetFacet.json#/$defs/TagsDatasetFacet",
    "jobType": f"{_FACETS}2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet",
    "nominalTime": f"{_FACETS}1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet",
}
Event = dict[str, Any]


@dataclass(frozen=True)
class _Flow:
    """A topic, its record and the system in which it rests, with all that the activities say of it."""

    topic: str
    record: str
    system: str
    purposes: tuple[str, ...]
    sources: tuple[SourceOfData, ...]


def events(record: Record, company: Company, broker: str) -> list[Event]:
    """One of each data set, then the begin and end of each job's run. `broker`: host:port, by which others name it."""
    written: list[Event] = []
    for flow in _flows(record):
        topic, rest = _names(flow, company, broker)
        fields = _fields(flow, company)
        written += [
            _event(record, "DatasetEvent", dataset={**item, "facets": facets})
            for item, facets in (
                (topic, {**_schema(fields), **_tags(flow, fields)}),
                (rest, {**_schema(fields), **_tags(flow, fields), **_columns(fields, topic)}),
            )
        ]
        written += _runs(record, flow, topic, {**rest, "facets": _columns(fields, topic)}, company)
    return written


def lines(record: Record, company: Company, broker: str) -> str:
    """The events as lines of JSON, each to be sent to a catalogue by itself."""
    return "".join(f"{json.dumps(item, ensure_ascii=False)}\n" for item in events(record, company, broker))


def _flows(record: Record) -> Iterator[_Flow]:
    found: dict[tuple[str, str, str], list[tuple[str, SourceOfData]]] = {}
    for item in record.activities:
        for source in item.sources:
            found.setdefault((source.topic, source.record, source.system), []).append((item.id, source))
    for (topic, name, system), theirs in sorted(found.items()):
        purposes = tuple(purpose for purpose, _ in theirs)
        yield _Flow(topic, name, system, purposes, tuple(source for _, source in theirs))


def _namespace(company: Company) -> str:
    """Of its own, without what an address may not hold."""
    return f"innsyn://{re.sub(r'[^a-z0-9.-]+', '-', company.profile.name.lower())}"


def _names(flow: _Flow, company: Company, broker: str) -> tuple[Event, Event]:
    """The topic, and what lies in the system."""
    return (
        {"namespace": f"kafka://{broker}", "name": flow.topic},
        {"namespace": _namespace(company), "name": f"{flow.system}.{flow.record}"},
    )


def _fields(flow: _Flow, company: Company) -> Sequence[FieldAnnotation]:
    """The personal ones of the record, if it is declared still."""
    declared = company.every_record.get(flow.record)
    return [item for item in declared.fields if item.personal] if declared else []


def _event(record: Record, kind: str, at: str | None = None, **said: Any) -> Event:
    return {
        "eventTime": at or record.generated_at,
        "producer": PRODUCER,
        "schemaURL": f"{_CORE}{kind}",
        **said,
    }


def _facet(name: str, **said: Any) -> Event:
    return {name: {"_producer": PRODUCER, "_schemaURL": _SCHEMAS[name], **said}}


def _schema(fields: Sequence[FieldAnnotation]) -> Event:
    """Personal fields alone, by their dotted names."""
    if not fields:
        return {}
    return _facet("schema", fields=[{"name": item.name, "type": item.type} for item in fields])


def _tags(flow: _Flow, fields: Sequence[FieldAnnotation]) -> Event:
    categories = sorted({name for source in flow.sources for name in source.categories})
    bases = sorted({name for source in flow.sources for name in source.legal_bases})
    subjects = sorted({name for source in flow.sources for name in source.subjects})
    of_all = (
        *(("category", name) for name in categories),
        *(("purpose", name) for name in sorted(flow.purposes)),
        *(("legal_basis", name) for name in bases),
        *(("subject", name) for name in subjects),
    )
    tags = [{"key": key, "value": value, "source": "INNSYN"} for key, value in of_all]
    tags += [
        {"key": "category", "value": item.category, "source": "INNSYN", "field": item.name} for item in fields
    ]
    return _facet("tags", tags=tags)


def _columns(fields: Sequence[FieldAnnotation], topic: Event) -> Event:
    """Each field of what lies in the system is that of the topic."""
    same = [{"type": "DIRECT", "subtype": "IDENTITY"}]
    lineage = {
        item.name: {"inputFields": [{**topic, "field": item.name, "transformations": same}]}
        for item in fields
    }
    return _facet("columnLineage", fields=lineage) if lineage else {}


def _runs(record: Record, flow: _Flow, topic: Event, rest: Event, company: Company) -> Iterator[Event]:
    """The begin and the end of the time in which events of it were seen; the same time is the same run."""
    first = min(source.first_day for source in flow.sources)
    last = max(source.last_day for source in flow.sources)
    name = f"{flow.topic}.{flow.record}.{flow.system}"
    run = uuid.uuid5(uuid.NAMESPACE_URL, f"{_namespace(company)}/{name}/{first}/{last}/{record.generated_at}")
    nominal = _facet("nominalTime", nominalStartTime=f"{first}T00:00:00Z", nominalEndTime=f"{last}T23:59:59Z")
    job_type = _facet("jobType", processingType="STREAMING", integration="INNSYN", jobType="RECORD")
    for kind, at in (("START", f"{first}T00:00:00Z"), ("COMPLETE", record.generated_at)):
        yield _event(
            record,
            "RunEvent",
            at,
            eventType=kind,
            run={"runId": str(run), "facets": nominal},
            job={"namespace": _namespace(company), "name": name, "facets": job_type},
            inputs=[topic],
            outputs=[rest],
        )

"""One batch of messages becomes one write: rows, claims and prefixes together, and apart again by partition."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from prometheus_client import CollectorRegistry

from schemas.codec import single_object_prefix
from schemas.records import load_records
from sinks.ports.identity import CLAIM_SCHEMA, PREFIX_SCHEMA
from sinks.ports.lineage import ROW_SCHEMA
from streams.kafka.batches import TopicBatch
from streams.metrics import TagMetrics
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Prepared, Preparer
from streams.tagging.tag import Tagger
from tests.support.claims import ASSIGNMENT, NOW, QUIET, TOKENIZER
from tests.support.company import model
from tests.support.kinds import KINDS
from tests.support.records import body_of

WHEN = datetime(2026, 3, 1, tzinfo=UTC)
ASSIGNMENTS, DETAILS = "network.assignments", "crm.customers"
EXPECTED = {ASSIGNMENTS: "AddressAssignment", DETAILS: "CustomerDetails"}


def report(**said: Any) -> bytes:
    return single_object_prefix(ASSIGNMENT) + body_of(ASSIGNMENT, QUIET | said)


def details(number: str) -> bytes:
    record = load_records()["CustomerDetails"]
    event: dict[str, Any] = {field.name: None for field in record.fields}
    event |= {"customer_number": number, "name": "Kari Nordmann", "updated_at": NOW}
    return single_object_prefix(record) + body_of(record, event)


def prepare(*topics: tuple[str, list[bytes]]) -> Prepared:
    """Each topic's messages, alternately in partitions 0 and 1, as one write."""
    batches = [
        TopicBatch(
            topic,
            list(messages),
            np.arange(len(messages), dtype=np.int32) % 2,
            np.arange(len(messages), dtype=np.int64),
            NOW,
            sum(map(len, messages)),
        )
        for topic, messages in topics
    ]
    schemas = WriterSchemas(load_records().values(), model().catalogue)
    epochs = {(topic, number): 1 for topic, _ in topics for number in (0, 1)}
    return Preparer(Tagger(TOKENIZER, "v1", KINDS, ()), schemas.resolve, EXPECTED).prepare(
        batches, [], epochs, WHEN
    )


MIXED = [
    report(address="2001:db8::1", username="kari"),
    report(address="203.0.113.24", username="ola"),
    report(address="203.0.113.25", username="ola", purpose="retention"),
    report(address="203.0.113.26", username="ola", port_from=7),
    b"no event",
]


def places(table: pa.Table) -> list[tuple[str, int, int]]:
    return sorted({(row["topic"], row["partition"], row["offset"]) for row in table.to_pylist()})


def test_a_write_carries_what_its_events_say_of_identity() -> None:
    """Claims and retained claims of all topics stand in one batch, in their schemas, beside the rows."""
    batch = prepare((ASSIGNMENTS, MIXED), (DETAILS, [details("700104")])).batch
    assert (batch.rows.schema, batch.claims.table.schema) == (ROW_SCHEMA, CLAIM_SCHEMA)
    assert (batch.retained.table.schema, batch.prefixes.schema) == (CLAIM_SCHEMA, PREFIX_SCHEMA)
    assert places(batch.claims.table) == [(DETAILS, 0, 0), (ASSIGNMENTS, 0, 0), (ASSIGNMENTS, 1, 1)]
    assert places(batch.retained.table) == [(ASSIGNMENTS, 0, 2)]
    assert batch.prefixes.num_rows == 7
    assert [(row.offset, row.reason) for row in batch.dead] == [(3, "bad_assignment"), (4, "unknown_framing")]
    counts = {(item.topic, item.partition): (item.events, item.dead) for item in batch.ranges}
    assert counts == {(ASSIGNMENTS, 0): (2, 1), (ASSIGNMENTS, 1): (1, 1), (DETAILS, 0): (1, 0)}


def test_a_write_without_a_partition_has_nothing_of_it() -> None:
    """What another worker took over is in no table; prefixes say nothing of a partition and stay."""
    prepared = prepare((ASSIGNMENTS, MIXED), (DETAILS, [details("700104")])).without([(ASSIGNMENTS, 0)])
    batch = prepared.batch
    assert places(batch.rows) == places(batch.claims.table) == [(DETAILS, 0, 0), (ASSIGNMENTS, 1, 1)]
    assert places(batch.retained.table) == []
    assert batch.prefixes.num_rows == 7
    assert [(row.partition, row.offset) for row in batch.dead] == [(1, 3)]
    assert {(item.topic, item.partition) for item in batch.ranges} == {(ASSIGNMENTS, 1), (DETAILS, 0)}


def test_an_empty_write_has_empty_tables() -> None:
    """Nothing taken, nothing said."""
    batch = prepare().batch
    tables = (batch.rows, batch.claims.table, batch.retained.table, batch.prefixes, batch.findings)
    assert [table.num_rows for table in tables] == [0] * 5


def test_claims_are_counted_by_their_source() -> None:
    """The metric names the source, and what is retained is counted apart."""
    registry = CollectorRegistry()
    batch = prepare((ASSIGNMENTS, MIXED), (DETAILS, [details("700104")])).batch
    TagMetrics(registry).stored(batch, -1, WHEN)
    assert registry.get_sample_value("innsyn_identity_claims_total", {"source": "radius"}) == 2
    assert registry.get_sample_value("innsyn_identity_claims_total", {"source": "register"}) == 6
    assert registry.get_sample_value("innsyn_identity_claims_retained_total", {"source": "radius"}) == 1

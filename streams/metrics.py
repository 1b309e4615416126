"""Every metric innsyn exports: name, unit and meaning in one place. No label ever holds an identifier."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sinks.ports.lineage import LineageBatch
from sinks.ports.resurrected import Resurrected

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class TagMetrics:
    """What a tagger counts. One instance for each worker, on the registry given."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._of_messages(registry)
        self._of_contents(registry)
        self._of_times(registry)

    def _of_messages(self, registry: CollectorRegistry) -> None:
        """What came, and what became of it."""
        self.consumed = Counter("innsyn_messages_consumed", "Messages read.", ["topic"], registry=registry)
        self.tagged = Counter("innsyn_events_tagged", "Events in the index.", ["topic"], registry=registry)
        self.rows = Counter("innsyn_rows_written", "Lineage rows written.", ["topic"], registry=registry)
        self.dead = Counter(
            "innsyn_dead_letters", "Messages set aside.", ["topic", "reason"], registry=registry
        )
        self.unasked = Counter(
            "innsyn_schemas_not_asked_for",
            "Unknown schema ids that were dead letters unasked: too many came at once.",
            registry=registry,
        )
        self.lost = Counter(
            "innsyn_offsets_lost",
            "Offsets removed by Kafka's retention before they were read.",
            ["topic"],
            registry=registry,
        )
        self.made_anew = Counter(
            "innsyn_partitions_made_anew",
            "Partitions of topics that were deleted and made anew: read from their beginning.",
            ["topic"],
            registry=registry,
        )
        self.fenced = Counter(
            "innsyn_batches_fenced", "Writes refused: partition taken over.", registry=registry
        )
        self.retries = Counter(
            "innsyn_index_retries", "Writes repeated: index did not answer.", registry=registry
        )

    def _of_contents(self, registry: CollectorRegistry) -> None:
        """What events say of people."""
        self.claims = Counter(
            "innsyn_identity_claims", "What events said of who it was.", ["source"], registry=registry
        )
        self.retained = Counter(
            "innsyn_identity_claims_retained",
            "The same, kept for the police alone.",
            ["source"],
            registry=registry,
        )
        self.resolved = Counter(
            "innsyn_identifiers_resolved",
            "Identifiers of events that give no customer number, by whom they led to when they were tagged.",
            ["topic", "resolution"],
            registry=registry,
        )
        self.uncounted = Counter(
            "innsyn_batches_not_resolved",
            "Batches that are not in innsyn_identifiers_resolved: the index took too long for it.",
            registry=registry,
        )
        self.findings = Counter(
            "innsyn_text_findings", "What free texts were found to hold.", ["kind"], registry=registry
        )
        self.scan_failures = Counter(
            "innsyn_text_scan_failures", "Texts that a recogniser failed on.", registry=registry
        )
        self.untagged = Counter(
            "innsyn_untagged_values",
            "Values of fields that the topic's contract does not name.",
            ["topic", "path"],
            registry=registry,
        )
        self.resurrected = Counter(
            "innsyn_events_resurrected",
            "Events that an erasure had taken away and that came again.",
            ["topic", "arrival"],
            registry=registry,
        )
        self.no_subject = Counter(
            "innsyn_events_without_subject", "Events that name nobody.", ["topic"], registry=registry
        )

    def _of_times(self, registry: CollectorRegistry) -> None:
        """How far behind it is, and how long the steps take."""
        self.lag = Gauge("innsyn_lag_messages", "Messages not read yet.", ["topic"], registry=registry)
        self.decode_seconds = Histogram(
            "innsyn_batch_tag_seconds", "Decode and tag of one batch.", registry=registry, buckets=_SECONDS
        )
        self.write_seconds = Histogram(
            "innsyn_batch_write_seconds", "Index write of one batch.", registry=registry, buckets=_SECONDS
        )
        self.visible_seconds = Histogram(
            "innsyn_event_visible_seconds",
            "From a batch's oldest message's Kafka time until answers show it.",
            registry=registry,
            buckets=_SECONDS,
        )

    def came_back(self, resurrected: Sequence[Resurrected]) -> None:
        """Count what a batch brought again that had been erased."""
        for item in resurrected:
            self.resurrected.labels(item.topic, item.arrival.value).inc(item.events)

    def stored(self, batch: LineageBatch, oldest_ms: int, now: datetime) -> None:
        """Count a batch that is in the index; `oldest_ms` is Kafka's time of its oldest message, -1 unknown."""
        for item in batch.ranges:
            self.consumed.labels(item.topic).inc(item.events + item.dead + item.tombstones)
            self.tagged.labels(item.topic).inc(item.events)
            self.rows.labels(item.topic).inc(item.rows)
            self.no_subject.labels(item.topic).inc(item.no_subject)
            self.lost.labels(item.topic).inc(item.lost)
        for counter, table in ((self.claims, batch.claims.table), (self.retained, batch.retained.table)):
            for source in pc.value_counts(table["source"].cast(pa.string())).to_pylist():
                counter.labels(source["values"]).inc(source["counts"])
        for kind in pc.value_counts(batch.findings["kind"].cast(pa.string())).to_pylist():
            self.findings.labels(kind["values"]).inc(kind["counts"])
        for (topic, reason), count in Counts((row.topic, row.reason) for row in batch.dead).items():
            self.dead.labels(topic, reason).inc(count)
        if oldest_ms > 0:
            self.visible_seconds.observe(max(0.0, now.timestamp() - oldest_ms / 1000))


class UnreadMetrics:
    """What waits in the topics, by the ledger: it shows also what nobody reads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._unread = Gauge(
            "innsyn_unread_messages",
            "Offsets of a partition that are not in the index yet, whoever reads it or does not.",
            ["topic", "partition"],
            registry=registry,
        )

    def show(self, unread: Mapping[tuple[str, int], int]) -> None:
        for (topic, partition), messages in unread.items():
            self._unread.labels(topic, str(partition)).set(messages)

"""Services of the API on an index in memory, with a person in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from prometheus_client import CollectorRegistry, Counter

from console.api.protection.doors import Doors
from console.api.protection.recorder import Recorder
from console.api.services import Services
from console.health.health import Health
from schemas.catalogue import load_catalogue
from schemas.company import Company
from schemas.keys import Keyring
from schemas.records import load_records
from schemas.tags import tag_set
from schemas.vocabulary import Role
from sinks.memory.audit import MemoryAudit
from sinks.memory.evidence import MemoryEvidence
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from sinks.ports.lineage import ROW_SCHEMA, IndexWriter, LineageBatch
from sinks.ports.offsets import OffsetRange
from streams.evidence.book import LogBook
from streams.identity.identities import Identities
from streams.rights.protocol.messages import Send
from streams.rights.service import RightsService
from tests.support.company import copies_by_hand, model
from tests.support.kinds import KINDS
from tests.support.pairs import ReadyKeyring

TOKEN = "an-invented-token-for-tests"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
EMAIL = "kari nordmann@example.no"
"""A value with a space in it: nothing may cut it, and nothing may echo it."""
EVENTS = {
    "web.visits": ("WebVisit", 3),
    "billing.invoices": ("Invoice", 1),
    "provisioning.equipment": ("Equipment", 1),
}
TOTAL = sum(count for _, count in EVENTS.values())


def fill(index: IndexWriter, keyring: Keyring, first: int = 0, now: datetime = NOW) -> None:
    """Write EVENTS of the person with EMAIL, from offset `first` on, at `now`."""
    tokenizer = keyring.tokenizer()
    version = load_catalogue().version
    token = tokenizer.token(KINDS["email"], EMAIL)
    for topic, (record, count) in EVENTS.items():
        tags = tag_set(
            load_records()[record], topic, "owner", catalogue_version=version, key_id=tokenizer.key_id
        )
        rows = [
            {
                "token": token,
                "topic": topic,
                "partition": 0,
                "offset": offset,
                "role": Role.OWNER.code,
                "tag_set": tags.id,
                "event_time": datetime(2026, 5, 1, offset - first, tzinfo=UTC).replace(tzinfo=None),
                "port": 0,
            }
            for offset in range(first, first + count)
        ]
        table, ranges = (
            pa.Table.from_pylist(rows, schema=ROW_SCHEMA),
            [OffsetRange(topic, 0, first, first + count - 1, 1)],
        )
        index.write(LineageBatch(table, tag_sets=[tags], ranges=ranges), lambda: now)


def letters(after: tuple[str, int, int], limit: int) -> list[dict[str, Any]]:
    """Five unreadable messages of one partition, as `console.wiring.answering.Answering.dead_letters` gives them."""
    row = {"reason": "cut_short", "schema_key": "c301", "payload_bytes": 9, "seen_at": NOW}
    known = [{"topic": "web.visits", "partition": 0, "offset": offset, **row} for offset in range(5)]
    return [item for item in known if (item["topic"], item["partition"], item["offset"]) > after][:limit]


def services(keys: Path, **other: Any) -> Services:
    """Services with the person in them; any of them can be another one."""
    keyring = ReadyKeyring(keys).made()
    index, audit = MemoryIndex(), MemoryAudit()
    fill(index, keyring)
    metrics = CollectorRegistry()
    Counter("innsyn_tagged_events", "Events tagged.", registry=metrics).inc(7)
    given: dict[str, Any] = {
        "reader": index,
        "identities": Identities(index, load_catalogue().identity_sources, index),
        "tokens": keyring.tokenizer,
        "company": model(),
        "rights": rights(index, keyring),
        "metrics": metrics,
        "clock": lambda: NOW,
        "health": Health(lambda: NOW),
        "token": TOKEN,
        "recorder": Recorder(audit),
        "book": LogBook(MemoryEvidence(MemoryRequests(), audit), keyring.signing.key, lambda: NOW),
        "doors": Doors(),
        "dead_letters": letters,
    }
    return Services(**given | other)


def rights(
    index: MemoryIndex,
    keyring: Keyring,
    random: Callable[[int], bytes] = lambda n: b"\x01" * n,
    send: Send = lambda *_: None,
    company: Company | None = None,
) -> RightsService:
    """The real workflow on a ledger in memory, with nobody at the other end of Kafka; there is one id, or `random`."""
    catalogue = load_catalogue()
    identities = Identities(index, catalogue.identity_sources, index)
    return RightsService(
        MemoryRequests(),
        index,
        index,
        identities,
        keyring,
        company or copies_by_hand(),
        send,
        lambda: NOW,
        random,
    )

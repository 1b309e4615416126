"""A folder of feeds through the real code into an index. No broker: what Kafka would carry is handed on directly.

The folder holds what `tests/support/isp_feeds.py` writes.
"""

from __future__ import annotations

import io
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np

from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.company import load_company
from schemas.errors import DecodeError
from schemas.records import load_records
from schemas.tokens import Tokenizer
from sinks.clickhouse.claims import ClickHouseClaims
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.migrate import migrate
from sinks.clickhouse.reader import ClickHouseReader
from sinks.clickhouse.writer import ClickHouseWriter
from sinks.memory.index import MemoryIndex
from sinks.ports.identity import ClaimReader
from sinks.ports.lineage import IndexReader, IndexWriter
from streams.feeds.registry import Feed, find_feed
from streams.feeds.run.source import check_source
from streams.kafka.batches import TopicBatch
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.tag import Tagger

Order = Literal["assignments first", "traffic first", "shuffled", "twice"]
ORDERS: tuple[Order, ...] = ("assignments first", "traffic first", "shuffled", "twice")
NOW = datetime(2026, 11, 1, tzinfo=UTC)
_OF_IDENTITY = {
    "customers.csv": "customers-csv",
    "radius-detail.gz": "radius-detail",
    "cgnat.log.gz": "cgnat-syslog",
}
_OF_EVENTS = {"zeek-dns.log.gz": "zeek-dns", "zeek-ssl.log.gz": "zeek-ssl", "web-access.log.gz": "combined"}
# What truth-counts.csv calls a feed is a system of the answer.
SYSTEMS = {"web": "web", "flow_collector": "traffic"}
REALMS = ("isp.example",)
"""Of the user names in the feeds."""
_BATCH = 20_000


@dataclass(frozen=True)
class Index:
    """An empty index: what writes it and what reads it."""

    writer: IndexWriter
    reader: IndexReader
    claims: ClaimReader


def in_memory() -> Index:
    """The index in plain Python: for a few thousand events."""
    memory = MemoryIndex()
    return Index(memory, memory, memory)


@contextmanager
def embedded(folder: Path) -> Iterator[Index]:
    """The embedded engine in that folder, which it makes. One per process at a time."""
    database = ClickHouse(f"chdb://{folder}")
    try:
        migrate(database, NOW)
        yield Index(ClickHouseWriter(database), ClickHouseReader(database), ClickHouseClaims(database))
    finally:
        database.close()


@dataclass
class Fed:
    """The feeds of a folder as events by file name, and what of them could not be read, by file and reason."""

    events: dict[str, list[tuple[Feed, dict[str, Any]]]] = field(default_factory=dict)
    refused: dict[str, Counter[str]] = field(default_factory=dict)

    def seen(self) -> Iterator[tuple[str, str, int, int]]:
        """Feed of truth-counts.csv, address, milliseconds and port (0 unknown) of each event of somebody."""
        for name in _OF_EVENTS:
            for feed, event in self.events[name]:
                at, port = event["occurred_at"], event["client_port"] or 0
                yield SYSTEMS[feed.topic.system], event["client_address"], at, port


def read_feeds(folder: Path) -> Fed:
    """All feeds of the folder, record by record. Raises FeedError."""
    fed = Fed()
    for name, format_name in (_OF_IDENTITY | _OF_EVENTS).items():
        feed = find_feed(load_company(), format_name, realms=REALMS)
        events = fed.events[name] = []
        refused = fed.refused[name] = Counter()
        reader = feed.reader()
        with check_source(str(folder / name), feed, io.BytesIO()).open() as lines:
            for record in feed.records(lines):
                try:
                    events += [(feed, event) for event in reader.read(record).events]
                except DecodeError as error:
                    refused[error.reason] += 1
    return fed


def fill(fed: Fed, index: Index, tokenizer: Tokenizer, order: Order) -> int:
    """Tag everything and write it, in the order given; how many messages were dead letters.

    "twice": the records of identity are sent twice, and every write is repeated, as after a crash.
    """
    records = load_records()
    expected = {topic.name: topic.record for topic in load_company().topics.values() if topic.tagged}
    tagger = Tagger(
        tokenizer, load_catalogue().version, load_company().kinds, placeholders=load_catalogue().placeholders
    )
    preparer = Preparer(tagger, WriterSchemas(records.values(), load_company().catalogue).resolve, expected)
    next_offset: Counter[str] = Counter()
    dead = 0
    messages = _messages(fed, order)
    for begin in range(0, len(messages), _BATCH):
        batches = []
        chunk = sorted(messages[begin : begin + _BATCH], key=lambda item: item[0])
        for topic, items in groupby(chunk, key=lambda item: item[0]):
            values = [value for _, value in items]
            offsets = next_offset[topic] + np.arange(len(values))
            next_offset[topic] += len(values)
            size = sum(map(len, values))
            batches.append(TopicBatch(topic, values, np.zeros(len(values), np.int32), offsets, -1, size))
        prepared = preparer.prepare(batches, (), dict.fromkeys(((item.topic, 0) for item in batches), 1), NOW)
        dead += len(prepared.dead)
        for _ in range(2 if order == "twice" else 1):
            index.writer.write(prepared.batch, lambda: NOW)
    return dead


def _messages(fed: Fed, order: Order) -> list[tuple[str, bytes]]:
    """(topic, message) as they arrive."""
    names: Sequence[str] = [*_OF_IDENTITY, *_OF_EVENTS]
    if order == "traffic first":
        names = [*_OF_EVENTS, *_OF_IDENTITY]
    if order == "twice":
        names = [*_OF_IDENTITY, *names]
    found = [
        (feed.topic.name, encode(feed.record, event, defaults=True))
        for name in names
        for feed, event in fed.events[name]
    ]
    if order == "shuffled":
        random.Random(5).shuffle(found)
    return found

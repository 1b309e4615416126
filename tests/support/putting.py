"""Events of the model company, tagged into an index without a broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from schemas.codec import encode
from schemas.company import Company
from schemas.facts import fact_words
from schemas.tokens import Tokenizer
from sinks.ports.lineage import IndexWriter
from streams.kafka.batches import TopicBatch
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.tag import Tagger

TOKENIZER = Tokenizer(bytes(range(32)), "k1")


class Putting:
    """A producer and a tagger in one: event i of a topic has offset i."""

    def __init__(self, company: Company, writer: IndexWriter) -> None:
        catalogue = company.catalogue
        words = fact_words(catalogue, company.notices)
        tagger = Tagger(TOKENIZER, catalogue.version, company.kinds, catalogue.placeholders, words=words)
        expected = {topic.name: topic.record for topic in company.topics.values() if topic.tagged}
        schemas = WriterSchemas(company.writers, catalogue)
        self._company, self._writer = company, writer
        self._preparer = Preparer(tagger, schemas.resolve, expected)
        self._offsets = Counter[str]()

    def put(self, topic: str, *values: Mapping[str, Any], now: datetime) -> None:
        """Fields left out are null, empty or their default."""
        record = self._company.every_record[self._company.topics[topic].record]
        blank = {
            item.name: None if item.nullable else {"string": "", "array": [], "boolean": False}.get(item.type)
            for item in record.fields
            if "." not in item.name
        }
        bodies = [encode(record, blank | dict(value)) for value in values]
        offsets = self._offsets[topic] + np.arange(len(bodies))
        self._offsets[topic] += len(bodies)
        batch = TopicBatch(topic, bodies, np.zeros(len(bodies), np.int32), offsets, -1, sum(map(len, bodies)))
        prepared = self._preparer.prepare([batch], (), {(topic, 0): 1}, now)
        assert not prepared.dead, [item.row.reason for item in prepared.dead]
        self._writer.write(prepared.batch, lambda: now)

"""A provider without a broker: lines of feeds into an index in memory, and whose an identifier was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime

import numpy as np

from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.errors import DecodeError
from schemas.records import load_records
from schemas.tokens import Tokenizer
from schemas.user_names import own_realms
from sinks.memory.index import MemoryIndex
from streams.identity.identities import Identities, given
from streams.kafka.batches import TopicBatch
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.tag import Tagger
from tests.support.company import model, model_feed
from tests.support.kinds import IP, KINDS, USERNAME

NOW = datetime(2026, 11, 1, tzinfo=UTC)


class Isp:
    """What was ingested, and what is counted of it."""

    def __init__(self, realms: Collection[str] = ()) -> None:
        self._realms = own_realms(realms)
        self.tokenizer = Tokenizer(bytes(range(32)), "k1", self._realms)
        self.index = MemoryIndex()
        self.identities = Identities(self.index, load_catalogue().identity_sources)
        self.counted: Counter[str] = Counter()
        expected = {topic.name: topic.record for topic in model().topics.values() if topic.tagged}
        tagger = Tagger(self.tokenizer, "v1", KINDS, placeholders=model().catalogue.placeholders)
        self._preparer = Preparer(
            tagger, WriterSchemas(load_records().values(), model().catalogue).resolve, expected
        )
        self._offset = 0

    def ingest(self, format_name: str, text: str) -> None:
        """All records of a feed."""
        feed = model_feed(format_name, realms=self._realms, now=lambda: round(NOW.timestamp() * 1000))
        reader = feed.reader()
        values = []
        for record in feed.records(enumerate(text.splitlines(), start=1)):
            try:
                read = reader.read(record)
            except DecodeError as error:
                self.counted[error.reason] += 1
                continue
            self.counted.update([*read.counted, *([read.notice] if read.notice else [])])
            values += [encode(feed.record, event, defaults=True) for event in read.events]
        offsets = self._offset + np.arange(len(values))
        self._offset += len(values)
        size = sum(map(len, values))
        batch = TopicBatch(feed.topic.name, values, np.zeros(len(values), np.int32), offsets, -1, size)
        prepared = self._preparer.prepare([batch], (), {(feed.topic.name, 0): 1}, NOW)
        assert not prepared.dead
        self.index.write(prepared.batch, lambda: NOW)

    def who(self, address: str, at: str) -> tuple[str, frozenset[bytes]]:
        """Whose the address was: the resolution, and the subjects it leads to."""
        item = given(self.tokenizer, IP, address, datetime.fromisoformat(at))
        found = self.identities.person([item], NOW)
        return found.resolution, found.subjects

    def user(self, name: str) -> tuple[str, frozenset[bytes]]:
        """What `who` gives where it is the user's alone."""
        return "unique", frozenset([self.tokenizer.token(USERNAME, name)])


NOBODY: tuple[str, frozenset[bytes]] = ("none", frozenset())

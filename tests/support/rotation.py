"""A small invented company whose token key is changed while its events are tagged, and what is asked of its index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from console.operations.keys import IN_FORCE, TokenKeys, alive
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.records import load_records
from sinks.memory.index import MemoryIndex
from sinks.ports.erasure import IndexEraser
from sinks.ports.keys import KeyEntry, KeyRegister, PairReader
from sinks.ports.lineage import ROW_SCHEMA, LineageBatch
from streams.identity.identities import Identities, given
from streams.identity.model import ResolvedSubject
from streams.identity.rekeyed import RekeyedClaims, RekeyedEraser, RekeyedReader, Same
from streams.kafka.batches import TopicBatch
from streams.simulate.plan import Plan, SimEvent
from streams.simulate.simulate import events
from streams.simulate.world import World, build_world
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.scan import Scanner
from streams.tagging.tag import Tagger
from tests.support.company import model
from tests.support.index import Index
from tests.support.kinds import KINDS
from tests.support.pairs import ReadyKeyring

PLAN = Plan(customers=3, days=2, seed=7)
NOW = datetime(2027, 1, 1, tzinfo=UTC)
_EXPECTED = {topic.name: topic.record for topic in model().topics.values() if topic.tagged}


class Kept:
    """What a topic still holds: events by topic, in order; an offset is the place."""

    def __init__(self, items: Iterable[SimEvent]) -> None:
        self.order: list[tuple[str, int]] = []
        self.messages: dict[str, list[bytes]] = {}
        for item in items:
            taken = self.messages.setdefault(item.topic, [])
            self.order.append((item.topic, len(taken)))
            taken.append(encode(load_records()[item.record], item.value))


WORLD: World = build_world(PLAN)
EVENTS = Kept(events(PLAN, world=WORLD))


class Rotated:
    """An index with its keys. `tag` under the key in force, or under one that a tagger started with."""

    def __init__(self, index: Index, register: KeyRegister, pairs: PairReader, folder: Path) -> None:
        self.index = index
        self.register = register
        self.keyring = ReadyKeyring(folder / "keys")
        self.keys = TokenKeys(self.keyring, register, lambda: NOW)
        self.keys.prove(make=True)
        self.same = Same(
            pairs, self.keys.rotated, kept_seconds=0.0 if isinstance(pairs, MemoryIndex) else 0.5
        )
        self.reader = RekeyedReader(index.reader, self.same)
        self.eraser: IndexEraser = RekeyedEraser(index.eraser, self.same)
        self.identities = Identities(
            RekeyedClaims(index.claims, self.same), load_catalogue().identity_sources
        )
        self.taggers = [self.tagger()]

    def tagger(self) -> Preparer:
        """One that is started now."""
        made = Tagger(
            self.keys.tagging(),
            load_catalogue().version,
            KINDS,
            model().catalogue.placeholders,
            Scanner(KINDS),
        )
        return Preparer(made, WriterSchemas(load_records().values(), model().catalogue).resolve, _EXPECTED)

    def rotate(self) -> None:
        """A new key, and a tagger that starts with it beside the others."""
        key = self.keyring.add()
        entries = self.register.entries()
        assert self.register.append(KeyEntry(len(entries), IN_FORCE, key.key_id, key.check, NOW))
        self.taggers.append(self.tagger())

    @property
    def key_ids(self) -> list[str]:
        return [key.key_id for key in alive(self.register.entries())]

    def tag(self, places: Sequence[tuple[str, int]], tagger: Preparer, *, pairs_only: bool = False) -> None:
        """Tag the events at these places, as one batch of each topic."""
        by_topic: dict[str, dict[int, bytes]] = {}
        for topic, offset in places:
            by_topic.setdefault(topic, {})[offset] = EVENTS.messages[topic][offset]
        self.write(by_topic, tagger, pairs_only=pairs_only)

    def write(
        self, by_topic: Mapping[str, Mapping[int, bytes]], tagger: Preparer, *, pairs_only: bool = False
    ) -> None:
        """Tag messages, by topic and offset, as one batch of each topic."""
        batches = [
            TopicBatch(
                topic,
                list(messages.values()),
                np.zeros(len(messages), np.int32),
                np.array(list(messages)),
                -1,
                sum(map(len, messages.values())),
            )
            for topic, messages in by_topic.items()
        ]
        owned = {(topic, 0): 1 for topic in by_topic}
        prepared = tagger.prepare(batches, (), owned, NOW)
        assert not prepared.dead
        batch = prepared.batch
        if pairs_only:
            batch = LineageBatch(ROW_SCHEMA.empty_table(), pairs=batch.pairs, key_id=batch.key_id)
        self.index.writer.write(batch, lambda: NOW)

    def every(self) -> dict[str, Any]:
        """What is answered about every customer."""
        return {customer.number: self.answers(customer.number) for customer in WORLD.customers}

    def answers(self, number: str, *, alone: bool = True) -> list[Any]:
        """What is answered about a customer, by one identifier or another, if `alone`, and by all together."""
        numbers = [customer.number for customer in WORLD.customers]
        identifiers = WORLD.customers[numbers.index(number)].identifiers()
        asked = [[identifiers[numbers.index(number) % len(identifiers)]]] if alone else []
        asked.append(list(identifiers))
        return [self.answer(some) for some in asked]

    def answer(self, identifiers: Sequence[tuple[str, str]]) -> Any:
        """Resolution, links and holdings, without tokens: the same under whatever key."""
        person = self.person(identifiers)
        links = sorted(
            (
                str(link.evidence),
                str(link.since),
                str(link.until),
                link.proof.name,
                link.ports,
                str(link.learnt_at),
            )
            for link in person.links
        )
        return person.resolution, person.candidates, links, self.held(person.spans), self.held(person.shared)

    def person(self, identifiers: Sequence[tuple[str, str]]) -> ResolvedSubject:
        tokenizer = self.keys.tokenizer()
        return self.identities.person(
            [given(tokenizer, KINDS[kind], value) for kind, value in identifiers], NOW
        )

    def held(self, spans: Any) -> Any:
        found = self.reader.find(spans)
        holdings = sorted(
            (item.tags.topic, item.tags.record, item.tags.categories, item.tags.held_only, item.tags.detected,
             item.events, item.first_seen, item.last_seen, item.proofs)
            for item in found.holdings
        )  # fmt: skip
        others = sorted(
            (sorted(item.roles), sorted(item.others), sorted(item.known), item.events)
            for item in self.reader.others(spans)
        )
        return found.total_events, holdings, others

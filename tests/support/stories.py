"""Stories of companies that are files alone, played into an index in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from schemas.catalogue import Catalogue
from schemas.company import Company, load_company
from schemas.errors import UnknownSchema
from schemas.records import RecordSchema
from schemas.story import load_story
from schemas.tokens import Tokenizer
from sinks.memory.dead_letters import MemoryDeadLetters
from sinks.memory.index import MemoryIndex
from sinks.ports.dead_letters import OpenLetters
from streams.answers.erased import Erased
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.answers.lookup import access
from streams.answers.question import Identifier, Question
from streams.answers.restricted import Restricted
from streams.identity.identities import Identities
from streams.identity.model import Given, ResolvedSubject
from streams.kafka.batches import Key, TopicBatch
from streams.simulate.plan import Plan
from streams.simulate.story.cast import Named
from streams.simulate.story.messages import Bodies
from streams.simulate.story.play import Play, Played, StoryTruth
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Prepared, Preparer
from streams.tagging.scan import Scanner, load_recognisers
from streams.tagging.tag import Tagger
from tests.support.claims import TOKENIZER
from tests.support.pages import ROOT

CARRIER = ROOT / "examples" / "trillebud"
START = datetime(2026, 1, 5, tzinfo=UTC)
PLAN = Plan(customers=60, days=10, seed=1, start=START)
LATER = START + timedelta(days=30)


class Schemas:
    """A registry in memory: it gives ids and knows them."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def register(self, subject: str, schema: RecordSchema) -> int:
        if schema.text not in self._texts:
            self._texts.append(schema.text)
        return self._texts.index(schema.text) + 1

    def schema(self, schema_id: int) -> str:
        if not 0 < schema_id <= len(self._texts):
            raise UnknownSchema("unknown_schema")
        return self._texts[schema_id - 1]


@dataclass(frozen=True)
class Told:
    """A story in an index in memory: what a question is asked of, and the truth."""

    play: Play
    company: Company
    truth: StoryTruth
    prepared: Prepared
    reader: MemoryIndex = field(repr=False)
    tokenizer: Tokenizer = TOKENIZER
    values: None = None
    keeping: Keeping = NOTHING_KEPT

    @property
    def identities(self) -> Identities:
        return Identities(self.reader, self.company.identity_sources, self.reader)

    @property
    def catalogue(self) -> Catalogue:
        return self.company.catalogue

    def open_letters(self) -> list[OpenLetters]:
        return MemoryDeadLetters(self.reader).open()

    def waiting(self) -> None:
        """There is no broker."""

    def erased(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Erased]:
        return ()

    def restricted(self, person: ResolvedSubject, given: Sequence[Given]) -> Sequence[Restricted]:
        return ()

    def events(self, *identifiers: Named) -> int:
        """How many events the access answer counts."""
        asked = [Identifier(self.company.kinds.parse(kind), value) for kind, value in identifiers]
        return int(access(Question(asked), self, LATER)["total_events"])


def tell(
    folder: Path = CARRIER, plan: Plan = PLAN, changed: Callable[[Played], Played] | None = None
) -> Told:
    """Play the story of a folder and tag it. `changed`: what becomes of each event on its way."""
    company, schemas = load_company(folder), Schemas()
    truth = StoryTruth(company.kinds)
    story = load_story(folder)
    assert story is not None
    play = Play(company, story, plan, Bodies(company, schemas.register))
    items = [truth.add(item) for item in play.events()]
    prepared = tagged(company, schemas, [changed(item) if changed else item for item in items])
    index = MemoryIndex()
    index.write(prepared.batch, lambda: LATER)
    return Told(play, company, truth, prepared, index)


def tagged(company: Company, schemas: Schemas, items: Iterable[Played]) -> Prepared:
    """The events as one write."""
    tagger = Tagger(
        TOKENIZER,
        company.catalogue.version,
        company.kinds,
        company.catalogue.placeholders,
        Scanner(company.kinds, load_recognisers()),
    )
    lookup = WriterSchemas(company.writers, company.catalogue, schemas, company.contracts.values())
    expected = {name: topic.record for name, topic in company.tagged.items()}
    preparer = Preparer(tagger, lookup.resolve, expected, contracts=company.contracts)
    batches = list(_batches(items))
    return preparer.prepare(batches, [], {(batch.topic, 0): 1 for batch in batches}, LATER)


def _batches(items: Iterable[Played]) -> Iterator[TopicBatch]:
    by_topic: dict[str, list[Played]] = {}
    for item in items:
        by_topic.setdefault(item.topic, []).append(item)
    for topic, played in by_topic.items():
        offsets = np.arange(len(played), dtype=np.int64)
        gone: Mapping[tuple[int, int], Key] = {
            (0, offset): Key(item.key, round(item.at.timestamp() * 1000))
            for offset, item in enumerate(played)
            if item.body is None and item.key is not None
        }
        values = [item.body for item in played]
        yield TopicBatch(topic, values, np.zeros(len(values), np.int32), offsets, 0, 0, keys=gone)

"""Dead letters tried again: opened, tagged where they lay, once; and what stays dead says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.keys import Keyring
from schemas.records import load_records
from sinks.memory.index import MemoryIndex
from sinks.ports.dead_letters import TAGGED
from sinks.ports.lineage import Span
from streams.kafka.dead_letters import key_name
from streams.kafka.registry import Registry
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.retry import GONE, NO_KEY, NOT_TAGGED, Place, Retrier
from streams.tagging.tag import Tagger
from streams.tagging.worker import TagLimits
from tests.support.company import model
from tests.support.kinds import IP, KINDS
from tests.support.registry_stub import registry_stub
from tests.support.tagging import (
    CATALOGUE,
    Broker,
    Source,
    confluent,
    in_process_broker,
    single_object,
    spread,
    to_the_end,
    visit,
)

SOON = TagLimits(batch_events=100, batch_seconds=0.05, unknown_schema_seconds=0.1)
LATE, KNOWN = "203.0.113.4", "203.0.113.5"


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with in_process_broker() as broker:
        yield broker


@dataclass(frozen=True)
class Case:
    """A topic of 20 visits, every other one by a schema that nobody had registered: ten dead letters, and one cut."""

    source: Source
    index: MemoryIndex
    keyring: Keyring
    registry: Registry

    def events(self, address: str) -> int:
        token = self.keyring.tokenizer().token(IP, address)
        return self.index.find([Span(token)]).total_events

    def retrier(self, *, index: MemoryIndex | None = None) -> Retrier:
        def preparer() -> Preparer:
            schemas = WriterSchemas(load_records().values(), model().catalogue, self.registry)
            tagger = Tagger(self.keyring.tokenizer(), CATALOGUE, KINDS, ())
            return Preparer(tagger, schemas.resolve, {self.source.name: "WebVisit"})

        return Retrier(
            self.source.broker.connection,
            {self.source.name: self.source.dead_letters},
            preparer=preparer,
            index=self.index if index is None else index,
            keyring=self.keyring,
            record=load_records()["DeadLetter"],
            clock=lambda: datetime.now(UTC),
        )

    def retry(self) -> Mapping[Place, str]:
        return self.retrier().retry(sorted(self.index.dead))


@pytest.fixture
def case(broker: Broker, tmp_path: Path) -> Iterator[Case]:
    with registry_stub() as (url, _), Registry(url) as registry:
        made = Case(broker.source(), MemoryIndex(), Keyring(tmp_path / "keys").made(), registry)
        late, known = confluent(1), single_object()
        messages = [late(visit(n, LATE)) if n % 2 else known(visit(n, KNOWN)) for n in range(20)]
        made.source.send(spread([*messages, known(visit(20, KNOWN))[:-1]]))
        to_the_end(made.source.worker(made.index, made.keyring, registry=registry, limits=SOON))
        assert (len(made.index), made.events(KNOWN), len(made.index.dead)) == (10, 10, 11)
        yield made


def test_letters_become_events_once_their_schema_is_there(case: Case) -> None:
    """Those that wait for it are tagged where they lay; twice, and beside a replay, is once. The cut one stays dead."""
    before = [*case.index.ranges]
    assert sorted(case.retry().values()) == ["truncated", *["unknown_schema"] * 10]
    assert case.events(LATE) == 0
    case.registry.register("visits-value", load_records()["WebVisit"])
    for _ in range(2):
        assert sorted(case.retry().values()) == [*[TAGGED] * 10, "truncated"]
        assert (len(case.index), case.events(LATE), case.events(KNOWN)) == (20, 10, 10)
    assert case.index.ranges == before, "offsets are counted once"
    to_the_end(case.source.worker(case.index, case.keyring, registry=case.registry, limits=SOON, replay=True))
    assert (len(case.index), case.events(LATE)) == (20, 10)


def test_rows_of_a_retry_are_those_of_a_tagger(case: Case) -> None:
    """An index that only saw the retry has for these letters what a tagger writes that knew the schema all along."""
    case.registry.register("visits-value", load_records()["WebVisit"])
    straight, retried = MemoryIndex(), MemoryIndex()
    to_the_end(case.source.worker(straight, case.keyring, registry=case.registry, limits=SOON))
    case.retrier(index=retried).retry(sorted(case.index.dead))
    token = case.keyring.tokenizer().token(IP, LATE)
    assert retried.find([Span(token)]) == straight.find([Span(token)])
    assert len(retried) == 10


@pytest.mark.parametrize("lost", ["destroyed", "another"])
def test_a_letter_without_its_key_says_so(case: Case, tmp_path: Path, lost: str) -> None:
    """A month's key that was destroyed, or a keyring of another installation: nothing is tagged, nothing breaks off."""
    case.registry.register("visits-value", load_records()["WebVisit"])
    (month,) = {key_name(row.seen_at) for row in case.index.dead.values()}
    case.keyring.destroy(month)
    if lost == "another":
        case.keyring.seal(month, b"x", b"y")
    assert set(case.retry().values()) == {NO_KEY}
    assert case.events(LATE) == 0


def test_what_cannot_be_tried_says_why(case: Case) -> None:
    """A letter that is on no topic any more, and one of what no tagger reads."""
    nowhere, feed = (case.source.name, 0, 10_000), ("radius-detail:abc", 0, 3)
    assert case.retrier().retry([nowhere, feed]) == {nowhere: GONE, feed: NOT_TAGGED}

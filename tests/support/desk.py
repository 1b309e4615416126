"""A company in memory: events are tagged as the worker tags them, and questions are asked of its API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from console.api.app import create_app
from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.records import load_records
from sinks.memory.index import MemoryIndex
from streams.feeds.formats.ndjson import reader
from streams.identity.identities import Identities, given
from streams.identity.model import ResolvedSubject
from streams.kafka.batches import TopicBatch
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.scan import Scanner
from streams.tagging.tag import Tagger
from tests.support.api import NOW, TOKEN, rights, services
from tests.support.asgi import InProcess
from tests.support.company import model
from tests.support.kinds import KINDS
from tests.support.pairs import ReadyKeyring

_RECORDS = load_records()
_EXPECTED = {topic.name: topic.record for topic in model().topics.values() if topic.tagged}


class Desk:
    """`tell` it events, `ask` it about people."""

    def __init__(self, folder: Path) -> None:
        self.keyring = ReadyKeyring(folder).made()
        self.index = MemoryIndex()
        self.rights = rights(self.index, self.keyring)
        self._next: Counter[str] = Counter()
        self.identities = Identities(self.index, load_catalogue().identity_sources, self.index)
        self.restart()
        self.services = services(folder, reader=self.index, identities=self.identities, rights=self.rights)
        self._http = httpx.Client(
            transport=InProcess(create_app(self.services)),
            base_url="http://innsyn",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    def restart(self) -> None:
        """A tagger that remembers nothing, as that of a new version."""
        tagger = Tagger(
            self.keyring.tokenizer(),
            load_catalogue().version,
            KINDS,
            model().catalogue.placeholders,
            Scanner(KINDS),
        )
        self._preparer = Preparer(
            tagger, WriterSchemas(_RECORDS.values(), model().catalogue).resolve, _EXPECTED
        )

    def tell(
        self,
        topic: str,
        events: Iterable[Mapping[str, Any]],
        *,
        offset: int | None = None,
        learnt: datetime = NOW,
    ) -> list[str]:
        """Tag the events as the next of the topic, or as those that lie at `offset`; reasons of those refused."""
        values = [encode(_RECORDS[_EXPECTED[topic]], dict(event)) for event in events]
        first = self._next[topic] if offset is None else offset
        self._next[topic] = max(self._next[topic], first + len(values))
        offsets = first + np.arange(len(values))
        batch = TopicBatch(topic, values, np.zeros(len(values), np.int32), offsets, -1, sum(map(len, values)))
        prepared = self._preparer.prepare([batch], (), {(topic, 0): 1}, learnt)
        self.index.write(prepared.batch, lambda: learnt)
        return [letter.row.reason for letter in prepared.dead]

    def read(self, topic: str, lines: Iterable[str]) -> list[str]:
        """The same with lines of NDJSON."""
        read = reader(_RECORDS[_EXPECTED[topic]])
        return self.tell(topic, [read(line) for line in lines])

    def ask(self, path: str, *people: tuple[str, str], **more: Any) -> dict[str, Any]:
        """What `POST /v1/<path>` answers about (kind, value) identifiers."""
        answer = self.post(path, *people, **more)
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def post(self, path: str, *people: tuple[str, str], **more: Any) -> httpx.Response:
        identifiers = [{"kind": kind, "value": value} for kind, value in people]
        return self._http.post(f"/v1/{path}", json={"identifiers": identifiers, **more})

    def events(self, kind: str, value: str) -> int:
        """How many events a look-up finds."""
        total: int = self.ask("lineage/query", (kind, value))["total_events"]
        return total

    def person(self, *people: tuple[str, str]) -> ResolvedSubject:
        """Whom the identifiers mean together."""
        tokenizer = self.keyring.tokenizer()
        return self.identities.person(
            [given(tokenizer, KINDS.parse(kind), value) for kind, value in people], NOW
        )

    def token(self, kind: str, value: str) -> bytes:
        return self.keyring.tokenizer().token(KINDS[kind], value)


def moment(text: str) -> datetime:
    """A time of an event, UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def fixture(name: str) -> list[str]:
    """Lines of a file in tests/fixtures/cases."""
    return (Path(__file__).parents[1] / "fixtures" / "cases" / name).read_text("utf-8").splitlines()


def event(record: str, **said: Any) -> dict[str, Any]:
    """An event of a record, null where nothing is said."""
    quiet = {field.name: None for field in _RECORDS[record].fields if "." not in field.name}
    return quiet | said

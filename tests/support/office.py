"""The whole road of an erasure without a broker: tagged events, an index, systems of record with their jobs."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from schemas.catalogue import load_catalogue
from schemas.codec import decode, encode
from schemas.keys import Keyring
from schemas.own import own_record
from schemas.policy import RetentionAnchors
from schemas.records import RecordSchema, load_records
from schemas.rights_rules import RightsRules
from schemas.vocabulary import CommandKind, Right, ToldBy
from sinks.memory.copies import MemoryCopies
from sinks.memory.requests import MemoryRequests
from sinks.ports.dead_letters import OpenLetters
from sinks.ports.identity import ClaimReader
from sinks.ports.lineage import Found, LineageBatch, Span
from sinks.ports.requests import RequestLog
from sinks.ports.retained import RetainedSessions
from sinks.ports.suppression import SuppressionLedger
from streams.answers.keeping import NOTHING_KEPT, Keeping
from streams.identity.identities import Identities
from streams.identity.values import SealedValues
from streams.kafka.batches import TopicBatch
from streams.kafka.connection import Connection
from streams.rights.protocol.messages import COPIES, DELETION, RECEIPTS, REQUESTS, decoded
from streams.rights.protocol.states import RequestState, State
from streams.rights.reference_job.changing import ChangingStore
from streams.rights.reference_job.job import ErasureJob
from streams.rights.reference_job.others import OtherRightsJob
from streams.rights.right import Clocked, Retention
from streams.rights.service import RightsService
from streams.tagging.decode.schema_lookup import WriterSchemas
from streams.tagging.prepare import Preparer
from streams.tagging.scan import Scanner
from streams.tagging.tag import Tagger
from tests.support.company import delivering, model, with_a_hold_of_everything
from tests.support.kinds import KINDS

if TYPE_CHECKING:
    # Brings the engine, which a process that forks must not have.
    from tests.support.index import Index

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Office:
    """Events are `put`, people ask to be erased by `erase`; every message is delivered at once.

    `records`: schemas to use instead of ours; `rules`: how the company carries requests out, instead of its own.
    `deaf`: systems whose jobs get no command. `tells`: answers are sent to the person at once. `sealing`: the
    identifiers that claims mention are kept, so that systems are told what links found. `copying`: systems that deliver
    copies on command. `jobs_answer`: set, the reference jobs carry out commands of other rights and of retention runs
    too; else who tests it answers what is left in `others` and `expiries`. `retained`: claims that are kept for the
    police alone, `sessions`: how they go. `batch`: events that a retention run takes at most.
    """

    def __init__(
        self,
        folder: Path,
        index: Index,
        stack: ExitStack,
        records: Mapping[str, RecordSchema] | None = None,
        scanner: Scanner | None = None,
        rules: RightsRules | None = None,
        *,
        sealing: bool = False,
        suppression: SuppressionLedger | None = None,
        copying: Collection[str] = (),
        retained: ClaimReader | None = None,
        sessions: RetainedSessions | None = None,
    ) -> None:
        self.index = index
        self._rules = rules or model().rights
        self._sealing, self._suppression = sealing, suppression
        self._retained, self._sessions = retained, sessions
        self._scanner = scanner
        self.keyring = Keyring(folder / "keys").made()
        self.records = load_records() if records is None else records
        self.catalogue = delivering(with_a_hold_of_everything(load_catalogue()), copying)
        self.copies = MemoryCopies()
        self.systems = {topic.name: topic.system for topic in model().topics.values() if topic.tagged}
        self.stores: dict[str, ChangingStore] = {}
        for system in sorted(set(self.systems.values())):
            self.stores[system] = ChangingStore(folder / f"{system}.sqlite", self.records, KINDS)
            stack.callback(self.stores[system].close)
        self.sent: deque[tuple[str, bytes]] = deque()
        self.commands: list[dict[str, Any]] = []
        self.receipts: list[dict[str, Any]] = []
        self.others: list[dict[str, Any]] = []
        self.deaf: set[str] = set()
        self.jobs_answer = False
        self.tells = True
        self.batch = 1_000_000
        self.expiries: list[dict[str, Any]] = []
        self.written: list[LineageBatch] = []
        self.now = NOW
        self._offsets: dict[str, int] = {}
        self._jobs = {system: self._job(system, store) for system, store in self.stores.items()}
        self.letters: list[OpenLetters] = []
        self.ledger = MemoryRequests()
        self.serve(NOTHING_KEPT)

    def serve(self, keeping: Keeping, ledger: RequestLog | None = None) -> None:
        """Requests are carried out by a new service, which keeps what events and orders say. `ledger`: instead of
        that in memory."""
        self.service = RightsService(
            ledger or self.ledger,
            self.index.reader,
            self.index.eraser,
            Identities(self.index.claims, self.catalogue.identity_sources),
            self.keyring,
            replace(model(), catalogue=self.catalogue, records=self.records, rights=self._rules),
            self._send,
            lambda: self.now,
            values=SealedValues(
                self.index.identifiers,
                self.keyring,
                claims=self.index.claims,
                records=self.index.record_keys,
            ),
            keeping=keeping,
            suppression=self._suppression,
            copies=self.copies,
            clocked=Clocked(
                self.index.clocks,
                self.index.expiry,
                None
                if self._retained is None
                else Identities(self._retained, self.catalogue.identity_sources),
                self._sessions,
            ),
            open_letters=lambda: self.letters,
            retention=Retention(self.index.expiry, self.index.expirer, self.batch),
        )

    @property
    def erasure(self) -> Any:
        """The steps of that right, for what is put in place of their parts."""
        return self.service._rights[Right.ERASURE]

    def _job(self, system: str, store: ChangingStore) -> ErasureJob:
        self.keyring.systems.made(system)
        return ErasureJob(
            self.keyring.systems.job_path(system), Connection("unused"), store, lambda: self.now
        )

    def _other_job(self, command: Mapping[str, Any]) -> OtherRightsJob:
        path = self.keyring.systems.job_path(command["system"])
        store, kind = self.stores[command["system"]], CommandKind(command["kind"])
        return OtherRightsJob(path, Connection("unused"), store, kind, lambda: self.now)

    def put(self, topic: str, *values: Mapping[str, Any]) -> None:
        """Events of a topic: into the system of record, and tagged into the index. Fields left out are empty."""
        record = self.records[model().topics[topic].record]
        blank = {
            field.name: _blank(field.type, field.nullable) for field in record.fields if "." not in field.name
        }
        whole = [{**blank, **value} for value in values]
        self.stores[self.systems[topic]].put_many((record.name, value) for value in whole)
        first = self._offsets.get(topic, 0)
        self._offsets[topic] = first + len(whole)
        messages = [encode(record, value) for value in whole]
        batch = TopicBatch(
            topic,
            messages,
            np.zeros(len(messages), np.int32),
            np.arange(first, first + len(messages), dtype=np.int64),
            -1,
            sum(map(len, messages)),
        )
        schemas = WriterSchemas(self.records.values(), model().catalogue)
        tagger = Tagger(
            self.keyring.tokenizer(),
            self.catalogue.version,
            KINDS,
            self.catalogue.placeholders,
            self._scanner,
            self.keyring if self._sealing else None,
        )
        prepared = Preparer(tagger, schemas.resolve, {topic: record.name}).prepare(
            [batch], [], {(topic, 0): 1}, self.now
        )
        assert not prepared.batch.dead, (topic, [row.reason for row in prepared.batch.dead])
        self.written.append(prepared.batch)
        self.index.writer.write(prepared.batch, lambda: self.now)

    def replay(self) -> None:
        """Every event is read and written again."""
        for batch in self.written:
            self.index.writer.write(batch, lambda: self.now)

    def erase(self, *identifiers: tuple[str, str], anchors: RetentionAnchors | None = None) -> RequestState:
        """A request of a person, as far as it comes by itself."""
        made = self.service.create(
            "erasure", list(identifiers), reason=None, channel="test", received_at=self.now, anchors=anchors
        )
        self.deliver()
        return self.service.get(made.request_id)

    def deliver(self) -> None:
        """Carry out every message there is, in order."""
        while self.sent:
            topic, message = self.sent.popleft()
            if topic == REQUESTS:
                self.service.on_request(decode(self.records["RightsRequest"], message))
            elif topic == RECEIPTS:
                self.receipts.append(decoded(own_record("ErasureReceipt"), message))
                self.service.on_receipt(self.receipts[-1])
            elif topic == COPIES:
                self.service.on_copy(decoded(own_record("CopyPart"), message), message)
            elif not topic.startswith(DELETION):
                # Of another right: who tests it answers it, by `tests.support.receipts.answer`.
                self.others.append({**decode(self.records["RightsCommand"], message), "topic": topic})
                if self.jobs_answer and self.others[-1]["system"] not in self.deaf:
                    self._other_job(self.others[-1]).handle(message, self._send)
            else:
                command = decoded(own_record("ErasureCommand"), message)
                if "sealed_kept" in command:
                    self.expiries.append(command)
                    if self.jobs_answer:
                        self._jobs[command["system"]].handle(message, self._send)
                    continue
                self.commands.append(command)
                system = topic.removeprefix(DELETION)
                if system not in self.deaf:
                    self._jobs[system].handle(message, self._send)
        if self.tells:
            self.tell()

    def tell(self) -> None:
        """Send every answer that waits for that."""
        for request in self.service.requests():
            if request.state is State.ANSWERED:
                self.service.tell(request.request_id, ToldBy.LETTER)

    def found(self, *identifiers: tuple[str, str]) -> Found:
        """What the index holds under the identifiers themselves."""
        tokenizer = self.keyring.tokenizer()
        return self.index.reader.find(
            [Span(tokenizer.token(KINDS.parse(kind), value)) for kind, value in identifiers]
        )

    def events(self, kind: str, value: str) -> int:
        """How many events the index holds under one identifier."""
        return self.found((kind, value)).total_events

    def stored(self, system: str, *identifiers: tuple[str, str]) -> int:
        """How many records of a system name one of the identifiers."""
        return self.stores[system].count(identifiers)

    def _send(self, topic: str, message: bytes, key: bytes) -> None:
        self.sent.append((topic, message))


def _blank(kind: str, nullable: bool) -> Any:
    """What stands in a field that an event leaves out."""
    if nullable:
        return None
    return {"string": "", "long": NOW, "int": 0, "boolean": False, "array": []}.get(kind, "")


def systems_told(commands: Sequence[Mapping[str, Any]]) -> list[str]:
    """The systems that got a command, in order."""
    return [str(command["system"]) for command in commands]

"""Which topics of a broker hold personal data that nobody declared: what `innsyn discover` finds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from schemas.codec import CONFLUENT_MAGIC, SINGLE_OBJECT_MAGIC
from schemas.company import Company
from schemas.errors import SchemaError, SchemaTooLarge
from schemas.records import AVRO, read_record
from streams.discovery.declared import undeclared
from streams.discovery.draft import Facts, draft, record_name
from streams.discovery.formats import READABLE, Format
from streams.discovery.names import Words, words_for
from streams.discovery.topic import Looked, Schema, TopicReader
from streams.discovery.values import recognisers_of
from streams.discovery.weigh import Judged
from streams.kafka.connection import Connection
from streams.kafka.registry import Registered, Registry
from streams.kafka.sampling import Sampled, Topic, sample, topics

_OF_REGISTRY = {"AVRO": Format.AVRO, "JSON": Format.JSON_FRAMED, "PROTOBUF": Format.PROTOBUF_FRAMED}
_REFUSED = ("TOPIC_AUTHORIZATION_FAILED", "TopicAuthorizationFailedError")


class Verdict(StrEnum):
    """What is known of a topic's personal data. `PERHAPS`: all that may be some is to be decided."""

    UNDECLARED = "undeclared"
    PERHAPS = "perhaps"
    DECLARED = "declared"
    NOBODY = "nobody"
    NOT_READ = "not_read"


@dataclass(frozen=True)
class Found:
    """One topic. `format`: in words, "" where nothing says it. `known`: it is a topic of the company. `fields`: those
    that nobody declared. `read`: messages that were; `others`: of these, those in another format. `note`: why nothing
    is known of the fields, or what else a person should know. `draft`: text of a contract, "" for none."""

    topic: str
    owner: str
    format: str
    a_day: int | None
    messages: int
    known: bool
    verdict: Verdict
    fields: tuple[Judged, ...] = ()
    read: int = 0
    others: int = 0
    note: str = ""
    draft: str = ""

    @property
    def to_decide(self) -> int:
        """Fields of the draft that a person has to decide."""
        return sum(bool(item.decide) for item in self.fields)


class Discovery:
    """Looks at the topics of one broker for one company."""

    def __init__(
        self,
        connection: Connection,
        company: Company,
        registry: Registry | None,
        now: datetime,
    ) -> None:
        self._connection, self._company, self._registry, self._now = connection, company, registry, now
        self._words: Words = words_for(company.catalogue)
        self._recognisers = recognisers_of(company.kinds)
        self._schemas: dict[bytes, Schema | None] = {
            SINGLE_OBJECT_MAGIC + record.fingerprint: Schema("AVRO", record) for record in company.writers
        }
        self._taken = set(company.every_record)

    def topics(self, names: Collection[str] = ()) -> tuple[list[Topic], int]:
        """The topics, and how many of innsyn's own are not among them. Raises BrokerUnavailable."""
        found = topics(self._connection, self._now, names)
        own = [item for item in found if self._is_own(item.name) and item.name not in names]
        return [item for item in found if item not in own], len(own)

    def look(self, topic: Topic, most: int) -> Found:
        """What is known of one topic: by so many of its messages, and by the registry's schema where there are none.

        Raises RegistryUnavailable, SettingsError.
        """
        registered = self._latest(topic.name)
        known = self._company.topics.get(topic.name)
        owner = (known.owner if known else "") or (registered.owner if registered else "")
        format_ = _OF_REGISTRY.get(registered.kind, "") if registered else ""
        reader = TopicReader(topic.name, self._words, self._now.date(), self._schema_of, self._recognisers)
        read = Sampled(fault=topic.fault)
        if most and not topic.fault:
            read = sample(self._connection, topic, most, reader.take)
        if not read.messages and registered and (schema := _schema(registered, topic.name)).record:
            reader.know(schema.record)
        return self._judged(topic, owner, str(format_), reader.looked(), read)

    def _judged(self, topic: Topic, owner: str, format_: str, looked: Looked, read: Sampled) -> Found:
        note = _why(read.fault) if read.fault else self._nothing(topic, read)
        if not read.messages and looked.event is None:
            return self._found(topic, owner, format_, Verdict.NOT_READ, note=note)
        others = read.messages - looked.formats.get(looked.format, 0)
        counts = {"read": read.messages, "others": others}
        if looked.event is None:
            note = _NOT_READABLE.get(looked.format, "not readable")
            return self._found(topic, owner, looked.format, Verdict.NOT_READ, note=note, **counts)
        contract = self._company.contracts.get(topic.name)
        known = self._company.topics.get(topic.name)
        record = self._company.records.get(known.record) if known else None
        fields = undeclared(looked.event, record, contract)
        verdict = _verdict(fields, known is not None)
        can = looked.format in READABLE and looked.format is not Format.SINGLE_OBJECT
        text = self._draft(topic, owner, looked) if fields and known is None and can and read.messages else ""
        if read.messages:
            note = "" if can or known else _NO_CONTRACT
        found = self._found(topic, owner, looked.format, verdict, note=note, **counts)
        return Found(**{**vars(found), "fields": fields, "draft": text})

    def _nothing(self, topic: Topic, read: Sampled) -> str:
        """Why no message was read."""
        if not topic.messages:
            return "holds no message"
        if read.unreadable:
            return "its batches cannot be unpacked within bounds"
        if read.tombstones:
            return "holds tombstones alone"
        known = self._company.topics.get(topic.name)
        return f"in topics.yaml, as {known.record}" if known else NOT_KNOWN

    def _draft(self, topic: Topic, owner: str, looked: Looked) -> str:
        assert looked.event is not None
        facts = Facts(
            topic.name, looked.format, looked.sampled, looked.left_out, owner, len(topic.end), topic.retention,
            topic.cleanup,
        )  # fmt: skip
        profile = self._company.profile
        text = draft(looked.event, facts, self._company.catalogue, self._taken, profile.time_zone)
        self._taken.add(record_name(topic.name, self._taken))
        return text

    def _found(
        self,
        topic: Topic,
        owner: str,
        format_: str,
        verdict: Verdict,
        *,
        note: str = "",
        read: int = 0,
        others: int = 0,
    ) -> Found:
        known = topic.name in self._company.topics
        return Found(
            topic.name, owner, format_, topic.a_day, topic.messages, known, verdict, (), read, others, note
        )

    def _schema_of(self, prefix: bytes) -> Schema | None:
        if prefix not in self._schemas:
            self._schemas[prefix] = self._asked(prefix)
        return self._schemas[prefix]

    def _asked(self, prefix: bytes) -> Schema | None:
        """By the id that stands in the message: whatever wrote it, nothing of the company's is asked of it."""
        if self._registry is None or prefix[:1] != CONFLUENT_MAGIC:
            return None
        number = int.from_bytes(prefix[1:], "big")
        try:
            registered = self._registry.by_id(number)
        except SchemaTooLarge:
            return None
        return _schema(registered, f"registry id {number}") if registered else None

    def _latest(self, topic: str) -> Registered | None:
        try:
            return self._registry.latest(f"{topic}-value") if self._registry else None
        except SchemaTooLarge:
            return None

    def _is_own(self, name: str) -> bool:
        """Whether innsyn itself writes the topic, whatever the company."""
        topic = self._company.topics.get(name)
        record = self._company.records.get(topic.record) if topic else None
        return record is not None and (self._company.layers[0] / AVRO / Path(record.file).name).exists()


def _verdict(fields: Sequence[Judged], known: bool) -> Verdict:
    if any(not item.decide for item in fields):
        return Verdict.UNDECLARED
    return Verdict.PERHAPS if fields else Verdict.DECLARED if known else Verdict.NOBODY


def _schema(registered: Registered, name: str) -> Schema:
    """What the registry has, without a record where it is no Avro or breaks a bound."""
    try:
        record = read_record(registered.text, name) if registered.kind == "AVRO" else None
    except SchemaError:
        record = None
    return Schema(registered.kind, record)


_NOT_READABLE: Mapping[Format, str] = {
    Format.PROTOBUF: "Protobuf is not readable yet",
    Format.PROTOBUF_FRAMED: "Protobuf is not readable yet",
    Format.FRAMED: "no registry knows the schema; set INNSYN_REGISTRY_URL",
    Format.SINGLE_OBJECT: "its schema is none of the company's",
    Format.JSON_OTHER: "JSON that is no object is not readable yet",
    Format.TOO_LARGE: "its messages are too large to be looked into",
    Format.EMPTY: "its messages are empty",
    Format.CHANGES: "no change is of a row",
    Format.AVRO_CHANGES: "no change is of a row",
}
NOT_KNOWN = "not in topics.yaml"
_NO_CONTRACT = "no contract can describe this format yet"


def _why(fault: str) -> str:
    return (
        "you may not read it"
        if fault in _REFUSED
        else f"could not be read ({fault.lower().replace('_', ' ')})"
    )


def write_drafts(found: Sequence[Found], folder: Path) -> tuple[list[Path], list[Path]]:
    """Write each draft as `<topic>.yaml`; nothing is written over. Returns what was written, and what was there.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written, there = [], []
    for item in found:
        if not item.draft:
            continue
        path = folder / f"{item.topic}.yaml"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(item.draft)
        except FileExistsError:
            there.append(path)
        else:
            written.append(path)
    return written, there

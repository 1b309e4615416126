"""A job that erases from compacted topics: `python -m innsyn_sdk.compacted job.toml`.

    state = "profiles-job.sqlite"
    [compacted]
    format = "json"                              # or "avro": single object, or Confluent's framing
    schemas = ["profile.avsc"]                   # Avro, single object: every schema that a value may be written by
    schema_ids = {"17" = "profile.avsc"}         # Confluent's framing: by the id in the value

`at` of a record is the topic; columns are the top-level fields of the value, and `_key` is the message's key as text.
Of each key the newest value counts. One that goes gets a tombstone, one that stays is written again without what was to
go; both say in the header `innsyn-command` by which command, so that a job which is killed counts the same. It reads
up to an end that the log tells, and then looks at what came between that end and its own messages: a value of somebody
else that a tombstone fell upon is written again. When older values leave the disk is up to the topic's
`max.compaction.lag.ms`, `segment.ms` and `delete.retention.ms`.
"""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType
from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from innsyn_sdk import running
from innsyn_sdk.mapping import JobFile, NotAJob, RecordMapping
from innsyn_sdk.matching import NOTHING, NeedsPerson, Rules, UnknownField, Verdict, rules_of
from innsyn_sdk.outcome import Outcome, StoreUnavailable, failed
from innsyn_sdk.protocol import Command
from innsyn_sdk.state import SqliteState, State
from innsyn_sdk.tally import Tally

SETTINGS: Mapping[str, type] = {"format": str, "schemas": list, "schema_ids": dict}
KEY, HEADER = "_key", "innsyn-command"
_SECONDS = 30.0
_DELETED = Verdict(mine=True, delete=True)
_REDACTED = Verdict(mine=True)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Format:
    """How values are written: JSON where there are no schemas, else Avro by what stands before the body."""

    schemas: Mapping[bytes, Any] = field(default_factory=dict)

    def read(self, value: bytes, where: str) -> tuple[bytes, dict[str, Any]]:
        """What stands before the body, and the fields. Raises NeedsPerson."""
        try:
            if not self.schemas:
                row = json.loads(value)
                if isinstance(row, dict):
                    return b"", row
                raise ValueError
            prefix = value[: 10 if value[:2] == b"\xc3\x01" else 5]
            body = io.BytesIO(value[len(prefix) :])
            found = schemaless_reader(body, self.schemas[prefix], None)
            if body.read(1) or not isinstance(found, dict):
                raise ValueError
        except Exception as error:  # noqa: BLE001 - a value may be anything, and its text is not to be shown
            raise NeedsPerson(f"{where} cannot be read ({type(error).__name__})") from None
        return prefix, found

    def write(self, prefix: bytes, row: Mapping[str, Any], where: str) -> bytes:
        """The value again. Raises NeedsPerson where a field may not be what it was blanked to."""
        if not self.schemas:
            return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()
        body = io.BytesIO()
        try:
            schemaless_writer(body, self.schemas[prefix], dict(row), strict=True)
        except Exception as error:  # noqa: BLE001 - see above
            raise NeedsPerson(
                f"{where} may not be blanked so; give a `blank` ({type(error).__name__})"
            ) from None
        return prefix + body.getvalue()


@dataclass(frozen=True)
class _Message:
    """The newest of its key. `value` None: a tombstone. `by`: the command that wrote it, if one did."""

    partition: int
    offset: int
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def by(self) -> str | None:
        found = [value for name, value in self.headers if name == HEADER and value is not None]
        return found[-1].decode(errors="replace") if found else None


class CompactedStore:
    """Erases from compacted topics by a mapping."""

    def __init__(
        self,
        kafka: Mapping[str, Any],
        records: Sequence[RecordMapping],
        state: Path | str,
        form: Format,
        *,
        today: Callable[[], date] = lambda: datetime.now(UTC).date(),
    ) -> None:
        self._kafka, self._records, self._format, self._today = dict(kafka), tuple(records), form, today
        self._state = SqliteState(state)

    @property
    def state(self) -> State:
        return self._state

    def close(self) -> None:
        self._state.close()

    def check(self) -> None:
        """That the topics are there and compacted. Raises NotAJob, StoreUnavailable."""
        admin = AdminClient(self._kafka)
        for mapping in self._records:
            resource = ConfigResource(ResourceType.TOPIC, mapping.at)
            try:
                said = admin.describe_configs([resource], request_timeout=_SECONDS)[resource].result()
            except KafkaException as error:
                if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise NotAJob(
                        f"there is no topic {mapping.at}; correct `at` of {mapping.record}"
                    ) from None
                raise StoreUnavailable(f"Kafka failed ({error.args[0].name()})") from None
            if "compact" not in said["cleanup.policy"].value:
                raise NotAJob(f"topic {mapping.at} is not compacted: a tombstone would delete nothing there")

    def erase(self, command: Command) -> Outcome:
        """Everything the command means, topic by topic. Raises StoreUnavailable."""
        try:
            rules, tally = rules_of(command, self._records, self._today()), Tally()
            for one in rules:
                if not one.idle:
                    self._of_topic(command, one, tally)
            return tally.outcome()
        except UnknownField as error:
            _log.error("the job's file does not fit: %s", error)
            return failed("unknown_field")
        except NeedsPerson as error:
            _log.error("%s", error)
            return failed("needs_person")
        except KafkaException as error:
            raise StoreUnavailable(f"Kafka failed ({error.args[0].name()})") from None

    def _of_topic(self, command: Command, rules: Rules, tally: Tally) -> None:
        topic = rules.mapping.at
        newest: dict[bytes, tuple[_Message, Verdict]] = {}
        wrong: dict[bytes, Exception] = {}
        with self._consumer() as consumer:
            partitions = self._partitions(consumer, topic)
            ends: dict[int, int] = {}
            for key, message in self._messages(
                consumer, topic, dict.fromkeys(partitions, OFFSET_BEGINNING), ends
            ):
                # What cannot be judged matters only if nothing newer has that key.
                newest.pop(key, None)
                wrong.pop(key, None)
                try:
                    verdict = self._verdict(command, key, message, rules)
                except (NeedsPerson, UnknownField) as error:
                    wrong[key] = error
                    continue
                if verdict.mine:
                    newest[key] = (message, verdict)
            for found in wrong.values():
                raise found
            _log.info(
                "%s was looked through up to %s", topic, ", ".join(f"{p}:{ends[p]}" for p in sorted(ends))
            )
            for _, verdict in newest.values():
                tally.add(rules.mapping.record, verdict)
            going = {
                key: (message, verdict)
                for key, (message, verdict) in newest.items()
                if message.by != command.command_id
                and (verdict.blank or (verdict.delete and not verdict.held))
            }
            if going:
                written = self._write(command, topic, rules, going)
                self._look_behind(command, consumer, rules, ends, written)

    def _verdict(self, command: Command, key: bytes, message: _Message, rules: Rules) -> Verdict:
        if message.by == command.command_id:
            return _DELETED if message.value is None else _REDACTED
        if message.value is None:
            return NOTHING
        where = f"{rules.mapping.at}, partition {message.partition}, offset {message.offset}"
        _, row = self._format.read(message.value, where)
        if row.keys() - rules.mapping.named:
            # A name may be a value that somebody misplaced, so it is not told.
            raise UnknownField(f"{where}: a field that the job's file does not name")
        return rules.decide({**row, KEY: key.decode(errors="replace")})

    def _write(
        self, command: Command, topic: str, rules: Rules, going: Mapping[bytes, tuple[_Message, Verdict]]
    ) -> dict[bytes, tuple[int, int]]:
        """Partition and offset of what was written, by key. All of it is stored when this returns."""
        values: dict[bytes, bytes | None] = {}
        for key, (message, verdict) in going.items():
            where = f"{topic}, partition {message.partition}, offset {message.offset}"
            if verdict.delete:
                values[key] = None
                continue
            if any(item.name == KEY for item in verdict.blank):
                raise NeedsPerson(f"{where} stays, and its key names the person")
            prefix, row = self._format.read(message.value or b"", where)
            row |= {item.name: item.blank for item in verdict.blank}
            values[key] = self._format.write(prefix, row, where)
        return self._sent(
            topic,
            [
                (key, value, going[key][0].partition, ((HEADER, command.command_id.encode()),))
                for key, value in values.items()
            ],
        )

    def _look_behind(
        self,
        command: Command,
        consumer: Consumer,
        rules: Rules,
        ends: Mapping[int, int],
        written: Mapping[bytes, tuple[int, int]],
    ) -> None:
        """Write again what somebody else's value was before a tombstone of ours fell upon it."""
        lost: dict[bytes, _Message] = {}
        for key, message in self._messages(consumer, rules.mapping.at, ends, {}):
            if key not in written or message.by == command.command_id:
                continue
            _, offset = written[key]
            if message.offset > offset:
                lost.pop(key, None)
            elif message.value is not None and not self._verdict(command, key, message, rules).mine:
                lost[key] = message
        again = [(key, item.value, item.partition, item.headers) for key, item in lost.items()]
        self._sent(rules.mapping.at, again)

    def _sent(
        self,
        topic: str,
        messages: Sequence[tuple[bytes, bytes | None, int, tuple[tuple[str, bytes | None], ...]]],
    ) -> dict[bytes, tuple[int, int]]:
        producer = Producer({**self._kafka, "acks": "all", "enable.idempotence": True})
        stored: dict[bytes, tuple[int, int]] = {}
        errors: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                errors.append(error)
            else:
                stored[message.key()] = (message.partition(), message.offset())

        for key, value, partition, headers in messages:
            while True:
                try:
                    producer.produce(
                        topic, value, key, partition, headers=list(headers), on_delivery=delivered
                    )
                    break
                except BufferError:
                    producer.poll(1.0)
            producer.poll(0)
        producer.flush(2 * _SECONDS)
        if errors or len(stored) != len(messages):
            raise KafkaException(errors[0] if errors else KafkaError(KafkaError._MSG_TIMED_OUT))
        return stored

    @contextmanager
    def _consumer(self) -> Iterator[Consumer]:
        options = {"isolation.level": "read_committed", **self._kafka}
        consumer = Consumer(
            {
                **options,
                "group.id": "innsyn-compacted",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            yield consumer
        finally:
            consumer.close()

    @staticmethod
    def _partitions(consumer: Consumer, topic: str) -> list[int]:
        found = consumer.list_topics(topic, timeout=_SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    @staticmethod
    def _messages(
        consumer: Consumer, topic: str, begin: Mapping[int, int], ends: dict[int, int]
    ) -> Iterator[tuple[bytes, _Message]]:
        """Every message from there to the end as it is met. `ends` gets, by partition, the offset of that end."""
        consumer.assign([TopicPartition(topic, partition, offset) for partition, offset in begin.items()])
        open_ones = set(begin)
        while open_ones:
            message: Any = consumer.poll(_SECONDS)
            if message is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
            error = message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                ends.setdefault(message.partition(), message.offset())
                open_ones.discard(message.partition())
                continue
            key = message.key()
            if message.partition() not in open_ones:
                # It came after the end up to which this partition is looked through.
                continue
            if key is not None:
                headers = tuple(message.headers() or ())
                yield key, _Message(message.partition(), message.offset(), message.value(), headers)


def format_of(file: JobFile) -> Format:
    """How the values of a job's topics are written. Raises NotAJob."""
    own, folder = file.own["compacted"], file.path.parent
    if file.text("compacted", "format", "json") == "json":
        return Format()
    try:
        by_print = {}
        for name in own.get("schemas", ()):
            schema = json.loads((folder / name).read_text("utf-8"))
            digits = fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO")
            by_print[b"\xc3\x01" + bytes.fromhex(digits)] = parse_schema(schema)
        by_id = {
            b"\0" + int(number).to_bytes(4, "big"): parse_schema(
                json.loads((folder / name).read_text("utf-8"))
            )
            for number, name in own.get("schema_ids", {}).items()
        }
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a schema is told the same way
        raise NotAJob(f"{file.path}: a schema cannot be read ({type(error).__name__}: {error})") from None
    if not by_print and not by_id:
        raise NotAJob(
            f"{file.path}: [compacted] needs `schemas` or `schema_ids` for Avro; format is json or avro"
        )
    return Format(by_print | by_id)


def store_of(file: JobFile) -> CompactedStore:
    """The store of a job's file. Raises NotAJob."""
    if file.state is None:
        raise NotAJob(f"{file.path} needs `state`, the file in which the job remembers what it did")
    return CompactedStore(file.kafka, file.records, file.state, format_of(file))


if __name__ == "__main__":
    sys.exit(running.main("compacted", SETTINGS, store_of))

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

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from innsyn_sdk import running
from innsyn_sdk.changing import Change
from innsyn_sdk.compacted_values import HEADER, Format, Message, format_of
from innsyn_sdk.mapping import JobFile, NotAJob, RecordMapping
from innsyn_sdk.matching import NOTHING, NeedsPerson, Row, Rules, UnknownField, Verdict, Whose, rules_of
from innsyn_sdk.outcome import Outcome, StoreUnavailable, failed
from innsyn_sdk.protocol import Command
from innsyn_sdk.state import SqliteState
from innsyn_sdk.tally import Tally

SETTINGS: Mapping[str, type] = {"format": str, "schemas": list, "schema_ids": dict}
KEY = "_key"
_SECONDS, _TRIES = 30.0, 10
_DELETED = Verdict(mine=True, delete=True)
_REDACTED = Verdict(mine=True)
_log = logging.getLogger(__name__)


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
    def state(self) -> SqliteState:
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
        newest: dict[bytes, tuple[Message, Verdict]] = {}
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

    def _verdict(self, command: Command, key: bytes, message: Message, rules: Rules) -> Verdict:
        if message.by == command.command_id:
            return _DELETED if message.value is None else _REDACTED
        if message.value is None:
            return NOTHING
        return rules.decide(self._row(key, message, rules.mapping)[1])

    def _row(self, key: bytes, message: Message, mapping: RecordMapping) -> tuple[bytes, dict[str, Any]]:
        """What stands before the body, and the columns. Raises NeedsPerson, UnknownField."""
        where = _place(mapping.at, message)
        prefix, row = self._format.read(message.value or b"", where)
        if row.keys() - mapping.named:
            # A name may be a value that somebody misplaced, so it is not told.
            raise UnknownField(f"{where}: a field that the job's file does not name")
        return prefix, {**row, KEY: key.decode(errors="replace")}

    def _write(
        self, command: Command, topic: str, rules: Rules, going: Mapping[bytes, tuple[Message, Verdict]]
    ) -> dict[bytes, tuple[int, int]]:
        """Partition and offset of what was written, by key. All of it is stored when this returns."""
        values: dict[bytes, bytes | None] = {}
        for key, (message, verdict) in going.items():
            where = _place(topic, message)
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

    @contextmanager
    def work(self) -> Iterator[CompactedStore]:
        """See `innsyn_sdk.changing.Rows`: topic by topic."""
        try:
            yield self
        except KafkaException as error:
            raise StoreUnavailable(f"Kafka failed ({error.args[0].name()})") from None

    def read(self, whose: Whose) -> Iterator[Row]:
        """See `innsyn_sdk.changing.Pass`; within `work` alone, as `change`."""
        with self._consumer() as consumer:
            found = self._newest(consumer, whose.mapping, lambda row: bool(whose.roles(row)), {})
        yield from (row for _, _, row in found.values())

    def change(self, mapping: RecordMapping, whose: Whose | None, decide: Change) -> int:
        with self._consumer() as consumer:
            ends: dict[int, int] = {}
            found = self._newest(consumer, mapping, lambda row: decide(row) is not None, ends)
            going: dict[bytes, tuple[Message, bytes | None]] = {
                key: (message, self._changed(mapping, prefix, row, message, decide(row) or {}))
                for key, (message, prefix, row) in found.items()
                if decide(row)
            }
            for _ in range(_TRIES):
                if not going:
                    return len(found)
                sent = [(key, value, item.partition, item.headers) for key, (item, value) in going.items()]
                going = self._overtaken(consumer, mapping, decide, ends, self._sent(mapping.at, sent))
        raise StoreUnavailable(f"{mapping.at} is written to faster than it can be changed")

    def _newest(
        self, consumer: Consumer, mapping: RecordMapping, wanted: Callable[[Row], bool], ends: dict[int, int]
    ) -> dict[bytes, tuple[Message, bytes, Row]]:
        """The newest value of each key that is wanted."""
        found: dict[bytes, tuple[Message, bytes, Row]] = {}
        wrong: dict[bytes, Exception] = {}
        begin = dict.fromkeys(self._partitions(consumer, mapping.at), OFFSET_BEGINNING)
        for key, message in self._messages(consumer, mapping.at, begin, ends):
            found.pop(key, None)
            wrong.pop(key, None)
            if message.value is None:
                continue
            try:
                prefix, row = self._row(key, message, mapping)
                if wanted(row):
                    found[key] = (message, prefix, row)
            except (NeedsPerson, UnknownField) as error:
                wrong[key] = error
        for fault in wrong.values():
            raise fault
        return found

    def _changed(
        self, mapping: RecordMapping, prefix: bytes, row: Row, message: Message, said: Mapping[str, Any]
    ) -> bytes:
        where = _place(mapping.at, message)
        if KEY in said:
            raise NeedsPerson(f"{where}: what is to change is the key, which a value cannot leave")
        value = {name: item for name, item in {**row, **said}.items() if name != KEY}
        return self._format.write(prefix, value, where)

    def _overtaken(
        self,
        consumer: Consumer,
        mapping: RecordMapping,
        decide: Change,
        ends: dict[int, int],
        written: Mapping[bytes, tuple[int, int]],
    ) -> dict[bytes, tuple[Message, bytes | None]]:
        """What somebody else wrote between that end and what was written here, which fell upon it: to be written again,
        changed as well. `ends` moves on."""
        lost: dict[bytes, Message] = {}
        until: dict[int, int] = {}
        for key, message in self._messages(consumer, mapping.at, ends, until):
            offset = written[key][1] if key in written else -1
            if message.offset < offset:
                lost[key] = message
            elif message.offset > offset:
                # Newer than what was written here.
                lost.pop(key, None)
        ends.update(until)
        again: dict[bytes, tuple[Message, bytes | None]] = {}
        for key, message in lost.items():
            if message.value is None:
                again[key] = (message, None)
                continue
            prefix, row = self._row(key, message, mapping)
            again[key] = (message, self._changed(mapping, prefix, row, message, decide(row) or {}))
        return again

    def _look_behind(
        self,
        command: Command,
        consumer: Consumer,
        rules: Rules,
        ends: Mapping[int, int],
        written: Mapping[bytes, tuple[int, int]],
    ) -> None:
        """Write again what somebody else's value was before a tombstone of ours fell upon it."""
        lost: dict[bytes, Message] = {}
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
    ) -> Iterator[tuple[bytes, Message]]:
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
                yield key, Message(message.partition(), message.offset(), message.value(), headers)


def _place(topic: str, message: Message) -> str:
    return f"{topic}, partition {message.partition}, offset {message.offset}"


def store_of(file: JobFile) -> CompactedStore:
    """The store of a job's file. Raises NotAJob."""
    if file.state is None:
        raise NotAJob(f"{file.path} needs `state`, the file in which the job remembers what it did")
    return CompactedStore(file.kafka, file.records, file.state, format_of(file))


if __name__ == "__main__":
    sys.exit(running.main("compacted", SETTINGS, store_of))

"""A job that erases from compacted topics: `python -m innsyn_sdk.compacted job.toml`.

    state = "profiles-job.sqlite"
    [compacted]
    format = "json"                              # or "avro": single object, or Confluent's framing
    schemas = ["profile.avsc"]                   # Avro, single object: every schema that a value may be written by
    schema_ids = {"17" = "profile.avsc"}         # Confluent's framing: by the id in the value

`at` of a record is the topic; columns are the top-level fields of the value, and `_key` is the message's key as text.
Of each key the newest value of each partition counts. One that goes gets a tombstone, one that stays is written again
without what was to go; both say in the header `innsyn-command` by which command, so that a job which is killed counts
the same. It reads up to an end that the log tells, and then looks at what came between that end and its own messages,
upon which these fell: it is judged as well, and written again where it is not to go. Each message says in the header
`innsyn-judged` up to where the job had looked, so that one which was killed in between does it when it begins again.
When older values leave the disk is up to the topic's `max.compaction.lag.ms`, `segment.ms` and `delete.retention.ms`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.admin._resource import ResourceType

from innsyn_sdk import running
from innsyn_sdk.changing import Change
from innsyn_sdk.compacted_log import SECONDS, Log, Place, is_own
from innsyn_sdk.compacted_values import HEADER, Format, Headers, Message, format_of
from innsyn_sdk.expiring import Expiring, expiring_of
from innsyn_sdk.expiry import Expiry
from innsyn_sdk.mapping import JobFile, NotAJob, RecordMapping
from innsyn_sdk.matching import NOTHING, NeedsPerson, Row, Rules, UnknownField, Verdict, Whose, rules_of
from innsyn_sdk.outcome import Outcome, StoreUnavailable, failed
from innsyn_sdk.protocol import Command
from innsyn_sdk.state import SqliteState
from innsyn_sdk.tally import Tally

SETTINGS: Mapping[str, type] = {"format": str, "schemas": list, "schema_ids": dict}
KEY = "_key"
_TRIES = 10
_CHANGED = "changed"
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
        self._log, self._records, self._format, self._today = Log(kafka), tuple(records), form, today
        self._state = SqliteState(state)

    @property
    def state(self) -> SqliteState:
        return self._state

    def close(self) -> None:
        self._state.close()

    def check(self) -> None:
        """That the topics are there and compacted. Raises NotAJob, StoreUnavailable."""
        admin = AdminClient(self._log.kafka)
        for mapping in self._records:
            resource = ConfigResource(ResourceType.TOPIC, mapping.at)
            try:
                said = admin.describe_configs([resource], request_timeout=SECONDS)[resource].result()
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
        return self._told(command, lambda: rules_of(command, self._records, self._today()))

    def expire(self, expiry: Expiry) -> Outcome:
        """The same of what has run out."""
        return self._told(expiry, lambda: expiring_of(expiry, self._records, self._today()))

    def _told(
        self, command: Command | Expiry, read: Callable[[], Sequence[Rules] | Sequence[Expiring]]
    ) -> Outcome:
        try:
            tally = Tally()
            for one in read():
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

    def _of_topic(self, command: Command | Expiry, rules: Rules | Expiring, tally: Tally) -> None:
        topic = rules.mapping.at
        newest: dict[Place, tuple[Message, Verdict]] = {}
        wrong: dict[Place, Exception] = {}
        own: dict[Place, Message] = {}
        with self._log.consumer() as consumer:
            partitions = self._log.partitions(consumer, topic)
            ends: dict[int, int] = {}
            for place, message in self._log.messages(
                consumer, topic, dict.fromkeys(partitions, OFFSET_BEGINNING), ends
            ):
                # What cannot be judged matters only if nothing newer has that key.
                newest.pop(place, None)
                wrong.pop(place, None)
                _note_own(own, place, message, command.command_id)
                try:
                    verdict = self._verdict(command, place, message, rules)
                except (NeedsPerson, UnknownField) as error:
                    wrong[place] = error
                    continue
                if verdict.mine or verdict.undated:
                    newest[place] = (message, verdict)
            for found in wrong.values():
                raise found
            _log.info(
                "%s was looked through up to %s", topic, ", ".join(f"{p}:{ends[p]}" for p in sorted(ends))
            )
            for _, verdict in newest.values():
                tally.add(rules.mapping.record, verdict)
            going = {
                place: (message, verdict)
                for place, (message, verdict) in newest.items()
                if message.by != command.command_id
                and (verdict.blank or (verdict.delete and not verdict.held))
            }
            own |= self._write(command, rules, going, ends)
            for _ in range(_TRIES):
                if not own:
                    return
                own = self._judge_overtaken(command, consumer, rules, own)
        raise StoreUnavailable(f"{topic} is written to faster than the job can look at it")

    def _verdict(
        self, command: Command | Expiry, place: Place, message: Message, rules: Rules | Expiring
    ) -> Verdict:
        if message.by == command.command_id:
            return _DELETED if message.value is None else _REDACTED
        if message.value is None:
            return NOTHING
        return rules.decide(self._row(place, message, rules.mapping)[1])

    def _row(self, place: Place, message: Message, mapping: RecordMapping) -> tuple[bytes, dict[str, Any]]:
        """What stands before the body, and the columns. Raises NeedsPerson, UnknownField."""
        where = _place(mapping.at, message)
        prefix, row = self._format.read(message.value or b"", where)
        if row.keys() - mapping.named:
            # A name may be a value that somebody misplaced, so it is not told.
            raise UnknownField(f"{where}: a field that the job's file does not name")
        return prefix, {**row, KEY: place[1].decode(errors="replace")}

    def _write(
        self,
        command: Command | Expiry,
        rules: Rules | Expiring,
        going: Mapping[Place, tuple[Message, Verdict]],
        ends: Mapping[int, int],
    ) -> dict[Place, Message]:
        """What was written, by place. All of it is stored when this returns. `ends`: up to where was looked."""
        topic = rules.mapping.at
        values = {place: self._left(topic, message, verdict) for place, (message, verdict) in going.items()}
        return self._log.sent(
            topic,
            [
                (place, replace(message, value=values[place], headers=_by(command, ends[message.partition])))
                for place, (message, _) in going.items()
            ],
        )

    def _left(self, topic: str, message: Message, verdict: Verdict) -> bytes | None:
        """What is left of a value after an erasure; None: nothing. Raises NeedsPerson."""
        if verdict.delete and not verdict.held:
            return None
        if not verdict.blank:
            return message.value
        where = _place(topic, message)
        if any(item.name == KEY for item in verdict.blank):
            raise NeedsPerson(f"{where} stays, and its key names the person")
        prefix, row = self._format.read(message.value or b"", where)
        return self._format.write(prefix, row | {item.name: item.blank for item in verdict.blank}, where)

    def _judge_overtaken(
        self,
        command: Command | Expiry,
        consumer: Consumer,
        rules: Rules | Expiring,
        own: Mapping[Place, Message],
    ) -> dict[Place, Message]:
        """Judge what messages of ours fell upon before anybody had looked at it; what was written then, by place."""
        topic = rules.mapping.at
        again: list[tuple[Place, Message]] = []
        for place, message in self._log.overtaken(consumer, topic, own).items():
            verdict = self._verdict(command, place, message, rules)
            left = self._left(topic, message, verdict) if verdict.mine else message.value
            if left == own[place].value:
                continue
            judged = own[place].offset
            untouched = left == message.value
            headers = message.judged_header(judged, command.command_id) if untouched else _by(command, judged)
            again.append((place, replace(message, value=left, headers=headers)))
        return self._log.sent(topic, again)

    @contextmanager
    def work(self) -> Iterator[CompactedStore]:
        """See `innsyn_sdk.changing.Rows`: topic by topic."""
        try:
            yield self
        except KafkaException as error:
            raise StoreUnavailable(f"Kafka failed ({error.args[0].name()})") from None

    def read(self, whose: Whose) -> Iterator[Row]:
        """See `innsyn_sdk.changing.Pass`; within `work` alone, as `change`."""
        with self._log.consumer() as consumer:
            found = self._newest(consumer, whose.mapping, lambda row: bool(whose.roles(row)), {}, {})
        yield from (row for _, _, row in found.values())

    def change(self, mapping: RecordMapping, whose: Whose | None, decide: Change) -> int:
        with self._log.consumer() as consumer:
            ends: dict[int, int] = {}
            own: dict[Place, Message] = {}
            found = self._newest(consumer, mapping, lambda row: decide(row) is not None, ends, own)
            going = {
                place: self._changed(mapping, (prefix, row), message, decide, ends[message.partition])
                for place, (message, prefix, row) in found.items()
                if decide(row)
            }
            # What a run that was killed had fallen upon comes first: it is newer than what it wrote.
            going |= self._change_overtaken(consumer, mapping, decide, own)
            for _ in range(_TRIES):
                if not going:
                    return len(found)
                own = self._log.sent(mapping.at, list(going.items()))
                going = self._change_overtaken(consumer, mapping, decide, own)
        raise StoreUnavailable(f"{mapping.at} is written to faster than it can be changed")

    def _newest(
        self,
        consumer: Consumer,
        mapping: RecordMapping,
        wanted: Callable[[Row], bool],
        ends: dict[int, int],
        own: dict[Place, Message],
    ) -> dict[Place, tuple[Message, bytes, Row]]:
        """The newest value of each key that is wanted. `own` gets those that a change wrote."""
        found: dict[Place, tuple[Message, bytes, Row]] = {}
        wrong: dict[Place, Exception] = {}
        begin = dict.fromkeys(self._log.partitions(consumer, mapping.at), OFFSET_BEGINNING)
        for place, message in self._log.messages(consumer, mapping.at, begin, ends):
            found.pop(place, None)
            wrong.pop(place, None)
            _note_own(own, place, message, _CHANGED)
            if message.value is None:
                continue
            try:
                prefix, row = self._row(place, message, mapping)
                if wanted(row):
                    found[place] = (message, prefix, row)
            except (NeedsPerson, UnknownField) as error:
                wrong[place] = error
        for fault in wrong.values():
            raise fault
        return found

    def _changed(
        self, mapping: RecordMapping, read: tuple[bytes, Row], message: Message, decide: Change, judged: int
    ) -> Message:
        """The message to write. `read`: what stands before its body, and the columns. Raises NeedsPerson."""
        (prefix, row), where = read, _place(mapping.at, message)
        said = decide(row) or {}
        if KEY in said:
            raise NeedsPerson(f"{where}: what is to change is the key, which a value cannot leave")
        value = {name: item for name, item in {**row, **said}.items() if name != KEY}
        headers = message.judged_header(judged, _CHANGED)
        written = self._format.write(prefix, value, where) if said else message.value
        return replace(message, value=written, headers=headers)

    def _change_overtaken(
        self, consumer: Consumer, mapping: RecordMapping, decide: Change, own: Mapping[Place, Message]
    ) -> dict[Place, Message]:
        """What somebody else wrote and a message of ours fell upon unseen: to be written again, changed as well."""
        again: dict[Place, Message] = {}
        for place, message in self._log.overtaken(consumer, mapping.at, own).items():
            judged = own[place].offset
            if message.value is None:
                again[place] = replace(message, headers=message.judged_header(judged, _CHANGED))
            else:
                again[place] = self._changed(
                    mapping, self._row(place, message, mapping), message, decide, judged
                )
        return again


def _by(command: Command | Expiry, judged: int) -> Headers:
    """The headers of what an erasure writes."""
    erased = Message(0, 0, None, ((HEADER, command.command_id.encode()),))
    return erased.judged_header(judged, command.command_id)


def _note_own(own: dict[Place, Message], place: Place, message: Message, purpose: str) -> None:
    """Whether the newest message of the key was written for that."""
    own.pop(place, None)
    if is_own(message, purpose):
        own[place] = message


def _place(topic: str, message: Message) -> str:
    return f"{topic}, partition {message.partition}, offset {message.offset}"


def store_of(file: JobFile) -> CompactedStore:
    """The store of a job's file. Raises NotAJob."""
    if file.state is None:
        raise NotAJob(f"{file.path} needs `state`, the file in which the job remembers what it did")
    return CompactedStore(file.kafka, file.records, file.state, format_of(file))


if __name__ == "__main__":
    sys.exit(running.main("compacted", SETTINGS, store_of))

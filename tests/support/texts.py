"""Events with free texts, tagged, and what rows and findings say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from schemas.norwegian import NationalKind, national_number
from schemas.records import RecordSchema, load_records
from schemas.vocabulary import Role
from streams.columns.tokens import Coordinates
from streams.tagging.decode.columnar import Bodies, ColumnDecoder
from streams.tagging.scan import Finding, Scanner
from streams.tagging.tag import Tagged, Tagger
from tests.support.claims import NOW, TOKENIZER
from tests.support.kinds import KINDS
from tests.support.records import body_of

OWNER, AGENT, MENTIONED = (role.code for role in (Role.OWNER, Role.AGENT, Role.MENTIONED))
RECORDS = load_records()
CHAT, CASE = RECORDS["ChatMessage"], RECORDS["SupportCase"]
WHEN = datetime(2026, 3, 1, tzinfo=UTC)
Event = Mapping[str, Any]


def chat(text: str = "Hei", **said: Any) -> dict[str, Any]:
    """A message of customer K1, if nothing else is said."""
    quiet: dict[str, Any] = {field.name: None for field in CHAT.fields}
    quiet |= {"session_id": "s1", "customer_number": "K1", "sender": "person", "sent_at": NOW}
    return quiet | {"text": text} | said


def case(notes: str = "Ringte", outcome: str | None = None, **said: Any) -> dict[str, Any]:
    quiet: dict[str, Any] = {field.name: None for field in CASE.fields}
    quiet |= {"case_number": "1", "customer_number": "K1", "reason": "fault", "opened_at": NOW}
    return quiet | {"notes": notes, "outcome": outcome} | said


def tagged(
    record: RecordSchema, events: Sequence[Event | bytes], scanner: Scanner | None, *, slow: bool = False
) -> Tagged:
    """Tag events (or bodies) that lie at offset 100 and up, alternately in partitions 0 and 1."""
    tagger = Tagger(TOKENIZER, "v1", KINDS, (), scanner)
    decoder = ColumnDecoder(record, tagger.wanted(record))
    bodies = Bodies.of([item if isinstance(item, bytes) else body_of(record, item) for item in events])
    decoded = (decoder.decode_one_by_one if slow else decoder.decode)(bodies)
    count = len(events)
    at = Coordinates(np.arange(count, dtype=np.int32) % 2, np.arange(100, 100 + count, dtype=np.int64))
    return tagger.tag(record, "topic", decoded, at)


def rows_of(tagged: Tagged) -> list[tuple[bytes, int, int, int, tuple[str, ...], int, int]]:
    """(token, partition, offset, role, detected, time, port) of each row, sorted."""
    columns: dict[str, Any] = {
        name: np.concatenate(parts) if parts else [] for name, parts in tagged.rows.items()
    }
    detected = {tags.id: tags.detected for tags in tagged.tag_sets}
    names = ("partition", "offset", "role", "tag_set", "event_time", "port")
    values = zip(*(np.asarray(columns[name]).tolist() for name in names), strict=True)
    return sorted(
        (bytes(name), partition, offset, role, detected[tags], time, port)
        for name, (partition, offset, role, tags, time, port) in zip(columns["token"], values, strict=True)
    )


def mentions(tagged: Tagged) -> list[tuple[bytes, int]]:
    """(token, offset) of the rows of who is mentioned, sorted."""
    return sorted((row[0], row[2]) for row in rows_of(tagged) if row[3] == MENTIONED)


def detected(tagged: Tagged) -> dict[int, set[tuple[str, ...]]]:
    """What was detected, by offset: one element if all rows of the event agree."""
    found: dict[int, set[tuple[str, ...]]] = {}
    for row in rows_of(tagged):
        found.setdefault(row[2], set()).add(row[4])
    return found


def synthetic() -> str:
    """A number of the synthetic series (month + 80) whose check digits hold, counted out."""
    for tail in range(100_000):
        number = national_number(digits := f"018190{tail:05}")
        if number and number.kind == NationalKind.SYNTHETIC and number.strict:
            return digits
    raise AssertionError("no such number")


def failing(text: str) -> Iterable[Finding]:
    """Yields one finding, then fails, but for one text."""
    if text != "Hei":
        yield Finding("name", "C-01", 0.8, 0, 1)
        raise RuntimeError("no model")

"""One message of Kafka, taken as the rights agents take it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas.records import RecordSchema
from schemas.together import tried
from streams.rights.inbox import StoreLetter, Taken


@dataclass(frozen=True)
class _Message:
    topic: str
    partition: int
    offset: int
    value: bytes


def taken(
    record: RecordSchema,
    payload: bytes,
    message: Any,
    step: Callable[..., object],
    set_aside: StoreLetter,
) -> None:
    """`message`: where it lies; `step`: of the service, on what the message says."""
    whole = _Message(message.topic, message.partition, message.offset, payload)
    Taken(record, [whole], lambda given: [tried(step, value) for value, _ in given], set_aside).take()

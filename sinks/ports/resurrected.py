"""Events that an erasure had taken away and that came again, as the tagger recognises them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Arrival(StrEnum):
    """By which way an event came to the tagger."""

    PRODUCER = "producer"  # somebody wrote it to its topic
    REPLAY = "replay"  # the topic was read again from its beginning
    RETRY = "retry"  # it was a dead letter that was tried again


@dataclass(frozen=True)
class Resurrected:
    """Events of one batch and partition that an erasure had taken away, and that came again; offsets include both ends.

    `events`: how many of the offsets. A batch that was written twice after a crash is told twice.
    """

    request_id: str
    topic: str
    partition: int
    first_offset: int
    last_offset: int
    events: int
    arrival: Arrival
    seen_at: datetime

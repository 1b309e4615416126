"""The sealed parts of the copies of people's data that systems of record send for an access request."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class StoredPart:
    """One part: number `part` of `parts`, from 1. `message`: the signed CopyPart as it came; what it seals can be read
    with the key of the request alone."""

    request_id: str
    command_id: str
    system: str
    attempt: int
    part: int
    parts: int
    message: bytes = field(repr=False)
    received_at: datetime


class CopyStore(Protocol):
    """Any number of processes may keep parts; reading is safe from any thread. All raise IndexUnavailable."""

    def keep(self, part: StoredPart) -> None:
        """Store the part; on disk when this returns. Safe to repeat.

        Another one at its place (command, attempt, part) takes its place: a job that died while it sent sends anew,
        and seals anew.
        """

    def count(self, command_id: str, attempt: int) -> int:
        """How many parts of an attempt there are."""

    def parts(self, command_id: str, attempt: int) -> Iterator[StoredPart]:
        """The parts of an attempt in order, one at a time: each may be a mebibyte."""

    def requests(self) -> Mapping[str, datetime]:
        """The requests of which there are parts, each with the moment at which the newest part came."""

    def delete(self, request_ids: Collection[str]) -> None:
        """Take away all parts of these requests; no answer has them when this returns. Safe to repeat."""

"""Who asked what about whom: the record that is kept of it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


def _entry() -> str:
    return secrets.token_hex(8)


@dataclass(frozen=True)
class AuditEntry:
    """One question, or one log-in that was refused. Never a value: kinds of identifiers, and tokens of people.

    `at`: when it was asked. `caller`: name of the credential, "" if there was none. `client`: the network address it
    came from, "" for a command on this machine. `action`: method and route as the API describes it. `identifiers`: how
    many were given, of `kinds`. `subjects`: tokens of whom the answer was about, all candidates where it is ambiguous,
    none if nobody was found; of the key `key_id`. `request_id`: the request that was made, read or moved. `purpose`:
    one of `schemas.asked_for`, or "". `resolution`: unique, ambiguous, none, or "" where nobody was looked for.
    `size`: events that the answer counts; links, requests, letters or rows where it is a list of these. `status`: of
    HTTP. `shape`, `views`: of a query in SQL (`sinks.ports.sql.SqlSeen`), of which `subjects` are tokens that it names.
    """

    at: datetime
    action: str
    caller: str = ""
    client: str = ""
    kinds: Sequence[str] = ()
    identifiers: int = 0
    subjects: Sequence[bytes] = field(default=(), repr=False)
    key_id: str = ""
    request_id: str = ""
    purpose: str = ""
    resolution: str = ""
    size: int = 0
    status: int = 0
    milliseconds: int = 0
    shape: str = ""
    views: Sequence[str] = ()
    entry: str = field(default_factory=_entry)

    def __post_init__(self) -> None:
        # As it is kept: a moment must be the same when it is read back.
        object.__setattr__(self, "at", self.at.replace(microsecond=self.at.microsecond // 1000 * 1000))


Position = tuple[datetime, str]
"""`at` and `entry` of an entry."""


@dataclass(frozen=True)
class Looked:
    """Which entries; what is left out does not limit. `since` and `until` are half-open.

    `subject`: the first bytes of a token, at least six. `action`: the whole of one.
    """

    since: datetime | None = None
    until: datetime | None = None
    subject: bytes | None = None
    action: str | None = None
    request_id: str | None = None


class AuditLog(Protocol):
    """Keeps entries. Safe from several threads. All raise IndexUnavailable."""

    def write(self, entries: Sequence[AuditEntry]) -> None:
        """Store them; on disk when this returns. Safe to repeat: each is kept once."""

    def find(
        self,
        looked: Looked,
        limit: int,
        before: Position | None = None,
    ) -> Sequence[AuditEntry]:
        """The newest entries, newest first; `before`: those that come after that one in this order."""

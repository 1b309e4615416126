"""What a job remembers: which attempts came, and how they ended. One SQLite file beside the job."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

_TABLES = """
CREATE TABLE IF NOT EXISTS attempts (command_id TEXT PRIMARY KEY, newest INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outcomes (
    command_id TEXT NOT NULL, attempt INTEGER NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (command_id, attempt)
);
CREATE TABLE IF NOT EXISTS restrictions (command_id TEXT PRIMARY KEY, said TEXT NOT NULL);
"""
_COME = """
INSERT INTO attempts VALUES (?, ?) ON CONFLICT (command_id) DO UPDATE SET newest = max(newest, excluded.newest)
RETURNING newest
"""


class State(Protocol):
    """A job's memory. A system with a database of its own may keep it there, in the transaction that erases."""

    def come(self, command_id: str, attempt: int) -> int:
        """Remember that the attempt has come; the newest one that has."""

    def outcome(self, command_id: str, attempt: int) -> str | None:
        """How the attempt ended, None if it has not."""

    def ended(self, command_id: str, attempt: int, outcome: str) -> None:
        """Remember how it ended. On disk when this returns."""


class Restrictions(Protocol):
    """Which restrictions stand, and whom each is about. What is forgotten is overwritten."""

    def restrictions(self) -> Mapping[str, str]:
        """By the command."""

    def restrict(self, command_id: str, said: str) -> None:
        """Remember it. On disk when this returns."""

    def free(self, command_id: str) -> None:
        """Forget it."""


class SqliteState:
    """One job at a time. `path`: a file, made if it is not there; ":memory:" for tests."""

    def __init__(self, path: Path | str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.executescript(f"PRAGMA secure_delete = ON; {_TABLES}")

    def come(self, command_id: str, attempt: int) -> int:
        (newest,) = self._connection.execute(_COME, (command_id, attempt)).fetchone()
        return int(newest)

    def outcome(self, command_id: str, attempt: int) -> str | None:
        query = "SELECT outcome FROM outcomes WHERE command_id = ? AND attempt = ?"
        found = self._connection.execute(query, (command_id, attempt)).fetchone()
        return None if found is None else str(found[0])

    def ended(self, command_id: str, attempt: int, outcome: str) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?)", (command_id, attempt, outcome)
        )

    def restrictions(self) -> dict[str, str]:
        return dict(self._connection.execute("SELECT command_id, said FROM restrictions").fetchall())

    def restrict(self, command_id: str, said: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO restrictions VALUES (?, ?)", (command_id, said))

    def free(self, command_id: str) -> None:
        self._connection.execute("DELETE FROM restrictions WHERE command_id = ?", (command_id,))

    def close(self) -> None:
        self._connection.close()

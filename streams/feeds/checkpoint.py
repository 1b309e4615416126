"""How far a feed has come, kept in one small file per feed: `<folder>/<feed id>.json`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import FeedError

_SHOWN_LINES = 5


class Skip(BaseModel):
    """Records with one reason: how many, and the line numbers of the first few."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    lines: tuple[int, ...] = ()

    def with_line(self, number: int) -> Skip:
        lines = self.lines if len(self.lines) == _SHOWN_LINES else (*self.lines, number)
        return Skip(count=self.count + 1, lines=lines)


class Checkpoint(BaseModel):
    """Everything up to line `lines`, where a record ends, is settled: sent and acknowledged, or skipped.

    `sent` are events, `more` of them are beyond the first of their record; `skipped` are records that cannot be read,
    `noticed` those that were sent and are odd. No message of a later line lies before `offsets` (partition to
    offset) in `topic` of the cluster.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cluster: str
    topic: str
    offsets: Mapping[int, int]
    lines: int = 0
    sent: int = 0
    more: int = 0
    skipped: Mapping[str, Skip] = {}
    noticed: Mapping[str, Skip] = {}
    finished: bool = False


def load(folder: Path, feed_id: str) -> Checkpoint | None:
    """The checkpoint of a feed, None if it never ran. Raises FeedError if the file is damaged."""
    file = folder / f"{feed_id}.json"
    try:
        return Checkpoint.model_validate_json(file.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError):
        raise FeedError(
            f"{file}: checkpoint cannot be read; with --again the whole feed is sent once more"
        ) from None


def save(folder: Path, feed_id: str, checkpoint: Checkpoint) -> None:
    """Replace the file at once: whoever reads it finds the old or the new one, also after a power cut."""
    scratch = folder / f"{feed_id}.new"
    with scratch.open("w", encoding="utf-8") as file:
        file.write(checkpoint.model_dump_json())
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(folder / f"{feed_id}.json")
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


@contextmanager
def locked(folder: Path, feed_id: str) -> Iterator[None]:
    """Nobody else sends this feed meanwhile; the kernel gives the lock back if we are killed. Raises FeedError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / f"{feed_id}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FeedError(
            f"{folder}: cannot be written ({error.strerror}); set INNSYN_HOME to another folder"
        ) from None
    try:
        _take(lock, feed_id)
        yield
    finally:
        os.close(lock)


def _take(lock: int, feed_id: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FeedError(f"feed {feed_id} is being sent by another innsyn ingest; wait for it") from None

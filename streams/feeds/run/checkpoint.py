"""How far a content has come, kept in one small file per feed: `<folder>/<feed id>.json`.

A content is known by the digest of all of it that was sent, not by a name: a file that grew begins with it, one that
changed anywhere does not.
"""

from __future__ import annotations

import fcntl
import hmac
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import FeedError
from streams.feeds.run.content import Extent

_SHOWN_LINES = 5
_KEPT_EXTENTS = 50


class Skip(BaseModel):
    """Records with one reason: how many, and the line numbers of the first few."""

    model_config = ConfigDict(frozen=True)

    count: int = 0
    lines: tuple[int, ...] = ()

    def with_line(self, number: int) -> Skip:
        lines = self.lines if len(self.lines) == _SHOWN_LINES else (*self.lines, number)
        return Skip(count=self.count + 1, lines=lines)


class Settled(BaseModel):
    """Everything up to line `lines`, where a record ends, is settled: sent and acknowledged, or skipped.

    `sent` are events, `more` of them are beyond the first of their record; `skipped` are records that cannot be read,
    `noticed` those that were sent and are odd; `others` are lines about something else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: int = 0
    sent: int = 0
    more: int = 0
    others: int = 0
    skipped: Mapping[str, Skip] = {}
    noticed: Mapping[str, Skip] = {}


class Tail(BaseModel):
    """A last record that may go on when its file grows: it had no end. `digest` is of its text if it was sent, None if
    it could not be read. `before` it, so much was settled."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    line: int
    digest: str | None
    before: Settled


class Checkpoint(Settled):
    """How far one content has come. `extent` is how much of it the run sends, or the last one sent; `scope` is how it
    is read. No message of a later line than `lines` lies before `offsets` (partition to offset) in `topic` of the
    cluster.

    A file of which `extent` is the beginning is this content, grown. `earlier` are extents it was sent to before: a
    copy that is no longer is this content too. The first and the last few are kept. `secret` is the run's own, in hex:
    messages are marked with it, and whoever may write to the topic cannot mark one. Empty: of a version that did not.
    """

    cluster: str
    topic: str
    offsets: Mapping[int, int]
    scope: str
    extent: Extent
    earlier: tuple[Extent, ...] = ()
    tail: Tail | None = None
    finished: bool = False
    secret: str = Field("", repr=False)

    def mark(self, line: int, part: int) -> bytes:
        """What the message of a line of this extent carries, so that it is known for our own: 8 bytes."""
        said = f"{self.extent.digest}/{line}/{part}".encode()
        return hmac.digest(bytes.fromhex(self.secret), said, "sha256")[:8]

    def grown(self, extent: Extent, offsets: Mapping[int, int]) -> Checkpoint:
        """Where to go on when the content was finished and there is more of it."""
        settled = dict(self.tail.before) if self.tail else {}
        earlier = (*self.earlier, self.extent)
        return self.model_copy(
            update={
                **settled,
                "offsets": offsets,
                "extent": extent,
                "earlier": earlier[:1] + earlier[1:][-_KEPT_EXTENTS:],
                "finished": False,
            }
        )


def load(folder: Path, feed_id: str) -> Checkpoint | None:
    """The checkpoint of a feed, None if it never ran. Raises FeedError if the file is damaged."""
    file = folder / f"{feed_id}.json"
    try:
        found = json.loads(file.read_text("utf-8"))
        if isinstance(found, dict) and "scope" not in found:
            # Of a version that knew a file by its size and beginning, which proves nothing.
            return None
        return Checkpoint.model_validate(found)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError):
        raise FeedError(
            f"{file}: checkpoint cannot be read, nor what it is of; delete it, or send all of a file with --again"
        ) from None


def load_all(folder: Path, scope: str) -> dict[str, Checkpoint]:
    """All checkpoints of contents that were read in the same way, by feed id. Raises FeedError as `load`."""
    loaded = ((file.stem, load(folder, file.stem)) for file in sorted(folder.glob("*.json")))
    return {feed_id: known for feed_id, known in loaded if known is not None and known.scope == scope}


def lengths(known: Iterable[Checkpoint]) -> set[int]:
    """How many bytes of a content have to be looked at to find it among these."""
    return {checkpoint.extent.bytes for checkpoint in known}


def find(known: Mapping[str, Checkpoint], extent: Extent, marks: Mapping[int, str]) -> str | None:
    """The feed that a content is: the same, or one sent before it grew; None if it is new.

    `marks` are the digests of its first bytes at the `lengths`.
    """
    for feed_id, checkpoint in known.items():
        if checkpoint.extent == extent or extent in checkpoint.earlier:
            return feed_id
    begun = [
        (checkpoint.extent.bytes, feed_id)
        for feed_id, checkpoint in known.items()
        if marks.get(checkpoint.extent.bytes) == checkpoint.extent.digest
    ]
    return max(begun)[1] if begun else None


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
def alone(folder: Path) -> Iterator[None]:
    """Nobody else looks for a content meanwhile; waits for whoever does. Raises FeedError."""
    lock = _opened(folder, "checkpoints")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def locked(folder: Path, feed_id: str) -> Iterator[None]:
    """Nobody else sends this feed meanwhile; the kernel gives the lock back if we are killed. Raises FeedError."""
    lock = _opened(folder, feed_id)
    try:
        _take(lock, feed_id)
        yield
    finally:
        os.close(lock)


def _opened(folder: Path, name: str) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise FeedError(
            f"{folder}: cannot be written ({error.strerror}); set INNSYN_HOME to another folder"
        ) from None


def _take(lock: int, feed_id: str) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FeedError(f"feed {feed_id} is being sent by another innsyn ingest; wait for it") from None

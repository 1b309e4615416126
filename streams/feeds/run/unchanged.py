"""Whether a content still is what it was when it was looked at, told before any of it is used.

A log may be cut to nothing and written anew while it is read (copytruncate), or rewritten in place. What was sent of
it then would stand for lines that were never there. So its digest is kept for every MiB, and a MiB is handed out only
if it still has it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from typing import Any

BLOCK_BYTES = 1024 * 1024


class BlockDigests:
    """BLAKE2b-128 of each MiB of what is added, and of the rest."""

    def __init__(self) -> None:
        self._found: list[bytes] = []
        self._hash = hashlib.blake2b(digest_size=16)
        self._length = 0

    def add(self, data: bytes) -> None:
        while data:
            part, data = data[: BLOCK_BYTES - self._length], data[BLOCK_BYTES - self._length :]
            self._hash.update(part)
            self._length += len(part)
            if self._length == BLOCK_BYTES:
                self._close()

    def end(self) -> tuple[bytes, ...]:
        if self._length:
            self._close()
        return tuple(self._found)

    def _close(self) -> None:
        self._found.append(self._hash.digest())
        self._hash = hashlib.blake2b(digest_size=16)
        self._length = 0


class Unchanged(io.RawIOBase):
    """The bytes that `read` gives, block by block, as long as they are those of the digests.

    `read(most)` gives at least one byte and none at the end. `size`: how many there were. `changed`: what is raised
    where a block is another, or the end comes before `limit`.
    """

    def __init__(
        self,
        read: Callable[[int], bytes],
        digests: Sequence[bytes],
        size: int,
        limit: int,
        changed: Callable[[], Exception],
    ) -> None:
        self._read, self._digests, self._changed = read, digests, changed
        self._size, self._limit = size, limit
        self._at = 0
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._waiting:
            self._waiting = self._block()
        part, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _block(self) -> bytes:
        wanted = min(BLOCK_BYTES, self._limit - self._at)
        parts: list[bytes] = []
        while wanted and (part := self._read(wanted)):
            parts.append(part)
            wanted -= len(part)
        block = b"".join(parts)
        begin, self._at = self._at, self._at + len(block)
        if wanted:
            raise self._changed()
        # A block of which only the beginning is asked for has no digest of its own.
        whole = len(block) == BLOCK_BYTES or self._at == self._size
        if (
            block
            and whole
            and hashlib.blake2b(block, digest_size=16).digest() != self._digests[begin // BLOCK_BYTES]
        ):
            raise self._changed()
        return block

"""What a batch of messages unpacks to, asked before anybody unpacks it.

Every limit of a Kafka client counts bytes as they come over the wire, and of nothing a few kilobytes unpack to a
gigabyte. So a batch is unpacked here into a bounded space first; one that does not fit, or cannot be unpacked at all,
stands as one message without a value.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cramjam
import numpy as np
import structlog
from aiokafka.record.memory_records import MemoryRecords

from schemas.errors import place_of

LARGEST_BATCH = 100_000_000
"""Bytes: what librdkafka unpacks of zstd at most, and so what any reader of ours takes at once."""
_HEADER = struct.Struct(">qiibiHiqqqhii")  # of a batch in Kafka's format 2
_OVERHEAD = 12  # base offset and length, which counts what comes after it
_MAGIC_AT = 16
_BLOCKS = b"\x82SNAPPY\x00"
_STEP = 1 << 20
_TRANSACTIONAL, _CONTROL = 0x10, 0x20
_log = structlog.get_logger(__name__)


class Unreadable(bytes):
    """The empty value of the one message that stands for a batch nobody can read."""


_NOTHING = Unreadable()


@dataclass(frozen=True)
class Marker:
    """The message that stands for a batch; with the fields that aiokafka asks a message for."""

    offset: int
    timestamp: int
    value: Unreadable = _NOTHING
    key: bytes | None = None
    timestamp_type: int = 0
    checksum: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


Tell = Callable[[int, int], None]


class Measured:
    """Stands in for aiokafka's `MemoryRecords` of one answer: its batches in order, one of them unpacked at a time."""

    def __init__(self, data: bytes, wanted: int, most: int, tell: Tell = lambda *_: None) -> None:
        """`wanted`: the offset asked for. `most`: bytes that a batch may unpack to. `tell(first, behind)` is called
        for the offsets of one that cannot be read."""
        self._data = memoryview(data)
        self._at = 0
        self._most = most
        self.begin(wanted, tell)

    def begin(self, wanted: int, tell: Tell) -> None:
        """Before the first batch is taken: where that is known later."""
        self._wanted = wanted
        self._tell = tell

    def size_in_bytes(self) -> int:
        """Of the whole answer, packed."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether a whole batch is left: the last one of an answer may be cut off."""
        return self._end() is not None

    def next_batch(self) -> Any:
        """A batch as aiokafka has them. Only after `has_next`."""
        end = self._end()
        assert end is not None
        raw = self._data[self._at : end]
        self._at = end
        if raw[_MAGIC_AT] < 2:
            # No broker of today stores such batches, so that nobody can send one.
            return MemoryRecords(bytes(raw)).next_batch()
        batch = _Batch(raw, self._wanted, self._most, self._tell)
        self._wanted = max(self._wanted, batch.next_offset)
        return batch

    def _end(self) -> int | None:
        if len(self._data) - self._at <= _MAGIC_AT:
            return None
        (length,) = struct.unpack_from(">i", self._data, self._at + 8)
        end = int(self._at + _OVERHEAD + length)
        return end if length >= 0 and end <= len(self._data) else None


class _Batch:
    """One batch, unpacked while its messages are gone through and not before."""

    def __init__(self, raw: memoryview, wanted: int, most: int, tell: Tell) -> None:
        head = _HEADER.unpack_from(raw)
        self.base_offset: int = head[0]
        attributes = head[5]
        self.next_offset: int = self.base_offset + head[6] + 1
        self.producer_id: int | None = head[9]
        self.is_transactional = bool(attributes & _TRANSACTIONAL)
        self.is_control_batch = bool(attributes & _CONTROL)
        self._codec, self._timestamp = attributes & 7, head[8]
        self._raw, self._wanted, self._most, self._tell = raw, wanted, most, tell
        self._records: Iterator[Any] | None = None

    def validate_crc(self) -> bool:
        """Seen to where the messages are read: a batch that is damaged must not end its reader either."""
        return True

    def __iter__(self) -> Iterator[Any]:
        self._records = self._read()
        return self._records

    def __next__(self) -> Any:
        if self._records is None:
            self._records = self._read()
        return next(self._records)

    def _read(self) -> Iterator[Any]:
        wanted = max(self._wanted, self.base_offset)
        if unpacks(self._codec, self._raw[_HEADER.size :], self._most):
            try:
                batch: Any = MemoryRecords(bytes(self._raw)).next_batch()
                if batch.validate_crc():
                    for record in batch:
                        yield record
                        wanted = max(wanted, record.offset + 1)
                    return
            except Exception as error:  # noqa: BLE001 - whatever a library thinks of bytes that anybody may have sent
                _log.warning("batch.not_unpacked", error=place_of(error))
        if wanted < self.next_offset:
            self._tell(wanted, self.next_offset)
            yield Marker(wanted, self._timestamp)


def unpacks(codec: int, packed: memoryview, most: int) -> bool:
    """Whether it can be unpacked, to `most` bytes at most. Takes no more room than that."""
    try:
        if codec == 0:
            return len(packed) <= most
        if codec == 1:
            return _of_gzip(packed, most)
        if codec == 2:
            return _of_snappy(packed) <= most
        with_name = {3: cramjam.lz4, 4: cramjam.zstd}[codec]
        # Not zeroed: what is not written takes no room.
        with_name.decompress_into(packed, np.empty(most, np.uint8).data)
    except (cramjam.DecompressionError, zlib.error, struct.error, KeyError, ValueError, IndexError):
        return False
    return True


def _of_gzip(packed: memoryview, most: int) -> bool:
    size, rest = 0, bytes(packed)
    while rest:
        unpacking = zlib.decompressobj(wbits=31)
        while not unpacking.eof:
            part = unpacking.decompress(rest, _STEP)
            size += len(part)
            rest = unpacking.unconsumed_tail
            if size > most or (not part and not rest and not unpacking.eof):
                return False
        rest = unpacking.unused_data
    return True


def _of_snappy(packed: memoryview) -> int:
    """What its blocks say they unpack to; one that does not keep to it cannot be unpacked."""
    if bytes(packed[:8]) != _BLOCKS:
        return _varint(packed)
    size, at = 0, 16
    while at < len(packed):
        (length,) = struct.unpack_from(">i", packed, at)
        if length < 0:
            raise ValueError
        size += _varint(packed[at + 4 : at + 4 + length])
        at += 4 + length
    return size


def _varint(packed: memoryview) -> int:
    value = 0
    for at in range(5):
        value |= (packed[at] & 0x7F) << (7 * at)
        if packed[at] < 0x80:
            return value
    raise ValueError

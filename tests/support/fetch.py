"""What lies on a topic as it was written: the codec of each batch, which no client shows once it has unpacked it."""

from __future__ import annotations

import socket
import struct

from tests.support.time_bounds import HANGING_SECONDS

_FETCH, _VERSION = 1, 4
_CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
# Of a record batch: base offset, length, leader epoch, magic, checksum, attributes (Kafka protocol, "Record Batch").
_BATCH = struct.Struct(">qiibih")


def codecs(bootstrap: str, topic: str, partition: int = 0) -> list[str]:
    """The compression of every batch of a partition, in order, as its writer chose it."""
    records = _fetch(bootstrap, topic, partition)
    found = []
    at = 0
    while at + _BATCH.size <= len(records):
        _, length, _, _, _, attributes = _BATCH.unpack_from(records, at)
        found.append(_CODECS[attributes & 7])
        at += length + 12
    return found


def _fetch(bootstrap: str, topic: str, partition: int) -> bytes:
    body = struct.pack(">iiiib", -1, 500, 1, 1 << 24, 0)
    body += struct.pack(">i", 1) + _text(topic) + struct.pack(">iiqi", 1, partition, 0, 1 << 24)
    request = struct.pack(">hhi", _FETCH, _VERSION, 1) + _text("tests") + body
    host, _, port = bootstrap.split(",")[0].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=HANGING_SECONDS) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = _exactly(connection, struct.unpack(">i", _exactly(connection, 4))[0])
    # Correlation, throttle, one topic with its name, one partition: number, error, high watermark, last stable offset.
    at = 4 + 4 + 4 + len(_text(topic)) + 4 + 4
    (error,) = struct.unpack_from(">h", answer, at)
    assert error == 0, f"Kafka error {error} while fetching {topic}"
    at += 2 + 8 + 8
    (aborted,) = struct.unpack_from(">i", answer, at)
    at += 4 + 16 * max(aborted, 0)
    (size,) = struct.unpack_from(">i", answer, at)
    return answer[at + 4 : at + 4 + size]


def _text(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _exactly(connection: socket.socket, size: int) -> bytes:
    received = bytearray()
    while len(received) < size:
        part = connection.recv(size - len(received))
        assert part, "the broker closed the connection"
        received += part
    return bytes(received)

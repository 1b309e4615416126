"""ClickHouse's own compressed blocks (`compress=1`), which its JDBC driver asks for unless it is told not to."""

from __future__ import annotations

import struct

import lz4.block

_BLOCK_BYTES = 1024 * 1024
_LZ4 = 0x82
# Method, size with these nine bytes, size of what is in it.
_HEAD = struct.Struct("<BII")
_HALF = (1 << 64) - 1


def compressed(body: bytes) -> bytes:
    """The body in blocks of a megabyte: a checksum of 16 bytes, a head of nine, the bytes in LZ4."""
    # Imported here: one client in many needs it.
    from clickhouse_cityhash.cityhash import CityHash128

    made = []
    for start in range(0, len(body), _BLOCK_BYTES):
        piece = body[start : start + _BLOCK_BYTES]
        packed = lz4.block.compress(piece, store_size=False)
        block = _HEAD.pack(_LZ4, len(packed) + _HEAD.size, len(piece)) + packed
        checksum = CityHash128(block)
        made.append(struct.pack("<QQ", checksum >> 64, checksum & _HALF) + block)
    return b"".join(made)

"""Many places of one buffer are read as each of them would be read alone."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from streams.tagging.decode.buffer import PADDING, Buffer, joined

_MOST = 10


def read_varint(data: bytes, at: int) -> tuple[int, int, bool]:
    """Bits, width and soundness of the varint at a place, byte by byte (Avro 1.12, "Binary Encoding")."""
    bits = width = 0
    while width < _MOST:
        byte = data[at + width]
        bits |= (byte & 0x7F) << 7 * width
        width += 1
        if byte < 0x80:
            return bits, width, (width == 1 or byte != 0) and bits < 2**64
    return bits, width, False


@given(st.lists(st.binary(max_size=12), min_size=1, max_size=20))
@example([b"\xff" * 9 + b"\x01"])
@example([b"\xff" * 9 + b"\x02", b"\x80" * 8 + b"\x00", b"\xff" * 11])
@example([b"\x80\x00", b"\x80" * 7 + b"\x01", b"\x80" * 8 + b"\x7f"])
def test_a_varint_is_what_its_bytes_say_one_by_one(bodies: list[bytes]) -> None:
    data = joined(bodies)
    at = np.arange(len(data) - PADDING + 1)
    bits, width, sound = Buffer(data).varints(at)
    for place in at.tolist():
        expected, length, good = read_varint(data.tobytes() + bytes(_MOST), place)
        assert bool(sound[place]) == good
        assert width[place] == length
        if good:
            assert bits[place] == expected


@given(st.lists(st.one_of(st.binary(max_size=80), st.text(max_size=20).map(str.encode)), max_size=20))
@example([b"\x7f" * 64, b"\x80", b"a" * 63, b"\xff"])
def test_a_stretch_has_a_byte_outside_ascii_if_one_of_its_bytes_is(bodies: list[bytes]) -> None:
    data = joined(bodies)
    end = np.cumsum([0, *map(len, bodies)])
    begin, end = end[:-1], end[1:]
    found = Buffer(data).not_ascii(begin, end)
    assert found.tolist() == [row for row, body in enumerate(bodies) if not body.isascii()]


def test_nothing_is_read_of_no_bodies() -> None:
    buffer = Buffer(joined([]))
    nowhere = np.zeros(0, np.int64)
    assert [len(item) for item in buffer.varints(nowhere)] == [0, 0, 0]
    assert len(buffer.not_ascii(nowhere, nowhere)) == 0

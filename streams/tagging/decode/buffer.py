"""One buffer with the bodies of a batch, asked at many places at once: one vector operation for all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streams.columns.arrays import Bytes, Flags, Ints

PADDING = 8
"""Zero bytes behind the last body: eight bytes can be read from wherever a body begins or ends."""

Words = npt.NDArray[np.uint64]

_TOGETHER = [
    (np.uint64(low), np.uint64(high), np.uint64(shift))
    for low, high, shift in (
        (0x007F007F007F007F, 0x7F007F007F007F00, 1),
        (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
        (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
    )
]


def joined(bodies: Sequence[bytes]) -> Bytes:
    """The bodies one after the other, and the padding."""
    return np.frombuffer(b"".join((*bodies, bytes(PADDING))), np.uint8)


class Buffer:
    """Reads `data`, which ends with `PADDING` bytes that are of no body. Places are at most where these begin."""

    def __init__(self, data: Bytes) -> None:
        self.data = data
        # The eight bytes from each place on, not copied: byte i is the lowest of word i.
        self._words: Words = np.ndarray((len(data) - PADDING + 1,), "<u8", data.data, strides=(1,))
        self._foreign: tuple[Words, npt.NDArray[np.int32]] | None = None
        foreign = data > 0x7F
        if foreign.any():
            self._foreign = _ranked(foreign)

    def varints(self, at: Ints) -> tuple[Words, Ints, Flags]:
        """The varint at each place: its bits, its width in bytes, and whether it is written in as few bytes as it can
        and within 64 bits. Whoever goes on by the width looks whether it is still in the body.
        """
        first = self.data[at]
        value = (first & 0x7F).astype(np.uint64)
        width = np.ones(len(at), np.int64)
        sound = np.ones(len(at), np.bool_)
        more = np.flatnonzero(first > 0x7F)
        if len(more):
            value[more], width[more], sound[more] = self._several(at[more])
        return value, width, sound

    def not_ascii(self, begin: Ints, end: Ints) -> Ints:
        """Which of the stretches have a byte outside ASCII."""
        if self._foreign is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero(_rank(self._foreign, end) > _rank(self._foreign, begin))

    def _several(self, at: Ints) -> tuple[Words, Ints, Flags]:
        """As `varints`, of those of two bytes and more."""
        word = self._words[at]
        # The highest bit of each byte says that the number goes on; the lowest byte without it is the last.
        stops = ~word & np.uint64(0x8080808080808080)
        last = stops & (~stops + np.uint64(1))
        whole = last ^ (last - np.uint64(1))  # all bits up to that one
        bits = word & whole & np.uint64(0x7F7F7F7F7F7F7F7F)
        # Groups of seven bits move together: pairs, then fours, then all eight.
        for low, high, shift in _TOGETHER:
            bits = (bits & low) | ((bits & high) >> shift)
        width = np.bitwise_count(whole).astype(np.int64) >> 3
        sound = (bits >> (7 * (width - 1)).astype(np.uint64)) != 0
        longer = np.flatnonzero(stops == 0)
        if len(longer):
            ninth, tenth = (self.data[at[longer] + place] for place in (8, 9))
            ends = ninth < 0x80
            bits[longer] |= (ninth & 0x7F).astype(np.uint64) << np.uint64(56)
            bits[longer] |= np.where(ends, 0, tenth & 1).astype(np.uint64) << np.uint64(63)
            width[longer] = np.where(ends, 9, 10)
            sound[longer] = np.where(ends, ninth != 0, tenth == 1)
        return bits, width, sound


def _ranked(flags: Flags) -> tuple[Words, npt.NDArray[np.int32]]:
    """The flags as words of 64 bits, and how many are set before each word: a bit vector with rank (Jacobson 1989).
    A fortieth of a count before each byte."""
    packed = np.packbits(flags, bitorder="little")
    words = np.zeros(len(packed) // 8 + 1, np.uint64)
    words.view(np.uint8)[: len(packed)] = packed
    before = np.zeros(len(words), np.int32)
    np.cumsum(np.bitwise_count(words[:-1]), dtype=np.int32, out=before[1:])
    return words, before


def _rank(ranked: tuple[Words, npt.NDArray[np.int32]], at: Ints) -> Ints:
    """How many flags are set before each place."""
    words, before = ranked
    number = at >> 6
    below = (np.uint64(1) << (at & 63).astype(np.uint64)) - np.uint64(1)
    found: Ints = before[number] + np.bitwise_count(words[number] & below)
    return found

"""Messages of one topic, sorted by the schema that wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.codec import CONFLUENT_PREFIX, SINGLE_OBJECT_PREFIX, split_frame
from schemas.errors import DecodeError
from streams.columns.arrays import Ints
from streams.tagging.decode.columnar import Bodies


@dataclass(frozen=True)
class Framed:
    """Bodies that one writer schema wrote. `positions[i]` is where body i stood among the messages given."""

    prefix: bytes
    positions: Ints
    bodies: Bodies


@dataclass
class Frames:
    """All groups of a batch, and the reason for each message without a known framing."""

    groups: list[Framed] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)


def split(messages: Sequence[bytes]) -> Frames:
    """Group messages by their framing prefix; nothing is copied but the joined buffer."""
    frames = Frames()
    if not messages:
        return frames
    all_bodies = Bodies.of(messages)
    data, begin, end = all_bodies.data, all_bodies.begin, all_bodies.end
    first = messages[0][:CONFLUENT_PREFIX]
    # The usual case, one schema and Confluent framing, is settled with five comparisons of whole columns.
    if _all_share(all_bodies, first, b"\x00", CONFLUENT_PREFIX):
        frames.groups.append(
            Framed(first, np.arange(len(messages)), Bodies(data, begin + CONFLUENT_PREFIX, end))
        )
        return frames
    first = messages[0][:SINGLE_OBJECT_PREFIX]
    if _all_share(all_bodies, first, b"\xc3\x01", SINGLE_OBJECT_PREFIX):
        frames.groups.append(
            Framed(first, np.arange(len(messages)), Bodies(data, begin + SINGLE_OBJECT_PREFIX, end))
        )
        return frames
    for prefix, positions in _by_prefix(messages, frames.bad):
        chosen = np.array(positions, np.int64)
        bodies = Bodies(data, begin[chosen] + len(prefix), end[chosen])
        frames.groups.append(Framed(prefix, chosen, bodies))
    return frames


def unframed(messages: Sequence[bytes]) -> Frames:
    """All messages as one group: nothing stands before their bodies."""
    return Frames([Framed(b"", np.arange(len(messages)), Bodies.of(messages))] if messages else [])


def _all_share(bodies: Bodies, prefix: bytes, magic: bytes, size: int) -> bool:
    if not prefix.startswith(magic) or len(prefix) < size or int((bodies.end - bodies.begin).min()) < size:
        return False
    return all(bool((bodies.data[bodies.begin + at] == byte).all()) for at, byte in enumerate(prefix))


def _by_prefix(messages: Sequence[bytes], bad: dict[int, str]) -> Iterator[tuple[bytes, list[int]]]:
    groups: dict[bytes, list[int]] = {}
    for position, message in enumerate(messages):
        try:
            prefix, _ = split_frame(message)
        except DecodeError as error:
            bad[position] = error.reason
        else:
            groups.setdefault(prefix, []).append(position)
    yield from groups.items()

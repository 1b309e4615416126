"""Where events are one person's alone, and where they may be another's as well: as spans that the index can read.

The same rules as `resolve`, turned round: there a moment is given and the holders are asked, here the holder. All
tokens at once and by columns: an address behind which thousands were in turn costs little more than sorting them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np

from schemas.patience import check
from schemas.vocabulary import Proof
from sinks.ports.identity import ALL_PORTS
from sinks.ports.lineage import Span
from streams.identity.links.table import BEGINNING, FOREVER, Flags, Ints, Links, each_of
from streams.identity.resolve import WHOLE

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_PORT = ALL_PORTS[1]


@dataclass(frozen=True)
class Pieces:
    """Who had tokens when, one array element each: the token at `place` was one of the person's in [since, until)
    milliseconds, or another's, behind these ports; `length` of the prefix, or WHOLE."""

    place: Ints
    mine: Flags
    since: Ints
    until: Ints
    port_from: Ints
    port_to: Ints
    length: Ints
    proof: Ints

    def __len__(self) -> int:
        return len(self.place)

    def where(self, chosen: Flags | Ints) -> Self:
        """Those chosen by a mask or by positions, in that order."""
        return replace(self, **{item.name: getattr(self, item.name)[chosen] for item in fields(self)})

    @property
    def whole(self) -> Flags:
        """Which are of all ports."""
        whole: Flags = (self.port_from == ALL_PORTS[0]) & (self.port_to == ALL_PORTS[1])
        return whole


def pieces_of(ends: Links, place: Ints, code: Ints, own: Sequence[int]) -> Pieces:
    """What the chains say of the tokens: `place[i]` is asked about under `code[i]`, a number of the links' names."""
    order = np.argsort(ends.token, kind="stable")
    begin = np.searchsorted(ends.token[order], code, "left")
    asked, offset = each_of(np.searchsorted(ends.token[order], code, "right") - begin)
    found = ends.where(order[begin[asked] + offset])
    return Pieces(
        place=place[asked],
        mine=np.isin(found.subject, np.asarray(own, np.int64)),
        since=found.since,
        until=found.until,
        port_from=found.port_from.astype(np.int64),
        port_to=found.port_to.astype(np.int64),
        length=np.where(found.length == 0, WHOLE, found.length),
        proof=found.proof.astype(np.int64),
    )


def spans_of(tokens: Sequence[bytes], pieces: Pieces) -> tuple[list[Span], list[Span]]:
    """(alone, shared) of the person, given everything known of who had the tokens; `place` numbers the tokens."""
    pieces = _beside_mine(pieces)
    if not len(pieces):
        return [], []
    pieces = _longest(pieces)
    check()
    return _spans(tokens, *_together(*_swept(pieces, *_ranges(pieces))))


def moment(milliseconds: int) -> datetime | None:
    """The time, None for no bound."""
    if milliseconds <= BEGINNING or milliseconds >= FOREVER:
        return None
    return EPOCH + timedelta(milliseconds=milliseconds)


def milliseconds(time: datetime) -> int:
    """Of the moment, rounded down."""
    return (time - EPOCH) // timedelta(milliseconds=1)


def outside(token: bytes, since: Ints, until: Ints) -> Iterable[Span]:
    """The time that none of the intervals covers."""
    order = np.argsort(since, kind="stable")
    reached = np.maximum.accumulate(until[order])
    before = np.append(BEGINNING, reached[:-1])
    for number in np.flatnonzero(since[order] > before).tolist():
        yield Span(token, moment(int(before[number])), moment(int(since[order][number])))
    if reached[-1] < FOREVER:
        yield Span(token, moment(int(reached[-1])))


def _beside_mine(pieces: Pieces) -> Pieces:
    """The person's pieces, and others' of the same tokens that meet the time from the first to the last of them."""
    mine = pieces.where(pieces.mine)
    if not len(mine):
        return mine
    count = int(pieces.place.max()) + 1
    first, last = np.full(count, FOREVER + 1), np.full(count, BEGINNING - 1)
    np.minimum.at(first, mine.place, mine.since)
    np.maximum.at(last, mine.place, mine.until)
    return pieces.where((pieces.until > first[pieces.place]) & (pieces.since < last[pieces.place]))


def _longest(pieces: Pieces) -> Pieces:
    """Without the time in which somebody had a longer prefix of the token, or the token itself."""
    count = int(pieces.place.max()) + 1
    least, most = np.full(count, WHOLE + 1), np.zeros(count, np.int64)
    np.minimum.at(least, pieces.place, pieces.length)
    np.maximum.at(most, pieces.place, pieces.length)
    mixed = (least < most)[pieces.place]
    if not mixed.any():
        return pieces
    left = [pieces.where(~mixed)]
    below = pieces.where(mixed)
    covered = below.where(np.zeros(len(below), np.bool_))
    for length in np.unique(below.length)[::-1]:
        held = below.where(below.length == length)
        left.append(_without(held, covered))
        covered = _joined([covered, held])
    return _joined(left)


def _without(pieces: Pieces, covered: Pieces) -> Pieces:
    """The parts of the pieces in the time that nothing covers, of each place."""
    if not len(covered):
        return pieces
    # Times by their rank, so that place and time fit into one number.
    moments = np.unique(np.concatenate([covered.since, covered.until, pieces.since, pieces.until]))
    width = len(moments) + 1

    def key(place: Ints, time: Ints) -> Ints:
        numbers: Ints = place * width + np.searchsorted(moments, time)
        return numbers

    covered = covered.where(np.lexsort((covered.since, covered.place)))
    begin, reached = key(covered.place, covered.since), key(covered.place, covered.until)
    reached = np.maximum.accumulate(reached)
    # 1. what covers as stretches that do not meet
    fresh = np.append(True, begin[1:] > reached[:-1])
    begin, end = begin[fresh], reached[np.append(np.flatnonzero(fresh)[1:], len(fresh)) - 1]
    # 2. each piece and the gaps between those that it meets
    since, until = key(pieces.place, pieces.since), key(pieces.place, pieces.until)
    first = np.searchsorted(end, since, "right")
    stretches = np.maximum(np.searchsorted(begin, until, "left") - first, 0)
    of, offset = each_of(stretches + 1)
    after = np.minimum(first[of] + offset, len(begin) - 1)
    left = np.where(offset == 0, since[of], end[np.maximum(first[of] + offset - 1, 0)])
    right = np.where(offset == stretches[of], until[of], begin[after])
    some = left < right
    found = pieces.where(of[some])
    return replace(found, since=moments[left[some] % width], until=moments[right[some] % width])


def _joined(parts: Sequence[Pieces]) -> Pieces:
    columns = [item.name for item in fields(Pieces)]
    return Pieces(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns})


def _ranges(pieces: Pieces) -> tuple[Ints, Ints, Ints, Ints]:
    """(piece, first port, last port of a range, the range's number): each piece once for each range it is behind.

    Ranges are so cut that nobody's ports begin or end within; port 0, unknown, is one of its own that everybody is
    behind. Only ranges that the person was behind at some time.
    """
    ports = 1 << 17
    begin = pieces.place * ports + np.where(pieces.whole, 1, np.maximum(pieces.port_from, 1))
    end = pieces.place * ports + np.where(pieces.whole, _LAST_PORT, pieces.port_to) + 1
    edges = np.unique(np.concatenate([begin, end]))
    first = np.searchsorted(edges, begin)
    # A range is cut into as many parts as edges lie in it; of port 0 alone there are none.
    parts = np.maximum(np.searchsorted(edges, end) - first, 0)
    inside = np.zeros(len(edges) + 1, np.int64)
    np.add.at(inside, first[pieces.mine & (parts > 0)], 1)
    np.add.at(inside, (first + parts)[pieces.mine & (parts > 0)], -1)
    wanted = np.cumsum(inside)[:-1] > 0
    # Of the parts only those wanted, numbered without the others.
    number = np.append(0, np.cumsum(wanted))
    of, offset = each_of(number[first + parts] - number[first])
    part = np.flatnonzero(wanted)[number[first][of] + offset]
    every = np.arange(len(pieces))
    piece = np.concatenate([every, of])
    low = np.concatenate([np.zeros(len(pieces), np.int64), edges[part] % ports])
    high = np.concatenate(
        [np.zeros(len(pieces), np.int64), edges[np.minimum(part + 1, len(edges) - 1)] % ports - 1]
    )
    return piece, low, high, pieces.place[piece] * ports + low


def _swept(pieces: Pieces, piece: Ints, low: Ints, high: Ints, at: Ints) -> tuple[Ints, ...]:
    """(place, low, high, since, until, proof, shared): when the person was behind each range, cut where the proof or
    whether anybody else was behind it changes."""
    count = len(piece)
    # Each begins and ends: what it adds to how many are behind the range.
    time = np.concatenate([pieces.since[piece], pieces.until[piece]])
    where, sign = np.concatenate([at, at]), np.repeat(np.array([1, -1]), count)
    order = np.lexsort((time, where))
    time, where, sign, event = time[order], where[order], sign[order], np.tile(np.arange(count), 2)[order]
    proof, mine = pieces.proof[piece[event]], pieces.mine[piece[event]]
    best = np.zeros(len(time), np.int64)
    for kind in np.unique(proof[mine])[::-1]:
        best[np.cumsum(np.where(mine & (proof == kind), sign, 0)) > 0] = kind
    others = np.cumsum(np.where(mine, 0, sign)) > 0
    # What holds after the last change of a moment holds until the next moment.
    state = best * 2 + others
    last = np.flatnonzero(np.append((time[1:] != time[:-1]) | (where[1:] != where[:-1]), True))
    state, since, until = state[last], time[last], np.append(time[last][1:], FOREVER)
    here = where[last]
    fresh = np.append(True, (state[1:] != state[:-1]) | (here[1:] != here[:-1]))
    begins = np.flatnonzero(fresh)
    ends = np.append(begins[1:], len(fresh)) - 1
    kept = state[begins] >= 2
    begins, ends = begins[kept], ends[kept]
    of = event[last][begins]
    return (
        *(pieces.place[piece[of]], low[of], high[of], since[begins], until[ends]),
        *(state[begins] // 2, state[begins] % 2),
    )


def _together(
    place: Ints, low: Ints, high: Ints, since: Ints, until: Ints, proof: Ints, shared: Ints
) -> tuple[Ints, ...]:
    """Ranges that touch and are otherwise the same as one; in order of place, time and port."""
    columns = place, low, high, since, until, proof, shared
    order = np.lexsort((low, shared, proof, until, since, place))
    place, low, high, since, until, proof, shared = (column[order] for column in columns)
    fresh = np.ones(len(order), np.bool_)
    fresh[1:] = low[1:] != high[:-1] + 1
    for column in (place, since, until, proof, shared):
        fresh[1:] |= column[1:] != column[:-1]
    begins = np.flatnonzero(fresh)
    high = high[np.append(begins[1:], len(order)) - 1]
    place, low, since, until, proof, shared = (
        column[begins] for column in (place, low, since, until, proof, shared)
    )
    order = np.lexsort((low, since, place))
    return tuple(column[order] for column in (place, low, high, since, until, proof, shared))


def _spans(
    tokens: Sequence[bytes],
    place: Ints,
    low: Ints,
    high: Ints,
    since: Ints,
    until: Ints,
    proof: Ints,
    shared: Ints,
) -> tuple[list[Span], list[Span]]:
    found: tuple[list[Span], list[Span]] = [], []
    columns = place, low, high, since, until, proof, shared
    for token, first, last, begin, end, kind, both in zip(*(item.tolist() for item in columns), strict=True):
        found[both].append(Span(tokens[token], moment(begin), moment(end), first, last, Proof.of(kind)))
    return found

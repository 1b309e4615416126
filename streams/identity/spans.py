"""Where events are one person's alone, and where they may be another's as well: as spans that the index can read.

The same rules as `resolve`, turned round: there a moment is given and the holders are asked, here the holder.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from sinks.ports import ALL_PORTS, Proof, Span
from streams.identity.resolve import WHOLE
from streams.identity.table import BEGINNING, FOREVER

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# As many spans back one is looked for that goes on: more than an address has blocks of a thousand ports.
_LOOK_BACK = 70


@dataclass(frozen=True)
class Piece:
    """`subject` had the token in [since, until) milliseconds, behind these ports; `length` of the prefix, or WHOLE."""

    subject: int
    since: int
    until: int
    port_from: int
    port_to: int
    length: int
    proof: int

    def behind(self, port: int) -> bool:
        """Whether an event from that port may be the subject's; port 0 is unknown and may be anybody's."""
        return not port or self.port_from <= port <= self.port_to or self.whole

    @property
    def whole(self) -> bool:
        """Whether the subject had all ports."""
        return (self.port_from, self.port_to) == ALL_PORTS


def spans_of(token: bytes, pieces: Sequence[Piece], own: Collection[int]) -> tuple[list[Span], list[Span]]:
    """(alone, shared) of the subjects `own`, given everything known of who had the token."""
    alone: list[Span] = []
    shared: list[Span] = []
    for since, until, active in _moments(pieces, own):
        for ports, holders in _ports(active):
            mine = [piece for piece in holders if piece.subject in own]
            if not mine:
                continue
            proof = Proof(min(piece.proof for piece in mine))
            span = Span(token, moment(since), moment(until), *ports, proof=proof)
            _append(alone if len(mine) == len(holders) else shared, span)
    return alone, shared


def moment(milliseconds: int) -> datetime | None:
    """The time, None for no bound."""
    if milliseconds <= BEGINNING or milliseconds >= FOREVER:
        return None
    return EPOCH + timedelta(milliseconds=milliseconds)


def _moments(pieces: Sequence[Piece], own: Collection[int]) -> Iterator[tuple[int, int, list[Piece]]]:
    """The times in which one of `own` has the token, cut so that the holders do not change within; with the holders.

    Of several prefixes the longest that anybody has.
    """
    mine = [piece for piece in pieces if piece.subject in own]
    if not mine:
        return
    cuts = sorted({edge for piece in pieces for edge in (piece.since, piece.until)})
    first, last = min(piece.since for piece in mine), max(piece.until for piece in mine)
    waiting = sorted(pieces, key=lambda piece: piece.since)
    active: list[Piece] = []
    position = 0
    for since, until in pairwise(cuts):
        while position < len(waiting) and waiting[position].since <= since:
            active.append(waiting[position])
            position += 1
        active = [piece for piece in active if piece.until > since]
        if since < first or until > last or not active:
            continue
        longest = max(piece.length for piece in active)
        holders = [piece for piece in active if piece.length == longest]
        if any(piece.subject in own for piece in holders):
            yield since, until, holders


def _ports(holders: Sequence[Piece]) -> Iterable[tuple[tuple[int, int], list[Piece]]]:
    """Port ranges, cut so that the holders do not change within; port 0, unknown, is a range of its own."""
    if all(piece.whole for piece in holders):
        return [(ALL_PORTS, list(holders))]
    cuts = sorted(
        {1, ALL_PORTS[1] + 1}
        | {
            edge
            for piece in holders
            if not piece.whole
            for edge in (max(piece.port_from, 1), piece.port_to + 1)
        }
    )
    ranges = [(low, high - 1) for low, high in pairwise(cuts)]
    found = [((0, 0), list(holders))]
    found += [(ports, [piece for piece in holders if piece.behind(ports[0])]) for ports in ranges]
    return found


def _append(spans: list[Span], span: Span) -> None:
    """Add it, or lengthen one that ends where it begins and is otherwise the same."""
    for number in range(len(spans) - 1, max(len(spans) - _LOOK_BACK, -1), -1):
        before = spans[number]
        same = (before.port_from, before.port_to, before.proof) == (span.port_from, span.port_to, span.proof)
        if same and before.until is not None and before.until == span.since:
            spans[number] = Span(
                span.token, before.since, span.until, span.port_from, span.port_to, proof=span.proof
            )
            return
    spans.append(span)


def piece(subject: int, since: int, until: int, ports: tuple[int, int], length: int, proof: int) -> Piece:
    """A piece of a chain; length 0, the address itself, outranks every prefix."""
    return Piece(subject, since, until, *ports, length or WHOLE, proof)

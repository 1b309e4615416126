"""Lines put together to records. A record is named by the number of its first line."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Numbered = Iterable[tuple[int, str | None]]

LONGEST_RECORD = 1_000
_LONGEST_QUOTED = 20


class Record(NamedTuple):
    """Lines `first` to `last`, which may end with blank ones; everything up to `last` is settled with the record.

    `lines` is None where a line or the record is too long. `open`: the source ended before the record did.
    """

    first: int
    last: int
    lines: Sequence[str] | None
    open: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines or ())


def each_line(lines: Numbered) -> Iterator[Record]:
    """Every line is a record."""
    for number, line in lines:
        yield Record(number, number, None if line is None else (line,))


def quoted_lines(lines: Numbered) -> Iterator[Record]:
    """CSV (RFC 4180): a line break between quotes belongs to the field.

    A quote that nobody closes spoils its own line alone: after 20 lines the first one is given as it is, and the
    next ones are records of their own.
    """
    source = iter(lines)
    pending: deque[tuple[int, str | None]] = deque()
    while True:
        held: list[tuple[int, str | None]] = []
        while not held or (_odd(held) and len(held) <= _LONGEST_QUOTED):
            following = pending.popleft() if pending else next(source, None)
            if following is None:
                break
            held.append(following)
        if not held:
            return
        odd = _odd(held)
        cut = odd and following is None and len(held) == 1
        if odd:
            pending.extendleft(reversed(held[1:]))
            del held[1:]
        yield _joined(held, still_open=cut)


def _odd(held: Sequence[tuple[int, str | None]]) -> bool:
    # A line that is too long ends what was open: nobody can tell what it holds.
    return (
        bool(held) and held[-1][1] is not None and sum((line or "").count('"') for _, line in held) % 2 == 1
    )


def _joined(taken: Sequence[tuple[int, str | None]], *, still_open: bool) -> Record:
    texts = [line for _, line in taken if line is not None]
    return Record(taken[0][0], taken[-1][0], texts if len(texts) == len(taken) else None, still_open)

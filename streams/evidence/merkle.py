"""Merkle trees by RFC 9162 (section 2.1), over SHA-256. Pure.

A tree is known by its size and its root. An inclusion proof shows that a leaf is in it, a consistency proof that a
larger tree begins with all of a smaller one; both are made and checked as 2.1.3 and 2.1.4 have it, without any other
leaf.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice, pairwise

EMPTY = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""
_AT_ONCE = 1_024
Range = tuple[int, int]
"""Leaves of a tree, from the first number to before the second: those of a subtree."""


def leaf_hash(data: bytes) -> bytes:
    """Of one entry, 32 bytes."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two subtrees, 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Tree:
    """A tree as far as one needs it to go on: `peaks` are the roots of the full subtrees it is made of, the largest
    first, of which there is one for each bit that is set in `size`.

    Raises ValueError where that is not so.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or self.size.bit_count() != len(self.peaks):
            raise ValueError(f"a tree of {self.size} leaves is not made of {len(self.peaks)} full ones")

    @property
    def root(self) -> bytes:
        """32 bytes."""
        if not self.peaks:
            return EMPTY
        *others, last = self.peaks
        return reduce(lambda right, left: node_hash(left, right), reversed(others), last)

    def plus(self, leaves: Iterable[bytes]) -> Tree:
        """With more leaves (their hashes) behind those it has."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            peaks.append(leaf)
            size += 1
            # Of the full trees at the end, each two of the same height become one.
            for _ in range((size & -size).bit_length() - 1):
                right = peaks.pop()
                peaks[-1] = node_hash(peaks[-1], right)
        return Tree(size, tuple(peaks))


def roots_of(ranges: Sequence[Range], leaves: Iterable[bytes]) -> list[bytes]:
    """MTH of each range of the leaf hashes, of which few are held at any time.

    Raises ValueError where there are fewer leaves.
    """
    trees = [Tree()] * len(ranges)
    rest, cuts = iter(leaves), sorted({cut for bounds in ranges for cut in bounds} | {0})
    for first, last in pairwise(cuts):
        wanted = [number for number, (start, end) in enumerate(ranges) if start <= first and last <= end]
        for at in range(first, last, _AT_ONCE):
            some = list(islice(rest, min(_AT_ONCE, last - at)))
            for number in wanted:
                trees[number] = trees[number].plus(some)
    if [tree.size for tree in trees] != [end - start for start, end in ranges]:
        raise ValueError("there are fewer leaves than the ranges say")
    return [tree.root for tree in trees]


def inclusion(index: int, size: int) -> list[Range]:
    """PATH(index, leaves): the subtrees whose roots show that the leaf at `index` is in the tree of that size.

    Raises ValueError where there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} among {size}")
    path: list[Range] = []
    first, last = 0, size
    while last - first > 1:
        half = first + _half(last - first)
        if index < half:
            path.append((half, last))
            last = half
        else:
            path.append((first, half))
            first = half
    return path[::-1]


def included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether the path shows that the leaf hash is number `index` in the tree of that size and root."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for item in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(item, found)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, item)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def consistency(first: int, second: int) -> list[Range]:
    """PROOF(first, leaves): the subtrees whose roots show that a tree of size `second` begins with one of `first`.

    Empty where it is all of them. Raises ValueError where there are fewer, or `first` is 0.
    """
    if not 0 < first <= second:
        raise ValueError(f"a tree of {second} leaves does not begin with one of {first}")
    return _subproof(first, (0, second), whole=True)


def _subproof(size: int, leaves: Range, *, whole: bool) -> list[Range]:
    first, last = leaves
    if size == last - first:
        return [] if whole else [leaves]
    half = _half(last - first)
    if size <= half:
        return [*_subproof(size, (first, first + half), whole=whole), (first + half, last)]
    return [*_subproof(size - half, (first + half, last), whole=False), (first, first + half)]


def consistent(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path shows that the tree of size `second` begins with the one of size `first`."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    steps = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not steps:
        return False
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = steps[0]
    for item in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            old, new = node_hash(item, old), node_hash(item, new)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, item)
        place, last = place >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _half(size: int) -> int:
    """The largest power of two that is smaller than the size, which is 2 or more."""
    return 1 << (size - 1).bit_length() - 1

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

EMPTY = hashlib.sha256(b"").digest()
"""Root of the tree without leaves."""


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


def root_of(leaves: Sequence[bytes]) -> bytes:
    """MTH of leaf hashes."""
    return Tree().plus(leaves).root


def inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(index, leaves): what shows that the leaf at `index` is in the tree of these leaf hashes.

    Raises ValueError where there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"there is no leaf {index} among {len(leaves)}")
    path: list[bytes] = []
    while len(leaves) > 1:
        half = _half(len(leaves))
        if index < half:
            path.append(root_of(leaves[half:]))
            leaves = leaves[:half]
        else:
            path.append(root_of(leaves[:half]))
            leaves, index = leaves[half:], index - half
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


def consistency(size: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(size, leaves): what shows that the tree of these leaf hashes begins with its first `size` ones.

    Empty where it is all of them. Raises ValueError where there are fewer, or `size` is 0.
    """
    if not 0 < size <= len(leaves):
        raise ValueError(f"a tree of {len(leaves)} leaves does not begin with one of {size}")
    return _subproof(size, leaves, whole=True)


def _subproof(size: int, leaves: Sequence[bytes], *, whole: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [root_of(leaves)]
    half = _half(len(leaves))
    if size <= half:
        return [*_subproof(size, leaves[:half], whole=whole), root_of(leaves[half:])]
    return [*_subproof(size - half, leaves[half:], whole=False), root_of(leaves[:half])]


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

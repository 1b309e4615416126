"""Merkle trees: the published vectors, and what holds for every tree."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.evidence.merkle import (
    EMPTY,
    Tree,
    consistency,
    consistent,
    included,
    inclusion,
    leaf_hash,
    node_hash,
    roots_of,
)

# Leaves, roots and proofs of the reference implementations of Certificate Transparency
# (transparency-dev/merkle, testonly/constants.go), whose trees RFC 6962 and RFC 9162 have in common.
ENTRIES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]
INCLUSION = {
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}
CONSISTENCY = {
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
    (2, 8): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
}
SIZES = st.integers(1, 70)


def root_of(hashes: Sequence[bytes]) -> bytes:
    """MTH of leaf hashes."""
    return Tree().plus(hashes).root


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(2)) for number in range(size)]


def test_roots_are_the_published_ones() -> None:
    """Of every size, at once and one leaf after the other."""
    assert bytes.fromhex(ROOTS[0]) == EMPTY == Tree().root
    tree = Tree()
    for size, root in enumerate(ROOTS[1:], 1):
        tree = tree.plus([LEAVES[size - 1]])
        assert (tree.root.hex(), root_of(LEAVES[:size]).hex()) == (root, root)


def test_proofs_are_the_published_ones() -> None:
    for (index, size), path in INCLUSION.items():
        assert [item.hex() for item in roots_of(inclusion(index, size), LEAVES[:size])] == list(path)
    for (first, second), steps in CONSISTENCY.items():
        assert [item.hex() for item in roots_of(consistency(first, second), LEAVES[:second])] == list(steps)


@given(SIZES, st.data())
def test_every_leaf_is_proved_and_no_other(size: int, data: st.DataObject) -> None:
    """Not in another place, size or tree, and not with a step changed, left out or added."""
    known = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    path, root = roots_of(inclusion(index, size), known), root_of(known)
    assert included(known[index], index, size, path, root)
    other = data.draw(st.integers(-1, size).filter(lambda item: item != index))
    assert not included(known[index], other, size, path, root)
    assert not included(leaf_hash(b"another"), index, size, path, root)
    assert not included(known[index], index, size, path, root_of(leaves(size + 1)))
    assert not included(known[index], index, size, [*path, root], root)
    assert not path or not included(known[index], index, size, path[:-1], root)
    for step in range(len(path)):
        assert not included(known[index], index, size, [*path[:step], EMPTY, *path[step + 1 :]], root)


@given(SIZES, st.data())
def test_a_larger_tree_proves_that_it_begins_with_the_smaller_one(size: int, data: st.DataObject) -> None:
    """And one in which an earlier leaf was changed, left out or put in proves nothing of the kind."""
    known = leaves(size)
    first = data.draw(st.integers(1, size))
    path, before, after = roots_of(consistency(first, size), known), root_of(known[:first]), root_of(known)
    assert consistent(first, size, before, after, path)
    changed = data.draw(st.integers(0, first - 1))
    forged = [*known[:changed], leaf_hash(b"another"), *known[changed + 1 :]]
    assert not consistent(first, size, before, root_of(forged), roots_of(consistency(first, size), forged))
    left_out = [*known[:changed], *known[changed + 1 :], leaf_hash(b"in its place")]
    assert not consistent(
        first, size, before, root_of(left_out), roots_of(consistency(first, len(left_out)), left_out)
    )
    assert not consistent(first, size, before, after, [*path, after])
    for step in range(len(path)):
        assert not consistent(first, size, before, after, [*path[:step], EMPTY, *path[step + 1 :]])
    assert not consistent(0, size, EMPTY, after, path)
    assert not consistent(size + 1, size, before, after, path)


def test_the_roots_of_many_ranges_are_found_in_one_pass_that_holds_little() -> None:
    """Leaves come from a place that gives them once; ranges overlap, as those of two proofs do."""
    size = 5_000
    ranges = [*inclusion(4_321, size), *consistency(3_000, size), (0, size)]
    found = roots_of(ranges, iter(leaves(size)))
    assert found == [root_of(leaves(size)[first:last]) for first, last in ranges]
    with pytest.raises(ValueError, match="fewer leaves"):
        roots_of(ranges, iter(leaves(size - 1)))


@given(st.lists(st.integers(0, 9), max_size=8))
def test_a_tree_grows_the_same_in_any_steps(steps: list[int]) -> None:
    """It needs no leaf that it has already, only the peaks."""
    known, tree = leaves(sum(steps)), Tree()
    for step in steps:
        tree = Tree(tree.size, tree.peaks).plus(known[tree.size : tree.size + step])
    assert (tree.size, tree.root) == (len(known), root_of(known))


def test_peaks_that_do_not_fit_the_size_are_refused() -> None:
    """Whatever a damaged row says."""
    for size, peaks in ((2, LEAVES[:2]), (3, LEAVES[:1]), (-1, ()), (1, ())):
        try:
            Tree(size, tuple(peaks))
        except ValueError:
            continue
        raise AssertionError(size)
    assert Tree(2, (node_hash(*LEAVES[:2]),)).root.hex() == ROOTS[2]

"""Paths to fields of nested messages: `customer.number`, `consignees[].number`, `attributes.*`.

A step is a key; `[]` stands for every item of an array, `*` for every key of a map. A path means what lies at its end
and everything below that, unless another path says otherwise of a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

ITEM = "[]"
ANY = "*"
Steps = tuple[str, ...]

_KEY = re.compile(r"[^.\[\]*\s]+")
_PART = re.compile(r"(\*|[^.\[\]*\s]+)((?:\[\])*)")


def steps(path: str) -> Steps:
    """The steps of a path. Raises ValueError, whose message is a mend."""
    found: list[str] = []
    for part in path.split("."):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError("write keys with dots between them, [] behind an array and * for any key")
        found += [match[1], *[ITEM] * (len(match[2]) // 2)]
    return tuple(found)


def written(path: Iterable[str]) -> str:
    """A path as text."""
    text = ""
    for step in path:
        text += step if step == ITEM or not text else f".{step}"
    return text


def item(path: str) -> str:
    """The items of an array that a path lies in, as a path of their own (`consignees[]`); empty outside of arrays."""
    head, found, _ = path.rpartition(ITEM)
    return head + found


@lru_cache(4096)
def key_step(key: str) -> str:
    """A key of a message as a step: itself, or `*` if it cannot be written in a path."""
    return key if _KEY.fullmatch(key) else ANY


@dataclass
class Node:
    """A place in a message. `path`: what a contract says of it, None where it says nothing."""

    path: str | None = None
    below: dict[str, Node] = field(default_factory=dict)

    def at(self, key: str) -> Node | None:
        """The place under a key, by its own name or as any key."""
        return (self.below.get(key) if key != ITEM else None) or self.below.get(ANY)

    @property
    def items(self) -> Node | None:
        """The place of each item of an array."""
        return self.below.get(ITEM)


def tree(paths: Iterable[str]) -> Node:
    """The places that paths name. Raises ValueError as `steps`."""
    root = Node()
    for path in paths:
        node = root
        for step in steps(path):
            node = node.below.setdefault(step, Node())
        node.path = path
    return root


def covers(node: Node, path: str) -> bool:
    """Whether a contract with these places says something of the path, or of what it is a part of."""
    try:
        for step in steps(path):
            below = node.items if step == ITEM else node.at(step)
            if below is None:
                return False
            if below.path is not None:
                return True
            node = below
    except ValueError:
        pass
    return False

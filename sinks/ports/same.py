"""Tokens under several keys that are the same identifier's, put together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sinks.ports.keys import PairReader

Pair = tuple[bytes, bytes, str]
"""As `sinks.ports.keys.PAIR_SCHEMA`: older token, newer one, id of the older one's key."""


@dataclass(frozen=True)
class SameTokens:
    """`groups`: of each token that is not alone, all tokens of its identifier."""

    groups: Mapping[bytes, frozenset[bytes]] = field(default_factory=dict)

    @classmethod
    def joined_by(cls, pairs: Iterable[Pair]) -> SameTokens:
        """Those that the pairs join, over any number of keys."""
        groups: dict[bytes, set[bytes]] = {}
        for older, newer, _ in pairs:
            group = groups.get(older, {older}) | groups.get(newer, {newer})
            groups |= dict.fromkeys(group, group)
        return cls({token: frozenset(group) for token, group in groups.items()})

    def name(self, token: bytes) -> bytes:
        """One for all tokens of an identifier."""
        return min(self.groups.get(token, (token,)))

    def every(self, tokens: Iterable[bytes]) -> set[bytes]:
        """All tokens of their identifiers, themselves among them."""
        return {item for token in tokens for item in self.groups.get(token, (token,))}


def pairs_around(pairs: PairReader, tokens: Iterable[bytes]) -> list[Pair]:
    """All pairs that lead from the tokens to others of their identifiers. Raises IndexUnavailable."""
    seen, frontier = set[bytes](), set(tokens)
    found: dict[Pair, None] = {}
    while frontier:
        seen |= frontier
        rows = zip(*pairs.pairs(sorted(frontier)).to_pydict().values(), strict=True)
        fresh: list[Pair] = list(rows)
        found |= dict.fromkeys(fresh)
        frontier = {token for older, newer, _ in fresh for token in (older, newer)} - seen
    return list(found)

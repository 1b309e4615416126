"""Signed tree heads of the transparency log: what of them is signed, and how each stands on the one before. Pure.

A leaf is the hash of the canonical JSON of four things: source and key of an entry, its moment, and the SHA-256 of its
content. So an entry can be shown to have been recorded then and there also when its content has been dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.canonical import MOST, canonical
from schemas.signingkeys import PublicKey, SigningKey
from sinks.ports.evidence import Entry, Leaf, Seal
from streams.evidence.merkle import Tree, leaf_hash
from streams.evidence.moments import millis

KIND = "innsyn-tree-head-v1"
"""Stands in what is signed, so that no signature passes for one of something else."""
NOTHING_BEFORE = bytes(32)


def leaf_of(entry: Entry) -> Leaf:
    """What the log keeps of the entry. Raises ValueError for content that has no one form in JSON."""
    return Leaf(entry.place, entry.at, content_digest(entry.content))


def content_digest(content: Mapping[str, Any]) -> bytes:
    """SHA-256 of its canonical JSON. A number too large for JSON stands as its digits, so that nothing that somebody
    writes to the index keeps all the rest from being sealed."""
    plain = {
        name: str(value) if isinstance(value, int) and abs(value) > MOST else value
        for name, value in content.items()
    }
    return hashlib.sha256(canonical(plain)).digest()


def leaf_json(leaf: Leaf) -> dict[str, Any]:
    """The leaf as JSON, of which its hash is made."""
    return {
        "source": str(leaf.place.source),
        "key": leaf.place.key,
        "at": millis(leaf.at),
        "digest": leaf.digest.hex(),
    }


def hash_of(leaf: Leaf) -> bytes:
    """Its hash in the tree."""
    return leaf_hash(canonical(leaf_json(leaf)))


def head_json(head: Seal) -> dict[str, Any]:
    """The head as JSON, without signature: what is signed."""
    return {
        "kind": KIND,
        "sequence": head.sequence,
        "size": head.size,
        "root": head.root.hex(),
        "previous": head.previous.hex(),
        "at": millis(head.at),
        "key_id": head.key_id,
    }


def signed_bytes(head: Seal) -> bytes:
    """What of a head is signed."""
    return canonical(head_json(head))


def head_hash(head: Seal) -> bytes:
    """By which the next head names it."""
    return hashlib.sha256(signed_bytes(head)).digest()


def next_seal(before: Seal | None, leaves: Sequence[Leaf], key: SigningKey, at: datetime) -> Seal:
    """The head of the tree with these leaves behind those it has, signed. Raises ValueError for damaged peaks."""
    tree = (Tree(before.size, before.peaks) if before else Tree()).plus(map(hash_of, leaves))
    unsigned = Seal(
        sequence=before.sequence + 1 if before else 0,
        size=tree.size,
        root=tree.root,
        previous=head_hash(before) if before else NOTHING_BEFORE,
        at=at,
        key_id=key.public.id,
        signature=b"",
        peaks=tree.peaks,
        leaves=tuple(leaves),
    )
    return signed(unsigned, key)


def signed(head: Seal, key: SigningKey) -> Seal:
    """The same with its signature."""
    fields = {name: getattr(head, name) for name in Seal.__dataclass_fields__}
    return Seal(**fields | {"signature": key.sign(signed_bytes(head))})


def proves(head: Seal, keys: Iterable[PublicKey]) -> bool:
    """Whether one of the keys signed the head as it stands."""
    return any(key.id == head.key_id and key.proves(head.signature, signed_bytes(head)) for key in keys)


def stands_on(head: Seal, before: Seal | None) -> bool:
    """Whether the head is the one after `before`, None for the first."""
    sequence, size = (before.sequence + 1, before.size) if before else (0, 0)
    previous = head_hash(before) if before else NOTHING_BEFORE
    return (head.sequence, head.previous) == (sequence, previous) and head.size >= size

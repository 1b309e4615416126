"""A proof that one entry stands in the log: a file that whoever has the public key can check, offline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from schemas.errors import InputError
from schemas.signingkeys import PublicKey
from schemas.times import iso
from sinks.ports.evidence import EvidenceLog, Leaf, Place, Seal, Source
from streams.evidence.heads import content_digest, hash_of, head_json, leaf_json, proves
from streams.evidence.merkle import consistency, consistent, included, inclusion, roots_of
from streams.evidence.moments import moment

KIND = "innsyn-log-proof-v1"
_LEAVES = 2_000
"""Held at once, but for a seal that has more."""


def place_of(entry: str) -> Place:
    """The entry that somebody names: `request/number`, `request/word`, or an entry of the audit record."""
    request, slash, rest = entry.partition("/")
    if not slash or not request:
        return Place(Source.AUDIT, entry)
    return Place(Source.REQUEST if rest.isascii() and rest.isdigit() else Source.STATEMENT, entry)


def every_page(log: EvidenceLog) -> Iterator[Sequence[Seal]]:
    """All seals in order, some at a time."""
    sequence = 0
    while found := log.seals(sequence, _LEAVES):
        yield found
        sequence = found[-1].sequence + 1


def prove(log: EvidenceLog, place: Place, since: int | None = None) -> dict[str, Any]:
    """The proof of an entry in the newest tree, as JSON; `since`: also that this tree begins with the whole of the one
    of the head of that number.

    Raises InputError for an entry or head that is not in the log, IndexUnavailable.
    """
    size = 0
    found: tuple[int, Leaf] | None = None
    head = earlier = None
    for seal in chain.from_iterable(every_page(log)):
        found = next(
            ((number, leaf) for number, leaf in enumerate(seal.leaves, size) if leaf.place == place), found
        )
        size += len(seal.leaves)
        head = replace(seal, leaves=())
        earlier = head if seal.sequence == since else earlier
    if head is None or found is None:
        raise InputError(
            "the log has no such entry; `innsyn log seal` takes in what was recorded since, and entries are named as in"
            " r-5f2a9c01d7e34b68/3, r-5f2a9c01d7e34b68/certificate, or by `innsyn audit --json`"
        )
    if since is not None and earlier is None:
        raise InputError("the log has no head of that number; `innsyn log show` lists them")
    index, leaf = found
    beside, after = inclusion(index, size), consistency(earlier.size, size) if earlier else []
    # Read once more rather than held: a log is as long as a company is old.
    path = [item.hex() for item in roots_of([*beside, *after], _every_hash(log))]
    content = next((item.content for item in log.entries([place])), None)
    proof = {
        "kind": KIND,
        "entry": leaf_json(leaf),
        "content": dict(content) if content is not None else None,
        "index": index,
        "path": path[: len(beside)],
        "head": signed_json(head),
    }
    if earlier is not None:
        proof["earlier"] = {"head": signed_json(earlier), "path": path[len(beside) :]}
    return proof


def _every_hash(log: EvidenceLog) -> Iterator[bytes]:
    return (hash_of(leaf) for seals in every_page(log) for seal in seals for leaf in seal.leaves)


def signed_json(head: Seal) -> dict[str, Any]:
    """A head with its signature."""
    return {**head_json(head), "signature": head.signature.hex()}


def head_of(value: Mapping[str, Any]) -> Seal:
    """The head that `signed_json` wrote. Raises ValueError, KeyError, TypeError for another thing."""
    head = Seal(
        sequence=_number(value["sequence"]),
        size=_number(value["size"]),
        root=bytes.fromhex(value["root"]),
        previous=bytes.fromhex(value["previous"]),
        at=moment(_number(value["at"])),
        key_id=str(value["key_id"]),
        signature=bytes.fromhex(value["signature"]),
    )
    if signed_json(head) != dict(value):
        raise ValueError("not a head in its one form")
    return head


def verify(proof: object, keys: Sequence[PublicKey]) -> str:
    """Check a proof with the public keys alone; one sentence that says what it proves.

    Raises InputError, with what is wrong, for one that proves nothing.
    """
    try:
        return _verified(proof, keys)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError("this is no proof of the log, or it was damaged; ask for it again") from None


def _verified(proof: Any, keys: Iterable[PublicKey]) -> str:
    if proof["kind"] != KIND:
        raise ValueError(proof["kind"])
    said, head = proof["entry"], head_of(proof["head"])
    leaf = Leaf(
        Place(Source(said["source"]), str(said["key"])),
        moment(_number(said["at"])),
        bytes.fromhex(said["digest"]),
    )
    known = list(keys)
    _refuse_unsigned(head, known)
    path, index = _hashes(proof["path"]), _number(proof["index"])
    if leaf_json(leaf) != said or not included(hash_of(leaf), index, head.size, path, head.root):
        raise InputError("the entry is not in the tree of this head: one of the two was changed")
    content = proof["content"]
    if content is not None and content_digest(content) != leaf.digest:
        raise InputError("the content is not the one that was sealed: it was changed")
    before = _earlier(proof, head, known)
    what = "content and all" if content is not None else "its content is no longer kept"
    return (
        f"{leaf.place.source} {leaf.place.key} of {iso(leaf.at)} is entry {index} of the log, {what}; head"
        f" {head.sequence} of {iso(head.at)} has {head.size} entries{before}"
    )


def _earlier(proof: Mapping[str, Any], head: Seal, keys: Sequence[PublicKey]) -> str:
    if "earlier" not in proof:
        return ""
    earlier, path = head_of(proof["earlier"]["head"]), _hashes(proof["earlier"]["path"])
    _refuse_unsigned(earlier, keys)
    if not consistent(earlier.size, head.size, earlier.root, head.root, path):
        raise InputError(
            f"the tree of head {head.sequence} does not begin with that of head {earlier.sequence}: the log was"
            " rewritten in between"
        )
    return f" and begins with all {earlier.size} of head {earlier.sequence}"


def _refuse_unsigned(head: Seal, keys: Sequence[PublicKey]) -> None:
    if not proves(head, keys):
        known = ", ".join(key.id for key in keys)
        raise InputError(
            f"head {head.sequence} is not signed by key {known}: it says {head.key_id}; name the public key of the"
            " installation that made it with --key, or it is forged"
        )


def _hashes(path: Any) -> list[bytes]:
    found = [bytes.fromhex(item) for item in path]
    if any(len(item) != 32 for item in found):
        raise ValueError("no hash")
    return found


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("no number")
    return value

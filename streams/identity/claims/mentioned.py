"""Which identifiers, in clear, stand behind the tokens of claims. Pure but for the caches that are asked.

Network keys (a line, a session) are nobody's identifier and no system finds a record by them: they are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.identity import ASSIGNMENT
from schemas.records import RecordSchema
from schemas.tokens import (
    TOKEN_BYTES,
    IdentifierKind,
    IdentifierKinds,
    PrefixCache,
    Tokenizer,
    delegated_networks,
)
from sinks.ports.identity import NOTHING, OpenClaims
from streams.columns.tokens import TokenColumn, binary_array

_TOKEN = pa.binary(TOKEN_BYTES)


@dataclass(frozen=True)
class Mentioned:
    """An identifier that a claim mentions; `length`: of an IPv6 prefix, whose value is in CIDR form, else 0."""

    token: bytes
    kind: str
    value: str = field(repr=False)
    length: int = 0


class Read(Protocol):
    """As `streams.identity.claims.reading.IdentityColumns`."""

    @property
    def record(self) -> RecordSchema: ...

    @property
    def columns(self) -> Mapping[str, pa.Array]: ...

    @property
    def tokens(self) -> Mapping[str, TokenColumn]: ...


def tokens_of(claims: OpenClaims) -> set[bytes]:
    """The tokens that the claims say something of: what was observed, and whose it is."""
    found: set[bytes] = set()
    for name in ("token", "subject"):
        found.update(pc.unique(claims.table[name]).to_pylist())
    return found - {NOTHING}


def mentioned_by(claims: OpenClaims, identifiers: pa.Table) -> pa.Table:
    """Those of the identifiers (`sinks.ports.identifiers.IDENTIFIER_SCHEMA`) that the claims mention."""
    if not identifiers.num_rows:
        return identifiers
    tokens = pa.array(sorted(tokens_of(claims)), _TOKEN)
    return identifiers.filter(pc.is_in(identifiers["token"], value_set=tokens))


def mentioned(
    reading: Read,
    kinds: IdentifierKinds,
    tokenizer: Tokenizer,
    delegated: PrefixCache,
    wanted: Collection[bytes],
) -> Iterator[Mentioned]:
    """The identifiers behind the wanted tokens, as far as they are of these events and are identifiers.

    `tokenizer`: the one that made the tokens. `delegated`: the prefixes of it.
    """
    left = set(wanted)
    for name, kind, form in _identifiers(reading, kinds):
        if not left:
            return
        for token, text in _behind(reading.tokens[name], left):
            left.discard(token)
            yield Mentioned(token, kind.name, tokenizer.hashed(kind, text, form))
    if left and any(rule.form == ASSIGNMENT for rule in reading.record.annotation.identity):
        yield from _prefixes(reading, kinds.address, delegated, left)


def _identifiers(reading: Read, kinds: IdentifierKinds) -> Iterator[tuple[str, IdentifierKind, str | None]]:
    """The fields that hold an identifier, of those that were read for their tokens."""
    for name in reading.tokens:
        found = reading.record.find(name)
        if name == "inside_address":
            yield name, kinds.address, None
        elif found is not None and found.identifier is not None:
            yield name, kinds[found.identifier.kind], found.identifier.form


def _behind(column: TokenColumn, wanted: set[bytes]) -> Iterator[tuple[bytes, str]]:
    """Token and text of the values in a column that are wanted."""
    if not len(column.distinct):
        return
    tokens = binary_array(column.table)
    chosen = np.asarray(pc.is_in(tokens, value_set=pa.array(sorted(wanted), _TOKEN)))
    for at in np.flatnonzero(chosen).tolist():
        yield tokens[at].as_py(), column.distinct[at]


def _prefixes(
    reading: Read, address: IdentifierKind, delegated: PrefixCache, wanted: set[bytes]
) -> Iterator[Mentioned]:
    """Delegated prefixes, each as those that got a token."""
    texts = [text for text in pc.unique(reading.columns["delegated_prefix"]).to_pylist() if text]
    for text, made in zip(texts, delegated.tokens(texts), strict=True):
        if wanted.isdisjoint(token for token, _ in made):
            continue
        for (token, length), network in zip(made, delegated_networks(text), strict=True):
            if token in wanted:
                value = str(network) if length else str(network.network_address)
                yield Mentioned(token, address.name, value, length)

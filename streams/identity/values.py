"""Identifiers opened again: for what is told to a system, never for an answer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from schemas.errors import KeyUnavailable
from sinks.ports.identifiers import IdentifierReader, bound_to
from sinks.ports.identity import ClaimReader
from sinks.ports.record_keys import RecordKeyReader, UnnamedRecords
from sinks.ports.record_keys import bound_to as bound_to_event

Open = Callable[[bytes, bytes], bytes]
"""From what is sealed, or shall be, and what it is bound to. Raises KeyUnavailable."""


class Keys(Protocol):
    """Opens and seals under a named key, as `schemas.keys.Keyring` does."""

    def opener(self, name: str) -> Open: ...

    def sealer(self, name: str) -> Open: ...


class Same(Protocol):
    """The tokens of an identifier under all keys, as `streams.identity.rekeyed.Same` tells."""

    def every(self, tokens: Iterable[bytes]) -> Mapping[bytes, frozenset[bytes]]: ...


@dataclass(frozen=True)
class Value:
    """An identifier in clear. `length`: of an IPv6 prefix, which is in CIDR form, else 0."""

    kind: str
    text: str = field(repr=False)
    length: int = 0


@dataclass(frozen=True)
class RecordKey:
    """The key by which a system knows one of its records, in clear; `record` and `field` as the contract has them."""

    record: str
    field: str
    value: str

    def __repr__(self) -> str:
        return f"RecordKey(record={self.record!r}, field={self.field!r})"


class SealedValues:
    """What stands behind tokens, as far as it was kept and its key is there. Safe from several threads."""

    def __init__(
        self,
        reader: IdentifierReader,
        keys: Keys,
        same: Same | None = None,
        claims: ClaimReader | None = None,
        realms: Collection[str] = (),
        records: RecordKeyReader | None = None,
    ) -> None:
        """`same`: of an index whose token key was rotated. `claims`: tells which addresses a prefix holds; None: that
        is not asked. `realms`: the operator's own. `records`: of the same index; None: no record is named by its key.
        """
        self._records = records
        self.realms = sorted(realms)
        self._reader = reader
        self._claims = claims
        self._keys = keys
        self._same = same

    def of(self, tokens: Iterable[bytes]) -> dict[bytes, Value]:
        """By token; those are left out whose value was never kept, or whose key is gone. Raises IndexUnavailable."""
        wanted = sorted(set(tokens))
        every = self._same.every(wanted) if self._same else {token: frozenset([token]) for token in wanted}
        rows = self._reader.sealed(sorted(frozenset[bytes]().union(*every.values())))
        openers: dict[str, Open | None] = {}
        found: dict[bytes, Value] = {}
        for row in rows.to_pylist():
            if row["key"] not in openers:
                openers[row["key"]] = self._opener(row["key"])
            text = _opened(openers[row["key"]], row["sealed"], bound_to(row["token"], row["kind"]))
            if text is not None:
                found[row["token"]] = Value(row["kind"], text.decode(), row["length"])
        named = {
            token: next((found[same] for same in sorted(every[token]) if same in found), None)
            for token in wanted
        }
        return {token: value for token, value in named.items() if value is not None}

    def record_keys(self, question: UnnamedRecords) -> list[RecordKey]:
        """Of the records asked for those whose key is kept and opens. Raises IndexUnavailable."""
        found = self._records.unnamed(question).to_pylist() if self._records is not None else []
        openers = {name: self._opener(name) for name in {row["key"] for row in found}}
        keys = []
        for row in found:
            place = (row["topic"], row["partition"], row["offset"], row["record"], row["field"])
            text = _opened(openers[row["key"]], row["sealed"], bound_to_event(*place))
            if text is not None:
                keys.append(RecordKey(row["record"], row["field"], text.decode()))
        return keys

    def addresses(self, prefixes: Iterable[bytes]) -> dict[bytes, frozenset[bytes]]:
        """By prefix the addresses in it that events were seen under. Raises IndexUnavailable."""
        wanted = sorted(set(prefixes))
        if self._claims is None or not wanted:
            return {}
        found: dict[bytes, set[bytes]] = {}
        rows = self._claims.addresses(wanted)
        for prefix, address in zip(rows["prefix"].to_pylist(), rows["token"].to_pylist(), strict=True):
            found.setdefault(prefix, set()).add(address)
        return {prefix: frozenset(items) for prefix, items in found.items()}

    def _opener(self, name: str) -> Open | None:
        try:
            return self._keys.opener(name)
        except KeyUnavailable:
            # Destroyed, or never given to this host: then nobody here can say what it was.
            return None


class Resealing:
    """A `sinks.ports.keys.Reseal`, of one run: each key is read once."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._known: dict[str, tuple[Open, Open] | None] = {}

    def __call__(self, older: bytes, newer: bytes, kind: str, key: str, sealed: bytes) -> bytes:
        if key not in self._known:
            try:
                # Opened first: a key that is not there must not be made here.
                self._known[key] = self._keys.opener(key), self._keys.sealer(key)
            except KeyUnavailable:
                self._known[key] = None
        known = self._known[key]
        text = known and _opened(known[0], sealed, bound_to(older, kind))
        return known[1](text, bound_to(newer, kind)) if known and text is not None else sealed


def _opened(opener: Open | None, sealed: bytes, bound: bytes) -> bytes | None:
    if opener is None:
        return None
    try:
        return opener(sealed, bound)
    except KeyUnavailable:
        return None

"""Slots and sessions that are made of tokens: the group of a claim is the token of a label and of other tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from schemas.annotations import IdentityRule
from schemas.records import RecordSchema
from schemas.tokens import TOKEN_BYTES, IdentifierKinds, KeyCache, TokenCache, Tokenizer, TokenPairs
from streams.columns.arrays import Flags, Ints
from streams.columns.tokens import TokenColumn, TokenTable, numbers, token_table
from streams.identity.claims.columns import stacked

_DOMAINS = ("slot", "session")
# Groups whose pairs were noted: emptied at once when full, as the caches are.
_BOUND = 500_000


class Read(Protocol):
    """As `streams.identity.claims.reading.IdentityColumns`."""

    @property
    def record(self) -> RecordSchema: ...

    @property
    def tokens(self) -> Mapping[str, TokenColumn]: ...


class Groups:
    """Makes the groups under one key; notes in `pairs` what they are under the older ones."""

    def __init__(self, tokenizer: Tokenizer, kinds: IdentifierKinds, pairs: TokenPairs | None) -> None:
        # Noted here and not by the tokenizer: under an older key the tokens within are others as well.
        self._caches = {domain: KeyCache(tokenizer.alone(), domain) for domain in _DOMAINS}
        self._pairs = pairs
        self._older = [_Older(item, kinds) for item in tokenizer.older]
        self._noted: set[bytes] = set()

    def tokens(
        self, domain: str, label: str, reading: Read, rule: IdentityRule, *parts: TokenTable
    ) -> TokenTable:
        """The group of each row: of the label and the row's tokens in `parts`, which come from fields of the rule."""
        encoded = stacked(*parts).dictionary_encode()
        distinct = encoded.dictionary.to_pylist()
        made = self._caches[domain].tokens([label + value.hex() for value in distinct])
        if self._pairs is not None and self._older:
            self._note(domain, label, reading, rule, dict(zip(distinct, made, strict=True)))
        return token_table(made)[numbers(encoded.indices, 0)]

    def _note(
        self, domain: str, label: str, reading: Read, rule: IdentityRule, made: Mapping[bytes, bytes]
    ) -> None:
        assert self._pairs is not None
        fresh = {value: group for value, group in made.items() if group not in self._noted}
        if not fresh:
            return
        if len(self._noted) > _BOUND:
            self._noted.clear()
        for older in self._older:
            known = older.tokens(reading, rule)
            for value, group in fresh.items():
                parts = [value[at : at + TOKEN_BYTES] for at in range(0, len(value), TOKEN_BYTES)]
                text = label + b"".join(known.get(part, part) for part in parts).hex()
                self._pairs.add(older.tokenizer.key(domain, text), group, older.tokenizer.key_id)
        self._noted.update(fresh.values())


def ended(events: Ints, groups: TokenTable, gone: Flags) -> Flags:
    """Which statements are `gone`, of those whose event speaks of the same group no longer."""
    pairs = np.concatenate([events.astype(">i8").view(np.uint8).reshape(-1, 8), groups], axis=1)
    keys = np.ascontiguousarray(pairs).view(f"V{pairs.shape[1]}").ravel()
    found: Flags = gone & ~np.isin(keys, keys[~gone])
    return found


class _Older:
    """Tokens under an older key of what the fields of a rule hold."""

    def __init__(self, tokenizer: Tokenizer, kinds: IdentifierKinds) -> None:
        self.tokenizer = tokenizer
        self._kinds = kinds
        self._caches: dict[tuple[str, str | None], TokenCache | KeyCache] = {}

    def tokens(self, reading: Read, rule: IdentityRule) -> dict[bytes, bytes]:
        """By the token of now."""
        found: dict[bytes, bytes] = {}
        for name in dict.fromkeys((*rule.tokens, *rule.subject)):
            column = reading.tokens[name]
            before = self._cache(reading.record, name).tokens(column.distinct)
            now = (row.tobytes() for row in column.table)
            found |= {token: older for token, older in zip(now, before, strict=True) if older}
        return found

    def _cache(self, record: RecordSchema, name: str) -> TokenCache | KeyCache:
        field = record.find(name)
        assert field is not None
        if field.identifier is None:
            assert field.key is not None
            return self._caches.setdefault((field.key, None), KeyCache(self.tokenizer, field.key))
        key = field.identifier.kind, field.identifier.form
        if key not in self._caches:
            kind = self._kinds[field.identifier.kind]
            self._caches[key] = TokenCache(self.tokenizer, kind, form=field.identifier.form)
        return self._caches[key]

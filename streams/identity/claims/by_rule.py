"""What events say of who an identifier belonged to, by the `identity` rules of their schema.

Pure but for the token caches, and columnar: only distinct values are looked at one by one. Each form of rule:

- assignment: `streams.identity.claims.by_assignment`.
- state: the value in a field (or that there is none) is the subject's from then on, one slot for each field. What the
  source deleted empties the slot.
- merge: the record of the token is a duplicate of the subject's record, or (no subject) is none any more.
- login: who used the identifier was the subject; says nothing where either is missing.
- session: an enum field says whether the subject got, has or gave back what the tokens name. What the source
  deleted was given back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.addresses import is_placeholder
from schemas.annotations import IdentityRule
from schemas.contract_identity import MOST_CLAIMS
from schemas.identity import ASSIGNMENT
from schemas.records import RecordSchema
from schemas.tokens import (
    IdentifierKinds,
    KeyCache,
    PrefixCache,
    RenamedCache,
    TokenCache,
    Tokenizer,
    TokenPairs,
)
from schemas.user_names import names_nobody, realm_form
from schemas.vocabulary import ClaimForm, KeyDomain, Mark, Proof
from sinks.ports.identity import Claims
from streams.columns.arrays import Flags, Ints
from streams.columns.tokens import (
    EARLIEST,
    LATEST,
    Coordinates,
    TokenColumn,
    TokenTable,
    coded,
    first_present,
    numbers,
    token_column,
)
from streams.identity.claims import by_assignment
from streams.identity.claims.columns import UNKNOWN_TIME, Chunks
from streams.identity.claims.groups import Groups, ended
from streams.identity.claims.mentioned import Mentioned, mentioned
from streams.identity.claims.reading import IdentityColumns, beyond

# Added to the part of a claim whose token had another canonical form before; no event makes as many claims.
_RENAMED = MOST_CLAIMS
_NOWHERE: Mapping[str, IdentityColumns] = MappingProxyType({})


class ClaimMaker:
    """Makes claims under one key."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        kinds: IdentifierKinds,
        addresses: TokenCache,
        prefixes: PrefixCache,
        placeholders: Collection[str],
        pairs: TokenPairs | None = None,
    ) -> None:
        """`addresses` and `prefixes` of addresses: the caches that the tagger has anyway. `pairs`: where to note the
        tokens under older keys of what is made of tokens. `placeholders`: user names that name nobody."""
        self._groups = Groups(tokenizer, kinds, pairs)
        self._tokenizer, self._kinds = tokenizer, kinds
        self._addresses = addresses
        self._observed = prefixes
        self._keys: dict[str, KeyCache] = {domain: KeyCache(tokenizer, domain) for domain in KeyDomain}
        self._delegated = PrefixCache(tokenizer, delegated=kinds.address)
        self._renamed = {name: RenamedCache(kind) for name, kind in kinds.changed.items()}
        nobody = {realm_form(name) for name in placeholders}
        self._nobody = partial(names_nobody, nobody=nobody)

    def wanted(self, record: RecordSchema) -> list[str]:
        """Names of the fields that the rules need of a record."""
        names: list[str] = []
        for rule in record.annotation.identity:
            if rule.form == ASSIGNMENT:
                names += by_assignment.FIELDS
            names += [*rule.tokens, *rule.subject, *(name for name in (rule.since, rule.mark) if name)]
        return names

    def read(
        self,
        record: RecordSchema,
        columns: Mapping[str, pa.Array],
        tokens: Mapping[str, TokenColumn],
        times: Ints,
        places: Mapping[str, IdentityColumns] = _NOWHERE,
    ) -> IdentityColumns:
        """Tokens of the network keys too, and which events say what cannot be. `tokens`: those of all identifiers.

        `places`: what lies elsewhere than in the events' columns.
        """
        known = dict(tokens)
        for name in dict.fromkeys(self.wanted(record)):
            field = record.find(name)
            if field is not None and field.key is not None and name not in by_assignment.JOINED:
                known[name] = token_column(columns[name], self._keys[field.key].tokens)
        faults: list[tuple[str, Flags]] = []
        retained = None
        if any(rule.form == ASSIGNMENT for rule in record.annotation.identity):
            known["username"] = _without(known["username"], self._nobody)
            known["address"] = _without(known["address"], is_placeholder)
            known["inside_address"] = token_column(columns["inside_address"], self._addresses.tokens)
            faults += by_assignment.faults(columns, times, self._delegated)
            retained = by_assignment.retained(columns)
        invalid = np.zeros(len(times), np.bool_)
        for name in known.keys() - tokens.keys():
            invalid |= known[name].invalid
        late = np.zeros(len(times), np.bool_)
        for rule in record.annotation.identity:
            if rule.since and not pa.types.is_list(columns[rule.since].type):
                late |= numbers(columns[rule.since], EARLIEST) >= LATEST
        faults = [("time_out_of_range", late), ("invalid_identifier", invalid), *faults]
        reading = IdentityColumns(record, columns, known, times, (), retained, places=places)
        return replace(reading, faults=(*faults, *beyond(reading, len(times))))

    def claims(self, reading: IdentityColumns, topic: str, good: Flags, at: Coordinates) -> Claims:
        """Claims of the good rows. `at`: coordinates of the rows."""
        chunks = Chunks(topic, reading.times, at)
        part = 0
        rules = reading.record.annotation.identity
        step = sum(len(rule.tokens) for rule in rules)
        for rule in rules:
            if rule.form == ASSIGNMENT:
                reports = by_assignment.Assignments(reading.columns, reading.tokens, reading.times)
                rows = np.flatnonzero(good)
                reports.claims(chunks, rows, self._keys[KeyDomain.SESSION], self._delegated)
                continue
            some = reading.of(rule.tokens[0])
            for name in rule.tokens:
                if some is not None:
                    parts = part if some.ordinals is None else part + step * some.ordinals
                    self._rule(chunks, some, rule, name, parts, some.of_events(good))
                part += 1
        return chunks.claims(reading.retained)

    def mentioned(self, reading: IdentityColumns, wanted: Collection[bytes]) -> Iterator[Mentioned]:
        """The identifiers of these events behind the tokens."""
        left = set(wanted)
        for some in (reading, *reading.places.values()):
            for found in mentioned(some, self._kinds, self._tokenizer, self._delegated, left):
                yield found
                left = left - {found.token}

    def _rule(
        self,
        chunks: Chunks,
        reading: IdentityColumns,
        rule: IdentityRule,
        name: str,
        part: int | Ints,
        good: Flags,
    ) -> None:
        """Claims about the identifier in one field. `part`: of each statement; `good`: those that may be said."""
        if reading.gone is not None:
            self._ended(chunks, reading, rule, name, part, good)
            good = good & ~reading.gone
        token, first = reading.tokens[name], reading.tokens[rule.tokens[0]]
        rows, marks = _marked(reading, rule, np.flatnonzero(good))
        subject, somebody = _subject(reading, rule, rows)
        match rule.form:
            case ClaimForm.STATE:
                keep = somebody
            case ClaimForm.MERGE:
                keep = token.present[rows]
            case ClaimForm.LOGIN:
                keep = somebody & token.present[rows]
            case _:
                # Given back without saying this identifier: it goes back with the thing, which is the first one.
                keep = somebody & first.present[rows] & (token.present[rows] | (marks == Mark.CLOSE.code))
        rows, marks, subject = rows[keep], marks[keep], subject[keep]
        said: dict[str, Any] = {}
        if rule.form != ClaimForm.LOGIN:
            said["group"] = self._group(reading, rule, name, rows, subject)
        if rule.since:
            # Nobody's events are older than that, and a register may well be.
            since = np.maximum(numbers(reading.columns[rule.since], UNKNOWN_TIME), EARLIEST)
            stated = reading.columns[rule.since].is_valid().to_numpy(zero_copy_only=False)
            said["since"] = np.where(stated, since, UNKNOWN_TIME)[rows]
        self._add(chunks, reading, rule, name, part, rows, token.at(rows), subject, mark=marks, **said)

    def _ended(
        self,
        chunks: Chunks,
        reading: IdentityColumns,
        rule: IdentityRule,
        name: str,
        part: int | Ints,
        good: Flags,
    ) -> None:
        """Claims about what is said no longer: the slot is empty, or what was had is given back, unless the same event
        still speaks of it."""
        if reading.gone is None or rule.form not in (ClaimForm.STATE, ClaimForm.SESSION):
            return
        first = reading.tokens[rule.tokens[0]]
        of_session = rule.form == ClaimForm.SESSION
        rows = np.flatnonzero(good & first.present if of_session else good)
        subject, somebody = _subject(reading, rule, rows)
        rows, subject = rows[somebody], subject[somebody]
        group = self._group(reading, rule, name, rows, subject)
        over = ended(reading.event(rows), group, reading.gone[rows])
        rows, subject, group = rows[over], subject[over], group[over]
        token = reading.tokens[name].at(rows) if of_session else np.zeros_like(subject)
        self._add(chunks, reading, rule, name, part, rows, token, subject, mark=Mark.CLOSE.code, group=group)

    def _group(
        self, reading: IdentityColumns, rule: IdentityRule, name: str, rows: Ints, subject: TokenTable
    ) -> TokenTable:
        """The slot or session that each statement is about."""
        label = f"{rule.source}\0{name}\0"
        if rule.form == ClaimForm.SESSION:
            first = reading.tokens[rule.tokens[0]].at(rows)
            return self._groups.tokens("session", label, reading, rule, first, subject)
        owner = subject if rule.form == ClaimForm.STATE else reading.tokens[name].at(rows)
        return self._groups.tokens("slot", label, reading, rule, owner)

    def _add(
        self,
        chunks: Chunks,
        reading: IdentityColumns,
        rule: IdentityRule,
        name: str,
        part: int | Ints,
        rows: Ints,
        token: TokenTable,
        subject: TokenTable,
        **said: Any,
    ) -> None:
        # What is said under another token than before is said beside it, not instead: rows of both are there to find.
        parts = np.where(self._is_renamed(reading, name), part + _RENAMED, part)[rows]
        chunks.add(
            reading.event(rows),
            form=ClaimForm(rule.form).code,
            part=parts,
            source=chunks.source(rule.source),
            token=token,
            subject=subject,
            proof=Proof(rule.proof).code,
            at=reading.times[rows],
            **said,
        )

    def _is_renamed(self, reading: IdentityColumns, name: str) -> Flags:
        """Whether the identifier of each row had another canonical form before."""
        field, column = reading.record.find(name), reading.tokens[name]
        cache = self._renamed.get(field.identifier.kind) if field and field.identifier else None
        if cache is None or not len(column.distinct):
            return np.zeros(len(column.index), np.bool_)
        return column.present & np.array(cache.tokens(column.distinct), np.bool_)[column.index]


def _without(column: TokenColumn, placeholder: Callable[[str], bool]) -> TokenColumn:
    """The column without the values that are placeholders."""
    foul = np.array([*map(placeholder, column.distinct), False], np.bool_)
    return replace(column, present=column.present & ~foul[column.index]) if foul.any() else column


def _marked(reading: IdentityColumns, rule: IdentityRule, rows: Ints) -> tuple[Ints, npt.NDArray[np.int8]]:
    """The rows whose symbol says something, and what; without a mark all of them, as the begin of something."""
    if rule.mark is None:
        return rows, np.full(len(rows), Mark.OPEN.code, np.int8)
    codes = coded(
        reading.columns[rule.mark], {symbol: Mark(mark).code for symbol, mark in rule.marks.items()}
    )[rows]
    return rows[codes > 0], codes[codes > 0].astype(np.int8)


def _subject(reading: IdentityColumns, rule: IdentityRule, rows: Ints) -> tuple[TokenTable, Flags]:
    """The first of the subject fields that says somebody."""
    found, chosen = first_present([reading.tokens[name] for name in rule.subject], rows)
    return found, chosen >= 0

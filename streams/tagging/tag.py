"""Decoded columns become lineage rows: one row per event and subject reference.

Pure but for the token caches. `Tagger.tag` looks at one topic and one writer schema at a time; the worker adds up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from schemas.annotations import RecordAnnotation
from schemas.contracts import SOURCE_DELETE
from schemas.facts import NO_WORDS, FactWords
from schemas.keys import Keyring
from schemas.record_keys import record_key_fields
from schemas.records import RecordSchema, SubjectReference
from schemas.tags import TagSet, tag_set
from schemas.tokens import (
    IdentifierKind,
    IdentifierKinds,
    PrefixCache,
    Prefixes,
    TokenCache,
    Tokenizer,
    TokenPairs,
)
from schemas.vocabulary import Role
from sinks.ports.clocks import CLOCK_SCHEMA
from sinks.ports.facts import FACT_SCHEMA
from sinks.ports.identifiers import IDENTIFIER_SCHEMA
from sinks.ports.identity import PREFIX_SCHEMA, Claims, OpenClaims, RetainedClaims
from sinks.ports.keys import PAIR_SCHEMA
from sinks.ports.lineage import FINDING_SCHEMA
from sinks.ports.record_keys import RECORD_KEY_SCHEMA
from streams.columns.arrays import Flags, Ints
from streams.columns.observed import Observed
from streams.columns.tokens import (
    EARLIEST,
    LATEST,
    Coordinates,
    TokenColumn,
    coded,
    listed_tokens,
    token_column,
)
from streams.identity.claims.by_rule import ClaimMaker
from streams.identity.claims.mentioned import tokens_of
from streams.identity.claims.reading import IdentityColumns, place_of
from streams.tagging.clocks import ClockMaker
from streams.tagging.decode.columnar import Decoded
from streams.tagging.facts import FactMaker
from streams.tagging.owners import customers_of, observed, ports_of
from streams.tagging.record_keys import RecordKeySealing, record_keys
from streams.tagging.rows import Rows, prefix_table
from streams.tagging.scan import Scanner
from streams.tagging.sealing import IdentifierSeals
from streams.tagging.several import Several, crowded, parted
from streams.tagging.texts import NO_TEXTS, Texts, fields_about, read_texts, text_fields


@dataclass(frozen=True)
class Tagged:
    """Lineage rows of one topic and schema (columns of `sinks.ports.lineage.ROW_COLUMNS` without the topic).

    `bad` maps positions among the bodies to a reason; `subjects` counts the rows of each body. `claims`, `retained`,
    `prefixes`, `clocks`, `facts`, `record_keys` and `findings` are as `LineageBatch` has them. `observed`:
    under what those were seen who are not named by their customer number. `scan_failures`: texts that a plug-in failed
    on. `untagged`: of each path that no contract names how often it had a value.
    """

    rows: Mapping[str, list[Any]]
    tag_sets: tuple[TagSet, ...]
    subjects: Ints
    bad: Mapping[int, str] = field(default_factory=dict)
    claims: OpenClaims = field(default_factory=OpenClaims)
    retained: RetainedClaims = field(default_factory=RetainedClaims)
    prefixes: pa.Table = field(default_factory=PREFIX_SCHEMA.empty_table)
    findings: pa.Table = field(default_factory=FINDING_SCHEMA.empty_table)
    clocks: pa.Table = field(default_factory=CLOCK_SCHEMA.empty_table)
    facts: pa.Table = field(default_factory=FACT_SCHEMA.empty_table)
    record_keys: pa.Table = field(default_factory=RECORD_KEY_SCHEMA.empty_table)
    observed: Observed = field(default_factory=lambda: Observed.joined([]))
    scan_failures: int = 0
    untagged: Mapping[str, int] = field(default_factory=dict)


class Tagger:
    """Tags under one key, `key_id`, and one catalogue version, identifiers of these kinds. Without a scanner free texts
    are not looked into.

    `placeholders`: user names that name nobody (`Catalogue.placeholders`).
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        catalogue_version: str,
        kinds: IdentifierKinds,
        placeholders: Collection[str],
        scanner: Scanner | None = None,
        keyring: Keyring | None = None,
        words: FactWords = NO_WORDS,
    ) -> None:
        """`placeholders`: user names of the company that name nobody (`Catalogue.placeholders`). `keyring`: under
        whose keys the identifiers are sealed that claims mention; None: none is kept. `words`: the values of facts that
        are kept as they are."""
        self._made_of = tokenizer, catalogue_version, kinds, placeholders, scanner, None, words
        self._seals = IdentifierSeals(keyring) if keyring else None
        self._kinds = kinds
        self._scanner = scanner
        self.key_id = tokenizer.key_id
        self._tokenizer = tokenizer
        self._pairs = TokenPairs()
        tokenizer = tokenizer.pairing(self._pairs)
        self._catalogue_version = catalogue_version
        self._caches = {name: TokenCache(tokenizer, kind) for name, kind in kinds.items()}
        self._forms = {
            (name, form): TokenCache(tokenizer, kind, form=form)
            for name, kind in kinds.items()
            for form, _ in kind.forms
        }
        self._prefixes = PrefixCache(tokenizer)
        self._clocks = ClockMaker(tokenizer, kinds)
        self._facts = FactMaker(self._tokenizer, kinds, words)
        self._record_keys = RecordKeySealing(kinds, self._seals)
        self._claims = ClaimMaker(
            tokenizer, kinds, self._caches[kinds.address.name], self._prefixes, placeholders, self._pairs
        )

    def __reduce__(self) -> tuple[type[Tagger], tuple[Any, ...]]:
        """Pickled as what it is made of, key included: a copy has nothing remembered, and seals nothing."""
        return Tagger, self._made_of

    def anew(self) -> Tagger:
        """The same with nothing remembered, to try messages with: it seals nothing."""
        return Tagger(*self._made_of)

    def begin(self, now: datetime) -> None:
        """A batch begins, which comes at that moment."""
        if self._seals:
            self._seals.begin(now)

    def take_identifiers(self) -> pa.Table:
        """`sinks.ports.identifiers.IDENTIFIER_SCHEMA`: what the claims mention that were made since `begin`."""
        return self._seals.take() if self._seals else IDENTIFIER_SCHEMA.empty_table()

    def take_pairs(self) -> pa.Table:
        """`sinks.ports.keys.PAIR_SCHEMA`: the tokens under older keys of what was tagged since the last call."""
        pairs = self._pairs.take()
        if not pairs:
            return PAIR_SCHEMA.empty_table()
        columns = zip(*dict.fromkeys(pairs), strict=True)
        return pa.table(
            [pa.array(column, kind) for column, kind in zip(columns, PAIR_SCHEMA.types, strict=True)],
            PAIR_SCHEMA,
        )

    def wanted(self, record: RecordSchema) -> list[str]:
        """Names of the fields that tagging needs of a record."""
        ports = [reference.port_field for reference in record.identifiers if reference.port_field]
        identifiers = [reference.field for reference in record.identifiers]
        of_identity = [
            *self._claims.wanted(record),
            *record.annotation.variants,
            *self._clocks.wanted(record),
            *self._facts.wanted(record),
        ]
        texts = text_fields(record) if self._scanner else []
        keys = record_key_fields(record)
        return [record.event_time, *identifiers, *ports, *keys, *of_identity, *texts]

    def tag(
        self, record: RecordSchema, topic: str, decoded: Decoded, at: Coordinates, latest: int = LATEST
    ) -> Tagged:
        """Rows and claims of the decoded events. One whose identifier, time or report cannot be is bad as a whole.

        `latest`: milliseconds from which on an event has not happened yet.
        """
        times = decoded.columns[record.event_time].to_numpy(zero_copy_only=False)
        tokens, several = self._tokens(record, decoded)
        reading = self._reading(record, decoded, tokens, times)
        good, reasons = _judged(times, tokens, several, reading, latest)
        bad = dict(decoded.bad) | {int(decoded.rows[row]): reason for row, reason in reasons.items()}
        where = Coordinates(at.partition[decoded.rows], at.offset[decoded.rows])
        texts = self._texts(record, topic, decoded, good, where)
        retained = _retained(reading, len(times))
        among = crowded(record, tokens, several, len(times))
        clocks = self._clocks.rows(record, topic, decoded, tokens, several, times, good, where)
        keys = record_keys(record, decoded, self._tokenizer)
        builder = Rows(times, where, keys, customers_of(record, self._kinds, tokens))
        prefixes: dict[bytes, Prefixes] = {}
        several += [Several(item.rows, item.tokens, item.kind, Role.MENTIONED) for item in texts.mentions]
        for variant, mask in _variants(record, decoded, good):
            for reference in (item for item in record.identifiers if item.field in tokens):
                found = tokens[reference.field]
                named = found.present & mask
                kind = self._kinds[reference.kind]
                if kind.names != "person":
                    # A report kept for the police alone is never found under what would answer who had the address.
                    named &= ~retained
                chosen = np.flatnonzero(named)
                ports = ports_of(decoded, reference)
                about = fields_about(record, reference.role)
                for rows, detected in texts.by_categories(chosen, about):
                    for part, shared in parted(rows, among.get(reference.role)):
                        tags = self._tag_set(record, topic, reference.role, variant, detected, shared)
                        builder.add(part, found.at(part), tags, Role(reference.role), ports)
                if kind.is_address and len(chosen):
                    prefixes |= self._above(found, chosen)
            prefixes |= self._of_several(builder, record, topic, variant, mask, several, texts, among)
        claims = Claims() if reading is None else self._claims.claims(reading, topic, good, where)
        if self._seals and reading is not None:
            self._seals.note(tokens_of(claims.open), partial(self._claims.mentioned, reading))
        return Tagged(
            rows=builder.columns,
            tag_sets=tuple(builder.tag_sets),
            subjects=builder.counted(decoded.rows, len(at.offset)),
            bad=bad,
            claims=claims.open,
            retained=claims.retained,
            prefixes=prefix_table(prefixes),
            findings=texts.findings,
            clocks=clocks,
            facts=self._facts.rows(record, topic, decoded, tokens, several, times, good & ~retained, where),
            record_keys=self._record_keys.of(record, topic, decoded, builder.keys, good & ~retained, where),
            observed=observed(self._owners(record, tokens), decoded, tokens, times, good & ~retained, where),
            scan_failures=texts.failures,
            untagged=decoded.untagged,
        )

    def _owners(
        self, record: RecordSchema, tokens: Mapping[str, TokenColumn]
    ) -> Sequence[tuple[SubjectReference, IdentifierKind]]:
        """The identifiers of those whose events they are, each with its kind."""
        return [
            (item, self._kinds[item.kind])
            for item in record.identifiers
            if item.role == Role.OWNER and item.field in tokens
        ]

    def _of_several(
        self,
        builder: Rows,
        record: RecordSchema,
        topic: str,
        variant: RecordAnnotation | None,
        mask: Flags,
        several: Sequence[Several],
        texts: Texts,
        among: dict[str, Flags],
    ) -> dict[bytes, Prefixes]:
        """Rows of whom fields or texts name beside others, and the prefixes above their addresses."""
        prefixes: dict[bytes, Prefixes] = {}
        for named_by in several:
            about = fields_about(record, named_by.role)
            for places, detected in texts.by_categories(named_by.rows, about, mask):
                flags = among.get(named_by.role)
                for part, shared in parted(places, None if flags is None else flags[named_by.rows]):
                    tags = self._tag_set(record, topic, named_by.role, variant, detected, shared)
                    found_at = named_by.tokens.at(part)
                    builder.add(named_by.rows[part], found_at, tags, named_by.role, None)
            if named_by.kind.is_address:
                prefixes |= self._above(named_by.tokens, np.flatnonzero(mask[named_by.rows]))
        return prefixes

    def _texts(
        self, record: RecordSchema, topic: str, decoded: Decoded, good: Flags, at: Coordinates
    ) -> Texts:
        if self._scanner is None or not text_fields(record):
            return NO_TEXTS
        return read_texts(record, topic, decoded.columns, good, at, self._scanner, self._caches)

    def _tokens(self, record: RecordSchema, decoded: Decoded) -> tuple[dict[str, TokenColumn], list[Several]]:
        """The identifiers by field; apart those of fields that may name several people in one event."""
        tokens: dict[str, TokenColumn] = {}
        several: list[Several] = []
        for item in record.identifiers:
            column, cache = decoded.columns[item.field], self._cache(item)
            if pa.types.is_list(column.type):
                rows, found = listed_tokens(column, cache.tokens)
                several.append(Several(rows, found, self._kinds[item.kind], Role(item.role), item.field))
            else:
                tokens[item.field] = token_column(column, cache.tokens)
        return tokens, several

    def _reading(
        self, record: RecordSchema, decoded: Decoded, tokens: Mapping[str, TokenColumn], times: Ints
    ) -> IdentityColumns | None:
        """What identity rules read; None where there are none."""
        if not record.annotation.identity:
            return None
        places = self._places(record, decoded, times)
        return self._claims.read(record, decoded.columns, tokens, times, places)

    def _places(self, record: RecordSchema, decoded: Decoded, times: Ints) -> Mapping[str, IdentityColumns]:
        """What identity rules read elsewhere than in the columns."""
        caches = {item.field: self._cache(item) for item in record.identifiers}

        def tokens(name: str, column: pa.Array) -> TokenColumn:
            return token_column(column, caches[name].tokens)

        return {place: place_of(record, lines, times, tokens) for place, lines in decoded.lines.items()}

    def _cache(self, item: SubjectReference) -> TokenCache:
        return self._caches[item.kind] if item.form is None else self._forms[item.kind, item.form]

    def _tag_set(
        self,
        record: RecordSchema,
        topic: str,
        role: str,
        variant: RecordAnnotation | None,
        detected: tuple[str, ...],
        several: bool,
    ) -> TagSet:
        return tag_set(
            record,
            topic,
            role,
            catalogue_version=self._catalogue_version,
            key_id=self.key_id,
            variant=variant,
            detected=detected,
            several=several,
        )

    def _above(self, found: TokenColumn, chosen: Ints) -> dict[bytes, Prefixes]:
        """The prefixes above the IPv6 addresses in these rows, by token."""
        # Most batches have none; one search through all is a tenth of one through each.
        if ":" not in "".join(found.distinct):
            return {}
        long = [at for at, value in enumerate(found.distinct) if ":" in value]
        used = np.zeros(len(found.distinct), np.bool_)
        used[found.index[chosen]] = True
        written = [at for at in long if used[at]]
        above = self._prefixes.tokens([found.distinct[at] for at in written])
        return {found.table[at].tobytes(): prefixes for at, prefixes in zip(written, above, strict=True)}


def _judged(
    times: Ints,
    tokens: Mapping[str, TokenColumn],
    several: Sequence[Several],
    reading: IdentityColumns | None,
    latest: int,
) -> tuple[Flags, dict[int, str]]:
    """The rows that can be, and for each of the others the first reason why not."""
    invalid = np.zeros(len(times), np.bool_)
    for found in tokens.values():
        invalid |= found.invalid
    for item in several:
        invalid[item.rows[item.tokens.invalid]] = True
    faults = [
        ("time_out_of_range", (times < EARLIEST) | (times >= LATEST)),
        ("future_time", times >= latest),
        ("invalid_identifier", invalid),
    ]
    if reading is not None:
        faults += reading.faults
    good = np.ones(len(times), np.bool_)
    reasons: dict[int, str] = {}
    for reason, rows in faults:
        reasons |= dict.fromkeys(np.flatnonzero(good & rows).tolist(), reason)
        good &= ~rows
    return good, reasons


def _variants(
    record: RecordSchema, decoded: Decoded, good: Flags
) -> Iterator[tuple[RecordAnnotation | None, Flags]]:
    """The good rows of each variant with its words, and those of none. That the source deleted it is one."""
    usual = good
    if decoded.deleted is not None:
        gone = record.annotation.model_copy(update={"operation": SOURCE_DELETE})
        yield gone, good & decoded.deleted
        usual = good & ~decoded.deleted
    for name, symbols in record.annotation.variants.items():
        codes = coded(decoded.columns[name], {symbol: number for number, symbol in enumerate(symbols, 1)})
        for number, symbol in enumerate(symbols, 1):
            yield record.variant(name, symbol), good & (codes == number)
        usual = good & (codes == 0)
    yield None, usual


def _retained(reading: IdentityColumns | None, count: int) -> Flags:
    """Which of so many events are kept for the police alone."""
    if reading is None or reading.retained is None:
        return np.zeros(count, np.bool_)
    return reading.retained

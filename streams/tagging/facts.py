"""What events say of duties becomes rows: of whom, what, and of what, in words of closed lists alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.annotations import FactRule
from schemas.facts import FACTS, UNKNOWN, FactWords
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKinds, Tokenizer
from sinks.ports.facts import FACT_SCHEMA
from streams.columns.arrays import Flags, Ints
from streams.columns.tokens import Coordinates, TokenColumn, binary_array, coded, numbers, token_column
from streams.tagging.decode.columnar import Decoded
from streams.tagging.owners import named_owners
from streams.tagging.several import Several

_HASH_BYTES = 8
_WORDS = ("recipient", "instrument", "version", "occasion")


class FactMaker:
    """Makes the rows under one key. Pure."""

    def __init__(self, tokenizer: Tokenizer, kinds: IdentifierKinds, words: FactWords) -> None:
        self._kinds = kinds
        self._words = words
        # Of no other key: a name keeps the hash that it had, and is another one under a new key.
        self._names = partial(_hashed, tokenizer.alone())

    def wanted(self, record: RecordSchema) -> list[str]:
        """Names of the fields that the rules need of a record."""
        return [name for rule in record.annotation.facts for name in rule.fields]

    def rows(
        self,
        record: RecordSchema,
        topic: str,
        decoded: Decoded,
        tokens: Mapping[str, TokenColumn],
        several: Sequence[Several],
        times: Ints,
        good: Flags,
        at: Coordinates,
    ) -> pa.Table:
        """`FACT_SCHEMA`, of the good events. What the source deleted says nothing."""
        parts = []
        said = good if decoded.deleted is None else good & ~decoded.deleted
        owners = named_owners(record, self._kinds, tokens, several) if record.annotation.facts else []
        for number, rule in enumerate(record.annotation.facts):
            rows, says = _spoken(rule, decoded, said)
            if not len(rows):
                continue
            of = _Spoken(rows, times, at, topic, number)
            columns = self._columns(rule, decoded, rows, says)
            for _, events, owner in owners:
                chosen = np.flatnonzero(np.isin(rows, events))
                if len(chosen):
                    place = np.searchsorted(events, rows[chosen])
                    parts.append(of.table(binary_array(owner[place]), columns, chosen))
        return pa.concat_tables(parts) if parts else FACT_SCHEMA.empty_table()

    def _columns(
        self, rule: FactRule, decoded: Decoded, rows: Ints, says: pa.Array
    ) -> Mapping[str, pa.Array]:
        """Of the events that say anything, what: the columns that are no coordinates."""
        count = len(rows)
        found = {"fact": pa.repeat(pa.scalar(rule.fact, pa.string()), count), "says": says}
        taken: Callable[[str], pa.Array] = lambda name: decoded.columns[name].take(pa.array(rows))  # noqa: E731
        found["about"] = (
            _listed(taken(rule.about), self._words.of(rule, "about"))
            if rule.about
            else pa.array([[]] * count, pa.list_(pa.string()))
        )
        for key in _WORDS:
            name = getattr(rule, key)
            found[key] = _known(taken(name), self._words.of(rule, key)) if name else _empty(count)
        found["name"] = self._hashes(taken(rule.name)) if rule.name else pa.array(np.zeros(count, np.uint64))
        found["evidence"] = (
            _there(taken(rule.evidence)) if rule.evidence else pa.array(np.zeros(count, np.bool_))
        )
        return found

    def _hashes(self, column: pa.Array) -> pa.Array:
        found = token_column(_texts(column), self._names)
        hashes = np.ascontiguousarray(found.table[:, :_HASH_BYTES]).view(np.uint64).ravel()
        known = hashes[found.index] if len(hashes) else np.zeros(len(found.index), np.uint64)
        return pa.array(np.where(found.present & ~found.invalid, known, np.uint64(0)))


class _Spoken:
    """Events that say something by one rule, `rows` of the batch: where each lies, and when it happened."""

    def __init__(self, rows: Ints, times: Ints, at: Coordinates, topic: str, number: int) -> None:
        self._rows, self._times, self._at = rows, times, at
        self._topic, self._number = topic, number

    def table(self, owner: pa.Array, columns: Mapping[str, pa.Array], chosen: Ints) -> pa.Table:
        """`FACT_SCHEMA` of these of the events, with their owners."""
        count, rows = len(chosen), self._rows[chosen]
        taken = {name: column.take(pa.array(chosen)) for name, column in columns.items()}
        every = {
            **taken,
            "token": owner,
            "event_time": pa.array(self._times[rows]).cast(FACT_SCHEMA.field("event_time").type),
            "topic": pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(count, np.int32)), pa.array([self._topic])
            ),
            "partition": pa.array(self._at.partition[rows], pa.int32()),
            "offset": pa.array(self._at.offset[rows], pa.int64()),
            "part": pa.array(np.full(count, self._number, np.uint8)),
        }
        return pa.Table.from_arrays([every[name] for name in FACT_SCHEMA.names], schema=FACT_SCHEMA)


def _spoken(rule: FactRule, decoded: Decoded, said: Flags) -> tuple[Ints, pa.Array]:
    """The events that say something by the rule, and the word of each."""
    words = ["", *FACTS[rule.fact].says]
    usual = words.index(rule.says) if rule.says in words else 0
    codes = np.full(len(said), usual, np.int64)
    if rule.mark is not None:
        marks = _texts(decoded.columns[rule.mark])
        meant = coded(marks, {symbol: words.index(word) for symbol, word in rule.marks.items()})
        codes = np.where(_flags(marks.is_null()), usual, meant)
    if rule.where is not None:
        said = said & _flags(decoded.columns[rule.where].is_valid())
    rows = np.flatnonzero(said & (codes > 0))
    return rows, pa.array(words, pa.string()).take(pa.array(codes[rows]))


def _known(column: pa.Array, words: Collection[str]) -> pa.Array:
    """The texts that are among the words, UNKNOWN for each other, empty for none."""
    encoded = _texts(column).dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    kept = ["", *(word if word in words else UNKNOWN if word else "" for word in distinct)]
    return pa.array(kept, pa.string()).take(pa.array(numbers(encoded.indices, -1) + 1))


def _listed(column: pa.Array, words: Collection[str]) -> pa.Array:
    """The same of each item of a list; a plain column is a list of one, or of none."""
    if pa.types.is_list(column.type):
        values = _known(column.flatten(), words)
        lengths = pc.fill_null(pc.list_value_length(column), 0)
    else:
        values = _known(column, words)
        lengths = pc.cast(pc.not_equal(values, ""), pa.int32())
        values = values.filter(pc.not_equal(values, ""))
    ends = np.concatenate([[0], np.cumsum(lengths.to_numpy(zero_copy_only=False))])
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values)


def _there(column: pa.Array) -> pa.Array:
    """Where a column has a value, an empty text being none."""
    if pa.types.is_string(column.type):
        return pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(column), ""), fill_value=False)
    return column.is_valid()


def _texts(column: pa.Array) -> pa.Array:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _empty(count: int) -> pa.Array:
    return pa.repeat(pa.scalar("", pa.string()), count)


def _flags(column: pa.Array) -> Flags:
    return np.asarray(column.to_numpy(zero_copy_only=False), np.bool_)


def _hashed(tokenizer: Tokenizer, values: Sequence[str]) -> list[bytes]:
    """`b""` for a value that says nothing. Spelling and spaces around make no other name."""
    return [
        tokenizer.key("record", f"fact\0{word}") if (word := value.strip().casefold()) else b""
        for value in values
    ]

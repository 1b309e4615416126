"""What events say of retention clocks becomes rows: whose clock, of what thing, and whether it started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from schemas.annotations import ClockRule
from schemas.policy import MOMENTS
from schemas.record_keys import tells_nothing
from schemas.records import RecordSchema
from schemas.tokens import IdentifierKinds, KeyCache, Tokenizer
from sinks.ports.clocks import CLOCK_SCHEMA, UNNAMED
from sinks.ports.identity import NOTHING
from streams.columns.arrays import Flags, Ints
from streams.columns.tokens import (
    EARLIEST,
    LATEST,
    Coordinates,
    TokenColumn,
    TokenTable,
    binary_array,
    coded,
    first_present,
    token_column,
)
from streams.tagging.decode.columnar import Decoded
from streams.tagging.owners import named_owners
from streams.tagging.several import Several

_DAY = 86_400_000
_STARTS, _STOPS = 1, 2
_NOTHING = np.frombuffer(NOTHING, np.uint8)
_UNNAMED = np.frombuffer(UNNAMED, np.uint8)


class ClockMaker:
    """Makes the rows under one key. Pure but for what it remembers of tokens."""

    def __init__(self, tokenizer: Tokenizer, kinds: IdentifierKinds) -> None:
        self._kinds = kinds
        # A thing's key is nobody's identifier, and as a key of the network it meets no identifier's token.
        self._things = KeyCache(tokenizer, "slot")

    def wanted(self, record: RecordSchema) -> list[str]:
        """Names of the fields that the rules need of a record."""
        return [
            name
            for rule in record.annotation.clocks
            for name in (rule.group, rule.mark, rule.at, rule.above_zero)
            if name is not None
        ]

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
        """`CLOCK_SCHEMA`, of the good events. What the source deleted says nothing of a clock."""
        if not record.annotation.clocks:
            return CLOCK_SCHEMA.empty_table()
        said = good if decoded.deleted is None else good & ~decoded.deleted
        owners = list(self._owners(record, tokens, several))
        parts = []
        for number, rule in enumerate(record.annotation.clocks):
            rows, started = _spoken(rule, decoded, times, said)
            things, named = self._thing(rule, decoded, rows)
            rows, started, things = rows[named], started[named], things[named]
            for events, owner in owners:
                chosen = np.flatnonzero(np.isin(rows, events))
                if not len(chosen):
                    continue
                of = rows[chosen]
                place = np.searchsorted(events, of)
                parts.append(
                    _table(
                        rule, number, topic, owner[place], things[chosen], times[of], started[chosen], at, of
                    )
                )
        return pa.concat_tables(parts) if parts else CLOCK_SCHEMA.empty_table()

    def _owners(
        self, record: RecordSchema, tokens: Mapping[str, TokenColumn], several: Sequence[Several]
    ) -> list[tuple[Ints, TokenTable]]:
        """Events, in order, and the token of their owner in each; by an identifier that stands for the customer alone
        where there is one."""
        found = named_owners(record, self._kinds, tokens, several)
        customers = [events for stands, events, _ in found if stands]
        known = np.unique(np.concatenate(customers)) if customers else np.zeros(0, np.int64)
        owners = []
        for stands, events, owner in found:
            chosen = np.ones(len(events), np.bool_) if stands else ~np.isin(events, known)
            owners.append((events[chosen], owner[chosen]))
        return owners

    def _thing(self, rule: ClockRule, decoded: Decoded, rows: Ints) -> tuple[TokenTable, Flags]:
        """The thing of each of the rows, and which say anything.

        Where no key tells which thing it is, nobody knows of a moment what it ended. Of a state, a contract that runs
        is one all the same, and not the same as others without a key.
        """
        if rule.group is None:
            return np.tile(_NOTHING, (len(rows), 1)), np.ones(len(rows), np.bool_)
        column = token_column(decoded.columns[rule.group], partial(self._tokens, rule.clock))
        things, chosen = first_present([column], rows)
        empty = np.array([tells_nothing(value) for value in (*column.distinct, "")], np.bool_)
        named = (chosen >= 0) & ~empty[column.index[rows]]
        if rule.clock in MOMENTS:
            return things, named
        return np.where(named[:, None], things, _UNNAMED), np.ones(len(rows), np.bool_)

    def _tokens(self, clock: str, values: Sequence[str]) -> list[bytes]:
        return self._things.tokens([f"clock\0{clock}\0{value}" for value in values])


def _spoken(rule: ClockRule, decoded: Decoded, times: Ints, said: Flags) -> tuple[Ints, Ints]:
    """The events that say something of the clock, and when it started by each, -1 where the thing is going on."""
    words = {"starts": _STARTS, "stops": _STOPS}
    what = np.full(len(times), words[rule.says], np.int64)
    if rule.mark is not None:
        what = coded(
            _texts(decoded.columns[rule.mark]), {name: words[word] for name, word in rule.marks.items()}
        )
    started = times
    if rule.at is not None:
        stated = decoded.columns[rule.at].fill_null(-1).to_numpy(zero_copy_only=False)
        there = decoded.columns[rule.at].is_valid().to_numpy(zero_copy_only=False)
        # What registers write for "no end" has not happened.
        started = np.where(there & (stated >= EARLIEST) & (stated < LATEST), stated, -1)
    if rule.above_zero is not None:
        amount = decoded.columns[rule.above_zero].fill_null(0).to_numpy(zero_copy_only=False)
        said = said & (amount > 0)
    rows = np.flatnonzero(said & (what > 0))
    return rows, np.where(what == _STARTS, started, -1)[rows]


def _texts(column: pa.Array) -> pa.Array:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _table(
    rule: ClockRule,
    number: int,
    topic: str,
    owner: TokenTable,
    things: TokenTable,
    times: Ints,
    started: Ints,
    at: Coordinates,
    rows: Ints,
) -> pa.Table:
    count = len(rows)
    moment = CLOCK_SCHEMA.field("started").type
    since = np.maximum(times - rule.days_before * _DAY, EARLIEST)
    columns = [
        binary_array(owner),
        pa.repeat(pa.scalar(rule.clock, pa.string()), count),
        binary_array(things),
        pa.array(times).cast(moment),
        pa.array(since).cast(moment),
        pa.array(started, mask=started < 0).cast(moment),
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([topic])),
        pa.array(at.partition[rows], pa.int32()),
        pa.array(at.offset[rows], pa.int64()),
        pa.array(np.full(count, number, np.uint8)),
    ]
    return pa.Table.from_arrays(columns, schema=CLOCK_SCHEMA)

"""Claims about identity: stored under each of their keys, read by any. Contract: `sinks.ports.identity.ClaimReader`."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc

from schemas.together import asked
from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Mark
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.many import alike, parted
from sinks.clickhouse.values import Parameters, at_or_before, tokens_in
from sinks.ports.identity import KNOWN_CLAIM_SCHEMA, NOTHING, PREFIX_SCHEMA, ClaimKey, no_claims

_KEYS: tuple[ClaimKey, ...] = get_args(ClaimKey)


def keyed(claims: pa.Table) -> pa.Table:
    """Each claim once for each of its distinct keys, in a column `key` before the others."""
    taken: list[pa.Table] = []
    # Not once for all: pyarrow imports pandas for its first value, and many a command makes none.
    nothing = pa.scalar(NOTHING, pa.binary(TOKEN_BYTES))
    marks = pc.is_in(claims["mark"], pa.array([Mark.OFF.code, Mark.ON.code], pa.int8()))
    for number, name in enumerate(_KEYS):
        fits = pc.not_equal(claims[name], nothing)
        for other in _KEYS[:number]:
            fits = pc.and_(fits, pc.not_equal(claims[name], claims[other]))
        if name == "server":
            # A server is asked about for its marks alone; under all its sessions it would be everybody's key.
            fits = pc.and_(fits, marks)
        rows = claims.filter(fits)
        taken.append(rows.add_column(0, "key", rows[name]))
    return pa.concat_tables(taken)


@dataclass(frozen=True)
class _Question:
    """One of `ClaimReader.claims`."""

    keys: tuple[bytes, ...]
    known_at: datetime | None
    of: ClaimKey
    without: frozenset[bytes]


Table = Literal["identity_claims", "retained_claims"]


class ClickHouseClaims:
    """A `ClaimReader` on ClickHouse. Never reads `retained_claims`, but where it is of these alone."""

    def __init__(self, index: ClickHouse, table: Table = "identity_claims") -> None:
        self._index = index
        self._table = table

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        return asked(self._claims_each, _Question(tuple(keys), known_at, of, frozenset(without)))

    def _claims_each(self, questions: Sequence[_Question]) -> list[pa.Table]:
        found = [no_claims()] * len(questions)
        for places in alike([(item.of, item.known_at) for item in questions]):
            some = [questions[place] for place in places]
            # What is left out for all of them is not read.
            without = frozenset.intersection(*(item.without for item in some))
            every = self._claims({key for item in some for key in item.keys}, without, some[0])
            parts = parted(every, some[0].of, [item.keys for item in some])
            for place, part, item in zip(places, parts, some, strict=True):
                found[place] = _without(part, item.without - without)
        return found

    def _claims(self, keys: Set[bytes], without: Set[bytes], question: _Question) -> pa.Table:
        if not keys:
            return no_claims()
        of, known_at = question.of, question.known_at
        parameters: Parameters = {}
        where = f"PREWHERE key IN {tokens_in(parameters, 'key', sorted(keys))}"
        if without:
            # Before the other columns are read: sessions lie all over the table, and most say nothing that is new.
            where += f" AND token NOT IN {tokens_in(parameters, 'without', sorted(without))}"
        # A claim lies once under each of its keys, whatever of it they are.
        where += f" WHERE `{of}` = key"
        if of == "server":
            where += " AND mark IN ('off', 'on')"
        if known_at is not None:
            where += " AND learnt_at <= fromUnixTimestamp64Milli({known_at:Int64}, 'UTC')"
            parameters["known_at"] = at_or_before(known_at)
        columns = ", ".join(f"`{name}`" for name in KNOWN_CLAIM_SCHEMA.names)
        sql = f"SELECT {columns} FROM {self._table} FINAL {where}"
        return self._read(sql, parameters, KNOWN_CLAIM_SCHEMA)

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        return asked(self._prefixes_each, tokens)

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        return asked(self._addresses_each, prefixes)

    def _prefixes_each(self, questions: Sequence[Sequence[bytes]]) -> list[pa.Table]:
        return self._prefixes("token", questions)

    def _addresses_each(self, questions: Sequence[Sequence[bytes]]) -> list[pa.Table]:
        return self._prefixes("prefix", questions)

    def _prefixes(self, column: str, questions: Sequence[Sequence[bytes]]) -> list[pa.Table]:
        wanted = {token for item in questions for token in item}
        if not wanted:
            return [PREFIX_SCHEMA.empty_table()] * len(questions)
        parameters: Parameters = {}
        tokens = tokens_in(parameters, "key", sorted(wanted))
        sql = f"SELECT prefix, length, token FROM address_prefixes FINAL WHERE {column} IN {tokens}"
        return parted(self._read(sql, parameters, PREFIX_SCHEMA), column, questions)

    def _read(self, sql: str, parameters: Parameters, schema: pa.Schema) -> pa.Table:
        found = self._index.query_arrow(sql, parameters)
        return pa.table(
            [found[name].cast(kind) for name, kind in zip(schema.names, schema.types, strict=True)], schema
        )


def _without(claims: pa.Table, tokens: Set[bytes]) -> pa.Table:
    if not tokens or not claims.num_rows:
        return claims
    left_out = pa.array(sorted(tokens), pa.binary(TOKEN_BYTES))
    return claims.filter(pc.invert(pc.is_in(claims["token"], left_out)))

"""Claims about identity: stored under each of their keys, read by any. Contract: `sinks.ports.identity.ClaimReader`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import get_args

import pyarrow as pa
import pyarrow.compute as pc

from schemas.tokens import TOKEN_BYTES
from schemas.vocabulary import Mark
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import Parameters, at_or_before, tokens_in
from sinks.ports.identity import KNOWN_CLAIM_SCHEMA, NOTHING, PREFIX_SCHEMA, ClaimKey

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


class ClickHouseClaims:
    """A `ClaimReader` on ClickHouse. Never reads `retained_claims`."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def claims(
        self,
        keys: Sequence[bytes],
        known_at: datetime | None = None,
        *,
        of: ClaimKey,
        without: Sequence[bytes] = (),
    ) -> pa.Table:
        if not keys:
            return KNOWN_CLAIM_SCHEMA.empty_table()
        parameters: Parameters = {}
        where = f"PREWHERE key IN {tokens_in(parameters, 'key', sorted(set(keys)))}"
        if without:
            # Before the other columns are read: sessions lie all over the table, and most say nothing that is new.
            where += f" AND token NOT IN {tokens_in(parameters, 'without', sorted(set(without)))}"
        # A claim lies once under each of its keys, whatever of it they are.
        where += f" WHERE `{of}` = key"
        if of == "server":
            where += " AND mark IN ('off', 'on')"
        if known_at is not None:
            where += " AND learnt_at <= fromUnixTimestamp64Milli({known_at:Int64}, 'UTC')"
            parameters["known_at"] = at_or_before(known_at)
        columns = ", ".join(f"`{name}`" for name in KNOWN_CLAIM_SCHEMA.names)
        sql = f"SELECT {columns} FROM identity_claims FINAL {where}"
        return self._read(sql, parameters, KNOWN_CLAIM_SCHEMA)

    def prefixes(self, tokens: Sequence[bytes]) -> pa.Table:
        return self._prefixes("token", tokens)

    def addresses(self, prefixes: Sequence[bytes]) -> pa.Table:
        return self._prefixes("prefix", prefixes)

    def _prefixes(self, column: str, wanted: Sequence[bytes]) -> pa.Table:
        if not wanted:
            return PREFIX_SCHEMA.empty_table()
        parameters: Parameters = {}
        tokens = tokens_in(parameters, "key", sorted(set(wanted)))
        sql = f"SELECT prefix, length, token FROM address_prefixes FINAL WHERE {column} IN {tokens}"
        return self._read(sql, parameters, PREFIX_SCHEMA)

    def _read(self, sql: str, parameters: Parameters, schema: pa.Schema) -> pa.Table:
        found = self._index.query_arrow(sql, parameters)
        return pa.table(
            [found[name].cast(kind) for name, kind in zip(schema.names, schema.types, strict=True)], schema
        )

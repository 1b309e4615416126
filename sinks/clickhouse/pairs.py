"""Which tokens of two keys are the same identifier's. Contract: `sinks.ports.keys.PairStore`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from schemas.tokens import TOKEN_BYTES
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.taking_out import on_cluster
from sinks.clickhouse.values import Parameters, blob, tokens_in
from sinks.ports.keys import PAIR_SCHEMA
from sinks.ports.same import SameTokens, pairs_around

_AT_ONCE = 1_000


class ClickHousePairs:
    """A `PairStore` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def pairs(self, tokens: Sequence[bytes]) -> pa.Table:
        if not tokens:
            return PAIR_SCHEMA.empty_table()
        parameters: Parameters = {}
        found = self._index.query_arrow(
            "SELECT if(is_new, other, token) AS older, if(is_new, token, other) AS newer, toString(key_id) AS key_id"
            f" FROM token_pairs WHERE token IN {tokens_in(parameters, 'token', sorted(set(tokens)))}",
            parameters,
        )
        columns = [
            found[name].cast(kind) for name, kind in zip(PAIR_SCHEMA.names, PAIR_SCHEMA.types, strict=True)
        ]
        return pa.table(columns, PAIR_SCHEMA)

    def retire(self, key_id: str, kept: Sequence[bytes]) -> None:
        for start in range(0, len(kept), _AT_ONCE):
            parameters: Parameters = {"key": key_id}
            tokens = tokens_in(parameters, "token", kept[start : start + _AT_ONCE])
            self._index.command(
                "INSERT INTO token_pairs SELECT token, other, is_new, '' AS key_id, new_key_id FROM token_pairs"
                f" WHERE token_pairs.key_id = {{key:String}} AND (token IN {tokens} OR other IN {tokens})",
                parameters,
            )
        self._index.command(
            f"DELETE FROM token_pairs {on_cluster(self._index)} WHERE key_id = {{key:String}}",
            {"key": key_id},
            erase=True,
        )


def same_tokens(index: ClickHouse, tokens: Iterable[bytes]) -> SameTokens:
    """The tokens of the same identifiers under all keys: while these change, others' rows may be of another one. Raises
    IndexUnavailable."""
    return SameTokens.joined_by(pairs_around(ClickHousePairs(index), tokens))


def named(same: SameTokens, column: str, parameters: Parameters, prefix: str = "") -> str:
    """SQL for the names of the tokens in a column."""
    if not same.groups:
        return column
    tokens = sorted(same.groups)
    listed = [
        f"arrayMap(place -> toFixedString(substring({blob(parameters, prefix + name, b''.join(some))}, place + 1,"
        f" {TOKEN_BYTES}), {TOKEN_BYTES}), range(0, {len(tokens) * TOKEN_BYTES}, {TOKEN_BYTES}))"
        for name, some in (("several", tokens), ("named", [same.name(token) for token in tokens]))
    ]
    return f"transform({column}, {listed[0]}, {listed[1]}, {column})"


def key_count(index: ClickHouse) -> int:
    """How many token keys there ever were. Raises IndexUnavailable."""
    ((keys,),) = index.query("SELECT uniqExact(key_id) FROM token_keys")
    return int(keys)


def by_oldest_key(index: ClickHouse, rows: str, columns: Sequence[str]) -> str:
    """SQL for the rows, which are SQL, with each token in the columns named by that of the oldest key that is known."""
    pairs = (
        "SELECT token AS newer, min(other) AS older, 1 AS known FROM token_pairs WHERE is_new GROUP BY newer"
    )
    # From one key to the one before: as many steps as there are others.
    for _ in range(key_count(index) - 1):
        for name in columns:
            named = f"* EXCEPT ({name}, newer, older, known), if(known = 1, older, {name}) AS {name}"
            rows = f"SELECT {named} FROM ({rows}) AS r LEFT JOIN ({pairs}) AS o ON r.{name} = o.newer"
    return rows


def both_ends(pairs: pa.Table, newer: str) -> pa.Table:
    """Rows of `token_pairs` for a table of `PAIR_SCHEMA`, whose newer tokens are of the key named."""
    ends = [
        pa.table(
            {
                "token": pairs[name],
                "other": pairs[other],
                "is_new": pa.repeat(pa.scalar(name == "newer"), pairs.num_rows),
                "key_id": pairs["key_id"],
                "new_key_id": pa.repeat(pa.scalar(newer), pairs.num_rows),
            }
        )
        for name, other in (("older", "newer"), ("newer", "older"))
    ]
    return pa.concat_tables(ends)

"""Whether anything under some keys has changed. Contract: `sinks.ports.changes.IndexMarks`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.values import Parameters, tokens_in
from sinks.ports.changes import MarkKey

_EVENT = "topic, partition, offset"
# Kind: column of the key, table, how it is narrowed, what tells one row from another.
_TABLES = {
    "claim": ("key", "identity_claims", "PREWHERE", f"{_EVENT}, part, learnt_at"),
    "row": ("token", "lineage", "PREWHERE", f"{_EVENT}, role, tag_set, event_time, port"),
    "prefix": ("prefix", "address_prefixes", "WHERE", "token, length"),
    "address": ("token", "address_prefixes", "WHERE", "prefix, length"),
}
# Under every key: what was a dead letter counts as known from its retry on, which is recorded after its rows; and with
# which tokens of another key a token is looked for.
_EVERYWHERE = (
    "SELECT (SELECT count() FROM dead_letter_events WHERE outcome = 'tagged')"
    " + (SELECT sum(cityHash64(token, other, is_new, key_id)) FROM token_pairs FINAL)"
)

# Claims are written with the ranges of their batch, so the ledger shows that there is something new of either kind.
# What a retry of a dead letter brings has no range.
_LEARNT = (
    "SELECT count(), sum(rows), max(written_at), (SELECT count() FROM dead_letter_events) FROM ingest_ledger"
)


class ClickHouseMarks:
    """An `IndexMarks` on ClickHouse; of marks five statements, however many keys."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def marks(self, keys: Mapping[str, Sequence[bytes]]) -> Mapping[MarkKey, int]:
        found: dict[MarkKey, int] = {}
        everywhere = int(self._index.query(_EVERYWHERE)[0][0])
        for kind, wanted in keys.items():
            if not wanted:
                continue
            column, table, narrowed, row = _TABLES[kind]
            parameters: Parameters = {}
            tokens = tokens_in(parameters, "key", sorted(set(wanted)))
            rows = self._index.query(
                f"SELECT hex({column}), sum(cityHash64({row})) FROM {table} FINAL"
                f" {narrowed} {column} IN {tokens} GROUP BY {column}",
                parameters,
            )
            found |= {(kind, bytes.fromhex(key)): int(mark) for key, mark in rows}
            found |= {(kind, key): found.get((kind, key), 0) + everywhere for key in wanted}
        return found

    def learnt(self) -> object:
        return self._index.query(_LEARNT)

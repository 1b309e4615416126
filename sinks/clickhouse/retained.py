"""Sessions that are kept for the police alone, forgotten. Contract: `sinks.ports.retained.RetainedSessions`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sinks.clickhouse.by_event import EVENT, event_conditions
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.pairs import named, same_tokens
from sinks.clickhouse.taking_out import take_out
from sinks.clickhouse.values import Parameters, millis, tokens_in
from sinks.ports.same import SameTokens

_TABLE = "retained_claims"
_SESSION = "`group` != toFixedString('', 16)"
_BEFORE = "fromUnixTimestamp64Milli({before:Int64}, 'UTC')"
_TOKENS = ("token", "subject", "line")


class ClickHouseRetained:
    """A `RetainedSessions` on ClickHouse."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def expire(self, before: datetime, kept: Collection[bytes] = (), limit: int = 100_000) -> int:
        parameters: Parameters = {"before": millis(before), "limit": limit}
        same = self._same(before, kept)
        group, c_group = (named(same, column, parameters) for column in ("`group`", "c.`group`"))
        without = ""
        if kept:
            listed = tokens_in(parameters, "kept", sorted(same.every(kept)))
            mention = " OR ".join(f"{name} IN {listed}" for name in _TOKENS)
            without = f" AND {group} NOT IN (SELECT {group} FROM {_TABLE} WHERE {mention})"
        # Reports of one moment are in no order: what begins at a Stop is another session.
        ended = (
            f"SELECT {group} AS session, max(at) AS newest, maxIf(at, mark = 'close' AND at < {_BEFORE}) AS closed,"
            f" maxIf(at, mark = 'open' AND at < {_BEFORE}) AS opened FROM {_TABLE} WHERE {_SESSION}{without}"
            f" GROUP BY session HAVING min(at) < {_BEFORE}"
        )
        gone = self._take_out(
            f"SELECT DISTINCT {EVENT} FROM {_TABLE} AS c INNER JOIN ({ended}) AS e ON {c_group} = e.session"
            f" WHERE c.at < {_BEFORE} AND (e.newest < {_BEFORE} OR c.at < e.opened OR c.at < e.closed"
            f" OR (c.at = e.closed AND c.mark != 'open')) ORDER BY {EVENT} LIMIT {{limit:UInt64}}",
            parameters,
        )
        if gone == limit:
            return gone
        sessions = f"SELECT server, min(at) AS oldest FROM {_TABLE} WHERE {_SESSION} GROUP BY server"
        left: Parameters = {"before": millis(before), "limit": limit - gone}
        return gone + self._take_out(
            f"SELECT DISTINCT {EVENT} FROM {_TABLE} AS c LEFT JOIN ({sessions}) AS s ON c.server = s.server"
            f" WHERE NOT (c.{_SESSION}) AND c.at < {_BEFORE} AND (s.oldest = toDateTime64(0, 3, 'UTC')"
            f" OR c.at < s.oldest) ORDER BY {EVENT} LIMIT {{limit:UInt64}}",
            left,
        )

    def _same(self, before: datetime, kept: Collection[bytes]) -> SameTokens:
        """While the token key is changed, reports of a session, and what keeps it, may be of several keys."""
        if not self._index.query("SELECT 1 FROM token_pairs LIMIT 1"):
            return SameTokens()
        rows = self._index.query(
            f"SELECT DISTINCT `group` FROM {_TABLE} WHERE at < {_BEFORE}", {"before": millis(before)}
        )
        return same_tokens(self._index, {*kept, *(bytes(group) for (group,) in rows)})

    def _take_out(self, question: str, parameters: Parameters) -> int:
        rows = self._index.query(question, parameters)
        events = [(str(topic), int(partition), int(offset)) for topic, partition, offset in rows]
        if events:
            take_out(self._index, _TABLE, event_conditions(events))
        return len(events)

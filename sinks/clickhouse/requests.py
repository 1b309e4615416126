"""The ledger of rights requests: what happened to each, in order, append-only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sinks.clickhouse.client import ClickHouse

_COLUMNS = ("request_id", "sequence", "kind", "occurred_at", "content")


@dataclass(frozen=True)
class RequestEvent:
    """One thing that happened. `content` is JSON-able and holds no personal value in clear."""

    request_id: str
    sequence: int
    kind: str
    occurred_at: datetime
    content: Mapping[str, Any] = field(hash=False)


class RequestLedger:
    """Events of requests in the index. One appender per request at a time; reading is safe from any thread."""

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def append(
        self, request_id: str, sequence: int, kind: str, occurred_at: datetime, content: Mapping[str, Any]
    ) -> bool:
        """Store the event; on disk when this returns. `occurred_at` is aware, kept to the millisecond.

        False, and nothing changes, when that sequence number of the request is taken: the first one stands.
        Raises IndexUnavailable; the event may be stored then, so repeat.
        """
        taken = self._index.query(
            "SELECT count() FROM request_events"
            " WHERE request_id = {request:String} AND sequence = {sequence:UInt32}",
            {"request": request_id, "sequence": sequence},
        )
        if taken[0][0]:
            return False
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        row = (request_id, sequence, kind, occurred_at, text)
        self._index.insert_rows("request_events", _COLUMNS, [row])
        return True

    def events(self, request_id: str) -> list[RequestEvent]:
        """All events of one request, in order; empty for an unknown one. Raises IndexUnavailable."""
        rows = self._index.query(
            f"SELECT {', '.join(_COLUMNS)} FROM request_events FINAL"
            " WHERE request_id = {request:String} ORDER BY sequence",
            {"request": request_id},
        )
        return [_event(row) for row in rows]

    def requests(self) -> dict[str, list[RequestEvent]]:
        """The events of every request, in order; oldest request first. Raises IndexUnavailable."""
        found: dict[str, list[RequestEvent]] = {}
        for row in self._index.query(
            f"SELECT {', '.join(_COLUMNS)} FROM request_events FINAL ORDER BY request_id, sequence"
        ):
            event = _event(row)
            found.setdefault(event.request_id, []).append(event)
        return dict(sorted(found.items(), key=lambda item: (item[1][0].occurred_at, item[0])))


def _event(row: Sequence[Any]) -> RequestEvent:
    request_id, sequence, kind, occurred_at, content = row
    return RequestEvent(str(request_id), int(sequence), str(kind), occurred_at, json.loads(content))

"""The ledger of rights requests: what happened to each, in order, append-only.

Contract: `sinks.ports.requests.RequestLog`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sinks.clickhouse.client import ClickHouse
from sinks.ports.requests import UNREADABLE, RequestEvent, Seen

_COLUMNS = ("request_id", "sequence", "kind", "occurred_at", "content")
_STANDING = f"SELECT {', '.join(_COLUMNS)} FROM request_events"
# Not FINAL: which of several rows of a number stands is for the order of commits to say.
# Says which rows there are: a merge keeps them and their numbers, and whoever appends adds one.
_ROWS = "count(), max(_block_number), sum(_block_number)"
_FIRST = "ORDER BY request_id, sequence, _block_number LIMIT 1 BY request_id, sequence"

# A server takes 128 KiB for one parameter.
_REQUESTS_AT_ONCE = 2_000


class ClickHouseRequests:
    """A `RequestLog` on ClickHouse.

    ClickHouse has no unique key, so whoever appends reads afterwards which row of that number stands: the first that
    the table committed. A later commit never displaces it, so what an appender was told stays true. On one server the
    order is that of block numbers; on replicas, whose block numbers may be committed out of order, Keeper takes only
    one insert of a number in the first place.
    """

    def __init__(self, index: ClickHouse) -> None:
        self._index = index

    def append(
        self, request_id: str, sequence: int, kind: str, occurred_at: datetime, content: Mapping[str, Any]
    ) -> bool:
        if self._standing(request_id, sequence) is not None:
            return False
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        entry = uuid.uuid4().hex
        row = (request_id, sequence, kind, occurred_at, text, entry)
        self._index.insert_rows(
            "request_events", (*_COLUMNS, "entry"), [row], once=f"{request_id}/{sequence}"
        )
        return self._standing(request_id, sequence) == entry

    def events(self, request_id: str) -> list[RequestEvent]:
        rows = self._index.query(
            f"{_STANDING} WHERE request_id = {{request:String}} {_FIRST}", {"request": request_id}
        )
        return [_event(row) for row in rows]

    def since(self, seen: Seen) -> tuple[Seen, dict[str, list[RequestEvent]]]:
        # Looked at before the events are: what is appended in between is read again the next time.
        whole = self._index.query(f"SELECT {_ROWS} FROM request_events")[0]
        if whole == seen.whole:
            return seen, {}
        rows = self._index.query(f"SELECT request_id, {_ROWS} FROM request_events GROUP BY request_id")
        each = {str(name): tuple(said) for name, *said in rows}
        return Seen(whole, each), self.events_of([name for name in each if seen.each.get(name) != each[name]])

    def events_of(self, request_ids: Sequence[str]) -> dict[str, list[RequestEvent]]:
        """The events of these requests, in order; none of an unknown one. Raises IndexUnavailable."""
        found: dict[str, list[RequestEvent]] = {}
        for start in range(0, len(request_ids), _REQUESTS_AT_ONCE):
            named = {"requests": list(request_ids[start : start + _REQUESTS_AT_ONCE])}
            where = "WHERE request_id IN {requests:Array(String)}"
            for row in self._index.query(f"{_STANDING} {where} {_FIRST}", named):
                event = _event(row)
                found.setdefault(event.request_id, []).append(event)
        return found

    def requests(self) -> dict[str, list[RequestEvent]]:
        found: dict[str, list[RequestEvent]] = {}
        for row in self._index.query(f"{_STANDING} {_FIRST}"):
            event = _event(row)
            found.setdefault(event.request_id, []).append(event)
        return dict(sorted(found.items(), key=lambda item: (item[1][0].occurred_at, item[0])))

    def _standing(self, request_id: str, sequence: int) -> str | None:
        """Which entry has the number; "" if it is older than entries, None if nobody has it."""
        rows = self._index.query(
            "SELECT entry FROM request_events"
            " WHERE request_id = {request:String} AND sequence = {sequence:UInt32}"
            " ORDER BY _block_number LIMIT 1",
            {"request": request_id, "sequence": sequence},
        )
        return str(rows[0][0]) if rows else None


def _event(row: Sequence[Any]) -> RequestEvent:
    request_id, sequence, kind, occurred_at, content = row
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        read = None
    # One row that is damaged shall not hide all the others.
    kind, read = (str(kind), read) if isinstance(read, dict) else (UNREADABLE, {"kind": str(kind)})
    return RequestEvent(str(request_id), int(sequence), kind, occurred_at, read)

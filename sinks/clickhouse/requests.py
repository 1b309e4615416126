"""The ledger of rights requests: what happened to each, in order, append-only.

Contract: `sinks.ports.requests.RequestLogOfMany`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from schemas.together import asked
from sinks.clickhouse.client import ClickHouse
from sinks.ports.requests import UNREADABLE, RequestEvent, Seen

_COLUMNS = ("request_id", "sequence", "kind", "occurred_at", "content")
_STANDING = f"SELECT {', '.join(_COLUMNS)} FROM request_events"
# Not FINAL: which of several rows of a number stands is for the order of commits to say.
# Says which rows there are: a merge keeps them and their numbers, and whoever appends adds one.
_ROWS = "count(), max(_block_number), sum(_block_number)"
_FIRST = "ORDER BY request_id, sequence, _block_number LIMIT 1 BY request_id, sequence"

Place = tuple[str, int]
"""Request and number of an event."""

# A server takes 128 KiB for one parameter.
_REQUESTS_AT_ONCE = 2_000


class ClickHouseRequests:
    """A `RequestLogOfMany` on ClickHouse.

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
        return asked(self.append_each, RequestEvent(request_id, sequence, kind, occurred_at, content))

    def append_each(self, events: Sequence[RequestEvent]) -> list[bool]:
        if self._index.cluster and len(events) > 1:
            # Keeper drops a second insert by the name of the whole, which has to be that of one event.
            return [self.append_each([event])[0] for event in events]
        # Of several with one number the first is taken.
        entries = {(event.request_id, event.sequence): uuid.uuid4().hex for event in events}
        taken = self._standing(entries)
        new = {place: event for event in reversed(events) if (place := _place(event)) not in taken}
        rows = [_row(new[place], entry) for place, entry in entries.items() if place in new]
        if not rows:
            return [False] * len(events)
        request_id, sequence = _place(events[0])
        once = f"{request_id}/{sequence}" if len(rows) == 1 else None
        self._index.insert_rows("request_events", (*_COLUMNS, "entry"), rows, once=once)
        standing = self._standing(new)
        return [
            new.get(_place(event)) is event and standing.get(_place(event)) == entries[_place(event)]
            for event in events
        ]

    def events(self, request_id: str) -> list[RequestEvent]:
        return asked(self.events_each, request_id)

    def events_each(self, request_ids: Sequence[str]) -> list[list[RequestEvent]]:
        found = self.events_of(list(dict.fromkeys(request_ids)))
        return [list(found.get(name, ())) for name in request_ids]

    def since(self, seen: Seen) -> tuple[Seen, dict[str, list[RequestEvent]]]:
        return asked(self._since_each, seen)

    def _since_each(self, seen: Sequence[Seen]) -> list[tuple[Seen, dict[str, list[RequestEvent]]]]:
        known = {id(item): item for item in seen}
        answers = {name: self._since(item) for name, item in known.items()}
        return [answers[id(item)] for item in seen]

    def _since(self, seen: Seen) -> tuple[Seen, dict[str, list[RequestEvent]]]:
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

    def _standing(self, places: Iterable[Place]) -> dict[Place, str]:
        """Which entry has each of the numbers that anybody has; "" if it is older than entries."""
        wanted = list(places)
        found: dict[Place, str] = {}
        for start in range(0, len(wanted), _REQUESTS_AT_ONCE):
            some = wanted[start : start + _REQUESTS_AT_ONCE]
            rows = self._index.query(
                "SELECT request_id, sequence, entry FROM request_events"
                " WHERE request_id IN {requests:Array(String)} AND sequence IN {sequences:Array(UInt32)}"
                " ORDER BY _block_number LIMIT 1 BY request_id, sequence",
                {
                    "requests": sorted({request_id for request_id, _ in some}),
                    "sequences": sorted({sequence for _, sequence in some}),
                },
            )
            found |= {(str(request_id), int(sequence)): str(entry) for request_id, sequence, entry in rows}
        return found


def _place(event: RequestEvent) -> Place:
    return event.request_id, event.sequence


def _row(event: RequestEvent, entry: str) -> tuple[Any, ...]:
    text = json.dumps(event.content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return *_place(event), event.kind, event.occurred_at, text, entry


def _event(row: Sequence[Any]) -> RequestEvent:
    request_id, sequence, kind, occurred_at, content = row
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        read = None
    # One row that is damaged shall not hide all the others.
    kind, read = (str(kind), read) if isinstance(read, dict) else (UNREADABLE, {"kind": str(kind)})
    return RequestEvent(str(request_id), int(sequence), kind, occurred_at, read)

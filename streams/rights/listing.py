"""Every request as it stands, kept folded and read on with what is new; and which of them a person may have."""

from __future__ import annotations

import threading
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from schemas.calendars import Calendar
from sinks.ports.lineage import Span
from sinks.ports.requests import RequestEvent, RequestLog, Seen
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.states import Folding


class Listing:
    """Safe from several threads. Every method that reads the ledger may raise IndexUnavailable.

    Nothing is taken from memory that was not looked at in the ledger first: other processes write to it too.
    """

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._lock = threading.Lock()
        self._seen = Seen()
        # Of those that have ended the events are not kept: they are many, and seldom read on.
        self._foldings: dict[str, Folding] = {}
        self._standing: dict[str, RequestState] = {}
        self._begun: dict[str, tuple[datetime, int, str]] = {}
        self._order: list[tuple[datetime, int, str]] = []
        # By subject, and by token of a span: which requests are about it.
        self._by_key: defaultdict[str | bytes, set[str]] = defaultdict(set)
        self._waiting: set[str] = set()

    def every(self, ledger: RequestLog) -> list[RequestState]:
        """Every request, oldest first."""
        self._read_on(ledger)
        with self._lock:
            return [self._standing[name] for *_, name in self._order]

    def about(
        self, ledger: RequestLog, subjects: Iterable[str], spans: Sequence[Span], besides: str | None = None
    ) -> list[RequestState]:
        """Those about one of the subjects, or with a span of one of the tokens, and the one named; oldest first.

        Whether the spans meet is for the caller to say.
        """
        self._read_on(ledger)
        with self._lock:
            names = {besides} & self._standing.keys() if besides else set()
            keys: set[str | bytes] = {*subjects, *(span.token for span in spans)}
            for key in keys:
                names |= self._by_key.get(key, set())
            return self._in_order(names)

    def behind(self, ledger: RequestLog, request_id: str) -> list[RequestState]:
        """Those that wait for that one to end, oldest first."""
        self._read_on(ledger)
        with self._lock:
            return self._in_order(
                {name for name in self._waiting if request_id in self._standing[name].behind}
            )

    def read(self, request_id: str, length: int) -> Sequence[RequestEvent] | None:
        """The first events of a request, so many, if they were read before and are kept; they never change."""
        with self._lock:
            folding = self._foldings.get(request_id)
        return folding.read if folding is not None and len(folding.read) == length else None

    def folded(self, request_id: str, events: Sequence[RequestEvent]) -> RequestState | None:
        """One request after its events, None for none of them."""
        with self._lock:
            return self._fold(request_id, events, None)

    def _in_order(self, names: Iterable[str]) -> list[RequestState]:
        return [self._standing[name] for *_, name in sorted(self._begun[name] for name in names)]

    def _read_on(self, ledger: RequestLog) -> None:
        # Without the lock: whoever asks the ledger may have to wait for others that want it too.
        seen, changed = ledger.since(self._seen)
        with self._lock:
            if seen is not self._seen:
                for name, events in changed.items():
                    self._fold(name, events, seen.ties)
                self._seen = seen

    def _fold(
        self, name: str, events: Sequence[RequestEvent], ties: Mapping[str, int] | None
    ) -> RequestState | None:
        """The request; kept, but for one that has no place in the list yet where there are no `ties` to tell it."""
        folding = self._foldings.get(name, Folding(self._calendar)).after(events)
        request = folding.request
        known = self._standing.get(name)
        if request is None or (known is not None and known.length > request.length):
            # Nothing, or read before another thread read on.
            return request
        if known is None:
            if ties is None:
                return request
            self._begun[name] = events[0].occurred_at, ties.get(name, 0), name
            insort(self._order, self._begun[name])
        self._standing[name] = request
        self._keep(name, request, folding)
        for key in request.subjects:
            self._by_key[key].add(name)
        if request.identity is not None:
            for span in request.identity.spans:
                self._by_key[span.token].add(name)
        return request

    def _keep(self, name: str, request: RequestState, folding: Folding) -> None:
        if request.ended:
            self._foldings.pop(name, None)
            self._waiting.discard(name)
            return
        self._foldings[name] = folding
        if request.behind:
            self._waiting.add(name)
        else:
            self._waiting.discard(name)

"""The list of requests that is kept folded says what reading all of the ledger anew would say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from schemas.calendars import NORWEGIAN
from sinks.memory.requests import MemoryRequests
from sinks.ports.lineage import Span
from streams.rights.listing import Listing
from streams.rights.protocol.states import fold

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
SPANS = [["aa" * 16, None, None, 0, 65_535, None]]


def received() -> dict[str, Any]:
    return {
        "type": "erasure",
        "channel": "web",
        "received_at": NOON.isoformat(),
        "sealed": "",
        "anchors": {},
    }


EVENTS: list[tuple[str, dict[str, Any]]] = [
    ("about", {"subjects": ["ab"], "beside": []}),
    ("about", {"subjects": ["cd"], "beside": []}),
    ("behind", {"behind": ["r-0"]}),
    ("attention", {"reason": "somebody has to look"}),
    ("cancelled", {}),
    ("something of a later version", {"kind": 1}),
]


@pytest.mark.parametrize("seed", range(20))
def test_it_says_what_reading_everything_anew_says(seed: int) -> None:
    """Whoever wrote, in whatever order the requests go on; with a reader that looks now and then."""
    chance, ledger, listing = Random(seed), MemoryRequests(), Listing(NORWEGIAN)
    for _ in range(60):
        name = f"r-{chance.randrange(6)}"
        length = len(ledger.events(name))
        at = NOON + timedelta(minutes=chance.randrange(60))
        kind, content = ("received", received()) if not length else chance.choice(EVENTS)
        ledger.append(name, length, kind, at, content)
        if chance.random() < 0.5:
            whole = [fold(events) for events in ledger.requests().values()]
            assert {item.request_id: item for item in listing.every(ledger)} == {
                item.request_id: item for item in whole if item is not None
            }
        if chance.random() < 0.5:
            assert listing.folded(name, ledger.events(name)) == fold(ledger.events(name))
    subjects = ["ab", "zz"]
    about = {item.request_id for item in listing.about(ledger, subjects, [], "r-1")}
    every = listing.every(ledger)
    assert about == {item.request_id for item in every if "ab" in item.subjects} | {"r-1"}
    waiting = [item.request_id for item in every if not item.ended and "r-0" in item.behind]
    assert sorted(item.request_id for item in listing.behind(ledger, "r-0")) == sorted(waiting)
    moments = [ledger.events(item.request_id)[0].occurred_at for item in every]
    assert moments == sorted(moments)


def test_a_request_is_found_by_where_its_person_s_events_lie() -> None:
    """By the token of a span of the identity that it was answered with."""
    ledger, listing = MemoryRequests(), Listing(NORWEGIAN)
    identity = {"resolution": "unique", "candidates": 1, "spans": SPANS, "shared": []}
    answered = {"report": {}, "identity": identity, "resolution": "unique", "to_tell": True}
    ledger.append("r-1", 0, "received", NOON, {**received(), "type": "access"})
    ledger.append("r-1", 1, "answered", NOON, answered)
    assert [item.request_id for item in listing.about(ledger, [], [Span(b"\xaa" * 16)])] == ["r-1"]
    assert not listing.about(ledger, [], [Span(b"\xbb" * 16)])


def test_what_was_read_before_another_read_on_takes_nothing_back() -> None:
    """A thread that was slow is told what it read; the list keeps what is newer."""
    ledger, listing = MemoryRequests(), Listing(NORWEGIAN)
    ledger.append("r-1", 0, "received", NOON, received())
    early = ledger.events("r-1")
    ledger.append("r-1", 1, "cancelled", NOON, {})
    assert [item.state for item in listing.every(ledger)] == ["cancelled"]
    told = listing.folded("r-1", early)
    assert told is not None
    assert told.state == "received"
    assert [item.state for item in listing.every(ledger)] == ["cancelled"]

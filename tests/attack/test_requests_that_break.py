"""One bad request or row of the ledger: it ends one thing, is shown, and everybody else is served."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.errors import IndexUnavailable, InputError
from sinks.clickhouse.requests import _event
from sinks.ports.requests import UNREADABLE
from streams.rights.case import Recorded
from streams.rights.protocol.states import State, fold, summary
from tests.support.faulty import KARI, OLA, SECRET, faulty, office, restarted
from tests.support.office import NOW, Office
from tests.unit.rights.test_short import GONE, visit

__all__ = ["office"]


@pytest.mark.parametrize("kind", ["access", "erasure"])
def test_a_step_that_raises_stops_that_request_alone(office: Office, kind: str) -> None:
    """It stands at attention with type and place; the text, which holds a value, is nowhere; others complete."""
    faulty(office, KARI)
    bad = office.service.create(kind, [KARI], reason=None, channel="test", received_at=NOW)
    good = office.service.create(kind, [OLA], reason=None, channel="test", received_at=NOW, anchors=GONE)
    office.deliver()
    request = office.service.get(bad.request_id)
    assert request.state is State.ATTENTION
    assert "ValueError in " in request.problems[0]
    assert f"`innsyn requests resend {bad.request_id}` tries again" in request.problems[0]
    assert SECRET not in json.dumps([item.content for item in office.ledger.events(bad.request_id)])
    assert office.service.get(good.request_id).state is State.COMPLETED


def test_it_is_tried_again_by_hand_and_once_by_each_process(office: Office) -> None:
    """No loop: whoever resumes passes it over, a new process tries it once, `resend` always; then it goes on."""
    reader = faulty(office, KARI)
    bad = office.erase(KARI, anchors=GONE)
    asked, length = reader.asked, office.service.get(bad.request_id).length
    assert office.service.resume() == []
    assert (reader.asked, office.service.get(bad.request_id).length) == (asked, length)
    later = restarted(office)
    for _ in range(3):
        later.resume()
    assert reader.asked == asked + 1
    office.service.resend(bad.request_id)
    office.deliver()
    assert (reader.asked, office.service.get(bad.request_id).state) == (asked + 2, State.ATTENTION)
    reader.poison = set()
    office.service.resend(bad.request_id)
    office.deliver()
    assert office.service.get(bad.request_id).state is State.COMPLETED
    assert office.events(*KARI) == 0


def test_an_index_that_refuses_one_request_does_not_hold_up_the_others(office: Office) -> None:
    """It waits in the ledger; resuming serves everybody else first, then says that something was away."""
    reader = faulty(office, KARI)
    reader.error = lambda: IndexUnavailable("error 62 of ClickHouse")
    with pytest.raises(Recorded):
        office.erase(KARI, anchors=GONE)
    office.service.create("erasure", [OLA], reason=None, channel="test", received_at=NOW, anchors=GONE)
    office.sent.clear()
    with pytest.raises(IndexUnavailable):
        office.service.resume()
    office.deliver()
    assert [item.state for item in office.service.requests()] == [State.RECEIVED, State.COMPLETED]


def test_an_answer_that_cannot_be_looked_at_again_says_so(office: Office) -> None:
    """The others are; the line goes when it can be looked at."""
    for person in (KARI, OLA):
        office.service.create("access", [person], reason=None, channel="test", received_at=NOW)
    office.deliver()
    reader = faulty(office, KARI)
    office.now += timedelta(hours=1)
    office.put("web.visits", {**visit(4), "cookie_id": OLA[1]})
    opened = office.service.recheck(NOW + timedelta(days=1))
    kari, ola = office.service.requests()
    assert [item.request_id for item in opened] == [ola.request_id]
    assert (kari.state, ola.state) == (State.COMPLETED, State.REOPENED)
    assert "cannot be looked for" in kari.problems[0]
    assert SECRET not in kari.problems[0]
    reader.poison = set()
    office.service.recheck(NOW + timedelta(days=2))
    assert office.service.get(kari.request_id).problems == ()


def leaves(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(content, dict | list):
        for key in list(content) if isinstance(content, dict) else range(min(len(content), 2)):
            yield from leaves(content[key], (*path, key))


def damaged(content: Any, path: tuple[Any, ...], put: Any) -> Any:
    if not path:
        return put
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[path[0]] = damaged(copy[path[0]], path[1:], put)
    return copy


def test_no_row_of_the_ledger_hides_the_other_requests(office: Office) -> None:
    """Many places of every event of an erasure replaced by what is not expected there: listed, and moved no further."""
    made = office.erase(KARI, anchors=GONE)
    assert made.state is State.COMPLETED
    events = office.ledger.events(made.request_id)
    chosen, isolated = random.Random(7), 0
    for event in events:
        places = [path for path in leaves(event.content) if path]
        for path in chosen.sample(places, min(len(places), 25)):
            put: Any = chosen.choice([None, 7, -1.5, "9999-12-31T00:00:00Z", [], {}, [[]], {"x": 1}])
            content = damaged(event.content, path, put)
            rows = [replace(item, content=content) if item is event else item for item in events]
            request = fold(rows)
            assert request is not None
            assert request.problems is not None
            isolated += bool(request.unread)
            if request.unread and not request.ended:
                assert request.state is State.ATTENTION
                assert not request.movable
    assert isolated > 10


def test_a_request_that_cannot_be_read_is_listed_and_can_be_ended(office: Office) -> None:
    """It moves nowhere by itself and refuses to be resent; closing it works, others go on."""
    bad = office.service.create("erasure", [KARI], reason=None, channel="test", received_at=NOW)
    office.ledger.append(bad.request_id, bad.length, "planned", NOW, {"plan": {}})
    good = office.erase(OLA, anchors=GONE)
    request = office.service.get(bad.request_id)
    assert (request.state, good.state) == (State.ATTENTION, State.COMPLETED)
    assert f"event {bad.length} of the ledger (planned) cannot be read (ValueError)" in request.problems[0]
    assert office.service.resume() == []
    with pytest.raises(InputError, match="cannot be read in full"):
        office.service.resend(bad.request_id)
    assert office.service.close(bad.request_id, "read by hand").state is State.CLOSED


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "[" * 100_000])
def test_a_row_that_is_no_json_is_an_event_that_cannot_be_read(text: str) -> None:
    """Not the end of the list: it keeps its place and its kind."""
    event = _event(("r-1", 3, "receipt", NOW, text))
    assert (event.kind, event.content) == (UNREADABLE, {"kind": "receipt"})
    request = fold([event])
    assert request is not None
    assert (request.state, request.type) == (State.ATTENTION, "unknown")
    assert "(receipt) cannot be read" in request.problems[0]
    assert json.dumps(summary(request))

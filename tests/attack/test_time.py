"""Times that lie: events of the future, leap days and leap seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from console.bodies import End, Moment
from console.cli import options
from schemas.catalogue import load_catalogue
from schemas.errors import DecodeError, InputError
from schemas.moments import from_iso
from schemas.policy import RetentionAnchors
from streams.answers import erasure
from streams.columns.tokens import AHEAD
from streams.feeds.formats.ndjson import _time as ndjson_time
from streams.feeds.formats.zeek import _time as zeek_time
from streams.feeds.lines import times
from streams.rights import late_findings
from streams.rights.protocol.states import State
from streams.tagging import prepare
from tests.support.api import NOW as DESK_NOW
from tests.support.desk import Desk
from tests.support.index import memory_index
from tests.support.office import NOW, Office

NUMBER = ("customer_number", "k-100200")
GONE = RetentionAnchors(contract_end=date(2020, 1, 31))
FAR = datetime(2099, 6, 1, 12, tzinfo=UTC)


def customer(at: datetime) -> dict[str, Any]:
    return {"customer_number": NUMBER[1], "email": "kari@example.no", "name": "N", "updated_at": at}


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """An index from before event times were bounded."""
    monkeypatch.setattr(prepare, "AHEAD", 2**62)
    with ExitStack() as stack:
        yield Office(tmp_path, memory_index(), stack)


@pytest.mark.parametrize(
    ("ahead", "reasons"),
    [
        pytest.param(timedelta(milliseconds=AHEAD - 1), [], id="a clock that is a little ahead"),
        pytest.param(timedelta(milliseconds=AHEAD), ["future_time"], id="an hour: a wrong zone"),
        pytest.param(FAR - DESK_NOW, ["future_time"], id="2099"),
    ],
)
def test_an_event_that_has_not_happened_yet_is_a_dead_letter(
    tmp_path: Path, ahead: timedelta, reasons: list[str]
) -> None:
    """With a reason of its own; what is a little ahead is as good as any."""
    desk = Desk(tmp_path)
    value = visit(DESK_NOW + ahead)
    assert desk.tell("web.visits", [value, visit(DESK_NOW)]) == reasons


def test_a_dead_letter_of_the_future_is_an_event_once_its_time_has_come(tmp_path: Path) -> None:
    """A retry judges by the moment of the retry."""
    desk = Desk(tmp_path)
    soon = DESK_NOW + timedelta(days=1)
    assert desk.tell("web.visits", [visit(soon)]) == ["future_time"]
    assert desk.tell("web.visits", [visit(soon)], offset=0, learnt=soon) == []


def visit(at: datetime) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(
        ("client_port", "referrer", "browser", "operating_system", "location", "cookie_id")
    )
    return {
        **blank,
        "occurred_at": at,
        "client_address": "192.0.2.7",
        "method": "GET",
        "status": 200,
        "page": "/",
        "cookie_consent": "none",
    }


def test_an_erasure_takes_what_is_here_however_it_is_dated(office: Office) -> None:
    """Events stored before their times were bounded: dated 2099, and a little ahead."""
    for at in (NOW - timedelta(days=9), NOW + timedelta(minutes=2), FAR, FAR + timedelta(days=90)):
        office.put("crm.customers", customer(at))
    request = office.erase(NUMBER, anchors=GONE)
    assert request.state is State.COMPLETED
    assert office.events(*NUMBER) == 0


def test_what_happens_after_an_erasure_was_planned_stays(office: Office) -> None:
    """Also where an event dated 2099 was erased by it: that does not reach back to what is still to come."""
    office.put("crm.customers", customer(NOW - timedelta(days=9)), customer(FAR))
    office.deaf = {"crm"}
    request = office.erase(NUMBER, anchors=GONE)
    # So soon nobody looks for a new relationship, for which the command would not be sent again.
    office.now = NOW + timedelta(seconds=30)
    office.put("crm.customers", customer(office.now))
    office.deaf = set()
    office.service.resend(request.request_id)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    assert office.events(*NUMBER) == 1


def test_what_an_earlier_version_left_after_completed_is_a_late_finding(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erasure that ended before, with an event dated 2099 still there: it is found, not only by new requests."""
    office.put("crm.customers", customer(NOW - timedelta(days=9)), customer(FAR))
    with monkeypatch.context() as before:
        before.setattr(erasure.ErasurePlanner, "_dated_ahead", lambda *_: [])
        request = office.erase(NUMBER, anchors=GONE)
    assert (request.state, office.events(*NUMBER)) == (State.COMPLETED, 1)
    office.now = NOW + timedelta(days=1)
    finding = late_findings.late_finding(
        request, request.identity.spans if request.identity else (), office.index.reader, load_catalogue()
    )
    assert finding is not None
    assert (finding.events, finding.systems) == (1, ("crm",))


def test_a_retention_clock_starts_by_today_at_the_latest(office: Office) -> None:
    """An order dated 2099 would be held by bookkeeping law until 2104 and after."""
    office.put("crm.customers", customer(FAR))
    ends = [
        date.fromisoformat(part["until"])
        for part in (office.erase(NUMBER).plan or {})["parts"]
        if part["until"] is not None
    ]
    assert all(end < date(2040, 1, 1) for end in ends)


MINUTE = datetime(2016, 12, 31, 23, 59, tzinfo=UTC)
NEXT = datetime(2017, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (times.timestamp, "2016-12-31T23:59:60Z"),
        (times.timestamp, "2016-12-31 23:59:60 UTC"),
        (times.timestamp, "Dec 31 2016 23:59:60 UTC"),
        (times.timestamp, "2017-01-01T00:59:60+01:00"),
        (times.ctime, "Sat Dec 31 23:59:60 2016"),
        (lambda text: times.local(text, UTC), "Dec 31 23:59:60 2016"),
        (lambda text: times.formatted(text, "%Y-%m-%d %H:%M:%S", UTC), "2016-12-31 23:59:60"),
        (lambda text: times.formatted(text, "%Y-%m-%d %H:%M:%S%z", UTC), "2017-01-01 05:29:60+0530"),
        (times.day_or_time, "2016-12-31T23:59:60Z"),
        (zeek_time, "2016-12-31T23:59:60.000000Z"),
    ],
)
def test_a_leap_second_in_a_log_is_the_second_after_it(read: Callable[[str], int], text: str) -> None:
    """As the clocks of computers count; refusing it would lose what happened then."""
    assert datetime.fromtimestamp(read(text) / 1000, UTC) == NEXT


def test_a_leap_second_is_no_error_at_any_edge() -> None:
    """ISO 8601 of NDJSON, the API, the command line."""
    for text in ("2016-12-31T23:59:60Z", "2017-01-01T00:59:60+01:00", "2017-01-01T05:44:60+05:45"):
        assert from_iso(text) == NEXT
        for known in (Moment, End):
            assert TypeAdapter(known).validate_python(text) == NEXT
        assert datetime.fromisoformat(options.moment(text, "--at") or "") == NEXT
    assert from_iso("2016-12-31T23:59:60.250Z") == NEXT + timedelta(milliseconds=250)
    assert from_iso("20161231T235960Z") == NEXT
    assert ndjson_time("2016-12-31T23:59:60Z") == NEXT


@pytest.mark.parametrize(
    "text", ["2026-03-01T12:30:60Z", "2026-03-01T23:59:61Z", "2026-02-29T10:00:00Z", "60"]
)
def test_what_is_no_leap_second_and_no_day_is_refused(text: str) -> None:
    """In the middle of an hour no second is inserted, and 2026 has no 29 February."""
    with pytest.raises(ValueError, match=r"."):
        from_iso(text)
    with pytest.raises(InputError):
        options.moment(text, "--at")
    with pytest.raises(DecodeError):
        times.formatted(text, "%Y-%m-%dT%H:%M:%SZ", UTC)


def test_the_end_of_time_with_a_leap_second_ends_nothing() -> None:
    """There is no second after it."""
    with pytest.raises(InputError):
        options.moment("9999-12-31T23:59:60Z", "--at")

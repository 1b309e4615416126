"""The state of a request, and the day on which it has to be answered."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import NORWEGIAN
from schemas.errors import InputError
from sinks.ports.requests import RequestEvent
from streams.rights.protocol.deadlines import due_at
from streams.rights.protocol.states import State, fold, summary

NOON = datetime(2026, 3, 9, 12, tzinfo=UTC)
RECEIVED = {"type": "erasure", "channel": "email", "received_at": "2026-03-09T12:00:00Z"}
PART = {"category": "C-07", "action": "hold_until", "rule": "T01", "until": "2031-12-31"}
PLANNED = {
    "plan": {"parts": [PART], "copies": []},
    "commands": [{"command_id": "r/web", "system": "web"}, {"command_id": "r/billing", "system": "billing"}],
}


def commanded(system: str, attempt: int = 1) -> tuple[str, dict[str, Any]]:
    return "commanded", {"command_id": f"r/{system}", "attempt": attempt}


def receipt(system: str, state: str, at: int = 0, **more: Any) -> tuple[str, dict[str, Any]]:
    nothing = {"erased": 0, "held": 0, "ground": None, "review_date": None, "reason": None}
    said = {"command_id": f"r/{system}", "state": state, "reported_at": f"2026-03-09T12:00:{at:02}Z"}
    return "receipt", {**nothing, **said, **more}


def events(*steps: tuple[str, dict[str, Any]]) -> list[RequestEvent]:
    return [
        RequestEvent("r", number, kind, NOON + timedelta(seconds=number), content)
        for number, (kind, content) in enumerate(steps)
    ]


SENT = (("received", RECEIVED), ("planned", PLANNED), commanded("web"), commanded("billing"))
DONE = (receipt("web", "done", erased=3), receipt("billing", "done", erased=1))
ENDED = (
    ("forgetting", {"run": 6}),
    ("forgotten", {"run": 7, "counts": {"rows_removed": 3, "rows_narrowed": 1}}),
    ("completed", {"held": [PART]}),
)
ROAD = events(*SENT, receipt("web", "accepted"), *DONE, *ENDED)


def test_the_road_of_an_erasure() -> None:
    """Each event moves the request one state on, and the end says what was held and why."""
    states = []
    for length in range(1, len(ROAD) + 1):
        request = fold(ROAD[:length])
        assert request is not None
        states.append(request.state.value)
    assert states == [
        "received", "planned", "planned", "commanded", "waiting", "waiting", "waiting",
        "forgetting", "forgetting", "completed",
    ]  # fmt: skip
    end = fold(ROAD)
    assert end is not None
    assert (end.held, end.forgotten) == ((PART,), {"rows_removed": 3, "rows_narrowed": 1})
    assert (end.due, end.problems, end.waiting_for) == (date(2026, 4, 9), (), ())
    assert summary(end)["state"] == "completed"


def test_nothing_before_the_first_event() -> None:
    """No events, no request; events of a request that was never received neither."""
    assert fold([]) is None
    assert fold(events(("planned", PLANNED))) is None


@pytest.mark.parametrize("state", ["failed", "partial", "withheld"])
def test_what_a_system_did_not_do_is_never_success(state: str) -> None:
    """The request stands at attention with the reason, and no later step passes over it."""
    refusal = receipt("web", state, held=2, ground="T18", review_date="2029-03-05", reason="dispute")
    request = fold(events(*SENT, refusal, receipt("billing", "done"), *ENDED))
    assert request is not None
    assert request.state is State.ATTENTION
    (line,) = request.problems
    assert line.startswith(
        f"web: {state} 2 records held by T18 review on 2029-03-05 (dispute); `innsyn requests resend r`"
    )
    assert "`innsyn requests close r --reason ...`" in line
    assert not request.settled
    assert request.completed_at is None


def test_a_new_attempt_mends_a_failure() -> None:
    """Sent again the system is waited for again, and its `done` counts."""
    failed = (*SENT, receipt("web", "failed", reason="store_unavailable"), receipt("billing", "done"))
    again = fold(events(*failed, commanded("web", 2)))
    assert again is not None
    assert (again.state, again.waiting_for) == (State.WAITING, ("web",))
    mended = fold(events(*failed, commanded("web", 2), receipt("web", "done", 9)))
    assert mended is not None
    assert mended.settled
    assert mended.commands["r/web"].attempt == 2


def test_receipts_of_unknown_commands_and_after_done_change_nothing() -> None:
    """Neither a stranger's answer nor a late failure touches a request."""
    before = fold(events(*SENT, *DONE))
    strange = receipt("stranger", "failed")
    after = fold(events(*SENT, *DONE, strange, receipt("web", "failed", 7), commanded("web", 2)))
    assert after == before


@given(st.lists(st.integers(0, len(ROAD) - 1), max_size=6), st.integers(1, len(ROAD)), st.randoms())
def test_repeated_events_change_nothing(repeats: list[int], length: int, random: Any) -> None:
    """Read twice, out of order, or written a second time later: the same state."""
    taken = ROAD[:length]
    again = [taken[number] for number in repeats if number < length]
    shuffled = [*taken, *again]
    random.shuffle(shuffled)
    assert fold(shuffled) == fold(taken)
    later = [
        RequestEvent("r", length + number, event.kind, event.occurred_at, event.content)
        for number, event in enumerate(again)
    ]
    assert fold([*taken, *later]) == fold(taken)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        (datetime(2026, 8, 31, 8, tzinfo=UTC), date(2026, 9, 30)),  # no 31 September
        (datetime(2026, 3, 9, 12, tzinfo=UTC), date(2026, 4, 9)),
        (datetime(2026, 1, 22, 12, tzinfo=UTC), date(2026, 2, 23)),  # a Sunday
        (datetime(2026, 3, 2, 12, tzinfo=UTC), date(2026, 4, 7)),  # Maundy Thursday to Easter Monday
        (datetime(2026, 4, 14, 12, tzinfo=UTC), date(2026, 5, 15)),  # Ascension Day
        (datetime(2025, 4, 17, 12, tzinfo=UTC), date(2025, 5, 19)),  # 17 May, then a Sunday
        (datetime(2026, 11, 25, 12, tzinfo=UTC), date(2026, 12, 28)),  # Christmas Day, then a weekend
        (datetime(2028, 1, 31, 12, tzinfo=UTC), date(2028, 2, 29)),
        (datetime(2026, 8, 30, 22, 30, tzinfo=UTC), date(2026, 9, 30)),  # already the 31st in Norway
    ],
)
def test_the_day_to_answer(received: datetime, due: date) -> None:
    """One calendar month from the Norwegian day of receipt, moved to the next working day."""
    assert due_at(received) == due


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_day_to_answer_is_a_working_day_within_reason(received: datetime) -> None:
    """Never a weekend or holiday, never sooner than a month, at most the longest run of free days later."""
    due = due_at(received)
    assert due.weekday() < 5
    assert not NORWEGIAN.is_public_holiday(due)
    assert timedelta(days=28) <= due - received.date() <= timedelta(days=31 + 1 + 5)


def test_a_receipt_time_without_zone_is_refused() -> None:
    """It could be a day off."""
    with pytest.raises(InputError, match="no zone"):
        due_at(NOON.replace(tzinfo=None))

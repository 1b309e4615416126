"""What people do about whoever makes a request: ask, check, extend, tell; and what each does to the deadline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.calendars import NORWEGIAN
from schemas.errors import InputError
from schemas.rights_rules import RightsRules, load_rights_rules
from schemas.vocabulary import CheckedHow, CheckedWhat, Doubt, ToldBy
from streams.rights.protocol.deadlines import Pause, asked_at_once, due_at, half_time
from streams.rights.protocol.standing import counts, standing
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.index import memory_index
from tests.support.office import Office

KARI = ("customer_number", "k-100200")
VISIT = {"visited_at": datetime(2026, 11, 20, 8, tzinfo=UTC), "url": "https://example.no/"}
MOMENTS = st.integers(0, 5 * 365 * 24 * 60).map(
    lambda n: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=n)
)


def waiting(rights: tuple[str, ...]) -> RightsRules:
    said = {**load_rights_rules().model_dump(), "unchecked": dict.fromkeys(rights, "waits")}
    return RightsRules.model_validate(said)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def office(tmp_path: Path, stack: ExitStack) -> Office:
    office = Office(tmp_path, memory_index(), stack)
    office.tells = False
    office.put("crm.customers", {"customer_number": KARI[1], "name": "N", "updated_at": VISIT["visited_at"]})
    return office


@pytest.fixture
def strict(tmp_path: Path, stack: ExitStack) -> Office:
    """Of a company in which requests wait until somebody has checked who makes them."""
    office = Office(tmp_path, memory_index(), stack, rules=waiting(("access", "erasure")))
    office.tells = False
    office.put("crm.customers", {"customer_number": KARI[1], "name": "N", "updated_at": VISIT["visited_at"]})
    return office


def ask_for(office: Office, right: str, **more: object) -> RequestState:
    made = office.service.create(
        right,
        [KARI],
        reason=None,
        channel="web",
        received_at=office.now,
        **more,  # type: ignore[arg-type]
    )
    office.deliver()
    return office.service.get(made.request_id)


def test_an_access_request_is_done_when_its_answer_was_sent(office: Office) -> None:
    """Until then it counts against the deadline, and says what is to be done."""
    request = ask_for(office, "access")
    assert (request.state, request.ended) == (State.ANSWERED, False)
    assert request.report is not None
    assert "requests told" in request.problems[0]
    office.now += timedelta(days=40)
    assert standing(request, office.now).overdue
    told = office.service.tell(request.request_id, ToldBy.LETTER)
    assert (told.state, told.completed_at, told.problems) == (State.COMPLETED, office.now, ())
    assert not standing(told, office.now).overdue
    assert summary(told)["notes"][-1]["reason"] == "by letter"
    with pytest.raises(InputError, match="sent already"):
        office.service.tell(request.request_id, ToldBy.EMAIL)


def test_nothing_is_answered_anew_between_answer_and_telling(office: Office) -> None:
    """Neither a restart nor an announcement that comes again makes a second answer."""
    request = ask_for(office, "access")
    office.service.resume()
    office.service.advance(request.request_id)
    assert office.service.get(request.request_id) == request
    with pytest.raises(InputError, match="requests told"):
        office.service.resend(request.request_id)


def test_an_erasure_may_be_told_too_and_stays_completed(office: Office) -> None:
    """That the person was told is kept; before it is done there is nothing to tell."""
    early = office.service.create("erasure", [KARI], reason=None, channel="web", received_at=office.now)
    with pytest.raises(InputError, match="no answer to send yet"):
        office.service.tell(early.request_id, ToldBy.PORTAL)
    office.deliver()
    told = office.service.tell(early.request_id, ToldBy.PORTAL)
    assert (told.state, [note.what for note in told.notes]) == (State.COMPLETED, ["told"])


@pytest.mark.parametrize("right", ["access", "erasure"])
def test_a_request_waits_until_it_was_checked_who_makes_it(strict: Office, right: str) -> None:
    """Nothing is planned, told or answered before."""
    request = ask_for(strict, right)
    strict.service.resume()
    assert (request.state, strict.commands, request.report) == (State.UNCHECKED, [], None)
    assert strict.service.get(request.request_id) == request
    assert "requests check" in request.problems[0]
    strict.service.check(request.request_id, CheckedHow.LOGIN)
    strict.deliver()
    done = strict.service.get(request.request_id)
    assert done.state in (State.ANSWERED, State.COMPLETED)
    assert summary(done)["notes"][0]["reason"] == "identity by login"
    with pytest.raises(InputError, match="already"):
        strict.service.check(request.request_id, CheckedHow.EID)


def test_one_that_was_checked_when_it_was_made_goes_on_at_once(strict: Office) -> None:
    assert ask_for(strict, "access", checked=CheckedHow.EID).state is State.ANSWERED


def test_an_unchecked_erasure_stands_in_nobodys_way(strict: Office) -> None:
    """It may never be checked: a later one of the same person that was is carried out."""
    first = ask_for(strict, "erasure")
    second = ask_for(strict, "erasure", checked=CheckedHow.IN_PERSON)
    assert second.state is State.COMPLETED
    assert strict.service.get(first.request_id).state is State.UNCHECKED


def test_asking_at_once_stops_the_clock_until_the_answer(office: Office) -> None:
    """And nothing is done meanwhile; asked late it goes on."""
    made = office.service.create("erasure", [KARI], reason=None, channel="web", received_at=office.now)
    due = made.due
    office.now += timedelta(days=2)
    asked = office.service.ask(made.request_id, Doubt.UNKNOWN_SENDER)
    office.deliver()
    assert (office.service.get(made.request_id).state, office.commands) == (State.UNCHECKED, [])
    office.now += timedelta(days=60)
    assert not standing(asked, office.now).overdue
    moved = standing(asked, office.now).due
    assert moved is not None
    assert moved > due
    checked = office.service.check(made.request_id, CheckedHow.CALL_BACK, CheckedWhat.AUTHORITY)
    assert checked.due == NORWEGIAN.working_day(date(2027, 2, 20))
    office.deliver()
    assert office.service.get(made.request_id).state is State.COMPLETED
    with pytest.raises(InputError, match="already"):
        office.service.ask(made.request_id, Doubt.SHARED)


def test_once_it_is_checked_the_clock_is_said_to_have_stood(office: Office) -> None:
    """Else the request would say that it stands, a line above that it was checked."""
    made = office.service.create("access", [KARI], reason=None, channel="web", received_at=office.now)
    asked = office.service.ask(made.request_id, Doubt.UNKNOWN_SENDER)
    assert asked.notes[0].words == "unknown sender; the clock stands until they answer"
    checked = office.service.check(made.request_id, CheckedHow.CALL_BACK, CheckedWhat.IDENTITY)
    assert checked.notes[0].words == "unknown sender; the clock stood until it was checked"


def test_asked_too_late_the_clock_goes_on(office: Office) -> None:
    made = office.service.create("access", [KARI], reason=None, channel="web", received_at=office.now)
    office.now += timedelta(days=4)
    asked = office.service.ask(made.request_id, Doubt.MISMATCH)
    assert (asked.paused_since, asked.due) == (None, made.due)
    assert "too late for the clock to stand" in str(asked.notes[0].words)
    with pytest.raises(InputError, match="asked already"):
        office.service.ask(made.request_id, Doubt.MISMATCH)


def test_who_was_told_is_not_asked_any_more(office: Office) -> None:
    request = ask_for(office, "access")
    with pytest.raises(InputError, match="too late"):
        office.service.ask(request.request_id, Doubt.MISMATCH)


def test_a_request_is_extended_once_within_its_first_month(office: Office) -> None:
    """By one or two months, with a reason that stays sealed (GDPR Art. 12(3))."""
    made = office.service.create("access", [KARI], reason=None, channel="web", received_at=office.now)
    office.deliver()
    longer = office.service.extend(made.request_id, 2, "Kari has eleven contracts")
    assert (made.due, longer.due) == (date(2026, 12, 22), date(2027, 2, 22))
    assert "Kari" not in str(office.ledger.stored)
    assert office.service.get(made.request_id).notes[-1].reason == "Kari has eleven contracts"
    for months in (1, 2):
        with pytest.raises(InputError, match="once"):
            office.service.extend(made.request_id, months, "again")


def test_after_the_first_month_nothing_is_extended(office: Office) -> None:
    made = office.service.create("access", [KARI], reason=None, channel="web", received_at=office.now)
    office.now = datetime(2026, 12, 22, 22, 59, tzinfo=UTC)
    for months in (0, 3):
        with pytest.raises(InputError, match="1 or 2 months"):
            office.service.extend(made.request_id, months, "x")
    office.now = datetime(2026, 12, 22, 23, tzinfo=UTC)
    with pytest.raises(InputError, match="ended on 2026-12-22"):
        office.service.extend(made.request_id, 1, "x")


@given(MOMENTS, st.integers(0, 2), st.lists(st.integers(0, 90), max_size=1))
def test_more_time_is_never_less(received: datetime, more: int, stood: list[int]) -> None:
    """Months and days on which the clock stood move the deadline on, to a working day."""
    pauses = [Pause(received, received + timedelta(days=days)) for days in stood]
    due = due_at(received, more=more, pauses=pauses)
    assert due >= due_at(received) + timedelta(days=sum(stood) - 7)
    assert due >= due_at(received, more=max(more - 1, 0))
    assert NORWEGIAN.working_day(due) == due
    begun = NORWEGIAN.day(received)
    half = half_time(received, due)
    assert begun < half <= due
    assert (half - begun) * 2 >= due - begun > (half - begun) * 2 - timedelta(days=2)


@given(MOMENTS, st.integers(0, 400))
def test_a_clock_that_stands_gains_a_day_each_day(received: datetime, days: int) -> None:
    now = received + timedelta(days=days)
    stood = (NORWEGIAN.day(now) - NORWEGIAN.day(received)).days
    closed = due_at(received, pauses=[Pause(received, now)])
    assert due_at(received, pauses=[Pause(received)], now=now) == closed >= due_at(received)
    assert closed >= NORWEGIAN.day(received) + timedelta(days=28 + stood)


def test_at_once_is_by_days_of_the_company() -> None:
    """Late in the evening in UTC is the next day in Norway."""
    received = datetime(2026, 3, 1, 22, tzinfo=UTC)
    last = datetime(2026, 3, 4, 22, 59, tzinfo=UTC)
    assert asked_at_once(received, last, 3, NORWEGIAN)
    assert not asked_at_once(received, last + timedelta(minutes=1), 3, NORWEGIAN)


def test_requests_are_counted_by_state_and_deadline(office: Office) -> None:
    """Today is not late, a week ahead is soon, and what has ended is neither."""
    request = ask_for(office, "access")
    ended = replace(request, state=State.COMPLETED)
    for ahead, late, soon in ((8, 0, 0), (7, 0, 1), (0, 0, 1), (-1, 1, 0)):
        now = datetime(2026, 12, 22, 12, tzinfo=UTC) - timedelta(days=ahead)
        found = counts([request, ended], now)
        assert (found.overdue, found.due_soon) == (late, soon)
        assert found.states == {"answered": 1, "completed": 1}

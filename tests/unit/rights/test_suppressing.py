"""What was erased and comes back: caught with its origin, erased again by itself, or left to a person to decide."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from sinks.ports.resurrected import Arrival
from sinks.ports.suppression import Ending
from streams.evidence.certificate import why_not
from streams.rights.protocol.request import RequestState, State
from streams.rights.reopen import RESURRECTED
from streams.rights.suppressing import MOST_BY_ITSELF, in_a_row, last_of
from tests.support.index import memory_index
from tests.support.office import NOW
from tests.support.suppressing import KARI, OLA, Watchful

DAY = timedelta(days=1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Watchful]:
    with ExitStack() as stack:
        yield Watchful(tmp_path, memory_index(), stack)


def erased(office: Watchful, *, key_destroyed: bool = False) -> RequestState:
    """A viewing of Kari and one of Ola; Kari is erased."""
    office.viewing(KARI, NOW - DAY)
    office.viewing(OLA, NOW - DAY)
    request = office.erase(("customer_number", KARI))
    assert request.state is State.COMPLETED, request.problems
    office.later(DAY * 400 if key_destroyed else timedelta(minutes=1))
    if key_destroyed:
        assert office.service.destroy_keys(office.now) == [request.request_id]
    return office.service.get(request.request_id)


def test_nothing_happens_while_nothing_comes_back(office: Watchful) -> None:
    """New events of the person, and those of others, are none that were erased."""
    request = erased(office)
    office.viewing(KARI, office.now)
    office.viewing(OLA, NOW - DAY)
    assert office.look() == []
    assert office.service.get(request.request_id) == request


@pytest.mark.parametrize("key_destroyed", [False, True])
@pytest.mark.parametrize("arrival", [Arrival.PRODUCER, Arrival.RETRY])
def test_what_a_producer_sends_again_is_erased_again(
    office: Watchful, arrival: Arrival, key_destroyed: bool
) -> None:
    """Everywhere, also where nobody can read any more what was given: by a request of its own, for which it is told
    where that came from. The neighbour's stays."""
    request = erased(office, key_destroyed=key_destroyed)
    office.viewing(KARI, NOW - DAY, arrival=arrival)
    assert office.events("customer_number", KARI) == 1
    (opened,) = office.look()
    assert opened.follow_up is not None
    assert opened.came_back is not None
    (origin,) = opened.came_back.origins
    assert (origin.topic, origin.arrival, origin.events, origin.first_offset) == (
        "tv.viewings",
        arrival,
        1,
        2,
    )
    again = office.service.get(opened.follow_up)
    assert (again.channel, again.type, again.reread) == (RESURRECTED, "erasure", False)
    office.deliver()
    again = office.service.get(again.request_id)
    assert again.state is State.COMPLETED or key_destroyed, again.problems
    if again.state is State.COMPLETED:
        assert office.events("customer_number", KARI) == 0
        assert office.stored("tv_middleware", ("customer_number", KARI)) == 0
    else:
        # Nobody kept the number: the systems cannot be told it.
        assert (again.state, bool(again.problems)) == (State.ATTENTION, True)
    assert office.events("customer_number", OLA) == 1
    assert office.stored("tv_middleware", ("customer_number", OLA)) == 1
    assert office.service.get(request.request_id).state is State.COMPLETED


def test_what_a_replay_brings_is_erased_from_the_index_alone(office: Watchful) -> None:
    """The systems erased it before and find nothing more: that is enough of an answer."""
    request = erased(office)
    office.replay()
    (opened,) = office.look()
    again = office.service.get(opened.follow_up or "")
    assert again.reread
    office.deliver()
    again = office.service.get(again.request_id)
    assert again.state is State.COMPLETED, again.problems
    assert office.events("customer_number", KARI) == 0
    assert office.events("customer_number", OLA) == 1
    assert why_not(office.service.get(request.request_id), [again]) is None


def test_one_request_at_a_time_and_none_without_end(office: Watchful) -> None:
    """A producer sends it again each minute: one request after the other, then a person, who is told what to stop."""
    request = erased(office)
    for _ in range(MOST_BY_ITSELF):
        office.viewing(KARI, NOW - DAY)
        office.look()
        # Before the systems have answered it comes again: that makes no second request.
        office.viewing(KARI, NOW - DAY)
        open_now = [item for item in office.service.requests() if not item.ended]
        office.look()
        assert [item for item in office.service.requests() if not item.ended] == open_now
        assert len(open_now) == 1
        office.deliver()
    made = len(office.service.requests())
    for _ in range(3):
        office.viewing(KARI, NOW - DAY)
        office.look()
        office.later(timedelta(minutes=1))
    assert len(office.service.requests()) == made
    requests = {item.request_id: item for item in office.service.requests()}
    last = last_of(requests, request.request_id)
    assert last is not None
    assert in_a_row(requests, last.request_id) == MOST_BY_ITSELF
    assert last.state is State.REOPENED
    assert any("stop what sends it to tv.viewings" in line for line in last.problems)
    assert "follow that up" in (why_not(last) or "")
    # Counted on, without a line for each.
    length = last.length
    office.viewing(KARI, NOW - DAY)
    office.look()
    assert office.service.get(last.request_id).length <= length + 1
    # A person has it stopped and follows it up: then it may come back three times anew.
    by_hand = office.service.follow_up(last.request_id)
    office.deliver()
    assert office.service.get(by_hand.request_id).state is State.COMPLETED
    office.viewing(KARI, NOW - DAY)
    (opened,) = office.look()
    assert opened.request_id == by_hand.request_id
    assert opened.follow_up is not None


def test_after_a_new_relationship_a_person_decides(office: Watchful) -> None:
    """A contract of the person after the erasure: what came back stands, with why, and without a certificate."""
    request = erased(office)
    office.contract(KARI, office.now)
    office.viewing(KARI, NOW - DAY)
    (opened,) = office.look()
    assert (opened.state, opened.follow_up) == (State.REOPENED, None)
    assert any(
        "a new relationship began after the erasure (ContractEvent in orders" in line
        for line in opened.problems
    )
    assert why_not(opened) is not None
    assert office.look() == []
    office.service.follow_up(request.request_id)
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED


def test_what_is_lifted_is_caught_no_more(office: Watchful) -> None:
    request = erased(office)
    office.suppression.end(request.request_id, Ending.LIFTED, office.now)
    office.viewing(KARI, NOW - DAY)
    assert office.suppression.origins() == []
    assert office.look() == []


def test_it_ends_with_its_time(office: Watchful) -> None:
    erased(office)
    office.later(DAY * 5 * 366)
    office.viewing(KARI, NOW - DAY)
    assert office.look() == []


def test_a_closed_request_is_not_looked_out_for(office: Watchful) -> None:
    """Not everything of it was erased, so nobody can say that what comes has come back."""
    office.viewing(KARI, NOW - DAY)
    office.deaf = {"tv_middleware"}
    request = office.erase(("customer_number", KARI))
    office.service.close(request.request_id, "ended by hand")
    office.viewing(KARI, NOW - DAY)
    assert office.look() == []
    assert list(office.suppression.entries()) == []


def test_a_later_erasure_stands_in_the_place_of_the_first(office: Watchful) -> None:
    request = erased(office)
    office.viewing(KARI, NOW - DAY)
    (opened,) = office.look()
    office.deliver()
    office.look()
    ends = {item.request_id: item.ending for item in office.suppression.entries()}
    assert ends == {request.request_id: Ending.FOLLOWED_UP, opened.follow_up: None}


@pytest.mark.parametrize("end", ["cancel", "close"])
@pytest.mark.parametrize("told", [True, False])
def test_a_follow_up_that_a_person_ends_reopens_the_request(office: Watchful, end: str, told: bool) -> None:
    """What came back still stands: a person decides, also where nobody could reopen it as the follow-up ended. It is
    not erased by itself against that, and goes by another follow-up."""
    request = erased(office)
    office.deaf = {"tv_middleware"}
    office.viewing(KARI, NOW - DAY)
    office.look()
    office.deliver()
    first = office.service.get(request.request_id).follow_up
    assert first is not None
    if told:
        getattr(office.service, end)(first, "why")
        assert office.service.get(request.request_id).state is State.REOPENED
    else:
        # The process died in between.
        getattr(office.service._acts, end)(office.service.get(first), "why")
        assert office.service.get(request.request_id).state is State.COMPLETED
    for _ in range(3):
        office.viewing(KARI, NOW - DAY)
        office.later(timedelta(minutes=1))
        office.look()
    opened = office.service.get(request.request_id)
    assert (opened.state, opened.follow_up) == (State.REOPENED, None)
    ended = office.service.get(first).state.value
    assert any(f"was to do it, {first}, was {ended} by a person" in line for line in opened.problems)
    assert "follow" in (why_not(opened) or "")
    office.deaf = set()
    second = office.service.follow_up(request.request_id)
    assert second.request_id != first
    office.deliver()
    assert office.service.get(second.request_id).state is State.COMPLETED
    assert office.events("customer_number", KARI) == 0


def test_so_does_one_that_a_person_made(office: Watchful) -> None:
    request = erased(office)
    office.viewing(KARI, NOW - DAY)
    office.service.recheck(office.now)
    office.deaf = {"tv_middleware"}
    made = office.service.follow_up(request.request_id)
    office.service.cancel(made.request_id)
    opened = office.service.get(request.request_id)
    assert (opened.state, opened.follow_up) == (State.REOPENED, None)
    assert "--follow-up" in opened.problems[0]

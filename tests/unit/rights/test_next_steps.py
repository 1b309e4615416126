"""Which step comes next, by the state of a request alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.vocabulary import CommandState, Right
from streams.rights import access, erasure
from streams.rights.protocol.command import Command
from streams.rights.protocol.request import RequestState, State
from streams.rights.registry import RIGHTS
from streams.rights.right import Step, carry_on

REQUEST = RequestState("r-1", "erasure", "web", datetime(2026, 3, 9, tzinfo=UTC), date(2026, 4, 9))
PLANNED = replace(REQUEST, plan={"parts": []}, state=State.PLANNED)
ENDED = (State.COMPLETED, State.REOPENED, State.CLOSED, State.CANCELLED)


def told(*states: str) -> RequestState:
    commands = {name: Command(name, name, CommandState(name), 1) for name in states}
    return replace(PLANNED, commands=commands)


@pytest.mark.parametrize(
    ("request_state", "step"),
    [
        (REQUEST, Step.PLAN),
        (replace(REQUEST, state=State.ATTENTION), Step.PLAN),
        (replace(REQUEST, behind=("r-0",)), Step.PLAN),
        (told("unsent", "sent"), Step.TELL),
        (told("unsent", "failed"), Step.TELL),
        (told("sent", "done"), None),
        (told("accepted"), None),
        (told("done", "failed"), None),
        (told("done"), Step.FORGET),
        (told(), Step.FORGET),
        (replace(told("sent"), closing=True), Step.FORGET),
        (replace(REQUEST, unread=("event 1",)), None),
        (replace(REQUEST, state=State.UNCHECKED), None),
        *((replace(told("done"), state=state), None) for state in ENDED),
    ],
)
def test_the_next_step_of_an_erasure(request_state: RequestState, step: Step | None) -> None:
    """Planned once; every system told; nothing forgotten while one has not done what it was told."""
    assert erasure.next_step(request_state) is step


@pytest.mark.parametrize("state", State)
def test_access_is_answered_once_and_unless_it_has_ended(state: State) -> None:
    """Also where it stands at attention: somebody may have mended why."""
    request = replace(REQUEST, type="access", state=state)
    waits = state in (*ENDED, State.UNCHECKED, State.ANSWERED)
    assert access.next_step(request) is (None if waits else Step.PLAN)
    assert access.next_step(replace(request, unread=("event 1",))) is None


@pytest.mark.parametrize(
    ("request_state", "step"),
    [
        (told("unsent", "done"), Step.TELL),
        (told("sent", "done"), None),
        (told("failed", "done"), None),
        (told("done", "done"), Step.ANSWER),
        (replace(told("sent"), closing=True), Step.END),
        *((replace(told("done"), state=state), None) for state in (*ENDED, State.ANSWERED)),
    ],
)
def test_the_next_step_where_systems_deliver_copies(request_state: RequestState, step: Step | None) -> None:
    """Nothing is answered before each has answered for good, and what was answered is not answered again."""
    assert access.next_step(request_state) is step


@given(
    st.dictionaries(st.sampled_from("abc"), st.sampled_from(CommandState)),
    st.sampled_from(State),
    st.booleans(),
    st.booleans(),
)
def test_nothing_goes_before_its_time(
    states: dict[str, CommandState], state: State, planned: bool, closing: bool
) -> None:
    """Nobody is told without a plan. The index forgets when every system was done, or a person ends the request."""
    commands = {name: Command(name, name, given, 1) for name, given in states.items()} if planned else {}
    plan: dict[str, Any] | None = {"parts": []} if planned else None
    request = replace(REQUEST, plan=plan, commands=commands, state=state, closing=closing)
    step = erasure.next_step(request)
    if step is Step.FORGET:
        assert closing or set(states.values()) <= {CommandState.DONE, CommandState.TAKEN_BACK}
    if step is Step.TELL:
        assert planned
        assert CommandState.UNSENT in states.values()
    if request.ended:
        assert step is None


class Walk:
    """A right whose steps are given; the state says how many were done."""

    def __init__(self, steps: list[Step | None]) -> None:
        self.steps = steps
        self.done: list[Step] = []

    def next(self, request: RequestState) -> Step | None:
        return self.steps[len(self.done)]

    def do(self, step: Step, request: RequestState) -> RequestState:
        self.done.append(step)
        return request


@pytest.mark.parametrize(
    ("steps", "done"),
    [
        ([None], 0),
        ([Step.PLAN, Step.PLAN], 1),
        ([Step.PLAN, Step.TELL, Step.FORGET, Step.TELL, None], 4),
        ([Step.FORGET, Step.TELL, Step.TELL], 2),
    ],
)
def test_steps_are_done_until_one_waits(steps: list[Step | None], done: int) -> None:
    """One that is due again at once was of no use: somebody has to act, or another request to end."""
    walk: Any = Walk(steps)
    carry_on(walk, REQUEST)
    assert len(walk.done) == done


def test_every_right_that_is_served_is_one_of_the_law() -> None:
    """And each of them can be asked for in a message and over the API."""
    assert set(RIGHTS) <= set(Right)

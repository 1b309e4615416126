"""Messages that are taken together: each is done or set aside once, and acknowledged when it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.codec import encode
from schemas.errors import DecodeError, IndexUnavailable
from schemas.own import own_record
from streams.rights.case import Recorded
from streams.rights.inbox import Taken, follow
from streams.rights.protocol.messages import REQUESTS
from streams.rights.turns import AT_ONCE

RECORD = own_record("RightsRequest")
AWAY = IndexUnavailable("away")


@dataclass(frozen=True)
class Message:
    offset: int
    value: bytes | None
    topic: str = REQUESTS
    partition: int = 0


@dataclass(frozen=True)
class Event:
    message: Message


def request(number: int) -> Message:
    said = {
        "request_id": f"r-{number:016x}",
        "type": "erasure",
        "sealed_identifiers": b"sealed",
        "channel": "web",
        "reason": None,
        "received_at": datetime(2026, 11, 1, tzinfo=UTC),
    }
    return Message(number, encode(RECORD, said))


class Desk:
    """Steps whose outcomes are given, by request; what was taken, and what was set aside."""

    def __init__(self, outcomes: Mapping[int, list[object]]) -> None:
        self.outcomes = outcomes
        self.taken: list[list[int]] = []
        self.asides: list[tuple[int, str]] = []

    def steps(self, given: Sequence[tuple[Mapping[str, Any], bytes]]) -> list[object]:
        numbers = [int(value["request_id"][2:], 16) for value, _ in given]
        self.taken.append(numbers)
        return [self.outcomes.get(number, ["done"]).pop(0) for number in numbers]

    def aside(self, topic: str, partition: int, offset: int, reason: str, payload: bytes) -> None:
        self.asides.append((offset, reason))


def test_each_message_is_done_or_set_aside_once_however_often_the_step_is_tried() -> None:
    """Unreadable, unknown, of a fault of ours, refused: aside; what waits for something is tried again alone."""
    desk = Desk(
        {
            2: [AWAY, AWAY, "done"],
            3: [None],
            4: [ZeroDivisionError()],
            5: [DecodeError("unopened")],
            6: [AWAY, None],
        }
    )
    messages = [request(1), Message(9, b"garbage"), Message(10, None), *map(request, range(2, 7))]
    taken = Taken(RECORD, messages, desk.steps, desk.aside)
    for _ in range(2):
        with pytest.raises(IndexUnavailable):
            taken.take()
    taken.take()
    taken.take()
    assert desk.taken == [[1, 2, 3, 4, 5, 6], [2, 6], [2]]
    reasons = dict(desk.asides)
    assert len(desk.asides) == len(reasons)
    assert {offset: reasons[offset] for offset in (3, 4, 5, 6)} == {
        3: "request_cannot_be",
        4: "step_failed",
        5: "unopened",
        6: "request_cannot_be",
    }
    assert set(reasons) == {3, 4, 5, 6, 9, 10}


def test_only_when_all_that_wait_are_in_the_ledger_the_step_may_be_left_for_later() -> None:
    """What is not recorded anywhere must come again."""
    desk = Desk({1: [Recorded(AWAY, "r-1")] * 2, 2: [AWAY, "done"]})
    taken = Taken(RECORD, [request(1), request(2)], desk.steps, desk.aside)
    with pytest.raises(IndexUnavailable):
        taken.take()
    with pytest.raises(Recorded):
        taken.take()


def test_what_is_left_is_set_aside_where_the_step_itself_breaks() -> None:
    desk = Desk({1: [AWAY], 2: ["done"]})
    taken = Taken(RECORD, [request(1), request(2)], desk.steps, desk.aside)
    with pytest.raises(IndexUnavailable):
        taken.take()
    taken.aside()
    assert desk.asides == [(1, "step_failed")]


def test_a_letter_that_cannot_be_kept_now_is_kept_at_the_next_try() -> None:
    """Those kept before are not kept twice."""
    desk, refusals = Desk({1: [None], 2: [None], 3: ["done"]}), [None, AWAY, None]
    desk.outcomes = {1: [None], 2: [None, None], 3: ["done", "done"]}

    def aside(topic: str, partition: int, offset: int, reason: str, payload: bytes) -> None:
        if (error := refusals.pop(0)) is not None:
            raise error
        desk.aside(topic, partition, offset, reason, payload)

    taken = Taken(RECORD, [request(1), request(2), request(3)], desk.steps, aside)
    with pytest.raises(IndexUnavailable):
        taken.take()
    taken.take()
    assert desk.asides == [(1, "request_cannot_be"), (2, "request_cannot_be")]
    assert desk.taken == [[1, 2, 3], [2, 3]]


def followed(events: AsyncIterator[Event], steps: list[list[int]], *, ends: int) -> list[int]:
    """What was acknowledged, in order; each step waits until whatever is there has come."""
    acknowledged: list[int] = []

    async def work(messages: Sequence[Message]) -> None:
        assert len(acknowledged) == sum(map(len, steps))
        steps.append([message.offset for message in messages])
        for _ in range(3 * AT_ONCE):
            await asyncio.sleep(0)

    async def acknowledge(event: Event) -> None:
        acknowledged.append(event.message.offset)

    async def run() -> None:
        following = asyncio.ensure_future(follow(events, work, acknowledge))
        while len(acknowledged) < ends and not following.done():
            await asyncio.sleep(0)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        if not following.cancelled() and (error := following.exception()) is not None:
            raise error

    asyncio.run(run())
    return acknowledged


def test_what_comes_while_a_step_is_under_way_is_taken_together_by_the_next() -> None:
    """At most so many at once, in order, each acknowledged after its step."""
    many = AT_ONCE + 40

    async def events() -> AsyncIterator[Event]:
        for offset in range(many):
            yield Event(Message(offset, b"x"))
        await asyncio.Event().wait()

    steps: list[list[int]] = []
    assert followed(events(), steps, ends=many) == list(range(many))
    assert [offset for step in steps for offset in step] == list(range(many))
    assert len(steps) < 6
    assert max(map(len, steps)) <= AT_ONCE


def test_large_messages_wait_outside() -> None:
    """Memory holds a few of them, whatever their number."""

    async def events() -> AsyncIterator[Event]:
        for offset in range(60):
            yield Event(Message(offset, bytes(1 << 20)))
        await asyncio.Event().wait()

    steps: list[list[int]] = []
    assert len(followed(events(), steps, ends=60)) == 60
    assert max(map(len, steps)) <= 16


def test_a_stream_that_fails_ends_the_agent_with_why() -> None:
    async def events() -> AsyncIterator[Event]:
        yield Event(Message(0, b"x"))
        raise OSError("the consumer is gone")

    with pytest.raises(OSError, match="gone"):
        followed(events(), [], ends=2)

"""Requests that are worked on together: each comes to what it would alone, and those of one person go in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode
from schemas.policy import RetentionAnchors
from schemas.vocabulary import Resolution
from sinks.clickhouse.migrate import migrate
from sinks.ports.lineage import Span
from streams.identity.model import ResolvedSubject
from streams.rights.batches import About, in_waves
from streams.rights.protocol.messages import REQUESTS
from streams.rights.protocol.states import State
from tests.support.index import memory_index, running, sql_index
from tests.support.office import NOW, Office

SENT = datetime(2026, 6, 1, 9, tzinfo=UTC)
LONG_OVER = RetentionAnchors(contract_end=date(2026, 1, 1), invoice_settled=date(2026, 1, 1))
PEOPLE = 6


@pytest.fixture(params=["memory", "chdb"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        if request.param == "memory":
            index = memory_index()
        else:
            database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
            migrate(database, NOW)
            index = sql_index(database)
        office = Office(tmp_path, index, stack)
        for number in range(PEOPLE):
            office.put("crm.customers", customer(number))
            # To the next one: people share events.
            office.put("network.traffic", sms(number, (number + 1) % PEOPLE), sms(number, number + 50))
        yield office


def phone(number: int) -> str:
    return f"+47900000{number:02}"


def customer(number: int) -> dict[str, Any]:
    return {"customer_number": f"k-{number}", "phone": phone(number), "updated_at": SENT}


def sms(caller: int, callee: int) -> dict[str, Any]:
    return {"kind": "sms", "caller": phone(caller), "callee": phone(callee), "occurred_at": SENT}


def asked(office: Office, *numbers: int) -> list[str]:
    """Requests that are recorded, and not worked on yet."""
    ids = []
    for number in numbers:
        given = [("customer_number", f"k-{number}"), ("phone", phone(number))]
        made = office.service.create(
            "erasure", given, reason=None, channel="test", received_at=office.now, anchors=LONG_OVER
        )
        ids.append(made.request_id)
    return ids


def announced(office: Office) -> list[dict[str, Any]]:
    """The announcements that nobody has read yet."""
    messages = [message for topic, message in office.sent if topic == REQUESTS]
    office.sent.clear()
    return [decode(office.records["RightsRequest"], message) for message in messages]


def held(office: Office, *numbers: int) -> list[int]:
    """How many events the index holds of each."""
    return [office.events("customer_number", f"k-{n}") + office.events("phone", phone(n)) for n in numbers]


def test_many_erasures_at_once_take_each_their_own_and_nothing_else(office: Office) -> None:
    """People who share events with each other and with one who stays."""
    alone = held(office, 4)
    ids = asked(office, 0, 1, 2)
    found = office.service.on_requests(announced(office))
    assert [getattr(item, "request_id", item) for item in found] == ids
    office.deliver()
    states = [office.service.get(name) for name in ids]
    assert [item.state for item in states] == [State.COMPLETED] * 3, [item.problems for item in states]
    assert held(office, 0, 1, 2) == [0, 0, 0]
    assert held(office, 4) == alone


def test_of_two_requests_of_one_person_the_second_waits(office: Office) -> None:
    """Whichever road they come: it plans when the first has ended, on what is left then."""
    first, second, other = asked(office, 0, 0, 3)
    office.service.on_requests(announced(office))
    assert office.service.get(second).behind == (first,)
    assert office.service.get(first).state is office.service.get(other).state is State.COMMANDED
    commands = [topic for topic, _ in office.sent]
    office.deliver()
    assert [office.service.get(name).state for name in (first, second, other)] == [State.COMPLETED] * 3
    assert len(commands) == len(set(commands)) * 2
    assert not office.service.get(second).commands


def test_an_erasure_waits_for_copies_that_are_asked_for_in_the_same_batch(tmp_path: Path) -> None:
    """Who asks for the data and to be erased has them first."""
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack, copying=["crm"])
        office.put("crm.customers", customer(0))
        given = [("customer_number", "k-0")]
        access, erasure = (
            office.service.create(
                right, given, reason=None, channel="test", received_at=NOW, anchors=LONG_OVER
            ).request_id
            for right in ("access", "erasure")
        )
        office.service.on_requests(announced(office))
        assert office.service.get(access).commands
        assert office.service.get(erasure).behind == (access,)


def test_the_same_holds_when_they_are_taken_up_again(office: Office) -> None:
    """As after a restart, in which also one is that is broken."""
    first, second, lost, other = asked(office, 0, 0, 5, 3)
    office.sent.clear()
    office.keyring.destroy(f"request-{lost}")
    office.service.resume()
    assert office.service.get(second).behind == (first,)
    assert office.service.get(lost).state is State.ATTENTION
    assert office.service.get(other).state is State.COMMANDED
    office.deliver()
    office.service.resume()
    office.deliver()
    assert [office.service.get(name).state for name in (first, second, other)] == [State.COMPLETED] * 3


def test_many_messages_come_to_what_each_comes_to(office: Office) -> None:
    """The same twice, one that nobody can read, one of nobody: each has its outcome at its place."""
    asked(office, 0, 1)
    one, other = announced(office)
    unreadable = {**other, "request_id": "r-0123456789abcdef"}
    found = office.service.on_requests([one, one, unreadable, other])
    assert [getattr(item, "request_id", None) for item in found] == [
        one["request_id"],
        one["request_id"],
        None,
        other["request_id"],
    ]
    assert "unopened" in str(found[2])
    unknown = {"request_id": "r-0123456789abcdef"}
    assert office.service.on_receipts([]) == []
    office.deliver()
    receipts = [{**item} for item in office.receipts]
    before = [office.service.get(item["request_id"]) for item in (one, other)]
    again = office.service.on_receipts([*receipts, {**receipts[0], **unknown}])
    assert again[-1] is None
    assert [office.service.get(item["request_id"]) for item in (one, other)] == before


tokens = st.integers(0, 4).map(lambda number: bytes([number]) * 16)
moments = st.one_of(st.none(), st.integers(1, 5).map(lambda day: datetime(2026, 5, day, tzinfo=UTC)))
people = st.builds(
    lambda subjects, spans: About(
        frozenset(token.hex() for token in subjects),
        ResolvedSubject(Resolution.UNIQUE, 1, frozenset(subjects), spans, (), ()),
    ),
    st.sets(tokens, max_size=2),
    st.lists(st.builds(Span, tokens, moments, moments), max_size=3),
)


def meet(one: About, other: About) -> bool:
    def before(since: datetime | None, until: datetime | None) -> bool:
        return since is None or until is None or since < until

    return bool(one.subjects & other.subjects) or any(
        a.token == b.token and before(a.since, b.until) and before(b.since, a.until)
        for a in one.person.spans
        for b in other.person.spans
    )


@given(st.lists(people, max_size=8))
def test_requests_that_meet_are_in_different_waves_in_order(given: list[About]) -> None:
    """Every request is in one wave; of two that meet the earlier one is in the earlier wave; others need not wait."""
    names = {f"r-{number}": one for number, one in enumerate(given)}
    waves = in_waves(names)
    place = {name: number for number, wave in enumerate(waves) for name in wave}
    assert sorted(name for wave in waves for name in wave) == sorted(names)
    for name, one in names.items():
        earlier = [other for other in names if other < name and meet(one, names[other])]
        assert place[name] == max((place[other] for other in earlier), default=-1) + 1

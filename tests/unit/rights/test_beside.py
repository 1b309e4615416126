"""Two open requests of one person: said at once, and erasures one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.policy import RetentionAnchors
from schemas.vocabulary import Resolution
from sinks.ports.lineage import Span
from streams.answers.attribution import snapshot_of
from streams.answers.plan import plan_from_json
from streams.identity.model import Given, ResolvedSubject
from streams.rights.overlap import before_it, of_person, subjects_of
from streams.rights.protocol.request import RequestState
from streams.rights.protocol.states import State, summary
from tests.support.index import memory_index
from tests.support.kinds import KINDS
from tests.support.office import Office, systems_told
from tests.support.receipts import answer

NUMBER, EMAIL = ("customer_number", "k-100200"), ("email", "kari@example.no")
OLA = ("customer_number", "k-300400")
LAST_WEEK = datetime(2026, 11, 15, 9, tzinfo=UTC)
GONE = RetentionAnchors(contract_end=date(2020, 1, 31))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Kari and Ola in the register, each with an order; the systems get no command until they listen."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        for number, email in ((NUMBER[1], EMAIL[1]), (OLA[1], "ola@example.no")):
            person = {"customer_number": number, "email": email, "name": "N", "updated_at": LAST_WEEK}
            made.put("crm.customers", person)
        made.deaf = {"crm", "billing"}
        yield made


def listen(office: Office, request_id: str) -> None:
    office.deaf = set()
    office.service.resend(request_id)
    office.deliver()


def test_the_second_erasure_waits_for_the_first(office: Office) -> None:
    """By whom they are about, not by what was given; when the first has ended the second is planned and ends too."""
    first = office.erase(NUMBER, EMAIL, anchors=GONE)
    second = office.erase(EMAIL, anchors=GONE)
    assert [item.request_id for item in second.beside] == [first.request_id]
    assert (second.state, second.behind) == (State.RECEIVED, (first.request_id,))
    assert second.waiting_for == (first.request_id,)
    assert summary(second)["also_open"] == [
        {"request_id": first.request_id, "type": "erasure", "state": first.state.value}
    ]
    assert systems_told(office.commands) == ["crm"]
    for _ in range(2):
        office.service.resume()
    assert office.service.get(second.request_id) == second
    listen(office, first.request_id)
    assert office.service.get(first.request_id).state is State.COMPLETED
    ended = office.service.get(second.request_id)
    assert (ended.state, ended.behind, ended.commands) == (State.COMPLETED, (), {})
    assert office.events(*NUMBER) == 0


def correct(office: Office, name: str) -> RequestState:
    made = office.service.create(
        "rectification",
        [NUMBER],
        reason=None,
        channel="test",
        received_at=office.now,
        corrections={"CustomerDetails.name": name},
    )
    office.deliver()
    return office.service.get(made.request_id)


def test_a_correction_waits_for_the_erasure_of_the_person(office: Office) -> None:
    """Else the systems would have nothing left to correct; then there is nobody any more whose data are wrong."""
    first = office.erase(NUMBER, EMAIL, anchors=GONE)
    second = correct(office, "Kari")
    assert (second.state, second.behind, office.others) == (State.RECEIVED, (first.request_id,), [])
    listen(office, first.request_id)
    assert office.service.get(first.request_id).state is State.COMPLETED
    assert office.service.get(second.request_id).behind == ()
    assert office.others == []


def test_an_erasure_waits_for_corrections_that_are_under_way(office: Office) -> None:
    """Not for one at which a person has to look: the erasure would never come."""
    first = correct(office, "Kari")
    assert first.state is State.COMMANDED
    second = office.erase(NUMBER, EMAIL, anchors=GONE)
    assert (second.state, second.behind, office.commands) == (State.RECEIVED, (first.request_id,), [])
    answer(office, office.others[-1], state="failed", reason="internal_error", retryable=False)
    office.service.resume()
    office.deliver()
    assert office.service.get(first.request_id).state is State.ATTENTION
    assert systems_told(office.commands) == ["crm"]


def test_of_two_corrections_the_last_one_is_written_last(office: Office) -> None:
    first, second = correct(office, "Kari"), correct(office, "Kåre")
    assert (second.state, second.behind) == (State.RECEIVED, (first.request_id,))
    office.deaf, office.jobs_answer = set(), True
    office.service.resend(first.request_id)
    office.deliver()
    # The first is not at its end: recipients are still to be told. Its systems have answered.
    office.service.resume()
    office.deliver()
    assert office.service.get(second.request_id).behind == ()
    assert [row["name"] for row in office.stores["crm"].usable("CustomerDetails", "P-CONTRACT")] == [
        "Kåre",
        "N",
    ]


@pytest.mark.parametrize("end", ["close", "cancel"])
def test_however_the_first_ends_the_second_goes_on(office: Office, end: str) -> None:
    """What the first left in the systems, the second tells them to erase."""
    first = office.erase(NUMBER, EMAIL, anchors=GONE)
    second = office.erase(NUMBER, EMAIL, anchors=GONE)
    office.deaf = set()
    getattr(office.service, end)(first.request_id, "asked twice")
    office.deliver()
    assert office.service.get(second.request_id).state is State.COMPLETED
    assert [command["request_id"] for command in office.commands] == [first.request_id, second.request_id]
    assert (office.events(*NUMBER), office.stored("crm", NUMBER)) == (0, 0)


def test_others_do_not_wait(office: Office) -> None:
    """Another person, an access request, and an erasure of the same person that has ended."""
    office.erase(NUMBER, anchors=GONE)
    ola = office.erase(OLA, anchors=GONE)
    assert (ola.beside, ola.behind, ola.state) == ((), (), State.COMMANDED)
    access = office.service.create(
        "access", [EMAIL], reason=None, channel="test", received_at=office.now
    ).request_id
    office.deliver()
    answered = office.service.get(access)
    assert (answered.state, len(answered.beside)) == (State.COMPLETED, 1)
    office.service.cancel(ola.request_id)
    assert office.erase(OLA, anchors=GONE).beside == ()


def test_a_request_nobody_can_carry_out_holds_nobody_up(office: Office) -> None:
    """It stands at attention without a plan; the next one of the person says so and goes on."""
    first = office.service.create("erasure", [EMAIL], reason=None, channel="test", received_at=office.now)
    office.keyring.destroy(f"request-{first.request_id}")
    office.deliver()
    assert office.service.get(first.request_id).state is State.ATTENTION
    second = office.erase(NUMBER, EMAIL, anchors=GONE)
    assert (second.state, len(second.beside)) == (State.COMMANDED, 1)


def test_a_plan_whose_tag_sets_another_narrowed_is_made_anew(office: Office) -> None:
    """Whoever narrowed the rows meanwhile: they are held for one purpose only now, and this plan erases them still."""
    first = office.erase(NUMBER, EMAIL, anchors=GONE)
    assert first.plan is not None
    (tag_set,) = plan_from_json(first.plan).kept
    assert first.identity is not None
    (tags,) = [holding.tags for holding in office.found(NUMBER).holdings]
    narrowed = replace(tags, categories=tags.categories[:1], held_only=True)
    office.index.eraser.forget(first.identity.spans, {tag_set: narrowed})
    assert [item.tags.held_only for item in office.found(NUMBER).holdings] == [True]
    listen(office, first.request_id)
    request = office.service.get(first.request_id)
    assert (request.state, request.problems) == (State.COMPLETED, ())
    assert office.events(*NUMBER) == 0
    kinds = [event.kind for event in office.ledger.events(first.request_id)]
    assert kinds.count("replanned") == 1


def state(request_id: str, **more: Any) -> RequestState:
    received = LAST_WEEK
    return RequestState(request_id, "erasure", "test", received, received.date(), **more)


def test_whom_requests_are_about_decides() -> None:
    """A subject or a place in common; not an address at another time."""
    token, other, hour = b"t" * 16, b"o" * 16, timedelta(hours=1)
    spans = [Span(token, LAST_WEEK, LAST_WEEK + hour)]
    found = snapshot_of(ResolvedSubject(Resolution.UNIQUE, 1, frozenset([token]), spans, (), ()))
    planned = state("r-1", identity=found, plan={}, state=State.WAITING)
    assert of_person([planned], [], [Span(token, LAST_WEEK)]) == [planned]
    assert of_person([planned], [], [Span(token, LAST_WEEK + hour)]) == []
    assert of_person([planned], [], [Span(other)]) == []
    named = state("r-2", subjects=frozenset([token.hex()]))
    assert of_person([named], [token.hex()], ()) == [named]
    given = [Given(KINDS["ip"], token), Given(KINDS["email"], other)]
    for subjects in (frozenset[bytes](), frozenset([token])):
        assert subjects_of(ResolvedSubject(Resolution.UNIQUE, 1, subjects, (), (), ()), given) == [
            other.hex()
        ]


def test_of_two_without_a_plan_the_older_one_comes_first() -> None:
    """And one that has a plan before either; so nobody waits for somebody who waits for them."""
    about = {"subjects": frozenset(["aa"])}
    one, two, three = state("r-1", **about), state("r-2", **about), state("r-3", **about)
    every = [one, two, three]
    assert [before_it(every, item) for item in every] == [[], ["r-1"], ["r-1", "r-2"]]
    planned = replace(three, plan={}, state=State.WAITING)
    assert before_it([one, two, planned], one) == ["r-3"]
    assert before_it([one, two, planned], planned) == ["r-1", "r-2"]
    assert before_it([one, two, replace(planned, state=State.COMPLETED)], one) == []

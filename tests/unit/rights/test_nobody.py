"""Requests of people whom nothing speaks of, such as by a mistyped number: a person has to look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from schemas.vocabulary import Resolution, ToldBy
from streams.rights.protocol.states import RequestState, State
from tests.support.index import memory_index
from tests.support.office import Office
from tests.unit.rights.test_short import COOKIE, LAST_WEEK, visit

NUMBER, MISTYPED = ("customer_number", "k-100200"), ("customer_number", "k-100020")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK})
        yield made


def asked(office: Office, right: str, given: tuple[str, str] = MISTYPED) -> RequestState:
    corrections = {"CustomerDetails.name": "Karin"} if right == "rectification" else None
    made = office.service.create(
        right, [given], reason=None, channel="web", received_at=office.now, corrections=corrections
    )
    office.deliver()
    return office.service.get(made.request_id)


@pytest.mark.parametrize("right", ["erasure", "withdrawal", "rectification"])
def test_a_mistyped_number_is_no_completed_request(office: Office, right: str) -> None:
    """A certificate of it would say that somebody was erased who was not."""
    request = asked(office, right)
    assert (request.state, request.resolution) == (State.ATTENTION, Resolution.NONE)
    assert request.commands == {}
    assert "nobody is known under what was given" in request.problems[0]
    assert "close the request with a reason" in request.problems[0]
    assert not office.others


@pytest.mark.parametrize("right", ["restriction", "objection"])
def test_a_restriction_of_nobody_who_is_known_stands_and_says_so(office: Office, right: str) -> None:
    """Whoever is no customer yet may object too; of a mistyped number it is lifted."""
    request = asked(office, right)
    assert (request.state, request.resolution) == (State.COMPLETED, Resolution.NONE)
    assert "nobody is known under what was given" in request.problems[0]
    assert f"innsyn requests lift {request.request_id}" in request.problems[0]
    office.service.lift(request.request_id, ToldBy.LETTER, "mistyped")
    office.deliver()
    lifted = office.service.get(request.request_id)
    assert (lifted.state, lifted.restricts) == (State.COMPLETED, False)
    assert not any("nobody is known" in line for line in asked(office, right, NUMBER).problems)


@pytest.mark.parametrize("right", ["erasure", "rectification"])
def test_it_ends_with_a_reason_or_goes_on_once_somebody_is_known(office: Office, right: str) -> None:
    request = asked(office, right)
    office.put("crm.customers", {"customer_number": MISTYPED[1], "name": "Ola", "updated_at": LAST_WEEK})
    office.service.resend(request.request_id)
    office.deliver()
    going = office.service.get(request.request_id)
    assert going.plan is not None
    assert not any("nobody is known" in line for line in going.problems)
    other = asked(office, right, ("customer_number", "k-100999"))
    assert office.service.close(other.request_id, "was never a customer").state is State.CLOSED


def test_a_withdrawal_of_a_person_without_consents_is_of_somebody(office: Office) -> None:
    """What the person has given no consent to is held all the same."""
    assert asked(office, "withdrawal", NUMBER).state is State.COMPLETED


@pytest.mark.parametrize("right", ["erasure", "restriction", "rectification"])
def test_whoever_was_erased_before_is_known_by_that(office: Office, right: str) -> None:
    """Nothing is left of them, which is no mistake of whoever asks."""
    office.put("web.visits", visit(1))
    first = asked(office, "erasure", COOKIE)
    assert first.state is State.COMPLETED
    again = asked(office, right, COOKIE)
    assert again.state is State.COMPLETED
    assert any(first.request_id in line for line in again.problems)


def test_an_access_answer_says_that_nobody_is_known(office: Office) -> None:
    """The answer that nothing is held is sent by a person, who looks at the number first."""
    office.tells = False
    request = asked(office, "access")
    assert (request.state, request.resolution) == (State.ANSWERED, Resolution.NONE)
    assert any("nobody is known" in line for line in request.problems)
    assert not any("nobody is known" in line for line in asked(office, "access", NUMBER).problems)

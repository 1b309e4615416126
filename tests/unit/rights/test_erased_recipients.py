"""Recipients of what was erased (GDPR Art. 19): named, told one by one, and no reason to wait with the erasure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from schemas.errors import InputError
from schemas.vocabulary import ToldBy
from streams.evidence.certificate import _recipients
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.index import memory_index
from tests.support.office import Office
from tests.unit.rights.test_short import COOKIE, visit


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("web.visits", visit(1), visit(2))
        yield made


def standing(request: RequestState) -> dict[str, str]:
    return {item["recipient"]: item["standing"] for item in _recipients(request)}


def test_an_erasure_is_completed_before_they_are_told_and_names_them(office: Office) -> None:
    (given,) = {name for item in office.found(COOKIE).holdings for name in item.tags.recipients}
    done = office.erase(COOKIE)
    assert (done.state, done.to_notify) == (State.COMPLETED, (given,))
    assert standing(done) == {given: "not_told"}
    office.service.notify(done.request_id, given, ToldBy.EMAIL)
    told = office.service.get(done.request_id)
    assert (told.state, told.to_notify, standing(told)) == (State.COMPLETED, (), {given: "told"})
    assert summary(told)["recipients"] == [{"recipient": given, "told": True}]
    with pytest.raises(InputError, match="no such recipient"):
        office.service.notify(done.request_id, given, ToldBy.EMAIL)


def test_it_may_be_impossible_for_a_reason(office: Office) -> None:
    done = office.erase(COOKIE)
    (given,) = done.to_notify
    office.service.notify(done.request_id, given, None, "the firm is no more")
    assert standing(office.service.get(done.request_id)) == {given: "impossible"}


def test_nobody_is_told_before_it_is_done_or_when_it_was_taken_back(office: Office) -> None:
    """Nothing was erased by then."""
    office.deaf.add("web")
    waits = office.erase(COOKIE)
    (given,) = standing(waits)
    assert waits.to_notify == ()
    with pytest.raises(InputError, match="no such recipient"):
        office.service.notify(waits.request_id, given, ToldBy.EMAIL)
    office.service.cancel(waits.request_id, "taken back")
    assert office.service.get(waits.request_id).to_notify == ()
    with pytest.raises(InputError, match="cancelled already"):
        office.service.notify(waits.request_id, given, ToldBy.EMAIL)


def test_a_plan_that_is_made_anew_keeps_those_of_what_went_before(office: Office) -> None:
    """Also where nothing that they were given is left by then."""
    office.deaf.add("web")
    waits = office.erase(COOKIE)
    before = (waits.plan or {})["recipients"]
    office.put("web.visits", visit(3))
    office.deaf.clear()
    office.service.resend(waits.request_id)
    office.deliver()
    done = office.service.get(waits.request_id)
    assert (done.state, (done.plan or {})["recipients"]) == (State.COMPLETED, before)
    assert done.to_notify == tuple(before)

"""While an open request may be of several people, nobody knows whose data stay, and nothing that has run out goes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.vocabulary import Resolution
from sinks.memory.identity import RetainedMemoryClaims
from sinks.memory.index import MemoryIndex
from sinks.memory.requests import MemoryRequests
from sinks.memory.retained import MemoryRetained
from streams.rights.protocol.request import RequestState, State
from tests.support.index import memory_index
from tests.support.office import NOW
from tests.unit.rights.test_expiry_run import answered, approved, begun
from tests.unit.rights.test_people_expiry import KARI, OLA, Expiring

LONG_AGO = NOW - timedelta(days=900)
COOKIES = {KARI: "c-kari", OLA: "c-ola"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Expiring]:
    """Kari and Ola each logged in with a cookie of their own, and visited by it; all of it has run out."""
    with ExitStack() as stack:
        index = memory_index()
        memory = index.writer
        assert isinstance(memory, MemoryIndex)
        made = Expiring(tmp_path, stack, index, RetainedMemoryClaims(memory), MemoryRetained(memory))
        made.jobs_answer = False
        # Of no run yet.
        made.ledger = MemoryRequests()
        made.serve(made.keeping)
        for number, cookie in COOKIES.items():
            made.customer(number, LONG_AGO - timedelta(days=5), username=f"user-{number}")
            login = {"username": f"user-{number}", "cookie_id": cookie, "client_address": "192.0.2.7"}
            made.put("web.logins", {**login, "result": "ok", "occurred_at": LONG_AGO})
            visit: dict[str, Any] = {
                "client_address": "192.0.2.9",
                "page": "/",
                "cookie_id": cookie,
                "method": "GET",
            }
            visit |= {"cookie_consent": "all", "occurred_at": LONG_AGO + timedelta(minutes=1)}
            made.put("web.visits", visit)
        yield made


def asked(office: Expiring) -> RequestState:
    """Kari asks by her number and Ola's cookie."""
    given = [("customer_number", KARI), ("cookie_id", COOKIES[OLA])]
    made = office.service.create("access", given, reason=None, channel="web", received_at=office.now)
    office.deliver()
    request = office.service.get(made.request_id)
    assert (request.state, request.resolution) == (State.ATTENTION, Resolution.AMBIGUOUS)
    return request


def visits(office: Expiring) -> list[int]:
    return [office.events("cookie_id", cookie) for cookie in COOKIES.values()]


def waits_for(request: RequestState) -> str:
    return f"it is not known yet whom {request.request_id} is about, and their data stay"


def test_a_run_is_not_planned(office: Expiring) -> None:
    """It says for which request it waits, and goes on once that has ended."""
    request, before = asked(office), visits(office)
    run = begun(office)
    assert (run.plan, run.behind, office.expiries) == (None, (request.request_id,), [])
    assert run.problems[0].startswith(waits_for(request))
    office.service.cancel(request.request_id)
    office.deliver()
    run = approved(office, office.service.get(run.request_id))
    for command in list(office.expiries):
        run = answered(office, command)
    assert run.state is State.COMPLETED
    assert all(now < then for now, then in zip(visits(office), before, strict=True))


def test_no_system_is_told_by_a_run_that_was_planned_before(office: Expiring) -> None:
    run = begun(office)
    request, before = asked(office), visits(office)
    run = approved(office, run)
    assert (run.state, office.expiries, visits(office)) == (State.ATTENTION, [], before)
    assert waits_for(request) in run.problems[0]


def test_the_index_forgets_nothing_of_what_systems_did(office: Expiring) -> None:
    run = approved(office, begun(office))
    request, before = asked(office), visits(office)
    for command in list(office.expiries):
        run = answered(office, command)
    assert (run.state, visits(office)) == (State.ATTENTION, before)
    assert waits_for(request) in run.problems[0]


def test_nobody_is_looked_at_whose_own_clocks_ran_out(office: Expiring) -> None:
    office.approve_rules()
    office.left(OLA)
    request = asked(office)
    looked = office.service.expire_people(office.now, 10)
    assert (looked.requests, looked.why) == (
        (),
        f"nobody knows yet whom {request.request_id} is about, whose data stay",
    )


def test_whose_key_is_lost_is_as_unknown(office: Expiring) -> None:
    """An open request of which nobody can read what was given."""
    office.approve_rules()
    request = asked(office)
    office.keyring.destroy(f"request-{request.request_id}")
    looked = office.service.expire_people(office.now, 10)
    assert (looked.why or "").startswith(f"nobody knows yet whom {request.request_id}")

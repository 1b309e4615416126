"""A link that comes while an erasure waits goes with the event that says it: what it leads to goes as well, or nobody
could find it any more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from sinks.clickhouse.migrate import migrate
from streams.rights.protocol.states import RequestState, State
from tests.support.index import memory_index, running, sql_index
from tests.support.office import NOW, Office
from tests.unit.rights.test_short import COOKIE, GONE, LAST_WEEK, LOGIN, NUMBER, USERNAME, visit

PERSON = {"customer_number": NUMBER[1], "username": USERNAME[1], "name": "Kari"}
BARE = LOGIN | {"cookie_id": None}
LATER = LOGIN | {"occurred_at": LAST_WEEK + timedelta(seconds=1)}
OTHER = ("cookie_id", "c-9")


@pytest.fixture(params=["memory", "chdb"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """Kari's login is known, not from which browser it was; three visits have its cookie. The web's job is silent."""
    with ExitStack() as stack:
        index = memory_index()
        if request.param == "chdb":
            database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
            migrate(database, NOW)
            index = sql_index(database)
        made = Office(tmp_path, index, stack, sealing=True)
        made.put("crm.customers", PERSON | {"updated_at": LAST_WEEK - timedelta(days=30)})
        made.put("web.logins", BARE)
        made.put("web.visits", visit(1), visit(2), visit(3), visit(4, OTHER[1]))
        made.deaf = {"web"}
        yield made


def answers(office: Office, request: RequestState) -> RequestState:
    """The web's job is there again."""
    office.now += timedelta(hours=1)
    office.deaf = set()
    office.service.resend(request.request_id)
    office.deliver()
    return office.service.get(request.request_id)


def test_what_a_late_link_leads_to_is_erased_as_well(office: Office) -> None:
    request = office.erase(NUMBER, anchors=GONE)
    office.now += timedelta(hours=1)
    office.put("web.logins", LATER)
    request = answers(office, request)
    assert (request.state, request.problems) == (State.COMPLETED, ())
    assert (office.events(*COOKIE), office.stored("web", COOKIE)) == (0, 0)
    assert (office.events(*OTHER), office.stored("web", OTHER)) == (1, 1)
    assert office.service.recheck(office.now) == []


def test_a_system_that_had_answered_is_told_again(office: Office) -> None:
    """The visits are of a system that erased the logins it was told of."""
    office.deaf = {"crm"}
    request = office.erase(NUMBER, anchors=GONE)
    assert request.waiting_for == ("crm",)
    office.put("web.logins", LATER)
    request = answers(office, request)
    assert request.state is State.COMPLETED
    assert (office.events(*COOKIE), office.stored("web", COOKIE)) == (0, 0)


def test_it_is_found_after_a_run_that_was_interrupted(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the run did not come to is counted as left of it; of the visits nobody was told yet."""

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    office.deaf = set()
    monkeypatch.setattr(office.index.eraser, "forget", killed)
    with pytest.raises(Killed):
        office.erase(NUMBER, anchors=GONE)
    monkeypatch.undo()
    (request,) = office.service.requests()
    assert request.interrupted_at is not None
    office.now += timedelta(hours=1)
    office.put("web.logins", LATER)
    office.service.resume()
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    assert (office.events(*COOKIE), office.stored("web", COOKIE)) == (0, 0)


def test_a_link_to_somebody_else_widens_nothing(office: Office) -> None:
    """The cookie is another customer's by their own login: it stays, and is nobody's who was erased."""
    request = office.erase(NUMBER, anchors=GONE)
    office.now += timedelta(hours=1)
    ola = {"customer_number": "k-7", "username": "ola", "name": "Ola"}
    office.put("crm.customers", ola | {"updated_at": LAST_WEEK - timedelta(days=30)})
    office.put("web.logins", BARE | {"occurred_at": LAST_WEEK + timedelta(seconds=1)})
    office.put("web.logins", LATER | {"username": "ola"})
    request = answers(office, request)
    assert request.state is State.COMPLETED
    assert (office.events(*COOKIE), office.stored("web", COOKIE)) == (4, 4)

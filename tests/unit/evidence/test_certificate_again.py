"""Certificates of a request that went on: after a review, and after something came to light."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pytest

from sinks.ports.evidence import Statement
from streams.evidence.certificate import verify
from streams.evidence.check import check
from streams.evidence.issuing import CERTIFICATE, PURGED
from streams.evidence.proof import place_of, prove
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.issuing import COOKIE, GONE, KARI, Desk, customer, erased
from tests.support.office import Office
from tests.unit.rights.test_schedule import CITED, later, say
from tests.unit.rights.test_short import visit

UNTIL = date(2026, 12, 24)
WAITS = ["lineage: 2 parts from before are not removed from the disk yet"]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack)
        office.put("crm.customers", customer())
        office.put("web.visits", visit(1), visit(2))
        yield Desk(office)


def withheld(desk: Desk) -> str:
    """A request that is completed although crm withholds a record until a day."""
    desk.office.deaf = {"crm"}
    request = desk.office.erase(KARI, COOKIE, anchors=GONE)
    said = say(
        desk.office, request, "crm", "withheld", held=1, ground="T98", review_date=UNTIL, citation=CITED
    )
    assert said.state is State.COMPLETED
    desk.office.now += timedelta(minutes=5)
    return said.request_id


def reviewed(desk: Desk, request_id: str) -> None:
    """The day has come: it is open again."""
    later(desk.office, days=33)
    assert desk.office.service.get(request_id).state is State.REOPENED


def erased_after_all(desk: Desk, request_id: str) -> None:
    desk.office.deaf = set()
    desk.office.service.resend(request_id)
    desk.office.deliver()
    assert desk.office.service.get(request_id).state is State.COMPLETED


def test_a_second_completion_has_a_certificate_of_its_own(desk: Desk) -> None:
    """Else the one that says "withheld" would be shown for ever."""
    request_id = withheld(desk)
    assert desk.issuer.turn() == [request_id]
    first, since = desk.shown(request_id)
    assert first is not None
    assert (first["number"], since) == (1, None)
    reviewed(desk, request_id)
    assert desk.issuer.turn() == []
    shown, since = desk.shown(request_id)
    assert shown == first
    assert "is to be reviewed" in str(since)
    erased_after_all(desk, request_id)
    assert "it was completed anew" in str(desk.shown(request_id)[1])
    assert desk.issuer.turn() == [request_id]
    assert desk.issuer.turn() == []
    second, since = desk.shown(request_id)
    assert second is not None
    assert (second["number"], since) == (2, None)
    crm = next(item for item in second["systems"] if item["system"] == "crm")
    assert (crm["state"], crm["receipts"][-1]["late"]) == ("done", False)
    assert "(certificate 2, in place of those before)" in verify(second, [desk.key().public])
    desk.issuer._sealer.seal()
    assert prove(desk.log, place_of(f"{request_id}/certificate-2"))["content"] is not None
    assert not check(desk.log, [desk.key().public], desk.office.now).faults


def test_a_proof_that_bytes_are_gone_counts_for_its_completion_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where whoever stated it died before the certificate, and the index forgot more since."""
    request_id = withheld(desk)
    with monkeypatch.context() as patched:
        patched.setattr(desk.issuer, "_issue", lambda _: [])
        desk.issuer.turn()
    assert [item.kind for item in desk.log.statements(request_id)] == [PURGED]
    reviewed(desk, request_id)
    erased_after_all(desk, request_id)
    desk.purge.waits = WAITS
    assert desk.issuer.turn() == []
    assert "issued as soon as the bytes" in desk.why(request_id)
    desk.purge.waits = []
    desk.office.now += timedelta(minutes=9)
    assert desk.issuer.turn() == [request_id]
    said = desk.certificate(request_id)
    assert said["index"]["purged_at"] > said["request"]["completed_at"]
    assert [item.kind for item in desk.log.statements(request_id)] == [CERTIFICATE, PURGED, f"{PURGED}-2"]


def test_one_of_a_completion_that_was_issued_late_keeps_no_later_one_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that slept states the first when the second is there to be issued: both are, in turn."""
    request_id = withheld(desk)
    slept: list[Statement] = []
    with monkeypatch.context() as patched:
        state = desk.log.state

        def sleeps(statement: Statement) -> bool:
            if statement.kind != CERTIFICATE:
                return state(statement)
            slept.append(statement)
            return False

        patched.setattr(desk.log, "state", sleeps)
        desk.issuer.turn()
    reviewed(desk, request_id)
    erased_after_all(desk, request_id)
    assert desk.log.state(slept[0])
    assert desk.issuer.turn() == [request_id]
    assert desk.certificate(request_id)["number"] == 2


def came_to_light(desk: Desk, request_id: str) -> str:
    """Something of the person did, and a new request follows it up that nobody has carried out."""
    desk.office.now += timedelta(hours=1)
    desk.office.put("crm.customers", customer())
    desk.office.service.recheck(desk.office.now)
    desk.office.deaf = {"crm", "web"}
    follow_up = desk.office.service.follow_up(request_id)
    desk.office.deliver()
    assert desk.office.service.get(request_id).state is State.COMPLETED
    assert not desk.office.service.get(follow_up.request_id).ended
    return follow_up.request_id


def test_what_came_to_light_has_to_be_erased_before_anything_is_certified(desk: Desk) -> None:
    """That somebody made a follow-up erases nothing; and its bytes are to be gone too."""
    request_id = erased(desk)
    desk.purge.waits = WAITS
    desk.issuer.turn()
    follow_up = came_to_light(desk, request_id)
    desk.purge.waits = []
    assert desk.issuer.turn() == []
    assert f"of its follow-up {follow_up}, it is not completed" in desk.why(request_id)
    erased_after_all(desk, follow_up)
    desk.purge.waits = WAITS
    assert desk.issuer.turn() == []
    desk.purge.waits = []
    assert sorted(desk.issuer.turn()) == sorted([request_id, follow_up])
    said = desk.certificate(request_id)
    ended = desk.certificate(follow_up)["request"]["completed_at"]
    assert said["later"] == {"findings": 1, "follow_ups": [{"request": follow_up, "completed_at": ended}]}
    assert f"was erased by {follow_up} completed at {ended}" in verify(said, [desk.key().public])


def test_a_proof_from_before_something_came_to_light_does_not_count_for_that(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = erased(desk)
    with monkeypatch.context() as patched:
        patched.setattr(desk.issuer, "_issue", lambda _: [])
        desk.issuer.turn()
    erased_after_all(desk, came_to_light(desk, request_id))
    desk.purge.waits = WAITS
    assert desk.issuer.turn() == []


def test_there_is_none_where_the_follow_up_was_closed_by_hand(desk: Desk) -> None:
    request_id = erased(desk)
    follow_up = came_to_light(desk, request_id)
    desk.office.service.close(follow_up, "no more than that")
    assert desk.issuer.turn() == []
    # What came to light is still to be followed up, so the request stands open again.
    assert f"innsyn requests --follow-up {request_id}" in desk.why(request_id)


def test_one_from_before_something_came_to_light_is_shown_as_of_its_day(desk: Desk) -> None:
    request_id = erased(desk)
    desk.issuer.turn()
    first = desk.certificate(request_id)
    follow_up = came_to_light(desk, request_id)
    shown, since = desk.shown(request_id)
    assert shown == first
    assert f"of its follow-up {follow_up}" in str(since)
    erased_after_all(desk, follow_up)
    assert desk.issuer.turn() == [follow_up]
    assert f"which {follow_up} erased: see the certificate of that" in str(desk.shown(request_id)[1])

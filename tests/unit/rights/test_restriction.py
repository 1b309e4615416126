"""Restriction and objection: who uses the data for what is meant is told to store them alone, until that is lifted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import BrokerUnavailable, InputError, KeyUnavailable, Unavailable
from schemas.tags import tag_set
from schemas.vocabulary import RestrictionGround, ToldBy
from streams.rights.case import CaseFile
from streams.rights.protocol.messages import Named
from streams.rights.protocol.rights_commands import opened_command
from streams.rights.protocol.scope import Scope
from streams.rights.protocol.states import RequestState, State, summary
from streams.rights.restriction import objectionable
from tests.support.index import memory_index
from tests.support.office import Office
from tests.support.receipts import answer, hear, job_key
from tests.unit.rights.test_short import LAST_WEEK, visit

NUMBER, COOKIE = ("customer_number", "k-100200"), ("cookie_id", "c-1")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK})
        made.put("web.visits", visit(1), visit(2), visit(3, "c-9"))
        yield made


def asked(
    office: Office, right: str = "restriction", given: Any = (NUMBER, COOKIE), **more: Any
) -> RequestState:
    scope = Scope(**more)
    made = office.service.create(
        right, list(given), reason=None, channel="web", received_at=office.now, scope=scope
    )
    office.deliver()
    for name in office.service.get(made.request_id).to_notify:
        office.service.notify(made.request_id, name, ToldBy.EMAIL)
    office.deliver()
    return office.service.get(made.request_id)


def told(office: Office) -> list[str]:
    return [f"{item['kind']} {item['topic']}" for item in office.others]


def test_each_system_with_data_is_told_and_the_last_answer_ends_it(office: Office) -> None:
    request = asked(office, ground=RestrictionGround.ACCURACY)
    assert told(office) == ["restrict restriction.crm", "restrict restriction.web"]
    crm, web = office.others
    assert (crm["ground"], crm["attempt"], crm["deadline"]) == ("GDPR Art. 18(1)(a)", 1, request.due)
    assert web["expected"] == [{"record": "WebVisit", "count": 2}]
    assert {"C-21", "C-22"} <= {*web["categories"]}
    assert "P-WEB" in web["purposes"]
    named, content = opened_command(_written(web), job_key(office.keyring, "web"))
    assert ([(item.kind, item.value) for item in named if isinstance(item, Named)], content) == (
        [COOKIE, NUMBER],
        {},
    )
    assert answer(office, crm).state is State.COMMANDED or office.service.get(
        request.request_id
    ).waiting_for == ("web",)
    done = answer(office, web)
    assert (done.state, done.restricts, done.problems) == (State.COMPLETED, True, ())
    assert office.events(*COOKIE) == 2
    shown = summary(done)
    assert [item["system"] for item in shown["restricted"]] == ["crm", "web"]
    assert "k-100200" not in repr(done)


def _written(command: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in command.items() if name != "topic"}


def test_no_byte_of_a_command_can_be_changed_unnoticed(office: Office) -> None:
    asked(office)
    key = job_key(office.keyring, "web")
    web = _written(office.others[1])
    for name, other in (
        ("kind", "lift"), ("purposes", []), ("ground", None), ("attempt", 2), ("expected", []),
        ("command_id", "r-1/web"), ("sealed_content", b"x"), ("copy_key", b"x"),
    ):  # fmt: skip
        with pytest.raises(KeyUnavailable):
            opened_command({**web, name: other}, key)


def test_a_lift_is_told_to_whoever_restricts_and_to_the_person_before(office: Office) -> None:
    request = asked(office)
    for command in list(office.others):
        answer(office, command)
    office.now += timedelta(days=60)
    office.service.lift(request.request_id, ToldBy.LETTER, "it was right")
    office.deliver()
    assert told(office)[2:] == ["lift restriction.crm", "lift restriction.web"]
    open_again = office.service.get(request.request_id)
    assert (open_again.restricts, open_again.ended) == (False, False)
    # The month for the request was over; that of the lift begins.
    assert open_again.due > office.now.date()
    answer(office, office.others[2])
    done = answer(office, office.others[3], state="not_found", records=[])
    assert (done.state, done.restricts) == (State.COMPLETED, False)
    assert [(note.what, note.reason) for note in done.notes if note.what != "notified"] == [
        ("lifted", "it was right")
    ]
    with pytest.raises(InputError, match="lifted already"):
        office.service.lift(request.request_id, ToldBy.LETTER, "again")


def test_a_restriction_that_was_closed_may_be_lifted_and_closed_again(office: Office) -> None:
    """Where a system answers neither: each time it ends."""
    request = asked(office)
    assert office.service.close(request.request_id, "nobody answers").state is State.CLOSED
    office.service.lift(request.request_id, ToldBy.LETTER, "the address was right")
    assert not office.service.get(request.request_id).ended
    assert office.service.close(request.request_id, "nor to that").state is State.CLOSED


def test_what_is_asked_for_some_purposes_reaches_those_alone(office: Office) -> None:
    asked(office, purposes=("P-SECURITY",))
    assert {item["system"]: item["purposes"] for item in office.others} == {"web": ["P-SECURITY"]}
    with pytest.raises(InputError, match="none of the catalogue"):
        asked(office, purposes=("P-NONE",))
    with pytest.raises(InputError, match="erasure is not limited to purposes"):
        asked(office, "erasure", purposes=("P-SECURITY",))
    with pytest.raises(InputError, match="for a restriction alone"):
        asked(office, "objection", ground=RestrictionGround.CLAIMS)


def test_an_objection_stops_what_rests_on_interests_and_marketing_and_nothing_else(office: Office) -> None:
    """What the register is for rests on the contract, page views on interests."""
    asked(office, "objection")
    assert {item["system"]: item["purposes"] for item in office.others}["web"] == ["P-SECURITY", "P-WEB"]
    assert {item["ground"] for item in office.others} == {"GDPR Art. 21(1)"}
    on = {"P-CONTRACT": "b", "P-MARKETING": "a", "P-WEB": "f", "P-GONE": "x"}
    some = tag_set(office.records["WebVisit"], "web.visits", "owner", catalogue_version="1", key_id="k")
    some = replace(some, purposes=tuple(on), legal_basis=on)
    assert objectionable(some, Scope(), office.catalogue) == {"P-MARKETING", "P-WEB"}
    assert objectionable(some, Scope(("P-WEB", "P-CONTRACT")), office.catalogue) == {"P-WEB"}


def test_a_system_without_a_job_is_done_by_hand_and_a_person_says_so(office: Office) -> None:
    """`cmp` has no `restriction: command`: nothing is sent, and it is not over before somebody says so."""
    office.put(
        "privacy.consents",
        {
            "customer_number": NUMBER[1],
            "cookie_id": COOKIE[1],
            "purpose": "P-ANALYTICS",
            "decision": "given",
            "decided_at": LAST_WEEK,
        },
    )
    request = asked(office)
    for command in list(office.others):
        answer(office, command)
    waits = office.service.get(request.request_id)
    assert (waits.state, waits.waiting_for) == (State.ATTENTION, ("cmp",))
    assert waits.problems[0].startswith("cmp: processing is to be restricted by hand, since no job")
    office.now += timedelta(days=20)
    assert office.service.on_time(office.now) == []
    office.service.resend(request.request_id)
    office.service.accept(request.request_id, "cmp", "flag set on 23 November")
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED
    assert "cmp" not in [item["system"] for item in office.others]


def test_fewer_than_there_are_is_for_a_person_to_accept(office: Office) -> None:
    request = asked(office)
    crm, web = office.others
    answer(office, crm)
    short = answer(office, web, records=[{"record": "WebVisit", "count": 1}])
    assert short.state is State.ATTENTION
    assert "planned 2, reported 1 restricted" in short.problems[0]
    office.service.accept(request.request_id, "web", "one is in the archive")
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED


@pytest.mark.parametrize("state", ["withheld", "partial"])
def test_a_refusal_is_for_a_person_to_accept(office: Office, state: str) -> None:
    request = asked(office)
    crm, web = office.others
    answer(office, crm)
    refused = answer(office, web, state=state, records=[])
    assert (refused.state, refused.settled) == (State.ATTENTION, False)
    assert "innsyn requests accept" in refused.problems[0]
    office.service.accept(request.request_id, "web", "compelling grounds, weighed on 3 May")
    office.deliver()
    assert office.service.get(request.request_id).state is State.COMPLETED


def test_a_receipt_of_an_erasure_is_no_answer_to_another_right(office: Office) -> None:
    """Nor the other way round: else a job that erased would be taken for one that stores."""
    request = asked(office)
    value: dict[str, Any] = {
        "command_id": f"{request.request_id}/web",
        "request_id": request.request_id,
        "system": "web",
        "state": "done",
        "erased": 2,
        "held": 0,
        "outcomes": [],
        "reported_at": office.now,
        **dict.fromkeys(("ground", "citation", "review_date", "reason", "retryable")),
    }
    hear(office.service, value)
    assert "of another form" in office.service.get(request.request_id).problems[-1]
    erasing = office.erase(("customer_number", "k-100300"))
    command = {
        **office.others[1],
        "request_id": erasing.request_id,
        "command_id": f"{erasing.request_id}/web",
    }
    assert answer(office, command).state is erasing.state


def test_unsigned_repeated_and_wrong_answers_settle_nothing(office: Office) -> None:
    request = asked(office)
    _, web = office.others
    for said, why in (
        ({"records": [{"record": "WebVisit", "count": -2}]}, "counts below zero"),
        ({"records": [{"record": "Kari", "count": 2}]}, "a record that the company lacks"),
        ({"records": [{"record": "WebVisit", "count": 2**60}]}, "more than there can be"),
        ({"attempt": 0}, "earlier attempt"),
        ({"reported_at": office.now + timedelta(days=1)}, "a time to come"),
        ({"command_id": f"{request.request_id}/crm"}, "names another system"),
    ):
        try:
            after = answer(office, web, **said)
        except ValueError:
            # What a job cannot even sign.
            continue
        assert why in " ".join(after.problems), why
        assert after.commands[f"{request.request_id}/web"].state == "sent"
    first = answer(office, web)
    assert answer(office, web).length == first.length


def test_a_system_that_does_not_answer_is_told_again(office: Office) -> None:
    asked(office)
    office.now += timedelta(hours=2)
    office.service.on_time(office.now)
    office.deliver()
    assert [(item["system"], item["attempt"]) for item in office.others] == [
        ("crm", 1), ("web", 1), ("crm", 2), ("web", 2),
    ]  # fmt: skip


def test_an_access_answer_says_what_is_restricted(office: Office) -> None:
    request = asked(office, purposes=("P-SECURITY",))
    answer(office, office.others[0])
    access = asked(office, "access")
    line = f"processing is restricted to storage since 2026-11-22 by {request.request_id} (web: P-SECURITY)"
    assert line in access.problems


def test_what_is_restricted_is_found_without_reading_the_requests_of_others(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those about the person are asked for."""
    request = asked(office)
    answer(office, office.others[0])
    made = office.service.create("access", [NUMBER], reason=None, channel="web", received_at=office.now)
    monkeypatch.setattr(CaseFile, "every", NotImplemented)
    answered = office.service.advance(made.request_id)
    assert any(request.request_id in line for line in answered.problems)


def test_what_is_restricted_is_told_also_after_the_token_key_was_replaced(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restriction stands for years, by the token of its own time."""
    request = asked(office)
    answer(office, office.others[0])
    before = {bytes.fromhex(token) for token in request.subjects}

    class Replaced:
        """Every token is that of the person under the key in force."""

        def every(self, tokens: Iterable[bytes]) -> Mapping[bytes, frozenset[bytes]]:
            return {token: frozenset({token, *before}) for token in tokens}

    given = [("customer_number", "k-100999")]
    assert not any(request.request_id in line for line in asked(office, "access", given=given).problems)
    monkeypatch.setattr(office.service._subjects, "_same", Replaced())
    assert any(request.request_id in line for line in asked(office, "access", given=given).problems)


def test_an_erasure_that_the_person_asks_for_goes_although_processing_is_restricted(office: Office) -> None:
    asked(office)
    done = office.erase(COOKIE)
    assert (done.state, office.events(*COOKIE)) == (State.COMPLETED, 0)


def test_nobody_uses_the_data_and_nobody_is_told(office: Office) -> None:
    done = asked(office, given=[NUMBER], purposes=("P-MARKETING",))
    assert (done.state, office.others) == (State.COMPLETED, [])
    assert "no system that can be told uses data of the person for this" in done.problems


@pytest.mark.parametrize(
    ("right", "why"),
    [
        ("objection", "an objection does not reach that (GDPR Art. 21(1))"),
        ("withdrawal", "a withdrawal of consent does not end that (GDPR Art. 7(3))"),
    ],
)
def test_what_rests_on_another_basis_is_said_to_be_used_and_on_which(
    office: Office, right: str, why: str
) -> None:
    """Not that nobody uses it: the person would be told what is wrong."""
    done = asked(office, right, given=[NUMBER], purposes=("P-CONTRACT",))
    assert (done.state, office.others) == (State.COMPLETED, [])
    assert f"P-CONTRACT is used by crm on (b); {why}" in done.problems


def test_a_close_ends_it_and_says_who_was_told(office: Office) -> None:
    request = asked(office)
    closed = office.service.close(request.request_id, "refused")
    assert (closed.state, closed.waiting_for) == (State.CLOSED, ())
    assert closed.problems[0].startswith("crm: was told to restrict and has not answered")


def test_a_broker_that_goes_away_between_two_systems_loses_none(office: Office) -> None:
    """What was sent is sent again under the same id, and nobody is left out."""
    sent: list[str] = []
    send = office.service._sending._send

    def failing(topic: str, message: bytes, key: bytes) -> None:
        if topic == "restriction.web" and not sent:
            sent.append(topic)
            raise BrokerUnavailable("away")
        send(topic, message, key)

    office.service._sending._send = failing
    made = office.service.create(
        "restriction", [NUMBER, COOKIE], reason=None, channel="web", received_at=office.now
    )
    with pytest.raises(Unavailable):
        office.deliver()
    office.service.resume()
    office.deliver()
    assert told(office) == ["restrict restriction.crm", "restrict restriction.web"]
    for command in list(office.others):
        answer(office, command)
    waits = office.service.get(made.request_id)
    assert waits.state is State.WAITING
    for name in waits.to_notify:
        office.service.notify(made.request_id, name, ToldBy.EMAIL)
    office.deliver()
    assert office.service.get(made.request_id).state is State.COMPLETED

"""Certificates of erasure: what is in them, when there is none, and that nobody changes one."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from schemas.canonical import canonical
from schemas.errors import InputError
from schemas.signingkeys import SigningKeyring
from sinks.ports.evidence import Statement
from streams.evidence.certificate import verify, why_not
from streams.evidence.check import check
from streams.evidence.issuing import CERTIFICATE, PURGED
from streams.evidence.proof import place_of, prove
from streams.evidence.sealing import Sealer
from streams.rights.protocol.events import LateFound
from streams.rights.protocol.states import State
from tests.support.index import memory_index
from tests.support.issuing import COOKIE, GONE, KARI, Desk, customer, erased
from tests.support.office import Office
from tests.unit.rights.test_short import visit


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack)
        office.put("crm.customers", customer())
        office.put("web.visits", visit(1), visit(2))
        yield Desk(office)


def test_a_completed_erasure_gets_one_when_the_bytes_are_gone(desk: Desk) -> None:
    """Not before, and once; the proof that they are is recorded with its time."""
    request_id = erased(desk)
    desk.purge.waits = ["lineage: 2 parts from before are not removed from the disk yet"]
    assert desk.issuer.turn() == []
    assert "issued as soon as the bytes" in desk.why(request_id)
    desk.purge.waits = []
    assert desk.issuer.turn() == [request_id]
    assert desk.issuer.turn() == []
    assert [item.kind for item in desk.log.statements(request_id)] == [CERTIFICATE, PURGED]
    said = desk.certificate(request_id)
    assert said["index"]["purged_at"] == "2026-11-22T12:05:00Z"
    assert verify(said, [desk.key().public]).startswith(
        f"the erasure {request_id} was completed at 2026-11-22T12:00"
    )


def test_its_check_says_what_a_person_let_be_enough(desk: Desk) -> None:
    """It is no answer in full, and nothing that anybody looked through."""
    request_id = erased(desk)
    desk.issuer.turn()
    said = {name: value for name, value in desk.certificate(request_id).items() if name != "signature"}
    plain = verify(said | {"signature": desk.key().sign(canonical(said)).hex()}, [desk.key().public])
    assert "a person" not in plain
    said["systems"] = [item | {"accepted_by_hand": item["system"] == "web"} for item in said["systems"]]
    said["waived"] = {"dead_letters": {"web.visits": 2}, "shared_events": 1}
    told = verify(said | {"signature": desk.key().sign(canonical(said)).hex()}, [desk.key().public])
    assert "answered, of which a person accepted web" in told
    assert "a person let be 2 messages that could not be read and 1 event that may be somebody else's" in told


def test_it_names_every_system_what_it_was_told_and_what_it_answered(desk: Desk) -> None:
    request_id = erased(desk)
    desk.issuer.turn()
    said, request = desk.certificate(request_id), desk.office.service.get(request_id)
    assert {item["system"] for item in said["systems"]} == {item.system for item in request.commands.values()}
    for item in said["systems"]:
        assert (item["state"], len(item["attempts"])) == ("done", 1)
        assert [receipt["state"] for receipt in item["receipts"]][-1] == "done"
        assert not any(receipt["late"] for receipt in item["receipts"])
    assert [(part["system"], part["rule"]) for part in said["held"]] == [
        (part["system"], part["rule"]) for part in request.held
    ]
    assert said["index"]["rows"] == dict(request.forgotten or {})
    version = desk.office.catalogue.version
    assert said["catalogue_version"] == {"planned": version, "issued": version}


def test_it_holds_neither_identifiers_nor_tokens_nor_reasons(desk: Desk) -> None:
    """Whoever gets it learns of nobody more than that."""
    desk.office.deaf = {"web"}
    request = desk.office.erase(KARI, COOKIE, anchors=GONE)
    desk.office.deaf = set()
    desk.office.service.resend(request.request_id)
    desk.office.deliver()
    desk.issuer.turn()
    text = json.dumps(desk.certificate(request.request_id))
    identity = desk.office.service.get(request.request_id).identity
    assert identity is not None
    tokens = {span.token.hex() for span in identity.spans}
    assert tokens
    for secret in (*(KARI[1], COOKIE[1]), *tokens):
        assert secret not in text


def test_the_head_that_it_names_holds_all_that_it_says(desk: Desk) -> None:
    """And the certificate itself is sealed with the next one."""
    request_id = erased(desk)
    desk.issuer.turn()
    head = desk.certificate(request_id)["head"]
    last = len(desk.office.ledger.events(request_id)) - 1
    assert prove(desk.log, place_of(f"{request_id}/{last}"))["index"] < head["size"]
    assert prove(desk.log, place_of(f"{request_id}/{PURGED}"))["index"] < head["size"]
    Sealer(desk.log, desk.key, desk.clock).seal()
    assert prove(desk.log, place_of(f"{request_id}/{CERTIFICATE}"))["index"] >= head["size"]
    assert not check(desk.log, [desk.key().public], desk.office.now).faults


def test_a_certificate_of_which_anything_was_changed_is_worth_nothing(desk: Desk) -> None:
    request_id = erased(desk)
    desk.issuer.turn()
    said = desk.certificate(request_id)
    for name in said:
        forged = copy.deepcopy(said)
        if isinstance(forged[name], str):
            forged[name] = f"{forged[name][:-1]}{'1' if forged[name].endswith('0') else '0'}"
        elif isinstance(forged[name], dict):
            forged[name]["more"] = 1
        elif isinstance(forged[name], int):
            forged[name] += 1
        else:
            forged[name] = [*forged[name], {}]
        with pytest.raises(InputError):
            verify(forged, [desk.key().public])
        del forged[name]
        with pytest.raises(InputError):
            verify(forged, [desk.key().public])


@pytest.mark.parametrize("value", [None, [], "x", 7, {}, {"kind": "innsyn-erasure-certificate-v1"}])
def test_what_is_no_certificate_is_said_to_be_none(desk: Desk, value: object) -> None:
    with pytest.raises(InputError, match="no certificate"):
        verify(value, [desk.key().public])


def test_another_installation_cannot_issue_it(desk: Desk, tmp_path: Path) -> None:
    request_id = erased(desk)
    desk.issuer.turn()
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="--key"):
        verify(desk.certificate(request_id), [SigningKeyring(tmp_path / "other").key().public])


def test_there_is_none_while_a_system_has_not_answered(desk: Desk) -> None:
    desk.office.deaf = {"web"}
    request_id = erased(desk)
    assert desk.issuer.turn() == []
    assert "its state is" in desk.why(request_id)
    assert "waits for web" in desk.why(request_id)


def test_there_is_none_of_what_a_person_ended(desk: Desk) -> None:
    """Nobody may read from it that everything was erased."""
    desk.office.deaf = {"web"}
    closed = erased(desk)
    desk.office.service.close(closed, "refused")
    desk.office.deaf = {"crm"}
    desk.office.put("crm.customers", customer("k-100201"))
    cancelled = desk.office.erase(("customer_number", "k-100201"), anchors=GONE).request_id
    desk.office.service.cancel(cancelled)
    assert desk.issuer.turn() == []
    assert "it was closed by a person" in desk.why(closed)
    assert "it was cancelled by a person" in desk.why(cancelled)


def test_there_is_none_of_another_right_nor_while_something_came_to_light(desk: Desk) -> None:
    request = desk.office.service.get(erased(desk))
    assert why_not(request) is None
    assert "of type access" in str(why_not(replace(request, type="access")))
    assert "came to light" in str(why_not(replace(request, state=State.REOPENED)))
    assert "is to be reviewed" in str(why_not(replace(request, state=State.REOPENED, reviews=("x",))))
    assert "cannot be read" in str(why_not(replace(request, unread=("event 3",))))
    finding = LateFound(desk.office.now, 1, 0, ("crm",), ("C-01",), "new_events")
    found = replace(request, late_findings=(finding,))
    assert "came to light" in str(why_not(found))
    followed = replace(found, follow_up="r-0000000000000002")
    assert "is not among the requests" in str(why_not(followed))
    last = replace(request, request_id="r-0000000000000002")
    assert why_not(followed, [last]) is None
    assert "its state is waiting" in str(why_not(followed, [replace(last, state=State.WAITING)]))
    assert "closed by a person" in str(why_not(followed, [replace(last, state=State.CLOSED)]))


def test_late_receipts_are_told_as_late(desk: Desk) -> None:
    """What the ledger has of a system from after the completion stands there as that."""
    request_id = erased(desk)
    events = desk.office.ledger.events(request_id)
    answer = next(event for event in events if event.kind == "receipt" and event.content["state"] == "done")
    desk.office.ledger.append(
        request_id, len(events), "receipt", desk.office.now, {**answer.content, "erased": 99}
    )
    desk.issuer.turn()
    receipts = [item for system in desk.certificate(request_id)["systems"] for item in system["receipts"]]
    assert [item["erased"] for item in receipts if item["late"]] == [99]
    assert len(receipts) > 2


def test_of_many_a_few_questions_find_those_whose_bytes_are_gone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is gone of a later moment is gone of an earlier one."""
    asked: list[datetime] = []
    made: list[str] = []
    for number in range(20):
        name = f"k-2000{number:02}"
        desk.office.put("crm.customers", customer(name))
        made.append(desk.office.erase(("customer_number", name), anchors=GONE).request_id)
        desk.office.now += timedelta(minutes=1)
    border = desk.office.service.get(made[12]).completed_at
    assert border is not None

    def left(at: datetime) -> list[str]:
        asked.append(at)
        return ["lineage: not yet"] if at > border else []

    monkeypatch.setattr(desk.purge, "left", left)
    assert desk.issuer.turn() == made[:13]
    assert len(asked) <= 5


def test_two_that_issue_at_once_issue_one(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first stands, and nobody has another in hand."""
    request_id = erased(desk)
    state = desk.log.state
    made: list[Statement] = []

    def late(statement: Statement) -> bool:
        if statement.kind == CERTIFICATE and not made:
            made.append(statement)
            desk.office.now += timedelta(seconds=1)
            assert desk.issuer.turn() == [request_id]
        return state(statement)

    monkeypatch.setattr(desk.log, "state", late)
    assert desk.issuer.turn() == []
    assert desk.certificate(request_id)["issued_at"] == "2026-11-22T12:05:01Z"

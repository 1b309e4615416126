"""Access with the data: systems are asked for copies, parts are proven and put together, and one archive is made."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console.wiring.mentions import mentions_in
from schemas.codec import encode
from schemas.errors import InputError, KeyUnavailable
from schemas.messages import LARGEST_PART
from schemas.own import own_record
from schemas.vocabulary import Right, ToldBy
from streams.rights.bundle import Written
from streams.rights.protocol.messages import Named, decoded
from streams.rights.protocol.rights_commands import opened_command
from streams.rights.protocol.states import RequestState, State
from tests.support.copying import copy_of, part_value
from tests.support.index import memory_index
from tests.support.kinds import KINDS
from tests.support.office import Office
from tests.support.receipts import answer, job_key
from tests.unit.rights.test_short import LAST_WEEK, visit

NUMBER, COOKIE = ("customer_number", "100200"), ("cookie_id", "c-1")
PERSON = {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack, copying=("crm", "web"))
        made.tells = False
        made.put("crm.customers", PERSON)
        made.put("web.visits", visit(1), visit(2), visit(3, "c-9"))
        paid = {"payment_id": "p", "amount_ore": 1, "method": "giro", "paid_at": LAST_WEEK}
        made.put("billing.payments", {**paid, "customer_number": NUMBER[1]})
        yield made


def ask(office: Office, right: str = "access") -> RequestState:
    made = office.service.create(right, [NUMBER, COOKIE], reason=None, channel="web", received_at=office.now)
    office.deliver()
    return office.service.get(made.request_id)


def command(office: Office, system: str) -> Mapping[str, Any]:
    """The newest that the system got."""
    return [item for item in office.others if item["system"] == system][-1]


def hand(office: Office, message: bytes) -> RequestState | None:
    return office.service.on_copy(decoded(own_record("CopyPart"), message), message)


def wholly(office: Office, system: str, records: Sequence[tuple[str, Mapping[str, Any]]]) -> RequestState:
    """The system delivers, and says so."""
    told = command(office, system)
    messages, said = copy_of(told, records, job_key(office.keyring, system), office.now)
    for message in messages:
        hand(office, message)
    return answer(office, told, **(said if messages else {"state": "not_found", "records": []}))


CRM = [("CustomerDetails", {**PERSON, "name": "Kari"})]
WEB = [("WebVisit", {**visit(1), "text": "x"}), ("WebVisit", visit(2))]


def delivered(office: Office) -> RequestState:
    ask(office)
    wholly(office, "crm", CRM)
    return wholly(office, "web", WEB)


def bundle(office: Office, request: RequestState, *keep: str) -> tuple[zipfile.ZipFile, Written]:
    to = io.BytesIO()
    mentions = mentions_in(KINDS, [])
    written = office.service.bundle(request.request_id, to, "nb", frozenset(keep), mentions)
    return zipfile.ZipFile(to), written


def read(archive: zipfile.ZipFile, name: str) -> Any:
    return json.loads(archive.read(name))


def test_each_system_that_delivers_is_asked_with_a_key_for_the_copy(office: Office) -> None:
    """Those that are not entered so get no command; identifiers are those that the system knows."""
    request = ask(office)
    assert [item["topic"] for item in office.others] == ["access.crm", "access.web"]
    assert (request.state, request.waiting_for) == (State.COMMANDED, ("crm", "web"))
    told = command(office, "web")
    assert (told["kind"], told["ground"], len(told["copy_key"])) == ("access", "GDPR Art. 15(3)", 32)
    assert told["expected"] == [{"record": "WebVisit", "count": 2}]
    assert {"WebVisit.page", "WebVisit.cookie_id"} <= {*told["fields"]}
    value = {name: item for name, item in told.items() if name != "topic"}
    named, _ = opened_command(value, job_key(office.keyring, "web"))
    assert isinstance(named[0], Named)
    assert named[0][:2] == COOKIE


def test_the_answer_is_there_once_all_copies_are(office: Office) -> None:
    """Not by a receipt alone, and not by parts alone."""
    ask(office)
    wholly(office, "crm", CRM)
    told = command(office, "web")
    messages, said = copy_of(told, WEB, job_key(office.keyring, "web"), office.now, each=1)
    hand(office, messages[1])
    request = answer(office, told, **said)
    assert (request.state, request.waiting_for) == (State.WAITING, ("web",))
    assert not request.problems
    done = hand(office, messages[0])
    assert done is not None
    assert (done.state, done.waiting_for) == (State.ANSWERED, ())


@pytest.mark.parametrize("seed", range(12))
def test_parts_may_come_twice_out_of_order_and_around_their_receipt(office: Office, seed: int) -> None:
    """However they come, the answer is made once, of all of them."""
    ask(office)
    steps: list[Any] = []
    for system, records in (("crm", CRM), ("web", WEB)):
        told = command(office, system)
        messages, said = copy_of(told, records, job_key(office.keyring, system), office.now, each=1)
        steps += [*messages, *messages, (told, said), (told, said)]
    random.Random(seed).shuffle(steps)
    for step in steps:
        if isinstance(step, bytes):
            hand(office, step)
        else:
            answer(office, step[0], **step[1])
    (request,) = office.service.requests()
    assert request.state is State.ANSWERED
    assert not request.set_aside
    assert [event.kind for event in office.ledger.events(request.request_id)].count("answered") == 1
    archive, _ = bundle(office, request)
    assert len(read(archive, "copy/web.json")["records"]) == 2


def test_a_job_that_died_while_it_sent_sends_anew(office: Office) -> None:
    """Sealed anew each part has other bytes; those of its last run are the copy, whichever receipt came first."""
    ask(office)
    wholly(office, "crm", CRM)
    told = command(office, "web")
    key = job_key(office.keyring, "web")
    first, said_first = copy_of(told, [*WEB, *WEB], key, office.now, each=1)
    again, said = copy_of(told, WEB, key, office.now, each=1)
    for message in first[:3]:
        hand(office, message)
    assert answer(office, told, **said_first).state is State.WAITING
    assert answer(office, told, **said).state is State.WAITING
    hand(office, again[0])
    request = hand(office, again[1])
    assert request is not None
    assert request.state is State.ANSWERED
    assert bundle(office, request)[1].records == 3


def test_a_copy_of_an_attempt_that_nobody_wrote_down_counts(office: Office) -> None:
    """Whoever told the system again died before the ledger had that; its parts are of that attempt."""
    ask(office)
    wholly(office, "crm", CRM)
    told = {**command(office, "web"), "attempt": 2}
    messages, said = copy_of(told, WEB, job_key(office.keyring, "web"), office.now, each=1)
    for message in messages:
        hand(office, message)
    request = answer(office, told, **said)
    assert (request.state, request.waiting_for) == (State.ANSWERED, ())
    assert bundle(office, request)[1].records == 3


BAD: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "another system": ({"system": "crm"}, "names another system"),
    "an earlier attempt": ({"attempt": 0}, "is of an earlier attempt"),
    "part 0": ({"part": 0}, "has a number that is none"),
    "behind the last": ({"part": 3}, "has a number that is none"),
    "too many": ({"part": 1, "parts": 20_000}, "has a number that is none"),
    "too large": ({"sealed": bytes(LARGEST_PART + 1)}, "is larger than"),
    "from the future": ({"sent_at": timedelta(days=1)}, "was sent at a time to come"),
    "no command": ({"command_id": "r-1/none"}, "is of no copy that this request asked for"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_part_that_cannot_be_is_set_aside_and_shown(office: Office, name: str) -> None:
    """Signed by the system all the same; nothing of it is kept, and the request goes on waiting."""
    request = ask(office)
    altered, why = BAD[name]
    if isinstance(altered.get("sent_at"), timedelta):
        altered = {"sent_at": office.now + altered["sent_at"]}
    value = part_value(
        command(office, "web"), 1, 2, b"[]", job_key(office.keyring, "web"), office.now, **altered
    )
    found = hand(office, encode(own_record("CopyPart"), value))
    assert found is not None
    assert found.state is request.state
    assert why in "".join(found.problems)
    assert not office.copies.kept


def test_a_part_that_another_made_is_set_aside(office: Office) -> None:
    """Unsigned, signed by another system's job, or altered after it was signed."""
    ask(office)
    key, told = job_key(office.keyring, "web"), command(office, "web")
    good = part_value(told, 1, 1, b"[]", key, office.now)
    for value, why in (
        ({**good, "signature": b""}, "is not signed"),
        (part_value(told, 1, 1, b"[]", job_key(office.keyring, "crm"), office.now), "not in force"),
        ({**good, "parts": 2}, "has not the signature"),
    ):
        found = hand(office, encode(own_record("CopyPart"), value))
        assert found is not None
        assert why in "".join(found.problems)
    assert not office.copies.kept


def test_a_part_of_an_unknown_request_is_nobody_s(office: Office) -> None:
    """It becomes a dead letter; for one that has ended it is set aside."""
    request = ask(office)
    key, told = job_key(office.keyring, "web"), command(office, "web")
    value = part_value({**told, "request_id": "r-gone"}, 1, 1, b"[]", key, office.now)
    assert hand(office, encode(own_record("CopyPart"), value)) is None
    office.service.cancel(request.request_id)
    late = hand(office, encode(own_record("CopyPart"), part_value(told, 1, 1, b"[]", key, office.now)))
    assert late is not None
    assert "came when the request had ended" in "".join(late.problems)
    assert not office.copies.kept


def test_a_receipt_that_fits_no_parts_settles_nothing(office: Office) -> None:
    """Another digest, or another number: the parts are waited for, and then asked for again by themselves."""
    ask(office)
    wholly(office, "crm", CRM)
    told = command(office, "web")
    messages, said = copy_of(told, WEB, job_key(office.keyring, "web"), office.now)
    for message in messages:
        hand(office, message)
    request = answer(office, told, **{**said, "copy_digest": bytes(32)})
    assert (request.state, request.waiting_for) == (State.WAITING, ("web",))
    office.now += timedelta(hours=2)
    office.service.on_time(office.now)
    office.deliver()
    again = command(office, "web")
    assert again["attempt"] == 2
    done = wholly(office, "web", WEB)
    assert done.state is State.ANSWERED


def test_a_system_that_never_answers_is_told_again_and_may_be_done_without(office: Office) -> None:
    """Escalated, and no answer until a person has decided to give one without it; the archive says what is missing."""
    ask(office)
    request = wholly(office, "crm", CRM)
    for _ in range(6):
        office.now += timedelta(days=8)
        office.service.on_time(office.now)
        office.deliver()
    request = office.service.get(request.request_id)
    assert request.state is State.ATTENTION
    assert "to answer without it" in "".join(request.problems)
    with pytest.raises(InputError, match="has no answer to send"):
        bundle(office, request)
    office.service.accept(request.request_id, "web", "their team is away")
    office.deliver()
    request = office.service.get(request.request_id)
    assert request.state is State.ANSWERED
    archive, _ = bundle(office, request)
    said = {item["system"]: item["delivery"] for item in read(archive, "report.json")["copies"]}
    assert said == {"payment_gateway": "by_hand", "crm": "delivered", "web": "missing"}
    assert "copy/web.json" not in archive.namelist()
    assert "kunne ikke levere" in archive.read("index.html").decode()


@pytest.mark.parametrize("state", ["failed", "withheld", "partial", "not_found"])
def test_what_a_system_did_not_deliver_waits_for_a_person(office: Office, state: str) -> None:
    """Whether the law lets it withhold a copy is nobody else's to say."""
    ask(office)
    wholly(office, "crm", CRM)
    request = answer(office, command(office, "web"), state=state, records=[])
    assert request.state is State.ATTENTION
    office.service.accept(request.request_id, "web", "looked there")
    office.deliver()
    assert office.service.get(request.request_id).state is State.ANSWERED


def test_the_archive_has_every_element_and_every_copy_without_others(office: Office) -> None:
    """A record of somebody else in a copy is left out, and its number told."""
    ask(office)
    wholly(office, "crm", CRM)
    told, key = command(office, "web"), job_key(office.keyring, "web")
    strange = [*WEB, ("WebVisit", visit(3, "c-9")), ("Unknown", {"a": 1})]
    messages, said = copy_of(told, strange, key, office.now)
    for message in messages:
        hand(office, message)
    assert "a record that the company lacks" in "".join(answer(office, told, **said).problems)
    request = answer(office, told, **{**said, "records": [{"record": "WebVisit", "count": 3}]})
    archive, written = bundle(office, request)
    assert sorted(archive.namelist()) == ["copy/crm.json", "copy/web.json", "index.html", "report.json"]
    assert (written.records, sum(written.left_out["web"].values())) == (3, 2)
    report, web = read(archive, "report.json"), read(archive, "copy/web.json")
    assert "c-9" not in archive.read("copy/web.json").decode()
    assert set(web["schemas"]) == {"WebVisit"}
    assert report["confirmation"]["nb"].startswith("Ja")
    assert all(len(item["elements"]) == 9 for item in report["items"])
    page = archive.read("index.html").decode()
    assert "Datatilsynet" in page
    assert "<script" not in page


def test_portability_asks_for_what_the_person_provided_alone(office: Office) -> None:
    """On consent or contract: web pages run on legitimate interests, so nothing of them can be taken along."""
    request = ask(office, Right.PORTABILITY)
    assert [item["topic"] for item in office.others] == ["access.crm"]
    assert command(office, "crm")["ground"] == "GDPR Art. 20(1)"
    request = wholly(office, "crm", CRM)
    assert request.state is State.ANSWERED
    assert request.report is not None
    letters = {basis["letter"] for entry in request.report["entries"] for basis in entry["legal_basis"]}
    assert letters & {"a", "b"}
    assert "web" not in {entry["system"]["id"] for entry in request.report["entries"]}


def test_copies_end_with_the_key_of_the_request(office: Office) -> None:
    """Some time after the end they are deleted; with the key gone nothing opens what a backup still has."""
    request = delivered(office)
    kept = dict(office.copies.kept)
    office.service.tell(request.request_id, ToldBy.LETTER)
    office.service.destroy_keys(office.now + timedelta(days=29))
    assert office.copies.kept == kept
    office.service.destroy_keys(office.now + timedelta(days=31))
    assert not office.copies.kept
    with pytest.raises(InputError, match="no longer kept"):
        bundle(office, request)
    office.copies.kept = kept
    office.service.destroy_keys(office.now + timedelta(days=91))
    assert not office.copies.kept
    office.copies.kept = kept
    with pytest.raises((InputError, KeyUnavailable)):
        bundle(office, request)


def test_parts_of_a_request_that_nobody_knows_are_deleted(office: Office) -> None:
    request = delivered(office)
    stray = next(iter(office.copies.kept.values()))
    office.copies.keep(replace(stray, request_id="r-gone", command_id="r-gone/crm"))
    office.service.destroy_keys(office.now)
    assert set(office.copies.requests()) == {request.request_id}


def test_nothing_of_a_copy_is_readable_where_it_is_kept(office: Office) -> None:
    """Neither in the store nor in the ledger."""
    request = delivered(office)
    stored = b"".join(item.message for item in office.copies.kept.values())
    ledger = json.dumps([dict(event.content) for event in office.ledger.events(request.request_id)])
    for value in ("Kari", NUMBER[1], COOKIE[1]):
        assert value.encode() not in stored
        assert value not in ledger


def test_a_request_for_a_copy_may_be_closed_and_cancelled(office: Office) -> None:
    """While systems are asked; what they send later changes nothing."""
    request = ask(office)
    assert office.service.close(request.request_id, "answered on paper").state is State.CLOSED
    assert wholly(office, "crm", CRM).state is State.CLOSED


def test_without_a_system_that_delivers_the_index_answers_at_once(tmp_path: Path) -> None:
    """As before; the archive says that copies have to be fetched."""
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack)
        office.tells = False
        office.put("crm.customers", PERSON)
        request = ask(office)
        assert (request.state, office.others) == (State.ANSWERED, [])
        archive, written = bundle(office, request)
        (copy,) = read(archive, "report.json")["copies"]
        assert (copy["delivery"], written.records) == ("by_hand", 0)


def test_a_record_that_changed_is_delivered_once(office: Office) -> None:
    """The index has three events of the one customer, the system one row: that is all that is asked for."""
    office.put("crm.customers", PERSON | {"name": "Kari N"}, PERSON | {"name": "Kari Nordlie"})
    request = ask(office)
    assert request.commands[f"{request.request_id}/crm"].planned == 1
    wholly(office, "crm", [("CustomerDetails", PERSON)])
    assert wholly(office, "web", [("WebVisit", visit(1)), ("WebVisit", visit(2))]).state is State.ANSWERED

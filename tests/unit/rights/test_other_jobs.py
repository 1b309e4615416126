"""The reference job of other rights: the whole road, from a request to what a system then does with its rows."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console.wiring.mentions import mentions_in
from schemas.codec import decode
from schemas.errors import InputError
from schemas.messages import encoded
from schemas.own import own_record
from schemas.vocabulary import CommandKind, ToldBy
from streams.kafka.connection import Connection
from streams.rights.protocol.messages import RECEIPTS
from streams.rights.protocol.rights_commands import Asked, rights_command
from streams.rights.protocol.scope import Scope
from streams.rights.protocol.states import RequestState, State
from streams.rights.reference_job.changing import ChangingStore, NeedsPerson
from streams.rights.reference_job.others import OtherRightsJob
from streams.rights.reference_job.several import nested
from tests.support.company import model
from tests.support.index import memory_index
from tests.support.kinds import KINDS
from tests.support.office import Office
from tests.unit.rights.test_short import LAST_WEEK, visit

NUMBER, COOKIE = ("customer_number", "k-100200"), ("cookie_id", "c-1")
OTHER = {"customer_number": "k-100201", "name": "Ola", "updated_at": LAST_WEEK}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put(
            "crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK}, OTHER
        )
        made.put("web.visits", visit(1), visit(2), visit(3, "c-9"))
        made.jobs_answer = True
        yield made


def asked(office: Office, right: str, given: Any = (NUMBER, COOKIE), **more: Any) -> RequestState:
    made = office.service.create(
        right, list(given), reason=None, channel="web", received_at=office.now, **more
    )
    office.deliver()
    for name in office.service.get(made.request_id).to_notify:
        office.service.notify(made.request_id, name, ToldBy.EMAIL)
    office.deliver()
    return office.service.get(made.request_id)


def names(office: Office, purpose: str = "P-CONTRACT") -> list[Any]:
    return [row["name"] for row in office.stores["crm"].usable("CustomerDetails", purpose)]


def visits(office: Office, purpose: str = "P-WEB") -> int:
    return len(list(office.stores["web"].usable("WebVisit", purpose)))


def test_a_restriction_is_stored_and_not_used_until_it_is_lifted(office: Office) -> None:
    assert (names(office), visits(office)) == (["Kari", "Ola"], 3)
    done = asked(office, "restriction")
    assert (done.state, done.restricts, done.problems) == (State.COMPLETED, True, ())
    assert (names(office), visits(office)) == (["Ola"], 1)
    assert (office.stored("crm", NUMBER), office.stored("web", COOKIE)) == (1, 2)
    # What comes while it stands is not used either.
    office.put("web.visits", visit(4))
    assert (visits(office), office.stored("web", COOKIE)) == (1, 3)
    office.now += timedelta(days=10)
    office.service.lift(done.request_id, ToldBy.LETTER, "it was right")
    office.deliver()
    lifted = office.service.get(done.request_id)
    assert (lifted.state, lifted.restricts) == (State.COMPLETED, False)
    assert (names(office), visits(office)) == (["Kari", "Ola"], 4)


def test_an_objection_stops_the_purposes_it_is_about_alone(office: Office) -> None:
    done = asked(office, "objection")
    assert (done.state, done.problems) == (State.COMPLETED, ())
    assert visits(office, "P-WEB") == 1
    assert visits(office, "P-CONTRACT") == 3
    assert names(office) == ["Kari", "Ola"]


def test_two_restrictions_end_each_by_its_own_lift(office: Office) -> None:
    first = asked(office, "restriction", scope=Scope(purposes=("P-SECURITY",)))
    second = asked(office, "restriction", scope=Scope(purposes=("P-WEB",)))
    office.service.lift(first.request_id, ToldBy.LETTER, "it was right")
    office.deliver()
    assert (visits(office, "P-SECURITY"), visits(office, "P-WEB")) == (3, 1)
    office.service.lift(second.request_id, ToldBy.LETTER, "it was right")
    office.deliver()
    assert visits(office, "P-WEB") == 3


def test_a_rectification_writes_what_is_right_and_nothing_else(office: Office) -> None:
    done = asked(office, "rectification", [NUMBER], corrections={"CustomerDetails.name": "Kåre Eksempel"})
    assert (done.state, done.problems) == (State.COMPLETED, ())
    assert names(office) == ["Kåre Eksempel", "Ola"]
    (crm,) = [item for item in done.commands.values() if item.system == "crm"]
    assert (crm.state, crm.erased) == ("done", 1)


def test_a_list_of_whom_is_restricted_does_not_outlive_their_data(office: Office, tmp_path: Path) -> None:
    asked(office, "restriction")
    file = tmp_path / "web.sqlite"
    assert b"k-100200" in _bytes(file, office)
    erased = office.erase(COOKIE, NUMBER)
    assert erased.state is State.COMPLETED
    assert b"k-100200" not in _bytes(file, office)
    assert visits(office) == 1


def _bytes(file: Path, office: Office) -> bytes:
    office.stores["web"]._checkpoint()
    return b"".join(path.read_bytes() for path in file.parent.glob("web.sqlite*"))


def test_a_system_without_a_job_for_it_is_still_told_by_people(office: Office) -> None:
    office.jobs_answer = False
    waits = asked(office, "restriction")
    assert (waits.ended, set(waits.waiting_for)) == (False, {"crm", "web"})
    office.jobs_answer = True
    office.service.resend(waits.request_id)
    office.deliver()
    assert office.service.get(waits.request_id).state is State.COMPLETED


class _Web:
    """The job of the web pages over a store of its own, and what it answered."""

    def __init__(self, folder: Path, office: Office, store: ChangingStore) -> None:
        self.office, self.store = office, store
        self.key = office.keyring.systems.made("web").current
        path = office.keyring.systems.job_path("web")
        self.job = OtherRightsJob(path, Connection("x"), store, CommandKind.RESTRICT, lambda: office.now)

    def play(self, kind: CommandKind = CommandKind.RESTRICT, attempt: int = 1, **other: Any) -> list[Any]:
        command = {CommandKind.LIFT: "r-1/web/lift"}.get(kind, "r-1/web")
        content = {"WebVisit.page": "/"} if kind is CommandKind.RECTIFICATION else None
        sent = rights_command(
            Asked(command, "r-1", other.pop("system", "web"), kind, content=content),
            [COOKIE], self.key, attempt, other.pop("at", self.office.now),
        )  # fmt: skip
        return self.hear(encoded(replace(sent, **other)))

    def hear(self, message: bytes) -> list[Any]:
        said: list[Mapping[str, Any]] = []

        def send(topic: str, body: bytes, key: bytes) -> None:
            assert topic == RECEIPTS
            said.append(decode(own_record("RightsReceipt"), body))

        self.job.handle(message, send)
        return [(one["state"], [item["count"] for item in one["records"]], one["reason"]) for one in said]


@pytest.fixture
def web(office: Office, tmp_path: Path) -> _Web:
    return _Web(tmp_path, office, office.stores["web"])


def test_what_comes_twice_is_answered_twice_and_done_once(web: _Web) -> None:
    first = web.play(attempt=2)
    assert first == [("accepted", [], None), ("done", [2], None)]
    web.office.put("web.visits", visit(7))
    assert web.play(attempt=2) == first
    assert web.play(attempt=1)[-1] == ("failed", [], "superseded")
    assert web.play(attempt=3)[-1] == ("done", [3], None)
    assert web.play(CommandKind.LIFT)[-1] == ("done", [3], None)
    assert web.play(CommandKind.LIFT, attempt=2)[-1] == ("not_found", [], None)
    # A restriction that is told again once it has ended is not put up again.
    assert web.play(attempt=3)[-1] == ("done", [3], None)
    assert visits(web.office) == 4


def test_what_is_not_innsyns_is_not_believed(web: _Web) -> None:
    assert web.hear(b"no command") == []
    day = timedelta(days=1)
    now = web.office.now
    for said, reason in (
        ({"purposes": ("P-WEB",)}, "not_authentic"),
        ({"ground": "GDPR Art. 18"}, "not_authentic"),
        ({"system": "crm"}, "other_system"),
        ({"key_id": "nobody"}, "key_unknown"),
        ({"at": now + day}, "clock_off"),
        ({"at": now - 31 * day}, "too_old"),
    ):
        assert web.play(**said) == [("failed", [], reason)]
    assert web.play(CommandKind.RECTIFICATION) == [("failed", [], "command_not_understood")]
    assert visits(web.office) == 3


def test_a_store_that_is_away_may_be_asked_again(web: _Web, tmp_path: Path) -> None:
    store = ChangingStore(tmp_path / "away.sqlite", model().records, KINDS)
    store.close()
    away = _Web(tmp_path, web.office, store)
    assert away.play()[-1] == ("failed", [], "store_unavailable")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChangingStore]:
    made = ChangingStore(tmp_path / "crm2.sqlite", model().records, KINDS)
    made.put("CustomerDetails", {"customer_number": "K-100200", "name": "Kari", "updated_at": LAST_WEEK})
    yield made
    made.close()


def copying(folder: Path, stack: ExitStack) -> Office:
    """Two systems that deliver copies by their jobs."""
    made = Office(folder, memory_index(), stack, copying=("crm", "web"))
    made.jobs_answer, made.tells = True, False
    made.put("crm.customers", {"customer_number": NUMBER[1], "name": "Kari", "updated_at": LAST_WEEK}, OTHER)
    made.put("web.visits", visit(1), visit(2), visit(3, "c-9"))
    return made


def test_arrays_and_inner_records_of_an_event_of_somebody_else_are_put_together_again() -> None:
    kept = {
        "id": "1",
        "buyer.name": "Kari",
        "lines[].text": {"0": "a", "1": "b"},
        "lines[].tags[]": {"0.0": "x", "0.1": "y", "1.0": None},
        "attributes.*": {"color.dark": "red"},
        "gone[].x": None,
    }
    assert nested(kept) == {
        "id": "1",
        "buyer": {"name": "Kari"},
        "lines": [{"text": "a", "tags": ["x", "y"]}, {"text": "b", "tags": [None]}],
        "attributes.*": {"color.dark": "red"},
    }


def copy_in(office: Office, request: RequestState) -> dict[str, list[Any]]:
    """The records of the archive, by system."""
    to = io.BytesIO()
    office.service.bundle(request.request_id, to, "nb", frozenset(), mentions_in(KINDS, []))
    archive = zipfile.ZipFile(to)
    files = [name for name in archive.namelist() if name.startswith("copy/")]
    copies = [json.loads(archive.read(name)) for name in files]
    return {item["system"]: item["records"] for item in copies}


def test_the_job_hands_out_the_records_of_the_person_as_they_are(tmp_path: Path) -> None:
    with ExitStack() as stack:
        office = copying(tmp_path, stack)
        request = asked(office, "access")
        assert (request.state, request.waiting_for) == (State.ANSWERED, ())
        found = copy_in(office, request)
    assert [item["values"]["name"] for item in found["crm"]] == ["Kari"]
    visits = [item["values"] for item in found["web"]]
    assert [(item["cookie_id"], item["page"], item["occurred_at"]) for item in visits] == [
        (COOKIE[1], "/", visit(minute)["occurred_at"].isoformat()) for minute in (1, 2)
    ]


def test_what_cannot_be_corrected_by_a_job_changes_nothing(store: ChangingStore) -> None:
    """All or nothing: the field that is known is not written either."""
    for path, error in (("CustomerDetails.nickname", InputError), ("Nothing.name", InputError)):
        with pytest.raises(error):
            store.rectify([NUMBER], {"CustomerDetails.name": "x", path: "y"}, once="r-1/crm#1")
    assert [row["name"] for row in store.usable("CustomerDetails", "P-CONTRACT")] == ["Kari"]
    assert (
        store.rectify([("customer_number", "k-9")], {"CustomerDetails.name": "x"}, once="r-2/crm#1").records
        == {}
    )


def test_a_corrected_identifier_is_counted_in_the_next_attempt_too(store: ChangingStore) -> None:
    """Nobody is found by the wrong one any more."""
    right = {"CustomerDetails.customer_number": "K-100299"}
    assert store.rectify([NUMBER], right, once="r-1/crm#1").records == {"CustomerDetails": 1}
    assert store.rectify([NUMBER], right, once="r-1/crm#2").records == {"CustomerDetails": 1}
    assert store.count([("customer_number", "k-100299")]) == 1


def test_values_of_the_same_category_go_where_the_system_has_them(store: ChangingStore) -> None:
    """Of a record that it has not: by the name of the field, and never into one of another category."""
    found = store.rectify([NUMBER], {"Invoice.name": "Kåre"}, once="r-1/crm#1")
    assert found.records == {"CustomerDetails": 1}
    assert [row["name"] for row in store.usable("CustomerDetails", "P-CONTRACT")] == ["Kåre"]


def test_what_is_about_another_person_in_the_record_stays(tmp_path: Path) -> None:
    """A callee corrects their own number, not the caller's."""
    record = next(
        item
        for item in model().records.values()
        if {"owner", "counterparty"} <= {one.role for one in item.identifiers} and not item.contract
    )
    own = next(one for one in record.identifiers if one.role == "counterparty" and "." not in one.field)
    theirs = next(one for one in record.identifiers if one.role == "owner" and one.kind == own.kind)
    made = ChangingStore(tmp_path / "calls.sqlite", model().records, KINDS)
    made.put(
        record.name, {own.field: "+4790000001", theirs.field: "+4790000002", record.event_time: LAST_WEEK}
    )
    said = {f"{record.name}.{one.field}": "+4790000009" for one in (own, theirs)}
    assert made.rectify([(own.kind, "+4790000001")], said, once="r-1/x#1").records == {record.name: 1}
    (row,) = made.usable(record.name, "P-ANY")
    assert (row[own.field], row[theirs.field]) == ("+4790000009", "+4790000002")
    made.close()


def test_a_field_in_a_list_is_for_a_person(tmp_path: Path) -> None:
    record, field = next(
        (item, one)
        for item in model().records.values()
        for one in item.fields
        if one.personal and "." in one.name and not item.contract
    )
    made = ChangingStore(tmp_path / "lists.sqlite", model().records, KINDS)
    made.put(record.name, {record.event_time: LAST_WEEK})
    with pytest.raises(NeedsPerson):
        made.rectify([NUMBER], {f"{record.name}.{field.name}": "x"}, once="r-1/x#1")
    made.close()

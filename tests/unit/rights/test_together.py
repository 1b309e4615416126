"""Records of several people: what one of them sees, and what is left of them when one is erased.

The rules are those of K9db (OSDI 2023): a record stays while somebody who owns it is left, whoever may only see it
keeps nothing, and where a record stays, the columns of the one who went are made anonymous. In our words: `stays_for`,
`retain` and `redact` of a record's `erasure`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.messages import Order, Outcome
from schemas.policy import RetentionAnchors
from schemas.records import RecordSchema, load_records, read_record
from schemas.vocabulary import CommandState, ErasureAction, Role
from sinks.clickhouse.migrate import migrate
from sinks.ports.erasure import RecordsGone
from streams.answers.plan import CommandPlan, Part, Plan
from streams.answers.report import access_report
from streams.rights.protocol.command import Command
from streams.rights.protocol.outcomes import records_gone
from streams.rights.protocol.states import RequestState, State, summary
from tests.support.index import memory_index, running, sql_index
from tests.support.office import NOW, Office
from tests.support.receipts import hear

SENT = datetime(2026, 6, 1, 9, tzinfo=UTC)
LONG_OVER = RetentionAnchors(contract_end=date(2026, 1, 1), invoice_settled=date(2026, 1, 1))
ANNA, BERIT, OUTSIDE = ("phone", "+4790000001"), ("phone", "+4790000002"), ("phone", "+46700000003")
CHAT = "support.chats"
ALICE, BOB, CARL = (("customer_number", f"c-{number}") for number in range(3))


def sms(caller: str, callee: str | None) -> dict[str, Any]:
    return {"kind": "sms", "caller": caller, "callee": callee, "occurred_at": SENT}


def customer(number: str, phone: str) -> dict[str, Any]:
    return {"customer_number": number, "phone": phone, "updated_at": SENT}


@pytest.fixture(params=["memory", "chdb"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        if request.param == "memory":
            index = memory_index()
        else:
            database, _ = stack.enter_context(running("chdb", tmp_path / "index"))
            migrate(database, NOW)
            index = sql_index(database)
        yield Office(tmp_path, index, stack)


def erase(office: Office, *identifiers: tuple[str, str]) -> RequestState:
    request = office.erase(*identifiers, anchors=LONG_OVER)
    assert request.state is State.COMPLETED, request.problems
    return request


def test_an_sms_stays_for_its_receiver_and_is_gone_with_the_last_of_the_two(office: Office) -> None:
    """Redacted for the sender, kept for the receiver, whose answer counts it until she goes as well."""
    office.put("crm.customers", customer("k-2", BERIT[1]))
    office.put("network.traffic", sms(ANNA[1], BERIT[1]), sms(ANNA[1], BERIT[1]), sms(BERIT[1], ANNA[1]))
    request = erase(office, ANNA)
    (order,) = office.commands[-1]["orders"]
    assert (order["record"], order["action"]) == ("TrafficRecord", "redact")
    assert set(order["stays_for"]) == {"owner", "joint_owner", "counterparty"}
    gone = {item["role"]: set(item["fields"]) for item in order["redactions"]}
    assert gone["counterparty"] == {"TrafficRecord.callee"}
    assert {"TrafficRecord.caller", "TrafficRecord.server_name"} <= gone["owner"]
    assert not {"TrafficRecord.callee", "TrafficRecord.occurred_at"} & gone["owner"]
    assert office.receipts[-1]["outcomes"][0]["deleted"] == 0
    assert office.receipts[-1]["outcomes"][0]["redacted"] == 3
    assert (office.events(*ANNA), office.stored("flow_collector", ANNA)) == (0, 0)
    assert office.events(*BERIT) - 1 == office.stored("flow_collector", BERIT) == 3
    told = [part for part in summary(request)["parts"] if part["record"] == "TrafficRecord"]
    # Where she is only the other end the event is somebody else's: another tag set, and the same decision.
    assert {part["means"] for part in told} == {"redact"}
    assert sum(part["stays"] for part in told) == sum(part["events"] for part in told) == 3

    office.now = office.now.replace(hour=13)
    request = erase(office, BERIT, ("customer_number", "k-2"))
    assert office.receipts[-1]["outcomes"][0]["deleted"] == 3
    assert (office.events(*BERIT), office.stored("flow_collector", BERIT)) == (0, 0)


def test_a_record_that_was_really_deleted_counts_in_nobody_s_answer(office: Office) -> None:
    """The other end is a number outside, of whom nobody here knows: no reason to keep the sender's record."""
    office.put(
        "network.traffic", sms(ANNA[1], OUTSIDE[1]), sms(OUTSIDE[1], ANNA[1]), sms(BERIT[1], OUTSIDE[1])
    )
    request = erase(office, ANNA)
    (order,) = office.commands[-1]["orders"]
    # Somebody else's own record stays whatever is known: it may not have reached the index yet.
    assert (order["action"], set(order["stays_for"])) == ("redact", {"owner", "joint_owner", "counterparty"})
    assert request.forgotten == {"rows_removed": 2, "rows_narrowed": 0, "rows_ended": 0}

    office.put("network.traffic", sms("+4790000009", OUTSIDE[1]))
    before = office.events(*OUTSIDE)
    request = erase(office, ("phone", "+4790000009"))
    (order,) = office.commands[-1]["orders"]
    assert (order["action"], set(order["stays_for"])) == ("delete", {"owner", "joint_owner"})
    assert office.commands[-1]["fields"] == order["fields"]
    assert request.forgotten == {"rows_removed": 1, "rows_narrowed": 0, "rows_ended": 1}
    assert office.events(*OUTSIDE) == before - 1 == office.stored("flow_collector", OUTSIDE)


def test_nothing_of_the_other_end_ends_before_the_system_says_so(office: Office) -> None:
    """While the command waits, both see the record; a replay afterwards brings back both ends, or neither."""
    office.put("network.traffic", sms(ANNA[1], OUTSIDE[1]))
    office.deaf = {"flow_collector"}
    waiting = office.erase(ANNA, anchors=LONG_OVER)
    assert waiting.state is State.COMMANDED
    assert (office.events(*ANNA), office.events(*OUTSIDE)) == (1, 1)
    office.deaf = set()
    office.service.resend(waiting.request_id)
    office.deliver()
    assert office.service.get(waiting.request_id).state is State.COMPLETED
    assert (office.events(*ANNA), office.events(*OUTSIDE)) == (0, 0)
    office.replay()
    assert (office.events(*ANNA), office.events(*OUTSIDE)) == (1, 1)
    # It came to light again: the request opens, and following it up ends both once more.
    office.now = office.now.replace(hour=13)
    (opened,) = office.service.recheck(office.now)
    assert opened.state is State.REOPENED
    again = office.service.follow_up(opened.request_id).request_id
    office.deliver()
    # The system erased it the first time, so it has nothing to erase now: a person sees to it that this is so.
    assert "planned 1, reported 0 erased" in office.service.get(again).problems[0]
    office.service.accept(again, "flow_collector", "erased for the request before")
    office.deliver()
    assert office.events(*ANNA) == 0


def test_a_system_that_deletes_what_it_should_redact_is_believed(office: Office) -> None:
    """The receipt says that the records are gone for everybody, so they count for nobody."""
    office.put("crm.customers", customer("k-2", BERIT[1]))
    office.put("network.traffic", sms(ANNA[1], BERIT[1]), sms(BERIT[1], OUTSIDE[1]))
    office.deaf = {"flow_collector"}
    request = office.erase(ANNA, anchors=LONG_OVER)
    done = {
        "command_id": f"{request.request_id}/flow_collector",
        "request_id": request.request_id,
        "system": "flow_collector",
        "state": "done",
        "erased": 1,
        "held": 0,
        "ground": None,
        "review_date": None,
        "reason": None,
        "reported_at": NOW,
        "outcomes": [{"record": "TrafficRecord", "deleted": 1, "redacted": 0, "stayed_for": []}],
    }
    ended = hear(office.service, done)
    assert ended is not None
    assert ended.state is State.COMPLETED
    assert ended.forgotten == {"rows_removed": 1, "rows_narrowed": 0, "rows_ended": 1}
    # Her own record and what the register says of her are left.
    assert office.events(*BERIT) == 2


# The cases of K9db, each a message of a chat whose schema says who has which right.


class Cases:
    """A chat from `customer_number` (owner) to `agent_handle`, a customer number too here, under one erasure rule."""

    def __init__(self, folder: Path, stack: ExitStack, patch: pytest.MonkeyPatch, **said: Any) -> None:
        self.records = {**load_records(), "ChatMessage": _chat(**said)}
        self.office = Office(folder, memory_index(), stack, self.records)

    def message(self, sender: tuple[str, str], receiver: tuple[str, str]) -> None:
        value = {
            "session_id": "s",
            "customer_number": sender[1],
            "receiver": receiver[1],
            "sender": "person",
            "receiver_note": "about the receiver",
            "text": "hei",
            "sent_at": SENT,
        }
        self.office.put(CHAT, value)

    def seen(self, *people: tuple[str, str]) -> list[int]:
        """How many messages the answer of each counts; they are as many as the system has."""
        counts = [self.office.events(*person) for person in people]
        assert counts == [self.office.stored("contact_centre", person) for person in people]
        return counts


def _chat(role: str = "counterparty", **erasure: Any) -> RecordSchema:
    schema = json.loads(load_records()["ChatMessage"].text)
    schema["innsyn"]["erasure"] = erasure
    del schema["innsyn"]["identity"]
    left_out = ("agent_handle", "chat_handle", "client_address", "client_port")
    schema["fields"] = [item for item in schema["fields"] if item["name"] not in left_out]
    for name, said in (
        ("receiver", {"identifier": {"kind": "customer_number", "role": role}}),
        ("receiver_note", {"about": [role]}),
    ):
        schema["fields"].append(
            {
                "name": name,
                "type": ["null", "string"],
                "default": None,
                "confluent:tags": ["C-12"],
                "innsyn": {"category": "C-12", **said},
            }
        )
    return read_record(schema, "avro/chat_message.avsc")


@pytest.fixture
def cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with ExitStack() as stack:
        yield lambda **said: Cases(tmp_path, stack, monkeypatch, **said)


BOTH = {"owner": "any", "counterparty": "any"}


def test_a_chat_of_two_owners_leaves_each_message_to_the_one_who_stays(cases: Any) -> None:
    """Sender and receiver own it: messages to third people and to oneself go as the same rule says."""
    chat = cases(stays_for=BOTH)
    for sender, receiver in ((ALICE, CARL), (ALICE, ALICE), (BOB, CARL), (BOB, ALICE)):
        chat.message(sender, receiver)
    assert chat.seen(ALICE, BOB, CARL) == [3, 2, 2]
    erase(chat.office, ALICE)
    # The message to oneself is gone; the other two stay without her.
    assert chat.seen(ALICE, BOB, CARL) == [0, 2, 2]
    assert {(item["deleted"], item["redacted"]) for item in chat.office.receipts[-1]["outcomes"]} == {(1, 2)}
    erase(chat.office, CARL)
    # Carl was the last who owned one of them; the other is Bob's.
    assert chat.seen(ALICE, BOB, CARL) == [0, 2, 0]
    erase(chat.office, BOB)
    assert chat.seen(ALICE, BOB, CARL) == [0, 0, 0]


def test_who_may_only_see_a_record_keeps_nothing_of_it(cases: Any) -> None:
    """The owner's erasure deletes it for the receiver too; the receiver's takes only the receiver out."""
    chat = cases()
    chat.message(ALICE, BOB)
    chat.message(BOB, ALICE)
    assert chat.seen(ALICE, BOB) == [2, 2]
    erase(chat.office, ALICE)
    assert chat.seen(ALICE, BOB) == [0, 1]
    erase(chat.office, BOB)
    assert chat.seen(ALICE, BOB) == [0, 0]


def test_where_a_record_stays_every_column_of_the_one_who_went_is_emptied(cases: Any) -> None:
    """The receiver's name and the note about the receiver, in the messages received; those sent are gone."""
    chat = cases()
    chat.message(ALICE, BOB)
    erase(chat.office, BOB)
    assert chat.seen(ALICE, BOB) == [1, 0]
    content = chat.office.stores["contact_centre"]._connection.execute(
        'SELECT customer_number, receiver, receiver_note, text FROM "ChatMessage"'
    )
    assert content.fetchall() == [(ALICE[1], None, None, "hei")]


def test_a_schema_says_which_columns_go(cases: Any) -> None:
    """More than is about the person alone, or less."""
    chat = cases(stays_for=BOTH, redact={"owner": ["customer_number", "text"], "counterparty": ["receiver"]})
    chat.message(ALICE, BOB)
    chat.message(BOB, ALICE)
    erase(chat.office, ALICE)
    content = chat.office.stores["contact_centre"]._connection.execute(
        'SELECT customer_number, receiver, receiver_note, text FROM "ChatMessage" ORDER BY _row'
    )
    assert content.fetchall() == [
        (None, BOB[1], "about the receiver", None),
        (BOB[1], None, "about the receiver", "hei"),
    ]


def test_joint_owners_keep_a_record_for_each_other(cases: Any) -> None:
    """By the default rule: the second to go takes it along."""
    chat = cases(role="joint_owner")
    chat.message(ALICE, BOB)
    request = erase(chat.office, ALICE)
    assert {(part["means"], part["stays"]) for part in summary(request)["parts"]} == {("redact", 1)}
    assert chat.seen(ALICE, BOB) == [0, 1]
    erase(chat.office, BOB)
    assert chat.seen(ALICE, BOB) == [0, 0]


def test_a_record_may_be_retained_without_anybody(cases: Any) -> None:
    """Anonymous it stays in the system, and counts for nobody who was erased, but for those it still names."""
    chat = cases(retain=True, redact={"owner": ["customer_number", "text"]})
    chat.message(ALICE, BOB)
    request = erase(chat.office, ALICE)
    assert {part["means"] for part in summary(request)["parts"]} == {"redact"}
    assert chat.seen(ALICE, BOB) == [0, 1]
    erase(chat.office, BOB)
    assert chat.seen(ALICE, BOB) == [0, 0]
    rows = chat.office.stores["contact_centre"]._connection.execute('SELECT count(*) FROM "ChatMessage"')
    assert rows.fetchall() == [(1,)]


def test_an_answer_speaks_of_what_concerns_the_one_who_asks(cases: Any) -> None:
    """Both ends are told of the same record; neither answer names the other, nor a category about the other alone."""
    chat = cases(stays_for=BOTH)
    chat.message(ALICE, BOB)
    for person, other in ((ALICE, BOB), (BOB, ALICE)):
        report = access_report(chat.office.found(person), chat.office.catalogue, date(2026, 6, 2))
        assert (report["total_events"], len(report["entries"])) == (1, 1)
        assert other[1] not in json.dumps(report)


_OWNERS = (Role.OWNER, Role.JOINT_OWNER)


def _planned(means: ErasureAction) -> Plan:
    part = Part("web", "web.visits", "WebVisit", 7, "C-21", "erase_now", 3, means=means)
    return Plan(date(2026, 6, 1), "v1", (part,), (), (), {7: None})


def _state(erased: int, *outcomes: Outcome) -> Command:
    return Command("r-1/web", "web", CommandState.DONE, 1, erased, outcomes=outcomes)


def test_jobs_that_say_nothing_of_records_did_as_they_were_told() -> None:
    """An older job that erased what a list named deleted it; what only an order names it never touched."""
    plain, ordered = _planned(means=ErasureAction.DELETE), _planned(means=ErasureAction.REDACT)
    silent = {"web": _state(erased=3)}
    assert records_gone(plain, silent) == {7: RecordsGone(frozenset({*_OWNERS}))}
    assert records_gone(ordered, silent) == {}
    assert records_gone(plain, {"web": _state(erased=0)}) == {}
    assert records_gone(plain, {}) == {}
    said = Outcome("WebVisit", redacted=2)
    assert records_gone(plain, {"web": _state(2, said)}) == {}
    assert records_gone(plain, {"web": _state(2, replace(said, record="Login", deleted=2))}) == {}
    told = records_gone(plain, {"web": _state(2, replace(said, deleted=1, stayed_for=("owner",)))})
    assert told == {7: RecordsGone(frozenset({*_OWNERS}), frozenset({_OWNERS[0]}))}
    assert records_gone(replace(plain, kept={}), silent) == {}


def test_jobs_that_do_not_say_for_whom_records_stayed_left_those_they_were_told_to() -> None:
    """Some deleted, some redacted: nobody for whom they had to stay loses one that may still be there."""
    order = Order("WebVisit", ("C-21",), (), stays_for=("counterparty",))
    command = CommandPlan("web", ("C-21",), (), (order,))
    plan = replace(_planned(means=ErasureAction.REDACT), commands=(command,))
    said = Outcome("WebVisit", 1, 2)
    told = records_gone(plan, {"web": _state(3, said)})[7]
    assert told == RecordsGone(frozenset({Role.OWNER}), frozenset({Role.COUNTERPARTY}))
    gone = records_gone(plan, {"web": _state(3, replace(said, deleted=3, redacted=0))})[7]
    assert gone == RecordsGone(frozenset({Role.OWNER}), frozenset())

"""One bad request, event, day or row of the ledger: it ends one thing, is shown, and everybody else is served."""

from __future__ import annotations

import io
import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock, create_autospec

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console import bodies
from console.wiring.rights import run_rights_role
from schemas.catalogue import load_catalogue
from schemas.codec import encode, single_object_prefix
from schemas.days import OPEN, is_open_moment
from schemas.entries import RetentionRule
from schemas.errors import IndexUnavailable, InputError
from schemas.policy import RetentionAnchors, delete_after
from schemas.records import load_records, without_logical_types
from sinks.clickhouse.requests import _event
from sinks.ports.lineage import Found, IndexWriter
from sinks.ports.requests import UNREADABLE
from streams.feeds.run import refused
from streams.kafka.brokers.in_process import InProcessBroker
from streams.kafka.producer import EventProducer
from streams.rights.again import TAKEN, again
from streams.rights.case import CaseFile, Recorded
from streams.rights.protocol.messages import RECEIPTS, REQUESTS, Named
from streams.rights.protocol.states import State, fold, summary
from streams.rights.service import RightsService
from streams.rights.worker import RightsWorker, _take
from tests.support.index import Index, memory_index
from tests.support.kinds import KINDS
from tests.support.office import NOW, Office
from tests.unit.rights.test_short import GONE, visit

RECORDS = load_records()
KARI, OLA = ("cookie_id", "c-1"), ("cookie_id", "c-2")
SECRET = "kari.nordlie@example.no"
PLACEHOLDERS = ["9999-12-31", "9999-12-30", "2999-12-31", "4712-12-31", "2154-12-31", "2099-12-31"]
NO_DAYS = ["9998-12-31", "2200-01-01", "1899-12-31", "0001-01-01", "5000-06-15"]


class Faulty:
    """A reader that fails, by a fault of ours, for whoever has one of the tokens."""

    def __init__(self, index: Index) -> None:
        self._reader = index.reader
        self.poison: set[bytes] = set()
        self.error: Callable[[], Exception] = lambda: ValueError(f"cannot read {SECRET}")
        self.asked = 0

    def find(self, spans: Any, *more: Any) -> Found:
        if self.poison & {span.token for span in spans}:
            self.asked += 1
            raise self.error()
        return self._reader.find(spans, *more)

    def others(self, spans: Any) -> Any:
        return self._reader.others(spans)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Two people with visits, on an index that can be made to fail for one of them."""
    with ExitStack() as stack:
        index = memory_index()
        made = Office(tmp_path, replace(index, reader=Faulty(index)), stack)
        made.put("web.visits", visit(1), visit(2), {**visit(3), "cookie_id": OLA[1]})
        yield made


def faulty(office: Office, *people: tuple[str, str]) -> Faulty:
    reader = office.index.reader
    assert isinstance(reader, Faulty)
    tokens = office.keyring.tokenizer()
    reader.poison = {tokens.token(KINDS[kind], value) for kind, value in people}
    return reader


def restarted(office: Office) -> RightsService:
    """The service of a process that starts anew on the same ledger."""
    old = office.service
    parts = {name: getattr(old._tools, name) for name in ("reader", "company")}
    subjects = old._subjects
    return RightsService(
        office.ledger,
        parts["reader"],
        old._tools.eraser,
        subjects._identities,
        office.keyring,
        parts["company"],
        office._send,
        lambda: office.now,
    )


@pytest.mark.parametrize("kind", ["access", "erasure"])
def test_a_step_that_raises_stops_that_request_alone(office: Office, kind: str) -> None:
    """It stands at attention with type and place; the text, which holds a value, is nowhere; others complete."""
    faulty(office, KARI)
    bad = office.service.create(kind, [KARI], reason=None, channel="test", received_at=NOW)
    good = office.service.create(kind, [OLA], reason=None, channel="test", received_at=NOW, anchors=GONE)
    office.deliver()
    request = office.service.get(bad.request_id)
    assert request.state is State.ATTENTION
    assert "ValueError in " in request.problems[0]
    assert f"`innsyn requests resend {bad.request_id}` tries again" in request.problems[0]
    assert SECRET not in json.dumps([item.content for item in office.ledger.events(bad.request_id)])
    assert office.service.get(good.request_id).state is State.COMPLETED


def test_it_is_tried_again_by_hand_and_once_by_each_process(office: Office) -> None:
    """No loop: whoever resumes passes it over, a new process tries it once, `resend` always; then it goes on."""
    reader = faulty(office, KARI)
    bad = office.erase(KARI, anchors=GONE)
    asked, length = reader.asked, office.service.get(bad.request_id).length
    assert office.service.resume() == []
    assert (reader.asked, office.service.get(bad.request_id).length) == (asked, length)
    later = restarted(office)
    for _ in range(3):
        later.resume()
    assert reader.asked == asked + 1
    office.service.resend(bad.request_id)
    office.deliver()
    assert (reader.asked, office.service.get(bad.request_id).state) == (asked + 2, State.ATTENTION)
    reader.poison = set()
    office.service.resend(bad.request_id)
    office.deliver()
    assert office.service.get(bad.request_id).state is State.COMPLETED
    assert office.events(*KARI) == 0


def test_an_index_that_refuses_one_request_does_not_hold_up_the_others(office: Office) -> None:
    """It waits in the ledger; resuming serves everybody else first, then says that something was away."""
    reader = faulty(office, KARI)
    reader.error = lambda: IndexUnavailable("error 62 of ClickHouse")
    with pytest.raises(Recorded):
        office.erase(KARI, anchors=GONE)
    office.service.create("erasure", [OLA], reason=None, channel="test", received_at=NOW, anchors=GONE)
    office.sent.clear()
    with pytest.raises(IndexUnavailable):
        office.service.resume()
    office.deliver()
    assert [item.state for item in office.service.requests()] == [State.RECEIVED, State.COMPLETED]


def test_an_answer_that_cannot_be_looked_at_again_says_so(office: Office) -> None:
    """The others are; the line goes when it can be looked at."""
    for person in (KARI, OLA):
        office.service.create("access", [person], reason=None, channel="test", received_at=NOW)
    office.deliver()
    reader = faulty(office, KARI)
    office.now += timedelta(hours=1)
    office.put("web.visits", {**visit(4), "cookie_id": OLA[1]})
    opened = office.service.recheck(NOW + timedelta(days=1))
    kari, ola = office.service.requests()
    assert [item.request_id for item in opened] == [ola.request_id]
    assert (kari.state, ola.state) == (State.COMPLETED, State.REOPENED)
    assert "cannot be looked for" in kari.problems[0]
    assert SECRET not in kari.problems[0]
    reader.poison = set()
    office.service.recheck(NOW + timedelta(days=2))
    assert office.service.get(kari.request_id).problems == ()


@pytest.mark.parametrize("day", PLACEHOLDERS)
def test_an_open_end_in_a_request_means_that_nothing_ended(office: Office, day: str) -> None:
    """The same plan as if nobody had told of an end; no fault, no attention."""
    told = bodies.Anchors.model_validate({"contract_end": day}).days()
    plans = [
        office.erasure._planner.plan(
            office.service.create("erasure", [KARI], reason=None, channel="test", received_at=NOW),
            office.service._subjects.of(office.service.requests()[-1]),
            office.service._subjects.given(office.service.requests()[-1].request_id),
            anchors,
            NOW,
        ).plan["parts"]
        for anchors in (told, RetentionAnchors())
    ]
    assert plans[0] == plans[1]
    request = office.erase(OLA, anchors=told)
    assert request.state is not State.ATTENTION


def test_a_clock_with_an_open_end_has_not_started() -> None:
    """Nobody told: a case is taken for closed by its last event. Told that it is open: it is not."""
    rule = _rule("case_closed", "P1Y")
    assert delete_after(rule, NOW, RetentionAnchors()) == date(2027, 11, 22)
    assert delete_after(rule, NOW, RetentionAnchors(case_closed=date(9999, 12, 31))) is None
    left = _rule("withdrawal", None)
    still = RetentionAnchors(withdrawal=date(2999, 12, 31), contract_end=date(2026, 1, 1))
    assert delete_after(left, NOW, still) == date(2026, 1, 1)
    endless = _rule("event", "P9999Y")
    assert delete_after(endless, NOW, RetentionAnchors()) == OPEN


def _rule(clock: str, period: str | None) -> RetentionRule:
    return next(iter(load_catalogue().retention_rules.values())).model_copy(
        update={"clock": clock, "period": period}
    )


@pytest.mark.parametrize("day", NO_DAYS)
def test_days_that_nobody_means_are_refused_where_they_come_in(office: Office, day: str) -> None:
    """API and service name the field; a day that is only nearly a placeholder is no placeholder."""
    with pytest.raises(ValueError, match="no day that can be meant"):
        bodies.Anchors.model_validate({"contract_end": day})
    with pytest.raises(InputError, match="contract_end: is no day"):
        office.erase(KARI, anchors=RetentionAnchors(contract_end=date.fromisoformat(day)))
    assert office.service.requests() == []


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("9999-12-31T23:59:59.999999+00:00", True),
        ("9999-12-31T23:59:59-14:00", True),
        ("9999-12-30T23:00:00+00:00", True),
        ("2999-12-30T23:00:00+00:00", True),
        ("2999-12-31T22:59:59+00:00", True),
        ("2099-12-31T00:00:00+02:00", True),
        ("2038-01-19T03:14:07+00:00", False),
        ("2998-12-31T00:00:00+00:00", False),
        ("0001-01-01T00:00:00+14:00", False),
    ],
)
def test_an_open_end_is_known_in_whatever_zone_it_is_told(moment: str, opens: bool) -> None:
    """Midnight in Oslo is the evening before in UTC."""
    assert is_open_moment(datetime.fromisoformat(moment)) is opens
    query = {"identifiers": [{"kind": "email", "value": "k@example.no"}], "to": moment}
    if opens:
        assert bodies.LineageQuery.model_validate(query).until is None


def test_an_installation_that_stored_such_days_comes_up(office: Office) -> None:
    """Requests of an earlier version: in the year 9999, with open ends, with days nobody means. All are listed."""
    office.service.create("access", [OLA], reason=None, channel="test", received_at=NOW)
    stored = office.ledger.stored
    sealed = {
        name: office.service._file.seal(name, [Named(*KARI)], None) for name in ("r-a", "r-b", "r-c", "r-d")
    }
    days = {"r-a": "9999-12-31", "r-b": "2999-12-31", "r-c": "0001-01-01", "r-d": "no day"}
    for name in days:
        CaseFile.receive(
            office.service._file, name, "erasure", "post", datetime(9999, 12, 31, tzinfo=UTC), sealed[name],
            RetentionAnchors(),
        )  # fmt: skip
        stored[name][0].content["anchors"]["contract_end"] = days[name]
    office.service.resume()
    office.deliver()
    office.service.resume()
    listed = {item.request_id: item for item in office.service.requests()}
    assert len(listed) == 5
    assert all(item.received_at <= NOW for item in listed.values())
    assert "the day of receipt that was given cannot be" in "".join(listed["r-a"].problems)
    assert listed["r-d"].state is State.ATTENTION
    assert json.dumps([summary(item) for item in listed.values()])
    access = next(item for item in listed.values() if item.type == "access")
    assert access.state is State.COMPLETED


INTS = st.sampled_from(
    [0, -1, 1, 2**63 - 1, -(2**63), 253402300799999, 253402214400000, -62135596800000, 9223372036854]
) | st.integers(-(2**63), 2**63 - 1)
DAYS = st.sampled_from([0, -1, 2932896, 2932897, -719162, -719163, 2**31 - 1, -(2**31)])
TEXTS = st.sampled_from(["", "r-1", "web", "r-known", "r-known/web", "\x00", "a" * 500, "[/b]x"])


class Message:
    partition, offset = 0, 7

    def __init__(self, topic: str) -> None:
        self.topic = topic


def raw(record: Any, value: dict[str, Any]) -> bytes:
    """A message with its logical types as plain numbers, of any size."""
    body = io.BytesIO()
    schema = fastavro.parse_schema(without_logical_types(json.loads(record.text)))
    fastavro.schemaless_writer(body, schema, value)
    return single_object_prefix(record) + body.getvalue()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.data())
def test_no_number_or_day_in_any_field_ends_the_service(office: Office, data: st.DataObject) -> None:
    """Requests and answers with whatever fits their schema: handled or set aside, and the list is there."""
    name, topic, step = data.draw(
        st.sampled_from(
            [
                ("RightsRequest", REQUESTS, office.service.on_request),
                ("ErasureReceipt", RECEIPTS, office.service.on_receipt),
            ]
        )
    )
    record, aside = RECORDS[name], []
    known = office.service.requests() or [office.erase(OLA)]
    texts = TEXTS | st.sampled_from([known[0].request_id, f"{known[0].request_id}/web"])
    value: dict[str, Any] = {}
    for item in record.fields:
        if "." in item.name:
            continue
        field = next(f for f in json.loads(record.text)["fields"] if f["name"] == item.name)
        value[item.name] = data.draw(anything(field["type"], texts))
    message = raw(record, value)
    _take(record, message, Message(topic), step, lambda *given: aside.append(given))
    for request in office.service.requests():
        json.dumps(summary(request))
    office.service.resume()


def anything(kind: Any, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    if isinstance(kind, list):
        return st.one_of([anything(item, texts) for item in kind])
    if isinstance(kind, dict):
        if kind["type"] == "enum":
            return st.sampled_from(kind["symbols"])
        if kind["type"] == "array":
            return st.lists(anything(kind["items"], texts), max_size=2)
        if kind["type"] == "record":
            return st.fixed_dictionaries({f["name"]: anything(f["type"], texts) for f in kind["fields"]})
        return anything(kind["type"], texts)
    numbers = {"long": INTS, "int": DAYS, "string": texts, "null": st.none(), "bytes": st.just(b"?")}
    return numbers[kind]


def leaves(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(content, dict | list):
        for key in list(content) if isinstance(content, dict) else range(min(len(content), 2)):
            yield from leaves(content[key], (*path, key))


def damaged(content: Any, path: tuple[Any, ...], put: Any) -> Any:
    if not path:
        return put
    copy = dict(content) if isinstance(content, dict) else list(content)
    copy[path[0]] = damaged(copy[path[0]], path[1:], put)
    return copy


def test_no_row_of_the_ledger_hides_the_other_requests(office: Office) -> None:
    """Many places of every event of an erasure replaced by what is not expected there: listed, and moved no further."""
    made = office.erase(KARI, anchors=GONE)
    assert made.state is State.COMPLETED
    events = office.ledger.events(made.request_id)
    chosen, isolated = random.Random(7), 0
    for event in events:
        places = [path for path in leaves(event.content) if path]
        for path in chosen.sample(places, min(len(places), 25)):
            put: Any = chosen.choice([None, 7, -1.5, "9999-12-31T00:00:00Z", [], {}, [[]], {"x": 1}])
            content = damaged(event.content, path, put)
            rows = [replace(item, content=content) if item is event else item for item in events]
            request = fold(rows)
            assert request is not None
            assert request.problems is not None
            isolated += bool(request.unread)
            if request.unread and not request.ended:
                assert request.state is State.ATTENTION
                assert not request.movable
    assert isolated > 10


def test_a_request_that_cannot_be_read_is_listed_and_can_be_ended(office: Office) -> None:
    """It moves nowhere by itself and refuses to be resent; closing it works, others go on."""
    bad = office.service.create("erasure", [KARI], reason=None, channel="test", received_at=NOW)
    office.ledger.append(bad.request_id, bad.length, "planned", NOW, {"plan": {}})
    good = office.erase(OLA, anchors=GONE)
    request = office.service.get(bad.request_id)
    assert (request.state, good.state) == (State.ATTENTION, State.COMPLETED)
    assert f"event {bad.length} of the ledger (planned) cannot be read (ValueError)" in request.problems[0]
    assert office.service.resume() == []
    with pytest.raises(InputError, match="cannot be read in full"):
        office.service.resend(bad.request_id)
    assert office.service.close(bad.request_id, "read by hand").state is State.CLOSED


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "[" * 100_000])
def test_a_row_that_is_no_json_is_an_event_that_cannot_be_read(text: str) -> None:
    """Not the end of the list: it keeps its place and its kind."""
    event = _event(("r-1", 3, "receipt", NOW, text))
    assert (event.kind, event.content) == (UNREADABLE, {"kind": "receipt"})
    request = fold([event])
    assert request is not None
    assert (request.state, request.type) == (State.ATTENTION, "unknown")
    assert "(receipt) cannot be read" in request.problems[0]
    assert json.dumps(summary(request))


def test_a_message_whose_step_breaks_is_set_aside_and_the_next_one_is_taken() -> None:
    """Nothing ends the agents: not the step, not what keeps the message, which is tried until it is kept."""
    service, kept, taken = create_autospec(RightsService, instance=True), [], threading.Event()
    refusals = [KeyError("no key"), None]

    def keep(topic: str, partition: int, offset: int, reason: str, payload: bytes) -> None:
        if (error := refusals.pop(0)) is not None:
            raise error
        kept.append((topic, reason))

    def step(value: Any) -> Any:
        if value["request_id"] == "r-bad":
            raise ZeroDivisionError(SECRET)
        taken.set()
        return object()

    service.on_receipt.side_effect = step
    service.resume.side_effect = OverflowError("date value out of range")
    with InProcessBroker() as broker:
        for name in (REQUESTS, RECEIPTS):
            broker.make_topic(name)
        worker = RightsWorker(broker.connection, service, keep)
        worker.start()
        try:
            with EventProducer(broker.connection) as producer:
                for name in ("r-bad", "r-good"):
                    producer.send(RECEIPTS, encode(RECORDS["ErasureReceipt"], receipt(name)), key=b"r")
            assert taken.wait(30)
            assert worker.error is None
        finally:
            worker.stop()
    assert kept == [(RECEIPTS, "step_failed")]


def receipt(request_id: str) -> dict[str, Any]:
    return {
        "command_id": f"{request_id}/web",
        "request_id": request_id,
        "system": "web",
        "state": "done",
        "erased": 0,
        "held": 0,
        "outcomes": [],
        "ground": None,
        "review_date": None,
        "reason": None,
        "attempt": 1,
        "key_id": "",
        "authenticator": b"",
        "reported_at": NOW,
    }


def test_looking_for_late_findings_never_ends_the_worker() -> None:
    """Whatever it raises: it looks again, and requests are served meanwhile."""
    stop, looked = threading.Event(), []

    class Service:
        def recheck(self, now: datetime) -> list[Any]:
            looked.append(now)
            if len(looked) == 3:
                stop.set()
            raise OverflowError(SECRET)

    worker = create_autospec(RightsWorker, instance=True)
    worker.error = None
    run_rights_role(worker, Service(), 0.01, stop)
    assert len(looked) == 3


def test_a_letter_of_a_feed_that_cannot_be_is_passed_over() -> None:
    """A line below zero, a day of the year 9999, an index that chokes on it: the next letter is entered."""
    record, index = RECORDS["DeadLetter"], create_autospec(IndexWriter, instance=True)
    letter = {
        **{item.name: None for item in record.fields if "." not in item.name},
        "topic": "network.assignments", "partition": -1, "offset": 4, "reason": "bad_time", "schema_key": "",
        "sealed_payload": b"x" * 40, "first_seen_at": NOW, "feed": "kea:a", "line": 4,
    }  # fmt: skip
    known = {item.name for item in record.fields}
    letter = {name: value for name, value in letter.items() if name in known}
    for more in (
        {"line": -4},
        {"first_seen_at": datetime(9999, 12, 31, tzinfo=UTC)},
        {"sealed_payload": b""},
    ):
        assert refused._row(record, encode(record, {**letter, **more})) is None
    row = refused._row(record, encode(record, letter))
    assert row is not None
    index.write.side_effect = OverflowError(SECRET)
    assert refused._entered(index, row, threading.Event())


def test_a_receipt_that_was_set_aside_is_taken_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours broke its step, and only `resend` brought the request on: it is judged as one that comes now."""
    with monkeypatch.context() as lost:
        lost.setattr(office.service, "on_receipt", lambda _: None)
        made = office.erase(KARI)
    answers = [encode(RECORDS["ErasureReceipt"], value) for value in office.receipts]
    taken = again(RECEIPTS, office.service.on_receipt, RECORDS["ErasureReceipt"])
    with monkeypatch.context() as broken:
        broken.setattr(office.service._receipts, "take", Mock(side_effect=ZeroDivisionError(SECRET)))
        assert {taken(answer) for answer in answers} == {"step_failed"}
    assert {taken(answer) for answer in answers} == {TAKEN}
    office.deliver()
    assert office.service.get(made.request_id).state is State.COMPLETED
    nowhere = encode(RECORDS["ErasureReceipt"], {**office.receipts[-1], "request_id": "r-none"})
    assert (taken(nowhere), taken(b"")) == ("unknown_request", "empty_payload")
    with monkeypatch.context() as away:
        away.setattr(office.service._receipts, "take", Mock(side_effect=IndexUnavailable("away")))
        with pytest.raises(IndexUnavailable):
            taken(answers[-1])

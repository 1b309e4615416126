"""Days and numbers that nobody means, in requests, anchors, events and what was stored of them before."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console import bodies
from schemas.catalogue import load_catalogue
from schemas.codec import single_object_prefix
from schemas.days import OPEN, is_open_moment
from schemas.entries import RetentionRule
from schemas.errors import InputError
from schemas.policy import RetentionAnchors, delete_after
from schemas.records import load_records, without_logical_types
from streams.rights.case import CaseFile
from streams.rights.protocol.messages import RECEIPTS, REQUESTS, Named
from streams.rights.protocol.states import State, summary
from tests.support.faulty import KARI, OLA, office
from tests.support.office import NOW, Office
from tests.support.taken import taken

__all__ = ["office"]


RECORDS = load_records()
PLACEHOLDERS = ["9999-12-31", "9999-12-30", "2999-12-31", "4712-12-31", "2154-12-31", "2099-12-31"]
NO_DAYS = ["9998-12-31", "2200-01-01", "1899-12-31", "0001-01-01", "5000-06-15"]


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
    taken(record, message, Message(topic), step, lambda *given: aside.append(given))
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
    numbers = {
        "long": INTS,
        "int": DAYS,
        "string": texts,
        "null": st.none(),
        "bytes": st.just(b"?"),
        "boolean": st.booleans(),
    }
    return numbers[kind]

"""Answers that cannot be: set aside with a reason, shown, and of no effect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.codec import encode
from schemas.messages import ErasureReceipt, message_of
from schemas.records import load_records
from schemas.versions import versions_of
from schemas.vocabulary import CommandState
from streams.rights.protocol.command import Command
from streams.rights.protocol.messages import RECEIPTS, REQUESTS
from streams.rights.protocol.receipts import fault
from streams.rights.protocol.states import State, summary
from tests.support.company import avro_file
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.support.receipts import hear, proven
from tests.support.taken import taken
from tests.unit.rights.test_short import GONE, visit

CATALOGUE, RECORDS = load_catalogue(), {"WebVisit"}
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def receipt(state: str = "done", **more: Any) -> dict[str, Any]:
    names = {"command_id": "r-1/web", "request_id": "r-1", "system": "web", "state": state}
    counts = {"erased": 0, "held": 0, "outcomes": [], "ground": None, "review_date": None, "reason": None}
    newer = {"citation": None, "retryable": None}
    return {**names, **counts, **newer, "attempt": 1, "reported_at": NOW, **more}


def outcome(**more: Any) -> dict[str, Any]:
    return {"record": "WebVisit", "deleted": 0, "redacted": 0, "stayed_for": [], **more}


def sent(state: str = "sent", **more: Any) -> Command:
    return Command("r-1/web", "web", CommandState(state), 1, sent_at="2026-11-22T12:00:00Z", **more)


@pytest.mark.parametrize(
    ("answer", "command", "why"),
    [
        (receipt(), None, "names no command"),
        (receipt(system="billing"), sent(), "names another system"),
        (receipt(erased=-1), sent(), "below zero"),
        (receipt("partial", held=-1), sent(), "below zero"),
        (receipt("accepted", erased=-(2**62)), sent("accepted"), "below zero"),
        (receipt(erased=3, held=1), sent(), "says done and that records are held back"),
        (receipt("not_found", erased=1), sent(), "found nothing, and counts records"),
        (receipt("withheld", ground="T99"), sent(), "a ground that the catalogue lacks"),
        (receipt("partial", ground="Kari Nordlie"), sent(), "a ground that the catalogue lacks"),
        (receipt("partial", review_date=date(9999, 12, 31)), sent(), "no hold reaches"),
        (receipt("partial", review_date=date(1, 1, 1)), sent(), "had passed"),
        (receipt("partial", review_date=NOW.date() - DAY), sent(), "had passed"),
        (receipt("failed", review_date=NOW.date() + 31 * 366 * DAY), sent(), "no hold reaches"),
        (receipt(reported_at=NOW + 6 * MINUTE), sent(), "at a time to come"),
        (receipt(reported_at=NOW - 6 * MINUTE), sent(), "before this attempt was sent"),
        (receipt(reported_at=datetime(1970, 1, 1, tzinfo=UTC)), sent(), "before this attempt was sent"),
        (receipt(attempt=0), Command("r-1/web", "web"), "an earlier attempt"),
        (receipt(attempt=0), sent(), "an earlier attempt"),
        (receipt(attempt=-1), sent(), "an earlier attempt"),
        (receipt(attempt=1), Command("r-1/web", "web", attempt=1), "an earlier attempt"),
        (receipt("failed", reason="not_authentic"), sent(), "not from innsyn"),
        (receipt(erased=2**53), sent(), "more than there can be"),
        (receipt("failed"), sent("done"), "contradicts"),
        (receipt(erased=1, outcomes=[outcome(deleted=-1)]), sent(), "below zero"),
        (receipt(erased=1, outcomes=[outcome(deleted=1), outcome(redacted=1)]), sent(), "more records than"),
        (receipt(erased=1, outcomes=[outcome(stayed_for=["Kari"])]), sent(), "a role that is none"),
        (receipt(erased=1, outcomes=[outcome(record="Kari 01817012345")]), sent(), "that the company lacks"),
        (receipt("failed", reason="key_unknown", attempt=7), sent(), "that was not sent"),
        (receipt(erased=2), sent("done", erased=1), "contradicts"),
    ],
)
def test_what_nobody_can_mean_is_a_fault(answer: dict[str, Any], command: Command | None, why: str) -> None:
    """Of every field; the reason says which, and quotes nothing."""
    said = fault(message_of(ErasureReceipt, answer), command, CATALOGUE, NOW, RECORDS)
    assert said is not None
    assert why in said
    assert "Kari" not in said


@pytest.mark.parametrize(
    ("answer", "command"),
    [
        (receipt(), sent()),
        (receipt(), Command("r-1/web", "web")),
        (receipt(attempt=2), sent()),
        (receipt("failed", reason="key_unknown"), sent()),
        (receipt(erased=1, outcomes=[outcome(deleted=1)]), sent()),
        (receipt(erased=1, outcomes=[outcome(record="Renamed", deleted=1)]), sent(records={"Renamed": 1})),
        (receipt(), sent("accepted")),
        (receipt(), sent("failed")),
        (receipt("accepted"), sent("done")),
        (receipt(erased=7), sent("done", erased=7)),
        (receipt(erased=7), sent("done", erased=3, planned=7)),
        (receipt("failed"), sent("done", erased=3, planned=7)),
        (receipt("partial", held=2, ground="T18", review_date=NOW.date()), sent()),
        (receipt("partial", held=2, ground="T18", review_date=date(2046, 11, 22)), sent()),
        (receipt(reported_at=NOW - 4 * MINUTE), sent()),
        (receipt(reported_at=NOW + 4 * MINUTE), sent()),
    ],
)
def test_what_can_be_is_no_fault(answer: dict[str, Any], command: Command) -> None:
    """Answers on time and late, repeated ones, clocks a little apart, holds of many years."""
    assert fault(message_of(ErasureReceipt, answer), command, CATALOGUE, NOW, RECORDS) is None


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """One person whose visits the web is told to erase, and does not hear of it."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("web.visits", visit(1), visit(2))
        made.deaf = {"web"}
        yield made


COOKIE = ("cookie_id", "c-1")


def of(request_id: str, **more: Any) -> dict[str, Any]:
    return receipt(**{"command_id": f"{request_id}/web", "request_id": request_id, "erased": 2, **more})


def test_what_is_set_aside_is_shown_and_the_right_answer_still_counts(office: Office) -> None:
    """Once each, however often it comes; the request waits on and completes with the answer that can be."""
    request_id = office.erase(COOKIE, anchors=GONE).request_id
    wrong: list[dict[str, Any]] = [
        {"erased": -3},
        {"system": "billing"},
        {"system": "no system of ours, Kari Nordlie"},
        {"command_id": f"{request_id}/crm"},
        {"state": "withheld", "ground": "T99"},
        {"reported_at": NOW + DAY},
        {"state": "partial", "review_date": date(9999, 12, 31)},
    ]
    for _ in range(2):
        for more in wrong:
            hear(office.service, of(request_id, **more))
    request = office.service.get(request_id)
    assert (request.state, request.waiting_for) == (State.COMMANDED, ("web",))
    assert len(request.set_aside) == len(wrong)
    assert len([line for line in request.problems if line.endswith("set aside")]) == len(wrong)
    assert summary(request)["set_aside"][0] == {"system": "web", "state": "done", "why": "counts below zero"}
    assert "Kari" not in repr(request.problems)
    hear(office.service, of(request_id))
    request = office.service.get(request_id)
    assert (request.state, len(request.set_aside), office.events(*COOKIE)) == (
        State.COMPLETED,
        len(wrong),
        0,
    )


def test_an_answer_against_the_one_that_ended_a_request_is_shown(office: Office) -> None:
    """It changes nothing of what was done, and whoever looks at the request sees that there is a doubt."""
    request_id = office.erase(COOKIE, anchors=GONE).request_id
    hear(office.service, of(request_id))
    hear(office.service, of(request_id))
    assert office.service.get(request_id).problems == ()
    hear(office.service, of(request_id, state="failed", erased=0))
    request = office.service.get(request_id)
    assert request.state is State.COMPLETED
    assert request.problems == (
        "web: an answer (failed) contradicts the answer that settled its command; set aside",
    )


class Message:
    """Where a message of Kafka lies."""

    partition, offset = 0, 7

    def __init__(self, topic: str) -> None:
        self.topic = topic


def test_messages_about_nothing_that_is_known_become_dead_letters(office: Office) -> None:
    """A receipt of a request nobody made; a request that came in in the year 9999."""
    records, aside = load_records(), []

    def keep(*given: Any) -> None:
        aside.append(given[:4])

    unknown = encode(records["ErasureReceipt"], proven(receipt(request_id="r-nobody"), office.keyring))
    taken(records["ErasureReceipt"], unknown, Message(RECEIPTS), office.service.on_receipt, keep)
    made = office.service.create("access", [COOKIE], reason=None, channel="test", received_at=NOW)
    late = {
        "request_id": "r-late",
        "type": "erasure",
        "sealed_identifiers": b"?",
        "channel": "post",
        "reason": None,
        "received_at": datetime(9999, 12, 31, tzinfo=UTC),
    }
    sealed = encode(records["RightsRequest"], late)
    taken(records["RightsRequest"], sealed, Message(REQUESTS), office.service.on_request, keep)
    assert aside == [(RECEIPTS, 0, 7, "unknown_request"), (REQUESTS, 0, 7, "request_cannot_be")]
    assert [item.request_id for item in office.service.requests()] == [made.request_id]


def test_a_receipt_of_every_version_is_read(office: Office) -> None:
    """In any version of its record that was ever committed: what proves itself completes, what cannot is shown."""
    path = avro_file("erasure_receipt")
    versions = [item.record for item in versions_of(path)]
    assert len({record.fingerprint for record in versions}) > 1
    states = []
    for record in versions:
        request_id = office.erase(COOKIE, anchors=GONE).request_id
        whole = {**of(request_id), "key_id": "5f2a9c01", "authenticator": bytes(32)}
        said = {name: item for name, item in whole.items() if record.find(name) is not None}
        value = proven(said, office.keyring) if record.find("signature") else said
        message = encode(record, value)
        taken(load_records()["ErasureReceipt"], message, Message(RECEIPTS), office.service.on_receipt, fail)
        request = office.service.get(request_id)
        states.append(request.state)
        if request.state is not State.COMPLETED:
            assert "is not signed" in "".join(request.problems)
            hear(office.service, of(request_id))
        office.put("web.visits", visit(1), visit(2))
    assert states == [State.COMMANDED] * 5 + [State.COMPLETED] * (len(versions) - 5)


def fail(*_: Any) -> None:
    raise AssertionError


@given(
    st.fixed_dictionaries(
        {
            "system": st.sampled_from(["web", "crm", ""]),
            "command": st.sampled_from(["web", "crm"]),
            "state": st.sampled_from(["accepted", "done", "partial", "withheld", "failed", "not_found"]),
            "erased": st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 3),
            "held": st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 3),
            "ground": st.none() | st.sampled_from(["T01", "T99", ""]),
            "review_date": st.none() | st.dates(),
            "reported_at": st.datetimes(
                datetime(2020, 1, 1),  # noqa: DTZ001
                timezones=st.just(UTC),
            )
            | st.just(NOW),
        }
    )
)
def test_no_answer_is_taken_for_more_than_it_is(said: dict[str, Any]) -> None:
    """Whatever a system writes: set aside, or a state in which nothing is complete unless all was erased."""
    command = sent(planned=2)
    answer = {**receipt(), **said, "command_id": f"r-1/{said['command']}"}
    known = command if said["command"] == "web" else None
    if fault(message_of(ErasureReceipt, answer), known, CATALOGUE, NOW, RECORDS) is None:
        assert (answer["system"], answer["command_id"]) == ("web", "r-1/web")
        settled = Command("r-1/web", "web", answer["state"], 1, answer["erased"], planned=2).settled
        assert settled == (answer["state"] == "done" and answer["erased"] >= 2 and answer["held"] == 0)

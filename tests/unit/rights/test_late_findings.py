"""What comes to light after an answer: found once, shown to whoever must act, and followed up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from schemas.catalogue import load_catalogue
from schemas.codec import decode
from schemas.errors import BrokerUnavailable, IndexUnavailable, InputError
from schemas.records import load_records
from sinks.memory.requests import MemoryRequests
from sinks.ports.lineage import Span
from streams.identity.identities import Identities
from streams.rights.protocol.events import content_of
from streams.rights.protocol.messages import Identifiers, Named, opened, told_json
from streams.rights.protocol.states import RequestState, State, summary
from streams.rights.service import RightsService
from tests.support.company import copies_by_hand
from tests.support.receipts import hear
from tests.support.telling import advance_and_tell
from tests.support.town import KARI, MOVED, OLA, SHARED, Town, moment, town

KARI_BY_NUMBER = [("customer_number", KARI)]


class Office:
    """The rights service of a town, its clock, and what it sent."""

    def __init__(self, there: Town) -> None:
        self.town = there
        self.now = moment(16)
        self.sent: list[tuple[str, bytes]] = []
        self.away = False
        self.ledger = MemoryRequests()
        self.made = 0
        self.service = RightsService(
            self.ledger,
            there.index,
            there.index,
            Identities(there.index, load_catalogue().identity_sources),
            there.keyring,
            copies_by_hand(),
            self.send,
            lambda: self.now,
            self.random,
            changed=lambda: len(there.index.ranges),
        )

    def send(self, topic: str, message: bytes, key: bytes) -> None:
        if self.away:
            raise BrokerUnavailable("away")
        self.sent.append((topic, message))

    def random(self, size: int) -> bytes:
        self.made += 1
        return self.made.to_bytes(size, "big")

    def ask(self, type: str, identifiers: Identifiers = KARI_BY_NUMBER) -> RequestState:
        """A request, carried out as far as it goes; the systems erase at once."""
        made = self.service.create(type, identifiers, reason="brev", channel="email", received_at=self.now)
        return self.carry_out(made.request_id)

    def carry_out(self, request_id: str) -> RequestState:
        for command in advance_and_tell(self.service, request_id).commands.values():
            names = {"request_id": request_id, "command_id": command.command_id, "system": command.system}
            counts = {"state": "done", "erased": 2, "held": 0, "ground": None, "review_date": None}
            hear(self.service, {**names, **counts, "reason": None, "reported_at": self.now})
        if self.service.get(request_id).unclear is not None:
            self.service.waive(request_id, "nobody can tell whose it is")
            self.service.advance(request_id)
        return self.service.get(request_id)

    def events(self, *customers: str) -> int:
        spans = [Span(self.town.token("customer_number", number)) for number in customers]
        return self.town.index.find(spans).total_events


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(town(tmp_path))


def late(request: RequestState) -> list[dict[str, Any]]:
    return [content_of(finding) for finding in request.late_findings]


def test_nothing_new_opens_nothing(office: Office) -> None:
    """What an answer had covered is no finding, nor are events that happened after it."""
    access = office.ask("access")
    erasure = office.ask("erasure", [("customer_number", OLA)])
    assert (access.state, erasure.state) == (State.COMPLETED, State.COMPLETED)
    office.town.invoice(KARI, moment(18), moment(19))
    office.town.invoice(OLA, moment(18), moment(19))
    assert office.service.recheck(moment(20)) == []
    assert office.service.get(access.request_id) == access


def test_a_late_event_opens_an_answered_access(office: Office) -> None:
    """It happened before the answer and came after it: how many, where, of what, and whom to tell."""
    made = office.ask("access")
    office.town.visit(MOVED, moment(10, 15), moment(17))
    (opened,) = office.service.recheck(moment(18))
    assert opened.state is State.REOPENED
    (finding,) = late(opened)
    assert (finding["events"], finding["no_longer"], finding["because"]) == (1, 0, "events")
    assert (finding["systems"], finding["found_at"]) == (["web"], "2026-05-01T18:00:00Z")
    assert "C-21" in finding["categories"]
    assert opened.problems == (
        f"at least 1 event came to light after this was answered (web); follow it up with"
        f" `innsyn requests --follow-up {made.request_id}`",
    )
    shown = summary(opened)
    assert (shown["state"], shown["late_findings"]) == ("reopened", [finding])


def test_a_late_link_opens_an_answered_access(office: Office) -> None:
    """The visit was known, but not whose it was."""
    office.ask("access")
    office.town.lease(MOVED, KARI, moment(14), moment(16), moment(17))
    (opened,) = office.service.recheck(moment(18))
    assert [(item["events"], item["because"]) for item in late(opened)] == [(1, "links")]


def test_a_correction_is_a_finding_too(office: Office) -> None:
    """An address that was somebody else's as well: what was answered is no longer the person's alone."""
    office.ask("access")
    office.town.lease(MOVED, OLA, moment(10, 30), moment(11, 30), moment(17))
    (opened,) = office.service.recheck(moment(18))
    (finding,) = late(opened)
    assert (finding["events"], finding["no_longer"], finding["because"]) == (0, 1, "correction")
    assert "proved not to be this person's" in opened.problems[0]


def test_a_finding_is_recorded_once_and_again_when_it_grows(office: Office) -> None:
    """A second look at the same index adds nothing."""
    made = office.ask("access")
    office.town.visit(MOVED, moment(10, 15), moment(17))
    assert len(office.service.recheck(moment(18))) == 1
    office.town.invoice(OLA, moment(8), moment(18))
    assert office.service.recheck(moment(19)) == []
    office.town.visit(MOVED, moment(10, 20), moment(19))
    (opened,) = office.service.recheck(moment(20))
    assert [item["events"] for item in late(opened)] == [1, 2]
    assert opened.request_id == made.request_id


def test_an_index_that_learnt_nothing_is_not_asked(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until something is written, or something else is answered."""
    office.ask("access")
    office.service.recheck(moment(18))

    def fail(*_: Any) -> Any:
        raise IndexUnavailable("asked")

    with monkeypatch.context() as away:
        away.setattr(office.town.index, "find", fail)
        assert office.service.recheck(moment(19)) == []
    office.ask("access", [("customer_number", OLA)])
    monkeypatch.setattr(office.town.index, "find", fail)
    with pytest.raises(IndexUnavailable):
        office.service.recheck(moment(20))


def test_an_access_is_followed_up_by_an_answer_with_everything(office: Office) -> None:
    """A new request of the same person, received when it was found; the old one is completed and names it."""
    old = office.ask("access")
    office.town.visit(MOVED, moment(10, 15), moment(17))
    office.service.recheck(moment(18))
    office.now = moment(19)
    made = office.service.follow_up(old.request_id)
    assert (made.type, made.channel, made.received_at) == ("access", "late_finding", moment(18))
    assert decode(load_records()["RightsRequest"], office.sent[-1][1])["request_id"] == made.request_id
    answered = office.carry_out(made.request_id)
    assert answered.report is not None
    assert answered.report["total_events"] == 4
    closed = office.service.get(old.request_id)
    assert (closed.state, closed.follow_up, closed.problems) == (State.COMPLETED, made.request_id, ())
    assert office.service.follow_up(old.request_id) == answered
    office.town.invoice(OLA, moment(8), moment(19))
    assert office.service.recheck(moment(20)) == []


def test_a_follow_up_while_the_broker_is_away_is_made_and_goes_on_by_itself(office: Office) -> None:
    """It is recorded, so nobody is told to ask again; whoever does gets the same request."""
    old = office.ask("access")
    office.town.visit(MOVED, moment(10, 15), moment(17))
    office.service.recheck(moment(18))
    office.away = True
    made = office.service.follow_up(old.request_id)
    assert office.service.get(old.request_id).follow_up == made.request_id
    office.away = False
    assert office.service.follow_up(old.request_id).request_id == made.request_id
    assert len(office.service.requests()) == 2
    office.service.resume()
    assert office.service.get(made.request_id).state is State.ANSWERED


def test_nothing_to_follow_up_is_refused(office: Office) -> None:
    """A request to which nothing came to light stays as it is."""
    made = office.ask("access")
    with pytest.raises(InputError, match="nothing came to light"):
        office.service.follow_up(made.request_id)


def test_an_erasure_forgets_what_was_found_by_address_and_nothing_else(office: Office) -> None:
    """The visits while the address was hers; those of the neighbour and the shared ones stay."""
    before = len(office.town.index)
    erased = office.ask("erasure")
    assert erased.state is State.COMPLETED
    counts = {"rows_removed": 2, "rows_narrowed": 1, "rows_ended": 0}
    assert (erased.resolution, erased.forgotten) == ("unique", counts)
    assert len(office.town.index) == before - 2
    # What was erased with is in the case file, and in nothing that is shown.
    assert erased.identity is not None
    assert len(erased.identity.spans) > 2
    assert "spans" not in str(summary(erased))


def test_an_erased_persons_late_events_are_found_and_erased_too(office: Office) -> None:
    """The links went with the erasure; the spans of then still tell, except where somebody else is linked since."""
    old = office.ask("erasure")
    office.town.visit(MOVED, moment(10, 15), moment(17))
    office.town.visit(MOVED, moment(10, 45), moment(17))
    (opened,) = office.service.recheck(moment(18))
    assert [item["events"] for item in late(opened)] == [2]
    office.town.lease(MOVED, OLA, moment(10, 30), moment(11, 0), moment(18))
    (opened,) = office.service.recheck(moment(19))
    assert [item["events"] for item in late(opened)] == [2, 1]
    office.now = moment(20)
    made = office.carry_out(office.service.follow_up(old.request_id).request_id)
    assert made.state is State.COMPLETED
    visits = office.town.index.find([Span(office.town.token("ip", MOVED), moment(10), moment(12))])
    assert (made.forgotten or {})["rows_removed"] == 1
    assert visits.total_events == 1
    office.town.invoice(OLA, moment(8), moment(20))
    assert office.service.recheck(moment(21)) == []


@pytest.mark.parametrize("type", ["access", "erasure"])
@pytest.mark.parametrize(
    ("identifiers", "word"),
    [
        ([("ip", MOVED)], "give the time"),
        ([Named("ip", SHARED, moment(11))], "give another identifier"),
    ],
)
def test_an_identifier_of_several_people_needs_a_person(
    office: Office, type: str, identifiers: Identifiers, word: str
) -> None:
    """Nothing is answered or erased; the request says what to give."""
    before = len(office.town.index)
    request = office.ask(type, identifiers)
    assert (request.state, request.resolution) == (State.ATTENTION, "ambiguous")
    assert word in request.problems[0]
    assert (request.report, request.plan, len(office.town.index)) == (None, None, before)


def test_an_address_with_its_time_names_the_person(office: Office) -> None:
    """All that is hers is answered, and the time stays sealed with the address."""
    request = office.ask("access", [Named("ip", MOVED, moment(11))])
    assert request.report is not None
    assert request.report["total_events"] == 3
    assert MOVED not in str(office.ledger.stored)


def told(office: Office, identifiers: Identifiers) -> list[Any]:
    """What the systems were told to erase by."""
    office.ask("erasure", identifiers)
    topic, message = next(item for item in office.sent if item[0].startswith("deletion."))
    command = decode(load_records()["ErasureCommand"], message)
    system = topic.removeprefix("deletion.")
    return told_json(opened(command, office.town.keyring.systems.job(system).current))


def test_no_system_is_told_to_erase_by_an_address_that_others_had(office: Office) -> None:
    """Beside another identifier it says nothing more; alone it goes with its second."""
    assert told(office, [*KARI_BY_NUMBER, ("ip", MOVED)]) == [["customer_number", KARI]]


def test_a_system_is_told_the_second_of_an_address(office: Office) -> None:
    """By which it can tell the person's events from the neighbour's."""
    assert told(office, [Named("ip", MOVED, moment(11))]) == [["ip", MOVED, "2026-05-01T11:00:00Z", None]]


def test_a_lost_key_leaves_what_was_known(office: Office) -> None:
    """Nobody can tell any more who it was: late events under the spans of then are still found."""
    made = office.ask("access")
    office.town.keyring.destroy(f"request-{made.request_id}")
    office.town.visit(MOVED, moment(10, 15), moment(17))
    (opened,) = office.service.recheck(moment(18))
    assert [item["events"] for item in late(opened)] == [1]


def test_a_moment_between_plan_and_end_is_looked_at(office: Office) -> None:
    """A link that came while the systems were erasing is found after the end, though nothing was learnt since."""
    made = office.service.create(
        "erasure", KARI_BY_NUMBER, reason=None, channel="email", received_at=office.now
    )
    advance_and_tell(office.service, made.request_id)
    office.town.lease(MOVED, KARI, moment(14), moment(15, 30), moment(17))
    assert office.service.recheck(moment(17)) == []
    office.now = moment(18)
    office.carry_out(made.request_id)
    (opened,) = office.service.recheck(moment(18))
    assert [(item["events"], item["because"]) for item in late(opened)] == [(1, "links")]

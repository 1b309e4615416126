"""Runs of checks: every result is stored, one that breaks stops no other, and the topic is told each change once."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from schemas.errors import BrokerUnavailable, IndexUnavailable, InputError
from schemas.messages import DutyFinding, FindingPlace, message_of
from schemas.own import own_record
from schemas.times import whole_milliseconds
from sinks.ports.findings import ControlRun, FindingEntry
from streams.duties.check import not_observable
from streams.duties.findings import UNSAID, Standing
from streams.duties.run import due
from streams.duties.telling import TOPIC, tell
from streams.rights.protocol.messages import decoded
from tests.support.duties import Duties, violation
from tests.support.index import NOW


def test_a_result_is_stored_of_every_check() -> None:
    """With how many things it looked at, and what is missing where nothing can be seen."""
    duties = Duties()
    duties.breaks("first", "a", "b")
    duties.says["second"] = not_observable("Nobody says when.")
    runs = duties.desk.run()
    assert [(run.check, run.verdict, run.looked_at, run.found, run.why) for run in runs] == [
        ("first", "broken", 9, 2, ""),
        ("second", "not_observable", 0, 0, "Nobody says when."),
    ]
    assert sorted(duties.controls.runs(), key=lambda run: run.check) == runs
    assert all(run.begun < run.ended for run in runs)


def test_a_check_that_breaks_is_a_result_and_stops_no_other() -> None:
    """What it says shows no value that it broke on; its findings stay as they were."""
    duties = Duties()
    duties.breaks("first", "a")
    duties.desk.run()
    duties.says["first"] = ValueError("10042 of Kari")
    failed, kept = duties.desk.run()
    assert (failed.verdict, kept.verdict) == ("failed", "kept")
    assert failed.why.startswith("a bug in the check: ValueError")
    assert "Kari" not in failed.why
    assert [item.standing for item in duties.desk.findings()] == [Standing.OPEN]
    duties.says["first"] = IndexUnavailable("the index is away; start it")
    assert duties.desk.run(["first"])[0].why == "the index is away; start it"


def test_only_checks_that_there_are_run_and_nothing_before_that_is_known() -> None:
    duties = Duties()
    with pytest.raises(InputError, match="no check of that name"):
        duties.desk.run(["first", "third"])
    assert duties.ran == []
    duties.desk.run(["second", "second"])
    assert duties.ran == ["second"]


def test_a_check_is_due_when_its_last_run_is_old_enough() -> None:
    """One that failed too: it is not tried again at once; one that never ran is."""
    duties = Duties()
    duties.says["first"] = ValueError()
    assert due(["first", "second"], duties.controls, 60.0, duties.now) == ["first", "second"]
    (run,) = duties.desk.run(["first"])
    later = run.begun + timedelta(seconds=59)
    assert due(["first", "second"], duties.controls, 60.0, later) == ["second"]
    assert due(["first"], duties.controls, 60.0, later + timedelta(seconds=1)) == ["first"]


def test_a_control_shows_its_last_run_and_what_is_open() -> None:
    duties = Duties()
    duties.breaks("first", "a", "b")
    duties.desk.run(["first"])
    duties.desk.explain(duties.desk.findings()[0].id, "a trial", "dpo")
    first, second = duties.desk.controls()
    assert (first.check.name, first.open, second.open) == ("first", 1, 0)
    assert first.stands is not None
    assert first.stands.last.verdict == "broken"
    assert second.stands is None


def test_findings_are_given_by_state_and_check_and_acted_on_by_id() -> None:
    duties = Duties()
    duties.breaks("first", "a", "b")
    duties.breaks("second", "a")
    duties.desk.run()
    one, two, three = duties.desk.findings()
    assert [item.check for item in (one, two, three)] == ["first", "first", "second"]
    assert duties.desk.accept(two.id, "until the move", "dpo", date(2026, 6, 30)).until == date(2026, 6, 30)
    assert [item.id for item in duties.desk.findings([Standing.OPEN])] == [one.id, three.id]
    assert [item.id for item in duties.desk.findings(check="second")] == [three.id]
    assert [item.id for item in duties.desk.findings([Standing.ACCEPTED])] == [two.id]
    duties.now += timedelta(days=30)
    assert {item.id for item in duties.desk.findings([Standing.OPEN])} == {one.id, two.id, three.id}
    with pytest.raises(InputError, match="no finding of that name"):
        duties.desk.explain("f-0000000000000000", "why", "dpo")
    assert duties.desk.finding(f"first/{one.key}") == one


def sent_of(duties: Duties) -> list[DutyFinding]:
    """What the topic is told now."""
    sent: list[DutyFinding] = []

    def send(topic: str, message: bytes, key: bytes) -> None:
        assert topic == TOPIC
        said = message_of(DutyFinding, decoded(own_record("DutyFinding"), message))
        assert key == said.finding.encode()
        sent.append(said)

    assert tell(duties.findings, send) == len(sent)
    return sent


def test_every_change_is_told_once_by_places_and_without_a_token() -> None:
    duties = Duties()
    duties.breaks("first", "a")
    duties.desk.run()
    (opened,) = sent_of(duties)
    assert (opened.check, opened.key, opened.change, opened.state) == ("first", "a", "opened", "open")
    assert opened.since == whole_milliseconds(violation().since)
    assert opened.evidence == (FindingPlace("web.visits", 3, 17, 1),)
    assert sent_of(duties) == []
    duties.desk.accept(opened.finding, "until the move", "dpo", date(2026, 6, 30))
    duties.says["first"] = duties.says["second"]
    duties.desk.run()
    # What somebody wrote freely stays here.
    accepted, mended = sent_of(duties)
    assert (accepted.change, accepted.state, accepted.reason) == ("accepted", "accepted", None)
    assert (accepted.until, accepted.says) == (date(2026, 6, 30), opened.says)
    assert (mended.change, mended.state, mended.reason, mended.sequence) == ("mended", "mended", None, 2)


def test_what_could_not_be_sent_is_told_later() -> None:
    duties = Duties()
    duties.breaks("first", "a")
    duties.desk.run()

    def away(*_: object) -> None:
        raise BrokerUnavailable("no broker")

    with pytest.raises(BrokerUnavailable):
        tell(duties.findings, away)
    assert len(sent_of(duties)) == 1


def test_what_lost_its_opening_is_told_by_what_is_left() -> None:
    duties = Duties()
    duties.findings.append(FindingEntry("f-1", 1, "explained", NOW, "first", "a"))
    duties.findings.append(FindingEntry("f-1", 3, "mended", NOW, "first", "a"))
    assert [(item.sequence, item.says, item.state) for item in sent_of(duties)] == [
        (1, UNSAID, "explained"),
        (3, UNSAID, "mended"),
    ]


def test_a_check_is_due_whose_last_run_is_still_to_come() -> None:
    """By a clock that was ahead: it would else not run until then."""
    duties = Duties()
    ahead = NOW + timedelta(days=3)
    duties.controls.store(ControlRun("first", ahead, ahead, "kept"))
    assert due(["first"], duties.controls, 60.0, NOW) == ["first"]
    duties.desk.run(["first"])
    assert due(["first"], duties.controls, 60.0, duties.now) == []
    assert duties.desk.controls()[0].stands == duties.controls.stands(duties.now)[0]

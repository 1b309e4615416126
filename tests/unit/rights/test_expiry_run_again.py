"""When the clock begins a retention run, and when a system is told again; both also after the rules have changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streams.answers.keeping import NOTHING_KEPT
from streams.rights.other_rules import OtherRules
from streams.rights.protocol.request import State
from tests.support.approved_rules import keep_longer
from tests.support.office import Office
from tests.support.suppressing import OLA
from tests.unit.rights.test_expiry_run import LONG_AGO, answered, approved, begun, held, office, view

__all__ = ["office"]


def test_the_clock_begins_a_run_once_its_hour_has_come(office: Office) -> None:
    """13 o'clock in Norway; once a day, and another one as long as there is more."""
    assert office.service.retention_on_clock(office.now, 14) is None
    made = office.service.retention_on_clock(office.now, 13)
    assert made is not None
    assert made.by == "clock"
    office.deliver()
    assert office.service.retention_on_clock(office.now, 13) is None
    run = approved(office, office.service.get(made.request_id))
    answered(office, office.expiries[0])
    assert office.service.get(run.request_id).state is State.COMPLETED
    view(office, OLA, LONG_AGO)
    assert office.service.retention_on_clock(office.now, 13) is not None
    office.deliver()
    answered(office, office.expiries[-1])
    assert office.service.retention_on_clock(office.now, 13) is None
    view(office, OLA, LONG_AGO)
    assert office.service.retention_on_clock(office.now, 13) is None, "this day is done"
    office.now += timedelta(days=1)
    assert office.service.retention_on_clock(office.now, 13) is not None


def test_the_clock_does_not_begin_again_what_a_system_withholds(office: Office) -> None:
    """Else it would be told all day; it is told again on the next one."""
    made = office.service.retention_on_clock(office.now, 13)
    assert made is not None
    office.deliver()
    approved(office, office.service.get(made.request_id))
    run = answered(
        office,
        office.expiries[0],
        state="withheld",
        erased=0,
        held=3,
        ground="T98",
        citation="bokføringsloven § 13",
        review_date=(office.now + timedelta(days=60)).date(),
    )
    assert (run.state, held(office)) == (State.COMPLETED, 5)
    assert office.service.retention_on_clock(office.now, 13) is None
    office.now += timedelta(days=1)
    assert office.service.retention_on_clock(office.now, 13) is not None


def test_the_clock_does_not_begin_again_what_a_person_took_back(office: Office) -> None:
    """A person may, on the same day."""
    made = office.service.retention_on_clock(office.now, 13)
    assert made is not None
    office.deliver()
    office.service.cancel(made.request_id)
    assert office.service.retention_on_clock(office.now, 13) is None
    assert begun(office).request_id == "x-20261122-2"


def test_nobody_is_told_by_rules_that_changed_after_the_plan(office: Office) -> None:
    """It waited for its approval while a longer period was put in force. It goes on by the rules of its plan alone."""
    run = begun(office)
    before = office.catalogue
    keep_longer(office, "T31")
    run = approved(office, run)
    assert (run.state, office.expiries, held(office)) == (State.ATTENTION, [], 5)
    assert "retention rules have changed since x-20261122-1 was planned" in run.problems[0]
    office.catalogue = before
    office.serve(NOTHING_KEPT)
    office.service.resume()
    office.deliver()
    assert len(office.expiries) == 1


def test_no_system_is_told_again_by_rules_that_changed_since(office: Office) -> None:
    """The system has not answered; what it would delete by the command is kept by the rules of today. It is said on the
    run, which a person ends, and nothing has run out by the rules of now, for which another one is begun."""
    run = approved(office, begun(office))
    assert len(office.expiries) == 1
    keep_longer(office, "T31")
    with pytest.raises(OtherRules, match="innsyn requests close x-20261122-1 --reason"):
        office.service.resend(run.request_id)
    run = office.service.get(run.request_id)
    assert (run.state, len(office.expiries)) == (State.ATTENTION, 1)
    assert "the retention rules have changed since x-20261122-1 was planned" in run.problems[0]
    run = office.service.close(run.request_id, "the rules have changed")
    assert (run.state, held(office)) == (State.CLOSED, 5)
    # These were not approved yet.
    second = begun(office)
    assert ((second.plan or {})["run"]["index"], second.awaits_approval) == ([], True)


def test_time_alone_tells_no_system_again_by_rules_that_changed_since(office: Office) -> None:
    run = approved(office, begun(office))
    keep_longer(office, "T31")
    office.now += timedelta(days=2)
    office.service.on_time(office.now)
    run = office.service.get(run.request_id)
    assert (run.state, len(office.expiries)) == (State.ATTENTION, 1)
    assert "the retention rules have changed" in run.problems[0]


def test_what_a_system_did_by_the_rules_of_before_is_forgotten_by_the_index(office: Office) -> None:
    """It was told before they changed: it is done there."""
    run = approved(office, begun(office))
    keep_longer(office, "T31")
    run = answered(office, office.expiries[0])
    assert (run.state, held(office)) == (State.COMPLETED, 2)

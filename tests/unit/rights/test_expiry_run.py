"""A retention run: planned, told, forgotten as systems answer, and counted again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streams.answers.keeping import NOTHING_KEPT
from streams.rights.case import Recorded
from streams.rights.protocol.request import RequestState, State
from tests.support.company import model
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.support.receipts import hear
from tests.support.suppressing import KARI, OLA
from tests.unit.rights.test_short import visit

LONG_AGO, YESTERDAY = NOW - timedelta(days=60), NOW - timedelta(days=1)
BY, OTHER = "web.token", "other.token"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Kari's two viewings and Ola's one have run out (T31: six weeks); one of each is of yesterday."""
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        view(made, KARI, LONG_AGO, LONG_AGO, YESTERDAY)
        view(made, OLA, LONG_AGO, YESTERDAY)
        yield made


def view(office: Office, customer: str, *times: datetime) -> None:
    seen = {"kind": "live", "customer_number": customer, "device_serial": f"STB{customer}0001"}
    office.put("tv.viewings", *({**seen, "started_at": at} for at in times))


def held(office: Office) -> int:
    """Events in the index, however old."""
    return sum(item.events for item in office.index.expiry.by_day(model().catalogue.calendar.zone))


def begun(office: Office) -> RequestState:
    """A run as far as it comes without anybody."""
    looked = office.service.run_retention(office.now, BY)
    assert looked.run is not None, looked.why
    office.deliver()
    return office.service.get(looked.run.request_id)


def approved(office: Office, run: RequestState, by: str = OTHER) -> RequestState:
    office.service.approve(run.request_id, run.digest or "", by)
    office.deliver()
    return office.service.get(run.request_id)


def answered(office: Office, command: dict[str, Any], **said: Any) -> RequestState:
    """What the system says: all of it done, or what is said."""
    expected = sum(item["expected"] for item in command["records"])
    outcomes = [
        {"record": item["record"], "deleted": item["expected"], "redacted": 0, "stayed_for": []}
        for item in command["records"]
    ]
    whole = {
        "state": "done",
        "erased": expected,
        "held": 0,
        "outcomes": outcomes,
        **dict.fromkeys(("ground", "review_date", "reason", "citation", "retryable")),
        "reported_at": office.now,
        **{name: command[name] for name in ("command_id", "request_id", "system")},
        **said,
    }
    if "outcomes" not in said and whole["erased"] != expected:
        whole["outcomes"] = []
    hear(office.service, whole, command["attempt"])
    office.deliver()
    return office.service.get(command["request_id"])


def through(office: Office) -> RequestState:
    """A whole run, which every system does."""
    run = begun(office)
    if run.awaits_approval:
        run = approved(office, run)
    for command in office.expiries:
        if command["request_id"] == run.request_id:
            answered(office, command)
    return office.service.get(run.request_id)


def test_the_first_run_is_seen_by_a_second_person(office: Office) -> None:
    """It takes all that ever ran out. Nothing is told or forgotten before."""
    run = begun(office)
    assert (run.request_id, run.of_everybody, run.awaits_approval) == ("x-20261122-1", True, True)
    assert office.expiries == []
    with pytest.raises(Exception, match="same credential"):
        office.service.approve(run.request_id, run.digest or "", BY)
    assert held(office) == 5
    assert approved(office, run).state is State.COMMANDED


def test_a_run_deletes_what_has_run_out_and_nothing_else(office: Office) -> None:
    run = approved(office, begun(office))
    (command,) = office.expiries
    (record,) = command["records"]
    assert (command["system"], record["record"], record["rule"]) == ("tv_middleware", "TvViewing", "T31")
    # In summer or winter, the first moment of the day in Norway.
    assert record["before"] == datetime(2026, 10, 10, 22, tzinfo=UTC)
    assert record["expected"] == 3
    assert held(office) == 5
    run = answered(office, command)
    assert (run.state, held(office), run.forgotten) == (
        State.COMPLETED,
        2,
        {"events_removed": 3, "events_narrowed": 0},
    )
    assert run.problems == ()


def test_the_next_run_of_the_same_rules_goes_by_itself(office: Office) -> None:
    """And there is none where nothing has run out."""
    assert through(office).state is State.COMPLETED
    looked = office.service.run_retention(office.now, BY)
    assert (looked.run, looked.why) == (None, "nothing has run out that is not taken already")
    office.now += timedelta(days=30)
    assert office.service.run_retention(office.now, BY).run is None
    office.now += timedelta(days=4)
    view(office, KARI, LONG_AGO)
    run = begun(office)
    assert (run.request_id, run.awaits_approval, run.state) == ("x-20261226-1", False, State.COMMANDED)


def test_one_run_at_a_time(office: Office) -> None:
    run = begun(office)
    looked = office.service.run_retention(office.now, BY)
    assert looked.run is not None
    assert (looked.run.request_id, looked.why) == (run.request_id, "x-20261122-1 is under way")


def test_a_run_takes_the_oldest_and_the_next_one_the_rest(office: Office) -> None:
    """On the same day, until there is nothing more; also after a while in which none was made."""
    office.batch = 2
    office.serve(NOTHING_KEPT)
    view(office, OLA, LONG_AGO - timedelta(days=5), LONG_AGO - timedelta(days=6))
    ends = [through(office) for _ in range(2)]
    assert [(item.request_id, item.forgotten["events_removed"]) for item in ends if item.forgotten] == [
        ("x-20261122-1", 2),
        ("x-20261122-2", 3),
    ]
    assert office.service.run_retention(office.now, BY).run is None
    assert held(office) == 2


# What systems do, and do not do.


def test_a_system_that_fails_does_not_stop_the_others(office: Office) -> None:
    """What it did not do stays in the index, and the next run leaves it to this one."""
    office.put("web.visits", {**visit(0), "occurred_at": NOW - timedelta(days=200)})
    run = approved(office, begun(office))
    commands = {command["system"]: command for command in office.expiries}
    assert set(commands) == {"tv_middleware", "web"}
    before = held(office)
    run = answered(office, commands["web"], state="failed", erased=0, reason="unknown_field", retryable=False)
    assert (run.state, held(office)) == (State.ATTENTION, before)
    run = answered(office, commands["tv_middleware"])
    assert (run.state, held(office)) == (State.ATTENTION, before - 3)
    office.now += timedelta(days=1)
    view(office, KARI, LONG_AGO)
    second = begun(office)
    assert sorted(second.commands) == [f"{second.request_id}/tv_middleware"]
    office.service.resend(run.request_id)
    office.deliver()
    run = answered(office, office.expiries[-1])
    assert run.state is State.COMPLETED


def test_a_system_that_tells_of_fewer_is_for_a_person_to_judge(office: Office) -> None:
    """Its rows stay in the index until somebody takes that for enough."""
    approved(office, begun(office))
    run = answered(office, office.expiries[0], erased=2)
    assert (run.state, held(office)) == (State.ATTENTION, 5)
    office.service.accept(run.request_id, "tv_middleware", "one was deleted by hand")
    office.deliver()
    assert (office.service.get(run.request_id).state, held(office)) == (State.COMPLETED, 2)


def test_a_system_that_tells_of_some_more_is_done(office: Office) -> None:
    """They came to it after the plan. Ten times as many are for a person to look at."""
    approved(office, begun(office))
    assert answered(office, office.expiries[0], erased=20, outcomes=[]).state is State.COMPLETED
    view(office, OLA, LONG_AGO, LONG_AGO, LONG_AGO)
    begun(office)
    run = answered(office, office.expiries[1], erased=31, outcomes=[])
    assert (run.state, held(office)) == (State.ATTENTION, 5)


def test_a_system_that_never_answers_is_told_again_and_then_shown(office: Office) -> None:
    """And a new run is begun beside it on another day, for all that it does not wait for."""
    run = approved(office, begun(office))
    for _ in range(12):
        office.now += timedelta(days=8)
        office.service.on_time(office.now)
        office.deliver()
    run = office.service.get(run.request_id)
    assert (run.state, len(office.expiries) > 4) == (State.ATTENTION, True)
    assert ["has not answered" in line for line in run.problems] == [True]
    assert held(office) == 5


def test_what_a_system_withholds_as_the_law_has_it_stays(office: Office) -> None:
    approved(office, begun(office))
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


def test_a_run_that_is_closed_forgets_what_was_done(office: Office) -> None:
    office.put("web.visits", {**visit(0), "occurred_at": NOW - timedelta(days=200)})
    approved(office, begun(office))
    commands = {command["system"]: command for command in office.expiries}
    answered(office, commands["web"])
    office.service.close("x-20261122-1", "the store is gone")
    office.deliver()
    run = office.service.get("x-20261122-1")
    assert (run.state, held(office)) == (State.CLOSED, 5)


# What comes late.


def test_what_arrives_after_the_plan_is_left_for_the_next_run(office: Office) -> None:
    """Systems were told before it came: the index must not lose sight of it."""
    run = approved(office, begun(office))
    office.now += timedelta(minutes=5)
    view(office, OLA, LONG_AGO)
    run = answered(office, office.expiries[0])
    assert (run.state, held(office)) == (State.COMPLETED, 3)
    assert run.forgotten == {"events_removed": 3, "events_narrowed": 0}
    # It may be new to the system, or read anew by the index alone: whatever it says of these is enough.
    second = begun(office)
    run = answered(office, office.expiries[1], state="not_found", erased=0, outcomes=[])
    assert (second.awaits_approval, run.state, held(office)) == (False, State.COMPLETED, 2)


def test_what_is_read_anew_goes_again(office: Office) -> None:
    through(office)
    office.replay()
    assert held(office) == 5
    run = through(office)
    assert (run.state, held(office)) == (State.COMPLETED, 2)


# Clocks.


def test_a_clock_that_is_a_year_ahead_is_seen_by_a_person_before_anything_goes(office: Office) -> None:
    """After its first run nobody has to approve one; by a clock that jumped somebody has."""
    through(office)
    right = office.now
    office.now += timedelta(days=365)
    run = begun(office)
    assert (run.awaits_approval, len(office.expiries), held(office)) == (True, 1, 2)
    # And when it is set back, nothing goes by it even then.
    office.now = right
    run = approved(office, run)
    assert (run.state, len(office.expiries), held(office)) == (State.ATTENTION, 1, 2)


def test_a_broker_that_is_away_holds_a_run_up_and_loses_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from schemas.errors import BrokerUnavailable

    run = begun(office)
    real: Callable[..., None] = office.service._sending._send

    def away(*_: object) -> None:
        raise BrokerUnavailable("away")

    monkeypatch.setattr(office.service._sending, "_send", away)
    office.service.approve(run.request_id, run.digest or "", OTHER)
    with pytest.raises((BrokerUnavailable, Recorded)):
        office.service.advance(run.request_id)
    assert office.service.get(run.request_id).state is State.PLANNED
    monkeypatch.setattr(office.service._sending, "_send", real)
    office.service.resume()
    office.deliver()
    assert answered(office, office.expiries[0]).state is State.COMPLETED

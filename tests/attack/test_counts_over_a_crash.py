"""kill -9 in an erasure: its proof says how many rows went, whenever the process ended and whatever came meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.errors import InputError
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.ports.erasure import Forgotten
from streams.rights.protocol.states import State
from tests.support.crashing_eraser import PERSON, SteppingClickHouse, visit
from tests.support.index import empty, memory_index, running, sql_index
from tests.support.office import Office
from tests.unit.rights.test_short import GONE

ROOT = Path(__file__).parents[2]


class Killed(BaseException):
    """What no code of ours catches: as if the process had ended there."""


class Dying:
    """An eraser that ends the process before or after its work; what it forgot stays forgotten."""

    def __init__(self, office: Office, before: bool) -> None:
        self._office, self._eraser, self._before = office, office.index.eraser, before

    def going(self, *given: Any) -> Forgotten:
        return self._eraser.going(*given)

    def forget(self, *given: Any) -> Forgotten:
        if not self._before:
            self._eraser.forget(*given)
        raise Killed


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    with ExitStack() as stack:
        made = Office(tmp_path, memory_index(), stack)
        made.put("web.visits", *(visit(minute) for minute in range(5)), visit(9, "c-2"))
        yield made


def killed(office: Office, before: bool) -> str:
    """An erasure whose process ended in the middle; the next one begins a minute later."""
    office.erasure._eraser = Dying(office, before)
    with pytest.raises(Killed):
        office.erase(PERSON, anchors=GONE)
    office.erasure._eraser = office.index.eraser
    office.now += timedelta(minutes=1)
    (request,) = office.service.requests()
    return request.request_id


def resumed(office: Office, request_id: str) -> Any:
    office.service.resume()
    office.deliver()
    office.service.resume()
    return office.service.get(request_id)


@pytest.mark.parametrize("before", [True, False])
def test_a_run_that_is_taken_up_says_what_both_removed(office: Office, before: bool) -> None:
    """Nothing had gone, or all had and nobody could say so."""
    request = resumed(office, killed(office, before))
    assert request.state is State.COMPLETED
    assert request.forgotten == {"rows_removed": 5, "rows_narrowed": 0, "rows_ended": 5}
    assert office.events(*PERSON) == 0


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("late", [1, 5])
def test_what_came_meanwhile_is_told_and_counted_on_top(office: Office, before: bool, late: int) -> None:
    """Fewer or as many as were planned, so that the number of events there does not show them."""
    request_id = killed(office, before)
    office.put("web.visits", *(visit(20 + number) for number in range(late)))
    office.now += timedelta(minutes=1)
    request = resumed(office, request_id)
    assert (request.state, office.stored("web", PERSON)) == (State.COMPLETED, 0)
    assert request.forgotten["rows_removed"] == 5 + late
    assert request.commands[f"{request_id}/web"].erased == 5 + late


def test_what_is_read_again_meanwhile_is_no_second_row(office: Office) -> None:
    """A replay over the crash brings back rows that had gone: they go once more, and count once."""
    request_id = killed(office, before=False)
    office.replay()
    assert office.events(*PERSON) == 5
    request = resumed(office, request_id)
    assert (request.state, office.events(*PERSON)) == (State.COMPLETED, 0)
    assert request.forgotten["rows_removed"] == 5


def test_two_processes_that_forget_at_once_count_once(office: Office) -> None:
    """The second one comes in after the first has removed all and before it said so."""
    eraser, inside = office.index.eraser, list[bool]()

    class Beside(Dying):
        def forget(self, *given: Any) -> Forgotten:
            done = eraser.forget(*given)
            if not inside:
                inside.append(True)
                office.service.advance(office.service.requests()[0].request_id)
            return done

    office.erasure._eraser = Beside(office, before=False)
    request = office.erase(PERSON, anchors=GONE)
    assert request.state is State.COMPLETED
    assert request.forgotten == {"rows_removed": 5, "rows_narrowed": 0, "rows_ended": 5}


def test_an_index_that_keeps_rows_is_counted_for_what_it_gave(office: Office) -> None:
    """Half of it stays and is found: attention, and no cancelling then; with the rest gone all of it is counted."""
    real = office.index.eraser

    class Half(Dying):
        def forget(self, spans: Any, *more: Any) -> Forgotten:
            return real.forget([replace(span, since=visit(2)["occurred_at"]) for span in spans], *more)

    office.erasure._eraser = Half(office, before=False)
    request = office.erase(PERSON, anchors=GONE)
    assert (request.state, office.events(*PERSON)) == (State.ATTENTION, 2)
    with pytest.raises(InputError, match="forgotten some"):
        office.service.cancel(request.request_id)
    office.erasure._eraser = real
    office.now += timedelta(minutes=1)
    office.service.resend(request.request_id)
    office.deliver()
    request = office.service.get(request.request_id)
    assert (request.state, (request.forgotten or {})["rows_removed"]) == (State.COMPLETED, 5)


def test_every_statement_may_be_the_last_one(tmp_path: Path) -> None:
    """The engine changes rows in several statements: ended before and after each, for one person each."""
    with running("chdb", tmp_path / "index") as (database, _), ExitStack() as stack:
        office = Office(tmp_path, sql_index(empty(database)), stack)
        left = [0]

        def step() -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Killed

        index = SteppingClickHouse(f"chdb://{tmp_path / 'index'}", step)
        office.erasure._eraser = ClickHouseEraser(index)
        people = [f"c-{number}" for number in range(8)]
        office.put("web.visits", *(visit(minute, name) for name in people for minute in range(3)))
        died = 0
        for number, name in enumerate(people, start=1):
            left[0] = number
            try:
                office.erase(("cookie_id", name), anchors=GONE)
            except Killed:
                died += 1
            left[0] = 0
            office.now += timedelta(minutes=1)
            request = resumed(office, office.service.requests()[-1].request_id)
            assert request.state is State.COMPLETED
            assert request.forgotten == {"rows_removed": 3, "rows_narrowed": 0, "rows_ended": 3}
        index.close()
        assert died >= 4


def test_a_process_that_is_killed_again_and_again_leaves_a_true_count(tmp_path: Path) -> None:
    """SIGKILL, three times at different statements, index and ledger on disk; late events come before the end."""
    given = {"home": str(tmp_path), "fatal": [9, 2, 4], "late": 2}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.crashing_eraser"],
        input=json.dumps(given), capture_output=True, text=True, cwd=ROOT, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["killed"] == 3
    assert (said["state"], said["left"], said["others"]) == ("completed", 0, 1)
    assert said["forgotten"] == {"rows_removed": 7, "rows_narrowed": 0, "rows_ended": 7}

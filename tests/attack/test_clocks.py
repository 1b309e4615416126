"""Clocks that jump back between two writes: what is recorded later is later all the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.wiring.clock import Forward
from schemas.catalogue import load_catalogue
from streams.rights.late_findings import late_finding
from tests.support.index import memory_index
from tests.support.office import NOW, Office
from tests.support.time_bounds import HANGING_SECONDS

NUMBER = ("customer_number", "k-100200")
STEPS = st.lists(st.integers(-20 * 3600, 20 * 3600), max_size=20)


@given(STEPS)
def test_the_clock_never_goes_back_and_catches_up(steps: list[int]) -> None:
    """Whatever the machine's clock does within a day, and it is right again once that one is ahead of all before."""
    machine = [NOW]
    clock = Forward(lambda: machine[0])
    seen = [clock()]
    for seconds in steps:
        machine[0] = max(machine[0] + timedelta(seconds=seconds), NOW - timedelta(hours=1))
        if seen[-1] - machine[0] <= timedelta(hours=24):
            seen.append(clock())
    assert all(before <= after for before, after in pairwise(seen))
    machine[0] = seen[-1] + timedelta(seconds=1)
    assert clock() == machine[0]
    assert clock.problems() == ()


def test_a_clock_that_is_behind_is_a_problem_until_it_has_caught_up() -> None:
    """And one that was days ahead is not waited for: it is said that the order is lost."""
    machine = [NOW]
    clock = Forward(lambda: machine[0])
    assert clock() == NOW
    machine[0] = NOW - timedelta(minutes=10)
    first = clock()
    assert NOW < first < NOW + timedelta(seconds=1)
    (line,) = clock.problems()
    assert line.startswith(
        "the clock of this machine is 0:10:00 behind what was recorded by it: set it right"
    )
    machine[0] = NOW + timedelta(seconds=1)
    assert clock.problems() == ()
    machine[0] = NOW - timedelta(days=300)
    assert clock() == machine[0]
    assert clock.problems() == ()


def test_what_was_recorded_before_a_start_is_not_overtaken() -> None:
    """The clock was set back while nothing ran."""
    clock = Forward(lambda: NOW)
    clock.after(NOW + timedelta(minutes=5))
    assert clock() > NOW + timedelta(minutes=5)
    clock.after(NOW)
    assert clock() > NOW + timedelta(minutes=5)


def test_what_is_learnt_after_an_answer_is_a_late_finding_though_the_clock_went_back(tmp_path: Path) -> None:
    """By the clock of the machine it was written before the answer, and would have been taken for known then."""
    with ExitStack() as stack:
        office = Office(tmp_path, memory_index(), stack)
        machine = [NOW]
        clock = Forward(lambda: machine[0])

        def customer(offset: timedelta) -> dict[str, Any]:
            return {
                "customer_number": NUMBER[1],
                "email": "k@example.no",
                "name": "N",
                "updated_at": NOW + offset,
            }

        office.now = clock()
        office.put("crm.customers", customer(-timedelta(days=9)))
        office.now = clock()
        made = office.service.create(
            "access", [NUMBER], reason=None, channel="test", received_at=office.now, anchors=None
        )
        office.deliver()
        request = office.service.get(made.request_id)
        assert request.completed_at is not None
        machine[0] = NOW - timedelta(hours=1)
        office.now = clock()
        office.put("crm.customers", customer(-timedelta(days=8)))
        identity = request.identity
        assert identity is not None
        finding = late_finding(request, identity.spans, office.index.reader, load_catalogue())
        assert finding is not None
        assert finding.events == 1


def _libfaketime() -> Path | None:
    """Debian's, or that of the Python package."""
    package = find_spec("libfaketime")
    places = [
        *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
        *(
            Path(folder) / "vendor/libfaketime/src/libfaketime.so.1"
            for folder in (package.submodule_search_locations or () if package else ())
        ),
    ]
    return next((place for place in places if place.exists()), None)


@pytest.mark.skipif(_libfaketime() is None, reason="libfaketime is not installed")
def test_ledgers_stay_in_order_under_a_clock_that_is_set_back(tmp_path: Path) -> None:
    """Ten minutes back in the middle of a process, and over a start: ledger, epochs and requests go on."""
    offset = tmp_path / "offset"
    offset.write_text("+0\n")
    for written in (2, 4):
        run = subprocess.run(
            [sys.executable, "-m", "tests.support.set_back", str(tmp_path / "index"), str(offset)],
            env={
                **os.environ,
                "LD_PRELOAD": str(_libfaketime()),
                "FAKETIME_TIMESTAMP_FILE": str(offset),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            },
            capture_output=True,
            text=True,
            timeout=HANGING_SECONDS,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        told = json.loads(run.stdout.splitlines()[-1])
        for name in ("written", "epochs", "noted"):
            values = [row[0] for row in told[name]]
            assert len(values) == written
            assert values == sorted(set(values)), name
        assert told["problems"]
        if written == 2:
            first, second = told["machine"]
            assert second < first - 500

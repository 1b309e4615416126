"""`python -m bench.histories --examples 10000`: histories of rights requests, made up and held against a model.

What `tests/unit/rights/test_histories.py` does a little of. Prints how many were run and how long that took; a history
in which something did not hold is printed as the steps that lead to it, and ends it with a traceback.
"""

from __future__ import annotations

import argparse
import time

import structlog
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.support.histories import Histories
from tests.support.histories_of_retention import HistoriesOfRetention
from tests.support.histories_of_rights import HistoriesOfRights

_MACHINES: dict[str, type[RuleBasedStateMachine]] = {
    "rights": HistoriesOfRights,
    "erasures": Histories,
    "retention": HistoriesOfRetention,
}


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m bench.histories", description=__doc__)
    wanted.add_argument("--examples", type=int, default=10_000)
    wanted.add_argument("--steps", type=int, default=30, help="at most, of each history")
    wanted.add_argument(
        "--of", choices=sorted(_MACHINES), default="rights", help="every right is what `rights` are"
    )
    given = wanted.parse_args()
    structlog.configure(logger_factory=structlog.testing.CapturingLoggerFactory())
    machine, ran = _MACHINES[given.of], 0

    class Counted(machine):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            nonlocal ran
            ran += 1
            super().__init__()

    begun = time.monotonic()
    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=given.examples,
            stateful_step_count=given.steps,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    seconds = time.monotonic() - begun
    print(f"{ran:,} histories of up to {given.steps} steps in {seconds:.0f} s: nothing did not hold")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Bounds on time that the speed of the machine does not change.

A test never asserts how many seconds something takes. It waits with a bound against hanging, which no machine reaches
that is merely slow, or it compares processor time with that of a loop measured beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

HANGING_SECONDS = 300.0
"""Who has not answered by then never will. For what takes some seconds at most on a machine of two processors."""

_STEPS = 1_000_000
_LONGEST_PAUSE = 0.5


def await_that(met: Callable[[], bool], what: str, pause: float = 0.05) -> None:
    """Return once it is met; fails with what was awaited after HANGING_SECONDS.

    `pause`: seconds between the first two looks; each is longer than the one before, since what is asked takes time
    from what is waited for.
    """
    deadline = time.monotonic() + HANGING_SECONDS
    while not met():
        assert time.monotonic() < deadline, f"not within {HANGING_SECONDS:.0f} s: {what}"
        time.sleep(pause)
        pause = min(1.3 * pause, _LONGEST_PAUSE)


def million_steps(work: Callable[[], object]) -> float:
    """Processor time of the work, in millions of steps of an empty loop: about 15 ms each on a machine of 2025.

    A bound on it holds on a slow machine as on a fast one, because the loop is slow there as well. Bounds leave a
    factor of ten or so: they tell linear work from quadratic work, not a good day from a bad one.
    """
    before = _processor_seconds(_loop)
    taken = _processor_seconds(work)
    return taken / max(before, _processor_seconds(_loop))


def _processor_seconds(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _loop() -> None:
    for _ in range(_STEPS):
        pass

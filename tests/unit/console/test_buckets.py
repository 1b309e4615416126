"""Token buckets: the rate holds over any time, and memory is bounded."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from console.api.protection.buckets import Buckets

STEPS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 12)), max_size=60)


@given(STEPS)
def test_no_more_is_taken_in_any_time_than_burst_and_rate_allow(steps: list[tuple[int, int]]) -> None:
    """Over every stretch of steps (tenths of a second, amount), whatever was refused between."""
    now = [0.0]
    buckets = Buckets(2.0, 10.0, clock=lambda: now[0])
    taken: list[tuple[float, int]] = []
    for tenths, amount in steps:
        now[0] += tenths / 10
        expected = buckets.wait("a", amount)
        assert buckets.take("a", amount) == expected
        if not expected:
            taken.append((now[0], amount))
    for first, (since, _) in enumerate(taken):
        total = 0
        for moment, amount in taken[first:]:
            total += amount
            assert total <= 10 + 2 * (moment - since) + 1e-6


def test_the_seconds_named_are_enough_and_needed() -> None:
    """Who waits so long may; who waits less may not; more than a full bucket holds never."""
    now = [0.0]
    buckets = Buckets(0.5, 3.0, clock=lambda: now[0])
    assert buckets.take("a", 3) == 0
    assert buckets.take("a") == 2.0
    now[0] = 1.9
    assert buckets.take("a") > 0
    now[0] = 2.0
    assert buckets.take("a") == 0
    assert buckets.take("a", 4) == math.inf
    assert buckets.take("b", 3) == 0


def test_many_keys_take_no_more_memory_than_so_many() -> None:
    """A hundred thousand of them; the busy one is still known."""
    buckets = Buckets(0.001, 1.0, most=100)
    assert buckets.take("busy") == 0
    for number in range(100_000):
        buckets.take(f"k{number}")
        if number % 50 == 0:
            assert buckets.take("busy") > 0
    assert len(buckets) <= 100


def test_a_clock_that_jumps_back_frees_nobody() -> None:
    """Nor does it make anybody wait longer than before."""
    now = [100.0]
    buckets = Buckets(1.0, 1.0, clock=lambda: now[0])
    assert buckets.take("a") == 0
    now[0] = 0.0
    assert buckets.take("a") == 1.0

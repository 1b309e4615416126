"""A little of what `python -m bench.histories` does a lot of: made-up histories of requests, held against a model."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.support.histories import Histories

TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=100,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

"""A little of what `python -m bench.histories` does a lot of: made-up histories of requests, held against a model."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from schemas.vocabulary import Right
from tests.support.histories import Histories
from tests.support.histories_of_retention import HistoriesOfRetention
from tests.support.histories_of_rights import ASKED, HistoriesOfRights

_SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]
TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=100, stateful_step_count=25, deadline=None, suppress_health_check=_SLOW
)
TestHistoriesOfRights = HistoriesOfRights.TestCase
TestHistoriesOfRights.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=_SLOW
)
TestHistoriesOfRetention = HistoriesOfRetention.TestCase
TestHistoriesOfRetention.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=_SLOW
)


@pytest.mark.parametrize("right", sorted(ASKED))
def test_a_request_ends_the_same_whichever_write_its_process_is_killed_at(right: Right) -> None:
    """Before and after each write to the ledger, to Kafka and of a copy; what is replayed then changes nothing."""
    undisturbed = HistoriesOfRights()
    expected = undisturbed.to_the_end(right)
    assert undisturbed.fate.writes > 3
    for number in range(undisturbed.fate.writes):
        for after in (False, True):
            disturbed = HistoriesOfRights()
            disturbed.fate.left, disturbed.fate.after = number, after
            ended = disturbed.to_the_end(right)
            assert _named_alike(ended) == _named_alike(expected), (number, after)
            disturbed.teardown()


def _named_alike(ended: dict[str, tuple[object, ...]]) -> dict[str, object]:
    """Without the ids of requests, which are others each time."""
    return {
        name: (state, [item.partition("/")[2] for item in commands], *rest)  # type: ignore[attr-defined]
        for name, (state, commands, *rest) in ended.items()
    }

"""From which days clocks count, as the command line says it."""

from __future__ import annotations

from datetime import date

from console.cli.show.clocks import clock_lines
from schemas.calendars import NORWEGIAN
from schemas.policy import RetentionAnchors
from streams.answers.clocks import known_anchors
from tests.unit.answers.test_clocks import said


def test_each_clock_is_said_with_where_it_comes_from() -> None:
    """What events say, what was given, and that the two differ."""
    events = [said(1, 1), said(2, None, "b"), said(3, 3, "c", "case_closed"), said(4, 4, "d", "delivery")]
    typed = RetentionAnchors(contract_end=date(2026, 3, 1), order=date(2026, 2, 1))
    shown = known_anchors(events, NORWEGIAN, typed).shown()
    assert [line.plain.strip() for line in clock_lines(shown)] == [
        "contract_end counts from 2026-03-01 as it was given, but has not started by orders 0/2"
        " (1 of 2 things going on)",
        "case_closed counts from 2026-01-04 by orders 0/3",
        "delivery counts from 2026-01-05 by orders 0/4",
        "order counts from 2026-02-01 as it was given",
    ]
    assert list(clock_lines([])) == []

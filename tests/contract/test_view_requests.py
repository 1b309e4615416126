"""How requests stand and how long they took, in the views."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.views_fed import ClickHouseViewTables
from sinks.ports.views import RequestRow

RECEIVED = datetime(2020, 5, 1, 9, tzinfo=UTC)
OPEN = RequestRow(
    "r-1", 3, "erasure", "letter", "waiting", RECEIVED, date(2020, 6, 1), True, None, None, 0, 1
)
ANSWERED = replace(
    OPEN,
    request_id="r-2",
    type="access",
    state="completed",
    running=False,
    answered_at=RECEIVED + timedelta(days=9, hours=3),
    ended_at=RECEIVED + timedelta(days=12),
    extended_months=1,
    problems=0,
)
RUN = replace(OPEN, request_id="x-1", due=None, running=False)
FAR = replace(OPEN, request_id="r-3", due=date(2199, 1, 1))
SHOWN = "SELECT request_id, type, state, due, overdue, days_taken, extended_months FROM v_requests ORDER BY request_id"


def test_a_request_stands_as_its_longest_ledger_says(database: ClickHouse) -> None:
    """In whichever order it came; one whose deadline has passed is overdue, an ended one and a run are not."""
    tables = ClickHouseViewTables(database)
    tables.note_requests([ANSWERED, FAR, RUN, OPEN])
    tables.note_requests([replace(OPEN, length=1, state="received")])
    assert database.query(SHOWN) == [
        ("r-1", "erasure", "waiting", date(2020, 6, 1), True, None, 0),
        ("r-2", "access", "completed", date(2020, 6, 1), False, 9, 1),
        ("r-3", "erasure", "waiting", date(2199, 1, 1), False, None, 0),
        ("x-1", "erasure", "waiting", None, False, None, 0),
    ]


def test_times_are_summed_up_by_right_and_state(database: ClickHouse) -> None:
    slow = replace(ANSWERED, request_id="r-4", answered_at=RECEIVED + timedelta(days=30), extended_months=0)
    ClickHouseViewTables(database).note_requests([OPEN, FAR, ANSWERED, slow])
    found = database.query(
        "SELECT type, state, requests, overdue, extended, answered, average_days, longest_days FROM v_request_times"
        " ORDER BY type"
    )
    assert found == [
        ("access", "completed", 2, 0, 1, 2, 19.5, 30),
        ("erasure", "waiting", 2, 1, 0, 0, None, None),
    ]

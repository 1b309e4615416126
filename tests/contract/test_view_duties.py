"""Findings and controls in SQL say what the desk says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from schemas.calendars import NORWEGIAN
from sinks.clickhouse.client import ClickHouse
from sinks.clickhouse.findings import ClickHouseControls, ClickHouseFindings
from sinks.ports.findings import ControlRun
from streams.duties.check import judged
from streams.duties.findings import accepted, changes, explained, finding_of, findings_of
from tests.support.duties import violation
from tests.support.index import NOW


def test_a_finding_stands_as_its_ledger_says(database: ClickHouse) -> None:
    """Also what is accepted until a day that is over, by the engine's own day."""
    log = ClickHouseFindings(database)
    keys = ["a", "b", "c", "d", "e"]

    def run(*found: str, says: str = "It has no rule.") -> None:
        checked = judged(9, [violation(key, says) for key in found])
        for entry in changes("first", checked, findings_of(log.entries()), NOW, NORWEGIAN):
            log.append(entry)

    run(*keys)
    known = {item.key: item for item in findings_of(log.entries()).values()}
    log.append(explained(known["b"], "a trial", "dpo", NOW, NORWEGIAN))
    log.append(accepted(known["c"], "until the move", "dpo", date(2999, 1, 1), NOW, NORWEGIAN))
    log.append(accepted(known["d"], "until the move", "dpo", NORWEGIAN.day(NOW), NOW, NORWEGIAN))
    run("a", "b", "c", "d", says="Now more of it.")
    rows = database.query("SELECT key, state, says, reason, by, until, since FROM v_findings ORDER BY key")
    since = violation().since
    assert rows == [
        ("a", "open", "Now more of it.", "", "", None, since),
        ("b", "explained", "Now more of it.", "a trial", "dpo", None, since),
        ("c", "accepted", "Now more of it.", "until the move", "dpo", date(2999, 1, 1), since),
        ("d", "open", "Now more of it.", "until the move", "dpo", NORWEGIAN.day(NOW), since),
        ("e", "mended", "It has no rule.", "", "", None, since),
    ]
    places = "JSONExtractInt(arrayJoin(JSONExtractArrayRaw(evidence)), 'offset')"
    assert database.query(f"SELECT {places} FROM v_findings WHERE key = 'a'") == [(17,), (0,)]
    assert database.query("SELECT finding FROM v_findings WHERE key = 'a'") == [(known["a"].id,)]


@pytest.mark.parametrize("more", [False, True])
def test_a_control_stands_as_its_runs_say(database: ClickHouse, more: bool) -> None:
    controls = ClickHouseControls(database)
    for minutes, verdict in enumerate(["kept", "broken", "kept", "kept", *(["failed"] if more else [])]):
        begun = NOW + timedelta(minutes=minutes)
        controls.store(ControlRun("first", begun, begun, verdict, 9, 0, "down" if more else ""))
    ((check, verdict, since, last, why),) = database.query(
        "SELECT check, verdict, since, last_run, why FROM v_controls"
    )
    (stands,) = controls.stands(NOW + timedelta(hours=1))
    assert (check, verdict, since, last, why) == (
        "first",
        stands.last.verdict,
        stands.since,
        stands.last.begun,
        stands.last.why,
    )
    assert since == NOW + timedelta(minutes=4 if more else 2)


def test_a_run_of_a_clock_that_was_ahead_is_not_the_last(database: ClickHouse) -> None:
    controls = ClickHouseControls(database)
    for begun, verdict in ((NOW - timedelta(days=900), "kept"), (datetime(2199, 1, 1, tzinfo=UTC), "broken")):
        controls.store(ControlRun("first", begun, begun, verdict))
    assert database.query("SELECT verdict FROM v_controls") == [("kept",)]


def test_a_finding_that_lost_its_opening_is_shown_beside_the_others(database: ClickHouse) -> None:
    log = ClickHouseFindings(database)
    opened = changes("first", judged(9, [violation("a"), violation("b")]), {}, NOW, NORWEGIAN)
    first, second = (finding_of([item]) for item in opened)
    log.append(opened[0])
    log.append(explained(second, "a trial", "dpo", NOW, NORWEGIAN))
    rows = database.query("SELECT key, state, since FROM v_findings ORDER BY key")
    assert rows == [("a", "open", first.since), ("b", "explained", NOW)]

"""The record of questions in the index: kept once, found newest first, by time, person, action and request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sinks.clickhouse.audit import ClickHouseAudit
from sinks.clickhouse.client import ClickHouse
from sinks.memory.audit import MemoryAudit
from sinks.ports.audit import AuditEntry, AuditLog, Looked
from tests.support.index import empty, token

# Its month is kept for years to come.
NOW = datetime(2026, 6, 1, 8, 0, 0, 123_000, tzinfo=UTC)
ACCESS = "POST /v1/access"


@pytest.fixture
def log(engine: ClickHouse | None) -> AuditLog:
    return ClickHouseAudit(empty(engine)) if engine else MemoryAudit()


def asked(minutes: int, *subjects: int, action: str = ACCESS, request: str = "") -> AuditEntry:
    return AuditEntry(
        NOW + timedelta(minutes=minutes),
        action,
        caller="token 1a2b3c4d",
        client="2001:db8::7",
        kinds=("email", "phone"),
        identifiers=3,
        subjects=tuple(map(token, subjects)),
        key_id="k1",
        request_id=request,
        purpose="billing",
        resolution="ambiguous",
        size=2**40,
        status=200,
        milliseconds=17,
    )


def moments(found: Sequence[AuditEntry]) -> list[int]:
    return [round((item.at - NOW) / timedelta(minutes=1)) for item in found]


def test_an_entry_comes_back_as_it_was_written_and_once(log: AuditLog) -> None:
    """All of it, tokens that end in zero bytes included; one that is written again, after a doubt, is still one."""
    entries = [asked(0, 1, 4, 1_000), asked(0), AuditEntry(NOW, "login", status=401)]
    log.write(entries)
    log.write(entries[:2])
    found = log.find(Looked(), 10)
    assert {item.entry: item for item in found} == {item.entry: item for item in entries}
    assert len(found) == 3


def test_entries_are_found_newest_first_and_page_by_page(log: AuditLog) -> None:
    """Each once, also of those at the same moment; what is written meanwhile does not move a page."""
    log.write([replace(asked(minute // 3), entry=f"{minute:02}") for minute in range(10)])
    seen: list[AuditEntry] = []
    while page := log.find(Looked(), 4, (seen[-1].at, seen[-1].entry) if seen else None):
        seen += page
        log.write([asked(60)])
    assert [item.entry for item in seen] == [f"{minute:02}" for minute in reversed(range(10))]


def test_entries_are_chosen(log: AuditLog) -> None:
    """By time, by the first digits of a subject's token, by action and by request, each alone and together."""
    log.write([asked(0, 1), asked(1, 2, 1), asked(2, action="GET /v1/requests"), asked(3, 2, request="r-1")])
    for looked, expected in (
        (Looked(since=NOW + timedelta(minutes=1)), [3, 2, 1]),
        (Looked(until=NOW + timedelta(minutes=1)), [0]),
        (Looked(subject=token(1)), [1, 0]),
        (Looked(subject=token(2)[:6]), [3, 1]),
        (Looked(subject=token(9)), []),
        (Looked(action=ACCESS), [3, 1, 0]),
        (Looked(request_id="r-1"), [3]),
        (Looked(since=NOW + timedelta(minutes=1), subject=token(1), action=ACCESS), [1]),
    ):
        assert moments(log.find(looked, 10)) == expected, looked


def test_analysts_read_the_record_in_a_view(database: ClickHouse) -> None:
    """`v_audit` has tokens in hex, and the table says how long a row stays."""
    ClickHouseAudit(database).write([asked(0, 4)])
    assert database.query("SELECT subjects, caller FROM v_audit") == [([token(4).hex()], "token 1a2b3c4d")]
    (made,) = database.query("SELECT create_table_query FROM system.tables WHERE name = 'audit_log'")[0]
    assert "toIntervalYear(3)" in made

"""What a system is told of what has run out: sealed and signed as a command, naming those whose records stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from schemas.errors import InputError, KeyUnavailable
from schemas.ids import malformed
from schemas.messages import RetentionCommand, RunOut, encoded, message_of, value_of
from schemas.own import own_record
from streams.rights.protocol.messages import Named, decoded, kept_of, retention_message
from tests.support.pairs import JOB_KEY, SYSTEM_KEY

NOW = datetime(2026, 3, 9, 3, tzinfo=UTC)
RUN = "x-20260309-1"
OLD = RunOut("WebVisit", ("C-21",), ("WebVisit.page",), None, NOW - timedelta(days=90), "T13", "Art. 5", 7)
KEPT = [Named("customer_number", "k-100200"), Named("ip", "192.0.2.7", since=NOW, proof="subscriber")]


def sent(**other: object) -> RetentionCommand:
    """What a system with visits is told."""
    said = retention_message(RUN, "web", [OLD], KEPT, SYSTEM_KEY, 1, NOW, date(2026, 4, 8))
    return replace(said, **other)  # type: ignore[arg-type]


def test_a_system_reads_what_has_run_out_and_whose_records_stay() -> None:
    """On the topic of the commands to erase, under an id of its run."""
    value = decoded(own_record("ErasureCommand"), encoded(sent()))
    assert malformed(value) is None
    assert message_of(RetentionCommand, value) == message_of(
        RetentionCommand, value_of(sent(**{name: value[name] for name in ("sealed_kept", "signature")}))
    )
    assert value["command_id"] == f"{RUN}/web"
    assert kept_of(value, JOB_KEY) == KEPT
    assert "sealed_identifiers" not in value


def test_nobody_kept_is_said_as_well() -> None:
    """An empty list is sealed and signed as any other, so that nobody can take names out of one."""
    said = retention_message(RUN, "web", [OLD], [], SYSTEM_KEY, 1, NOW)
    assert kept_of(value_of(said), JOB_KEY) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"records": (replace(OLD, before=NOW),)},
        {"attempt": 2},
        {"request_id": "x-20260309-2"},
        {"sealed_kept": retention_message(RUN, "web", [OLD], [], SYSTEM_KEY, 2, NOW).sealed_kept},
    ],
)
def test_a_changed_one_does_not_open(changed: dict[str, object]) -> None:
    """Neither a later day, nor the list of another command."""
    with pytest.raises(KeyUnavailable):
        kept_of(value_of(sent(**changed)), JOB_KEY)


def test_nothing_is_told_to_run_out_later_than_now() -> None:
    """Nor nothing at all."""
    for records in ([replace(OLD, before=NOW + timedelta(milliseconds=1))], []):
        with pytest.raises(InputError):
            retention_message(RUN, "web", records, KEPT, SYSTEM_KEY, 1, NOW)

"""Times of examples are read as a tagger reads them: `company check` says which events would be dead letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.company_check import company_problems
from tests.support.contracts import ORDER, TOPIC, TOPIC_SAID, company

SECONDS, MILLIS = 1_767_690_000, 1_767_690_000_000
TEXT = "2026-01-15T18:22:10"


def told(folder: Path, value: Any, unit: str, zone: str | None = None) -> list[str]:
    """The problems of a folder whose one example was placed then."""
    kind = "string" if unit == "iso8601" else "integer"
    time = {"path": "placed_at", "unit": unit} | ({"zone": zone} if zone else {})
    fields = {**ORDER["fields"], "placed_at": {"category": "none", "type": kind}}
    ours = company(folder, {TOPIC: TOPIC_SAID}, event_time=time, fields=fields)
    (folder / "examples" / TOPIC).mkdir(parents=True)
    example = {"order_id": "o1", "placed_at": value, "customer": {"number": "700104"}}
    (folder / "examples" / TOPIC / "one.json").write_text(json.dumps(example), "utf-8")
    return [str(problem) for problem in company_problems(ours) if problem.where == "placed_at"]


@pytest.mark.parametrize(
    ("value", "unit", "zone"),
    [
        (SECONDS, "seconds", None), (MILLIS, "millis", None), (MILLIS * 1_000, "micros", None),
        (MILLIS * 10**6, "nanos", None), (20_459, "days", None), (f"{TEXT}Z", "iso8601", None),
        (f"{TEXT}+01:00", "iso8601", "Europe/Oslo"), (TEXT, "iso8601", "Europe/Oslo"),
        ("2016-12-31T23:59:60Z", "iso8601", None),
    ],
)  # fmt: skip
def test_what_is_read_is_not_told(tmp_path: Path, value: Any, unit: str, zone: str | None) -> None:
    """Each unit with a time of its own."""
    assert told(tmp_path, value, unit, zone) == []


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (MILLIS, "seconds", "write unit: millis"),
        (SECONDS, "millis", "write unit: seconds"),
        (MILLIS, "micros", "write unit: millis"),
        (86_400_000, "millis", "before 1990 or after 2099"),
        ("1970-01-01T00:00:00Z", "iso8601", "before 1990 or after 2099"),
        ("15.01.2026 18:22", "iso8601", "is no time in ISO 8601"),
        (TEXT, "iso8601", "names no zone"),
        ("2026-01-15", "iso8601", "names no zone"),
    ],
)
def test_a_time_that_no_tagger_takes_is_told(tmp_path: Path, value: Any, unit: str, words: str) -> None:
    """With what to write; the value itself is not shown."""
    (line,) = told(tmp_path, value, unit)
    assert words in line
    assert str(value) not in line

"""No test is red because the machine is slow (tests/support/time_bounds.py)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CLOCK = r"time\.(?:monotonic|perf_counter|process_time|thread_time|time)(?:_ns)?\(\)"
# An assertion on a difference of clocks, up to what it is compared with.
MEASURED = re.compile(rf"assert {CLOCK} - \w+ <=? (?!HANGING_SECONDS)")
# A wait for another thread, process or broker that ends before HANGING_SECONDS, in figures.
SHORT = re.compile(
    r"assert [\w.]+\.(?:wait|acquire|flush)\((?:timeout=)?\d|communicate\(timeout=\d"
    r"|\.result\(\d+\)|await_that\(.*, \d+\)$",
    re.MULTILINE,
)


@pytest.mark.parametrize("rule", [MEASURED, SHORT], ids=["seconds that something takes", "short waits"])
def test_no_test_measures_the_speed_of_the_machine(rule: re.Pattern[str]) -> None:
    """In any file of tests."""
    found = [
        f"{path.relative_to(TESTS)}: {match[0]}"
        for path in sorted(TESTS.rglob("*.py"))
        if path != Path(__file__)
        for match in rule.finditer(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "    assert time.monotonic() - begun < 10",
        "assert time.process_time() - started < 1",
        "assert asked.wait(5)",
        "assert producer.flush(30) == 0",
        "future.result(30)",
        'await_that(well, "it is well", 10)',
    ],
)
def test_the_rule_finds_what_it_is_about(line: str) -> None:
    assert MEASURED.search(line) or SHORT.search(line)

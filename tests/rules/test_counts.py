"""One event is no events: whoever says how many there are says it with `schemas.counted.counted`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
THINGS = (
    "address", "claim", "day", "event", "identifier", "key", "letter", "line", "message", "migration", "prefix",
    "question", "record", "request", "row", "time", "topic",
)  # fmt: skip
# A number out of braces and a noun of several behind it; before it, not a bound that is always more than one.
SEVERAL = re.compile(rf"(?<!more than )\{{[^{{}}]+\}} (?:dead |more )?(?:{'|'.join(THINGS)})e?s\b")


def test_the_rule_sees_what_it_looks_for() -> None:
    """A count in braces before several; neither one of a kind nor a bound."""
    assert SEVERAL.search("f'{count:,} events found'")
    assert SEVERAL.search("f'{len(waiting)} dead letters'")
    assert not SEVERAL.search("f'{count:,} event'")
    assert not SEVERAL.search("f'more than {MOST:,} requests'")


def test_every_count_is_said_by_one_function() -> None:
    """In every text that the product writes."""
    found = []
    for folder in ("schemas", "sinks", "streams", "console"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if SEVERAL.search(line):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert found == []

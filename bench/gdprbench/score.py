"""What a run asked, how long each question took, and whether the answer was that of the model."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Refused(Exception):
    """The installation answered a question with an error: a wrong answer like any other."""


@dataclass
class Operation:
    """One operation: each thing it was told is held against what is so."""

    name: str
    whose: object
    wrong: list[str] = field(default_factory=list)

    def expect(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            self.wrong.append(f"{self.name} ({self.whose}): {what} is {found}, not {expected}")


@dataclass
class Score:
    """The operations of one mix. `wrong`: what was wrong of each that was, in order."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    right: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def operation(self, name: str, whose: object = "all") -> Iterator[Operation]:
        """Times what is done within. It is right if all that was expected was so and nothing was refused."""
        done, began = Operation(name, whose), time.perf_counter()
        try:
            yield done
        except Refused as error:
            done.wrong.append(f"{name} ({whose}): {error}")
        self.seconds[name].append(time.perf_counter() - began)
        self.right[name] += not done.wrong
        self.wrong += done.wrong

    def rows(self) -> list[dict[str, Any]]:
        """For each operation: count, right, median and 95th percentile in ms, operations a second of one client."""
        return [
            {
                "operation": name,
                "count": len(took),
                "right": self.right[name],
                "median_ms": round(1000 * float(np.median(took)), 1),
                "p95_ms": round(1000 * float(np.percentile(took, 95)), 1),
                "per_second": round(len(took) / sum(took), 1),
            }
            for name, took in self.seconds.items()
        ]


def table(mix: str, score: Score) -> str:
    """The same as text."""
    head = f"{mix:<24} {'count':>6} {'right':>6} {'median ms':>10} {'p95 ms':>9} {'ops/s':>8}"
    lines = [
        f"  {row['operation']:<22} {row['count']:>6} {row['right']:>6} {row['median_ms']:>10} {row['p95_ms']:>9}"
        f" {row['per_second']:>8}"
        for row in score.rows()
    ]
    return "\n".join([head, *lines])

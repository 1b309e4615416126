"""A part of an installation, well or not: the rule, without a clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Part:
    """One part as it is since `since`. `problems`: one sentence each, none while it is well."""

    name: str
    since: datetime
    problems: tuple[str, ...] = ()

    @property
    def well(self) -> bool:
        return not self.problems


def turned(before: Part, problems: Sequence[str], now: datetime) -> Part:
    """The part after a look at it: `since` moves only when it falls ill or gets well."""
    same = before.well == (not problems)
    return Part(before.name, before.since if same else now, tuple(problems))

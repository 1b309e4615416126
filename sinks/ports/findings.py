"""What is found against the duties of the company, and every run of a check: append-only, no personal value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol


@dataclass(frozen=True)
class FindingEntry:
    """One thing that happened to a finding: `kind` is one of `streams.duties.findings.Kind`.

    `finding`: its id. `key`: what of the check it is about. `content` is JSON-able.
    """

    finding: str
    sequence: int
    kind: str
    at: datetime
    check: str
    key: str
    content: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", as_kept(self.at))


@dataclass(frozen=True)
class ControlRun:
    """One run of a check. `verdict`: kept, broken, not_observable, or failed. `looked_at`: how many things it looked
    at; `found`: how many violations. `why`: what is missing, or what happened."""

    check: str
    begun: datetime
    ended: datetime
    verdict: str
    looked_at: int = 0
    found: int = 0
    why: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "begun", as_kept(self.begun))
        object.__setattr__(self, "ended", as_kept(self.ended))


@dataclass(frozen=True)
class ControlStands:
    """The last run of a check, and since when every run of it said the same; `ran`: the last that did not fail."""

    last: ControlRun
    since: datetime
    ran: ControlRun | None


class FindingLog(Protocol):
    """What happened to findings. Any number of processes; safe from any thread."""

    def append(self, entry: FindingEntry) -> bool:
        """Store it; on disk when this returns. False, and nothing changes, when another has that number of the finding.

        Raises IndexUnavailable; the entry may be stored then, so look before it is repeated.
        """

    def entries(self, check: str | None = None) -> Sequence[FindingEntry]:
        """Of every finding, or of one check, in order; the oldest finding first. Raises IndexUnavailable."""

    def untold(self, limit: int = 1_000) -> Sequence[FindingEntry]:
        """Entries that were not told to the topic, in the order of `entries`. Raises IndexUnavailable."""

    def tell(self, entries: Sequence[FindingEntry]) -> None:
        """These were told. Safe to repeat. Raises IndexUnavailable."""


class ControlLog(Protocol):
    """Stored results of checks. Safe from several threads. All raise IndexUnavailable."""

    def store(self, run: ControlRun) -> None:
        """On disk when this returns. Safe to repeat; a run is known by its check and when it began."""

    def stands(self, now: datetime) -> Sequence[ControlStands]:
        """How each check stands that ever ran, by name. A run that began later than now, by a clock that was ahead,
        counts only where the check has no other."""

    def runs(self, check: str | None = None, limit: int = 100) -> Sequence[ControlRun]:
        """The newest runs, newest first."""


def as_kept(moment: datetime) -> datetime:
    """Whole milliseconds: a moment must be the same when it is read back."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def in_order(entries: Sequence[FindingEntry]) -> list[FindingEntry]:
    """The oldest finding first."""
    first = dict[str, FindingEntry]()
    for item in entries:
        known = first.get(item.finding)
        if known is None or item.sequence < known.sequence:
            first[item.finding] = item
    return sorted(entries, key=lambda item: (first[item.finding].at, item.finding, item.sequence))

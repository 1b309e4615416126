"""What the ledger keeps of a retention run while the index forgets; the other kinds of events are in `events`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from streams.rights.protocol.command import Command


def ready_to_expire(
    plan: Mapping[str, Any], commands: Iterable[Command], gone: Collection[str], *, alone: bool
) -> frozenset[str]:
    """Systems of a planned run of which the index can forget what has run out: they have done it, or are not told and
    go along with one that has, or `alone`. Nothing of what a system withholds, nor what is `gone` already."""
    told = {item.system: item for item in commands}
    systems = {item["system"] for item in plan["run"]["index"]} - {*gone}
    done = {name for name in systems & told.keys() if told[name].settled and not told[name].withholds}
    return frozenset(done | (systems - told.keys()) if done or alone else done)


@dataclass(frozen=True)
class KeptSince:
    """People came in whose data are kept before a system was told: it is told of them, and they stay in the index.

    `kept`: where their data lie, of everybody who came in since the plan. Without their records: `expected`, how many
    each line of the plan has, in its order; `records` and `least`, by command, as of `PlannedCommand`."""

    kind: ClassVar[str] = "kept_since"
    kept: tuple[tuple[Any, ...], ...] = field(repr=False)
    expected: tuple[int, ...]
    records: Mapping[str, Mapping[str, int]]
    least: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Expiring:
    """The index begins to forget what has run out at these systems. `run`: length of the ledger then; `going`: how many
    events are to go or to be narrowed, kept or not. `kept`: where the data lie of people who came in since the plan, as
    `streams.answers.attribution.spans_json` writes them."""

    kind: ClassVar[str] = "expiring"
    run: int
    systems: tuple[str, ...]
    going: Mapping[str, int]
    as_of: datetime
    kept: tuple[tuple[Any, ...], ...] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Expired:
    """The index is through with it. `left`: what is still there of what was to go, all of it kept; `since`: of that,
    how many events of people who came in since the plan, whose records systems were told to delete."""

    kind: ClassVar[str] = "expired"
    run: int
    systems: tuple[str, ...]
    left: Mapping[str, int]
    since: int | None = None

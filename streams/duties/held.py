"""Checks over what is held by its tags: a rule says what is wrong with a tag set, and the oldest events show it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from schemas.tags import TagSet
from sinks.ports.held import HeldRow, HeldTags
from streams.duties.check import MOST_EVIDENCE, Checked, Looking, Violation, event, judged
from streams.duties.periods import Period

Wrong = tuple[str, str]
"""Key and sentence of a violation."""


def by_tags(looking: Looking, wrong: Callable[[TagSet], Iterable[Wrong]]) -> Checked:
    """`wrong`: what of a tag set breaks the duty. Tag sets with one key are one violation, with the sentence of the
    first: since the oldest event of any, shown by the oldest. What is erased, or declared since, mends it."""
    held = looking.held.held()
    grouped = defaultdict[str, list[HeldTags]](list)
    says: dict[str, str] = {}
    for item in held:
        for key, sentence in wrong(item.tags):
            grouped[key].append(item)
            says.setdefault(key, sentence)
    rows = looking.held.first_rows(
        sorted({item.tags.id for some in grouped.values() for item in some}), MOST_EVIDENCE
    )
    violations = []
    for key, some in grouped.items():
        shown = sorted(
            (row for item in some for row in rows.get(item.tags.id, ())),
            key=lambda row: (row.at, row.topic, row.partition, row.offset, row.token),
        )
        violations.append(
            Violation(
                key=key,
                says=says[key],
                since=min(item.first_seen for item in some),
                evidence=tuple(map(event, shown[:MOST_EVIDENCE])),
            )
        )
    return judged(len(held), violations)


@dataclass(frozen=True)
class Missing:
    """Periods in which something that the events of a tag set need was missing: key and sentence of the violation."""

    key: str
    says: str
    held: HeldTags
    periods: Sequence[Period]


def by_periods(looking: Looking, wrong: Callable[[HeldTags], Iterable[Missing]]) -> Checked:
    """As `by_tags`, of events of certain periods alone: where none lies in them, nothing is wrong."""
    held = looking.held.held()
    found = defaultdict[str, list[HeldRow]](list)
    says: dict[str, str] = {}
    for item in held:
        known: dict[Period, Sequence[HeldRow]] = {}
        for missing in wrong(item):
            for since, before in missing.periods:
                # Each costs a scan, and what a tag set lacks it mostly lacks at the same times.
                if (since, before) not in known:
                    rows = looking.held.first_rows([item.tags.id], MOST_EVIDENCE, before, since)
                    known[since, before] = rows.get(item.tags.id, ())
                found[missing.key] += known[since, before]
            says.setdefault(missing.key, missing.says)
    violations = []
    for key, of in found.items():
        if of:
            shown = sorted(of, key=lambda row: (row.at, row.topic, row.partition, row.offset, row.token))
            evidence = tuple(map(event, shown[:MOST_EVIDENCE]))
            violations.append(Violation(key=key, says=says[key], since=shown[0].at, evidence=evidence))
    return judged(len(held), violations)

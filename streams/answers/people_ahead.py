"""Of how many people something runs out in the months ahead, as all has ended that their clock stands for. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

from dateutil.relativedelta import relativedelta

from schemas.catalogue import Catalogue
from schemas.expiry import decided, end_of
from schemas.policy import RetentionAnchors
from streams.answers.expiry import Awaiting, Expiry

Ended = Mapping[str, Mapping[date, int]]
"""By clock how many people there are of whom nothing is going on, by the day on which the last of it ended."""


def with_people(found: Expiry, ended: Ended, catalogue: Catalogue) -> Expiry:
    """With what waits for one clock that stands for a state: of how many people it runs out in each month, the first
    with those of whom it has run out before. Nobody is counted where events had to say more than that."""
    return replace(
        found,
        waiting=tuple(
            replace(item, people=_ahead(item, ended, catalogue, found.months)) for item in found.waiting
        ),
    )


def _ahead(
    item: Awaiting, ended: Ended, catalogue: Catalogue, months: Sequence[date]
) -> tuple[int, ...] | None:
    rules = [catalogue.retention_rules[name] for name in item.rules]
    if len(item.clocks) != 1 or item.clocks[0] not in ended or any(rule.clock not in ended for rule in rules):
        return None
    clock = item.clocks[0]
    counts = [0] * len(months)
    last = months[-1] + relativedelta(months=1)
    for day, people in ended[clock].items():
        anchors = RetentionAnchors(**{clock: day})
        ends = [end_of(rule, day, catalogue.calendar, anchors) for rule in rules if decided([rule])]
        until = None if not ends or None in ends else max(end for end in ends if end is not None)
        if until is not None and until < last - relativedelta(days=1):
            counts[max(bisect_right(months, until + relativedelta(days=1)) - 1, 0)] += people
    return tuple(counts)

"""Data go to processors and joint controllers while an agreement covers them (GDPR Art. 26, 28)."""

from __future__ import annotations

from collections.abc import Iterator

from schemas.agreements import AGREED
from sinks.ports.held import HeldTags
from streams.duties.check import Check, Checked, Looking, not_observable
from streams.duties.held import Missing, by_periods
from streams.duties.periods import gaps, period

_NONE = "The company's folder has no catalogue/agreements.yaml, so no agreement with a recipient is known."


def outside_of_agreements(looking: Looking) -> Checked:
    """Held events whose recipient is a processor or a joint controller, of a category or for a purpose that no
    agreement with it covered at their time."""
    company = looking.company
    if not company.agreements:
        return not_observable(_NONE)
    recipients, calendar = company.catalogue.recipients, company.catalogue.calendar

    def wrong(held: HeldTags) -> Iterator[Missing]:
        for name in held.tags.recipients:
            if name not in recipients or recipients[name].instrument not in AGREED:
                continue
            theirs = [item for item in company.agreements.values() if item.recipient == name]
            scope = [("category", item) for item in held.tags.categories]
            scope += [("purpose", item) for item in held.tags.purposes]
            for noun, item in scope:
                periods = [
                    period(one.valid_from, one.valid_until, calendar)
                    for one in theirs
                    if item in (one.categories if noun == "category" else one.purposes)
                ]
                yield Missing(
                    f"{name}/{item}",
                    f"Data go to {name}, and no agreement that is in force at the time covers the {noun} {item}.",
                    held,
                    gaps(periods, held.first_seen, held.last_seen),
                )

    return by_periods(looking, wrong)


CHECKS = (
    Check(
        "agreement_in_force",
        "Data go to processors and joint controllers under an agreement that is in force and covers them.",
        "GDPR Art. 26, 28(3)",
        outside_of_agreements,
    ),
)

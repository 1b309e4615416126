"""Who was given what, and by what right: each disclosure names a recipient, categories and an instrument."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from schemas.agreements import AGREED
from schemas.company import Company
from schemas.counted import counted
from schemas.facts import UNKNOWN
from streams.duties.check import (
    Check,
    Checked,
    Looking,
    judged,
    not_observable,
)
from streams.duties.periods import period
from streams.duties.tally import Tally, each, utc

Wrong = tuple[str, str]
"""Key of a violation, and what is wrong, as the end of a sentence."""
Rule = Callable[[Mapping[str, Any], Company], Iterable[Wrong]]
_NONE = (
    "No event says that data were given to anybody: no record or contract of the company has a fact `disclosure`"
    " (docs/contracts.md)."
)


def unfounded(row: Mapping[str, Any], company: Company) -> Iterable[Wrong]:
    """What a disclosure lacks. `row`: as `sinks.ports.facts.FACT_SCHEMA`. Pure."""
    to = row["recipient"] or "nobody"
    known = company.catalogue.recipients.get(row["recipient"])
    if known is None:
        yield f"{to}/recipient", f"without a recipient of the catalogue ({to})"
    if row["instrument"] in ("", UNKNOWN):
        yield f"{to}/instrument", f"to {to} without an instrument of the closed list"
    elif known is not None and row["instrument"] != known.instrument:
        yield (
            f"{to}/{row['instrument']}",
            f"to {to} on {row['instrument']}, where the catalogue has {known.instrument}",
        )
    elif known is not None and row["instrument"] in AGREED:
        at = utc(row["event_time"])
        for category in row["about"]:
            if not covered(company, known.id, category, at):
                yield f"{to}/{category}", f"to {to} of {category}, which no agreement of that time covers"
    if not row["about"] or UNKNOWN in row["about"]:
        yield (
            f"{to}/categories",
            f"to {to} without categories, or of one that the catalogue does not know",
        )
    if not row["evidence"]:
        yield f"{to}/basis", f"to {to} without a provision or agreement"


def covered(company: Company, recipient: str, category: str, at: datetime) -> bool:
    """Whether an agreement with the recipient covered the category at a moment. Pure."""
    calendar = company.catalogue.calendar
    return any(
        since <= at < until
        for item in company.agreements.values()
        if item.recipient == recipient and category in item.categories
        for since, until in [period(item.valid_from, item.valid_until, calendar)]
    )


def without_an_agreement(row: Mapping[str, Any], _: Company) -> Iterable[Wrong]:
    """What breaks the literal promise that every recipient has a data processing agreement. Pure."""
    if row["instrument"] != "dpa":
        to, rests = row["recipient"] or "nobody", row["instrument"] or "nothing"
        yield f"{to}/{rests}", f"to {to} on {rests}, and not on a data processing agreement"


def _by(rule: Rule) -> Callable[[Looking], Checked]:
    def run(looking: Looking) -> Checked:
        if not any(
            fact.fact == "disclosure"
            for record in looking.company.every_record.values()
            for fact in record.annotation.facts
        ):
            return not_observable(_NONE)
        told = looking.duties.facts_of_all("disclosure")
        seen: set[tuple[str, int, int, int]] = set()
        found = defaultdict[str, Tally](Tally)
        says: dict[str, str] = {}
        for row in each(told):
            # One that names several identifiers of the person is one all the same.
            place = row["topic"], row["partition"], row["offset"], row["part"]
            if place in seen:
                continue
            seen.add(place)
            for key, wrong in rule(row, looking.company):
                found[key].add(row, row["token"])
                says.setdefault(key, wrong)
        return judged(
            len(seen),
            [
                item.violation(key, f"{counted(item.events, 'disclosure')} {says[key]}.")
                for key, item in found.items()
            ],
        )

    return run


CHECKS = (
    Check(
        "disclosures_founded",
        "Each disclosure names its recipient, the categories and an instrument that fits.",
        "GDPR Art. 5(2), 13(1)(e), 28, 30(1)(d)",
        _by(unfounded),
    ),
    Check(
        "recipients_under_agreement",
        "Everybody who is given data has a data processing agreement.",
        "privacy policy of 2018, line 63",
        _by(without_an_agreement),
    ),
)

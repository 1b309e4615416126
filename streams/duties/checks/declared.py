"""What the company says of itself and has to, by its own folder."""

from __future__ import annotations

import re
from datetime import datetime, time

from streams.duties.check import Check, Checked, Evidence, Looking, Violation, judged, not_observable

_REACHABLE = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+|https?://\S+|\+?[0-9 ]{5,}")


def dpo_reachable(looking: Looking) -> Checked:
    """Whether the data protection officer's contact is one that a person can write to or call."""
    profile = looking.company.profile
    if _REACHABLE.search(profile.dpo_contact):
        return judged(1, [])
    calendar = looking.company.catalogue.calendar
    violation = Violation(
        key="dpo_contact",
        says="The contact of the data protection officer is no address, number or page that a person could use.",
        since=datetime.combine(calendar.day(looking.now), time(), calendar.zone),
        evidence=(Evidence(note="company.yaml"),),
    )
    return judged(1, [violation])


def necessity_said(looking: Looking) -> Checked:
    """Whether each personal field says if giving it is needed: by the contract, by law, or voluntary."""
    company = looking.company
    fields = [
        (topic.name, field)
        for topic in company.tagged.values()
        for field in company.every_record[topic.record].fields
        if field.personal
    ]
    silent = [name for name, field in fields if field.necessity is None]
    if silent:
        return not_observable(
            f"{len(silent)} of {len(fields)} personal fields do not say (`necessity`) whether the contract needs them."
        )
    return judged(len(fields), [])


CHECKS = (
    Check(
        "dpo_reachable",
        "The data protection officer can be reached as every answer says.",
        "GDPR Art. 13(1)(b), 38(4)",
        dpo_reachable,
    ),
    Check(
        "necessity_said",
        "Of each field it is known whether the contract needs it.",
        "GDPR Art. 5(1)(c), 13(2)(e)",
        necessity_said,
    ),
)

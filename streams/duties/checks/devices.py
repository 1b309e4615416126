"""What is stored on somebody's device needs their consent (ekomloven § 3-15)."""

from __future__ import annotations

from schemas.counted import counted
from streams.duties.check import Check, Checked, Looking, Violation, event, judged, not_observable

_NONE = (
    "No event says whether what was stored on a device was consented to: no record or contract of the company has a"
    " fact `device_storage` (docs/contracts.md)."
)


def without_consent(looking: Looking) -> Checked:
    """Events in which a cookie was used and no consent to it was in force, as the event itself says."""
    if not any(
        fact.fact == "device_storage"
        for record in looking.company.every_record.values()
        for fact in record.annotation.facts
    ):
        return not_observable(_NONE)
    groups = looking.duties.fact_groups("device_storage")
    return judged(
        sum(item.events for item in groups),
        [
            Violation(
                key=item.topic,
                says=f"{counted(item.events, 'event')} on {item.topic} used a cookie or the like without consent.",
                since=item.first,
                evidence=tuple(map(event, item.rows)),
            )
            for item in groups
            if item.says == "without_consent"
        ],
    )


CHECKS = (
    Check(
        "device_storage_consented",
        "Cookies are used only where that was consented to.",
        "ekomloven § 3-15",
        without_consent,
    ),
)

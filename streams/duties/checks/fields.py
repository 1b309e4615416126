"""Fields that come and that nothing classifies."""

from __future__ import annotations

from datetime import timedelta

from schemas.paths import covers
from streams.duties.check import Check, Checked, Evidence, Looking, Violation, judged, key_of

STOPPED = timedelta(days=7)
"""A field that has not come for so long does not come any more."""


def untagged_fields(looking: Looking) -> Checked:
    """Fields of the last days that the contract of their topic does not name now."""
    contracts = looking.company.contracts
    seen = [item for item in looking.untagged.seen() if looking.now - item.last_seen < STOPPED]
    violations = [
        Violation(
            key=key_of(item.topic, item.path),
            says=f"The field {item.path} on {item.topic} is in no contract, so nobody's data in it are tagged.",
            since=item.first_seen,
            evidence=(Evidence(note=f"contracts/{item.topic}.yaml"),),
        )
        for item in seen
        if item.topic not in contracts or not covers(contracts[item.topic].tree, item.path)
    ]
    return judged(len(contracts), violations)


CHECKS = (
    Check(
        "untagged_fields",
        "Every field that comes is named by the contract of its topic.",
        "GDPR Art. 25, 30",
        untagged_fields,
    ),
)

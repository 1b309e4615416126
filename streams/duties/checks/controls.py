"""The checks themselves: each runs, and none fails."""

from __future__ import annotations

from datetime import timedelta

from streams.duties.check import Check, Checked, Evidence, Looking, Violation, judged

NAME = "controls_ran"
LONGEST = timedelta(hours=25)
"""Without a run: a day and what a slow machine takes."""


def controls_ran(looking: Looking) -> Checked:
    """Checks whose last run failed, is more than a day old, is said to be still to come, or never was."""
    stands = {item.last.check: item for item in looking.controls.stands(looking.now)}
    violations = []
    for name in sorted({*looking.names} - {NAME}):
        item = stands.get(name)
        if item is None:
            says, since = "has never run", looking.now
        elif item.last.verdict == "failed":
            says, since = "fails", item.since
        elif item.last.begun > looking.now:
            says, since = "ran by a clock that was ahead, and not since", looking.now
        elif looking.now - item.last.begun > LONGEST:
            says, since = "has not run for more than a day", item.last.begun + LONGEST
        else:
            continue
        violations.append(
            Violation(name, f"The check {name} {says}.", since, (Evidence(note=f"check {name}"),))
        )
    return judged(len(looking.names), violations)


CHECKS = (
    Check(
        NAME,
        "Every check of duties runs day by day and gives a result.",
        "GDPR Art. 24(1), 32(1)(d)",
        controls_ran,
    ),
)

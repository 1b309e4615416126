"""Tells the topic `duties.findings` what happened to findings: each entry of the ledger at least once, in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from schemas.messages import DutyFinding, FindingPlace, encoded
from sinks.ports.findings import FindingEntry, FindingLog
from streams.duties.findings import finding_of

TOPIC = "duties.findings"
Send = Callable[[str, bytes, bytes], object]
"""Stores a message under a key on a topic before it returns; raises BrokerUnavailable."""


def tell(log: FindingLog, send: Send) -> int:
    """Send what was not told yet; how many that were. What was sent and not noted is sent again.

    Raises IndexUnavailable, BrokerUnavailable.
    """
    waiting = log.untold()
    if not waiting:
        return 0
    of = defaultdict[str, list[FindingEntry]](list)
    for entry in log.entries():
        of[entry.finding].append(entry)
    for entry in waiting:
        message = message_of_entry([item for item in of[entry.finding] if item.sequence <= entry.sequence])
        send(TOPIC, encoded(message), entry.finding.encode())
        log.tell([entry])
    return len(waiting)


def message_of_entry(entries: Sequence[FindingEntry]) -> DutyFinding:
    """What the last of these entries of a finding says. Of evidence places alone, and no reason: no token leaves with
    it, and nothing that somebody wrote freely. Pure."""
    last, finding = entries[-1], finding_of(entries)
    return DutyFinding(
        finding=finding.id,
        sequence=last.sequence,
        check=finding.check,
        key=finding.key,
        change=last.kind,
        state=finding.standing.value,
        says=finding.says,
        since=finding.since,
        at=last.at,
        evidence=tuple(
            FindingPlace(item.topic, item.partition, item.offset, item.history)
            for item in finding.evidence
            if item.topic
        ),
        reason=None,
        until=finding.until,
    )

"""The life of a finding: opened, seen otherwise, mended by itself, opened again; explained or accepted by a person.

Pure, over entries that are only added: how a finding stands is what its entries say, read in order. Whether a duty is
kept is what its check says, whatever anybody explained or accepted of it.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from schemas.calendars import Calendar
from schemas.errors import InputError
from schemas.times import iso
from sinks.ports.findings import FindingEntry
from streams.duties.check import Checked, Evidence, Verdict, Violation

LONGEST_REASON = 500
"""Characters of what somebody gives as reason."""
UNSAID = "What was found is lost from the ledger; the next run of the check says it again."


class Kind(StrEnum):
    """What happens to a finding. `seen`: a run still finds it, and says otherwise of it than the one before."""

    OPENED = "opened"
    SEEN = "seen"
    MENDED = "mended"
    REOPENED = "reopened"
    EXPLAINED = "explained"
    ACCEPTED = "accepted"


class Standing(StrEnum):
    """How a finding stands. `open`: somebody has to act; `explained`: somebody said why it is so; `accepted`: it may be
    so until a day; `mended`: the last run did not find it."""

    OPEN = "open"
    EXPLAINED = "explained"
    ACCEPTED = "accepted"
    MENDED = "mended"


_ENDS_IN = {
    Kind.OPENED: Standing.OPEN,
    Kind.REOPENED: Standing.OPEN,
    Kind.MENDED: Standing.MENDED,
    Kind.EXPLAINED: Standing.EXPLAINED,
    Kind.ACCEPTED: Standing.ACCEPTED,
}


@dataclass(frozen=True)
class Finding:
    """A finding after all of its entries. `says`, `since`, `evidence`: of the violation, as it was seen last. `moved`:
    when it came to stand as it does; `reason`, `by`, `until`: who explained or accepted it how, and its last day.
    `lost`: how many entries its ledger has lost; it stands by the others then."""

    id: str
    check: str
    key: str
    standing: Standing
    says: str
    since: datetime
    opened: datetime
    moved: datetime
    evidence: tuple[Evidence, ...] = ()
    reason: str = ""
    by: str = ""
    until: date | None = None
    length: int = field(default=0, compare=False)
    lost: int = 0

    def stands(self, today: date) -> Standing:
        """How it stands on a day of the company: what is accepted comes back when its last day is over."""
        over = self.standing is Standing.ACCEPTED and self.until is not None and self.until < today
        return Standing.OPEN if over else self.standing


def finding_id(check: str, key: str) -> str:
    """By which a finding is named in addresses: `f-` and 16 hex digits."""
    return f"f-{hashlib.sha256(_named(check, key)).hexdigest()[:16]}"


def _named(check: str, key: str) -> bytes:
    return f"{check}\n{key}".encode()


def findings_of(entries: Iterable[FindingEntry]) -> dict[str, Finding]:
    """Every finding by its id, in the order in which each was first seen; entries in the order of the ledger."""
    grouped = defaultdict[str, list[FindingEntry]](list)
    for entry in entries:
        grouped[entry.finding].append(entry)
    return {name: finding_of(said) for name, said in grouped.items()}


def finding_of(entries: Sequence[FindingEntry]) -> Finding:
    """One finding from its entries, in order. The first opened it; where that is lost, it shows what is left."""
    first, said, moved = entries[0], entries[0].content, entries[0]
    for entry in entries:
        said = entry.content if "says" in entry.content else said
        moved = moved if Kind(entry.kind) is Kind.SEEN else entry
    until, length = moved.content.get("until"), entries[-1].sequence + 1
    return Finding(
        id=first.finding,
        check=first.check,
        key=first.key,
        standing=_ENDS_IN.get(Kind(moved.kind), Standing.OPEN),
        says=said.get("says", UNSAID),
        since=datetime.fromisoformat(said["since"]) if "since" in said else first.at,
        opened=first.at,
        moved=moved.at,
        evidence=tuple(map(Evidence.of_json, said.get("evidence", ()))),
        reason=moved.content.get("reason", ""),
        by=moved.content.get("by", ""),
        until=date.fromisoformat(until) if until else None,
        length=length,
        lost=length - len(entries),
    )


def changes(
    check: str, checked: Checked, known: Mapping[str, Finding], now: datetime, calendar: Calendar
) -> list[FindingEntry]:
    """What a run adds to the ledger. `known`: the findings of the check so far, by id.

    What is not observable neither opens nor mends anything.
    """
    if checked.verdict is Verdict.NOT_OBSERVABLE:
        return []
    found = {finding_id(check, item.key): item for item in checked.violations}
    added = []
    for name, violation in found.items():
        finding = known.get(name)
        kind = Kind.OPENED if finding is None else _seen(finding, violation, calendar.day(now))
        if kind is not None:
            length = finding.length if finding else 0
            added.append(
                FindingEntry(name, length, kind.value, now, check, violation.key, _content(violation))
            )
    for name, finding in known.items():
        if name not in found and finding.standing is not Standing.MENDED:
            added.append(FindingEntry(name, finding.length, Kind.MENDED.value, now, check, finding.key))
    return added


def _seen(finding: Finding, violation: Violation, today: date) -> Kind | None:
    """What it means that a known finding was found again; None: nothing new."""
    if finding.standing is not Standing.OPEN and finding.stands(today) in (Standing.OPEN, Standing.MENDED):
        return Kind.REOPENED
    before = {"says": finding.says, "evidence": [item.as_json() for item in finding.evidence]}
    after = _content(violation)
    return Kind.SEEN if before != {name: after[name] for name in before} else None


def _content(violation: Violation) -> dict[str, Any]:
    return {
        "says": violation.says,
        "since": iso(violation.since),
        "evidence": [item.as_json() for item in violation.evidence],
    }


def explained(finding: Finding, reason: str, by: str, now: datetime, calendar: Calendar) -> FindingEntry:
    """Somebody says why it is so. Raises InputError for a finding that is mended, for one that is accepted until a day
    still to come, and for no reason."""
    # Else an explanation, which has no end, would take the end from what was accepted.
    if finding.stands(calendar.day(now)) is Standing.ACCEPTED:
        raise InputError(
            f"finding {finding.id} is accepted until {finding.until}; explain it once that is over, or accept it anew"
        )
    return _act(finding, Kind.EXPLAINED, {"reason": _reason(reason), "by": by}, now)


def accepted(
    finding: Finding, reason: str, by: str, until: date, now: datetime, calendar: Calendar
) -> FindingEntry:
    """It may be so until a day, which is the last. Raises InputError, as `explained`, and for a day that is over."""
    if until < calendar.day(now):
        raise InputError(
            f"a finding is accepted until a day that is still to come, and {until} is over; give a later one"
        )
    return _act(
        finding, Kind.ACCEPTED, {"reason": _reason(reason), "by": by, "until": until.isoformat()}, now
    )


def _act(finding: Finding, kind: Kind, content: Mapping[str, Any], now: datetime) -> FindingEntry:
    if finding.standing is Standing.MENDED:
        raise InputError(f"finding {finding.id} is mended: there is nothing to say of it until it comes back")
    return FindingEntry(finding.id, finding.length, kind.value, now, finding.check, finding.key, content)


def _reason(text: str) -> str:
    said = " ".join(text.split())
    if not said or len(said) > LONGEST_REASON:
        raise InputError(
            f"say why, in {LONGEST_REASON} characters at most and without anything of a person: it is kept"
        )
    return said

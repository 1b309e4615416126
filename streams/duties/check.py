"""What a check is: a question about what innsyn observed, answered kept, broken or not observable, with evidence.

A check is pure but for what it reads through the ports of `Looking`; it reads no clock. It says nothing of a person in
clear: what it found is named by ids, topics and days, and shown by where events lie.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas.company import Company
from schemas.times import iso
from sinks.ports.clocks import ClockIndex
from sinks.ports.duties import DutyReader
from sinks.ports.expiry import ExpiryReader
from sinks.ports.findings import ControlLog
from sinks.ports.held import HeldReader, HeldRow
from sinks.ports.lineage import Span
from sinks.ports.offsets import PARTITIONS, in_kafka
from sinks.ports.untagged import UntaggedFields
from streams.identity.identities import Identities
from streams.rights.protocol.request import RequestState

MOST_EVIDENCE = 3
"""Events that are shown of one violation: enough to follow, and no list of people."""
LONGEST_KEY = 300
"""Characters: a topic has up to 249. Of a longer key a hash takes the place of the end."""
_KEY = re.compile(r"[A-Za-z0-9_(*][\w.:/+>=*()\[\]-]*")
_HEX = 16


class Verdict(StrEnum):
    """What a check says. `not_observable`: nothing that innsyn is told would show it, so nobody can say it is kept."""

    KEPT = "kept"
    BROKEN = "broken"
    NOT_OBSERVABLE = "not_observable"


@dataclass(frozen=True)
class Evidence:
    """Where one can look: an event, by its place in Kafka; or where `topic` is empty, what `note` names, such as a
    request or a file. `history`: how often the topic was made anew before. `token`: under which token the event stands
    in the index, as hex."""

    topic: str = ""
    partition: int = 0
    offset: int = 0
    token: str | None = None
    at: datetime | None = None
    history: int = 0
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """What it says, and nothing of what it does not."""
        place = (
            {"topic": self.topic, "partition": self.partition, "offset": self.offset} if self.topic else {}
        )
        said = {
            "history": self.history,
            "token": self.token,
            "at": iso(self.at) if self.at else None,
            "note": self.note,
        }
        return place | {name: value for name, value in said.items() if value}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Evidence:
        """The inverse of `as_json`."""
        at = said.get("at")
        return cls(**{**said, "at": datetime.fromisoformat(at) if at else None})


def event(row: HeldRow) -> Evidence:
    """A row of the index as evidence."""
    return Evidence(
        topic=row.topic,
        partition=in_kafka(row.partition),
        offset=row.offset,
        token=row.token.hex(),
        at=row.at,
        history=row.partition // PARTITIONS,
    )


def key_of(place: str, name: str) -> str:
    """The key of what others named, such as a field, at a place of ours: a hash stands for a name that is no key."""
    key = f"{place}/{name}"
    return key if _KEY.fullmatch(key) else f"{place}/{_hashed(name)}"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HEX]


@dataclass(frozen=True)
class Violation:
    """One thing that breaks a duty. `key`: what it is about, the same at every run: ids, topics and days, never a value
    or a token; shortened where it is too long. `says`: one English sentence without a personal value. `since`: from
    when on it is one, by the event or the day that makes it so."""

    key: str
    says: str
    since: datetime
    evidence: tuple[Evidence, ...] = ()

    def __post_init__(self) -> None:
        if not _KEY.fullmatch(self.key):
            raise ValueError(
                "the key of a violation is of letters, digits and . : / + > = * ( ) [ ] - _ alone"
            )
        if len(self.key) > LONGEST_KEY:
            kept = self.key[: LONGEST_KEY - _HEX - 1]
            object.__setattr__(self, "key", f"{kept}-{_hashed(self.key)}")


@dataclass(frozen=True)
class Checked:
    """What came of a check. `looked_at`: how many things it looked at; `why`: what is missing where it is not
    observable."""

    verdict: Verdict
    looked_at: int = 0
    violations: tuple[Violation, ...] = ()
    why: str = ""


def judged(looked_at: int, violations: Sequence[Violation]) -> Checked:
    """Broken by any violation, else kept; by key."""
    verdict = Verdict.BROKEN if violations else Verdict.KEPT
    return Checked(verdict, looked_at, tuple(sorted(violations, key=lambda item: item.key)))


def not_observable(why: str) -> Checked:
    """Nothing that is held would show it; `why`: what is missing, as a sentence."""
    return Checked(Verdict.NOT_OBSERVABLE, why=why)


@dataclass(frozen=True)
class Looking:
    """With what a check looks. `now`: the moment of the run. `held`, `duties`, `expiry`, `untagged`, `controls` and
    `clocks` are ports of the index; `clocks` None: it says nothing of clocks. `identities` tells whose an identifier
    was; `requests()`: every rights request as it stands; `kept()`: where the data lie of people whose data stay
    although they ran out. `names`: of all checks that there are.
    """

    company: Company
    now: datetime
    held: HeldReader
    duties: DutyReader
    identities: Identities
    expiry: ExpiryReader
    untagged: UntaggedFields
    controls: ControlLog
    clocks: ClockIndex | None = None
    requests: Callable[[], Sequence[RequestState]] = tuple
    kept: Callable[[], Sequence[Span]] = tuple
    names: Collection[str] = ()


@dataclass(frozen=True)
class Check:
    """`name`: how it is called everywhere, lower_snake; `title`: what it looks for, as a sentence; `citation`: the law
    or promise behind it. `run` raises IndexUnavailable."""

    name: str
    title: str
    citation: str
    run: Callable[[Looking], Checked]

"""Checks run over an index in memory, and their findings kept as a run keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from schemas.company import Company
from sinks.memory.sinks import memory_sinks
from sinks.ports.lineage import Span
from sinks.ports.sinks import Sinks
from streams.duties.check import Checked, Looking
from streams.duties.findings import Finding, changes, findings_of
from streams.duties.looking import looking
from streams.duties.registry import CHECKS
from streams.identity.identities import Identities
from streams.identity.rekeyed import Same
from streams.rights.protocol.request import RequestState
from tests.support.company import model
from tests.support.index import NOW, Row, batch
from tests.support.putting import Putting


@dataclass
class Watched:
    """An index in memory that checks look at."""

    company: Company = field(default_factory=model)
    sinks: Sinks = field(default_factory=memory_sinks)
    requests: Sequence[RequestState] = ()
    kept: Sequence[Span] = ()
    same: Same | None = None

    def __post_init__(self) -> None:
        self._putting = Putting(self.company, self.sinks.writer())

    def put(self, topic: str, *values: Mapping[str, Any], now: datetime = NOW) -> None:
        """Events of a topic, as its producer sends them; event i has offset i."""
        self._putting.put(topic, *values, now=now)

    def write(self, *rows: Row, now: datetime = NOW) -> None:
        self.sinks.writer().write(batch(rows), lambda: now)

    def looking(self, now: datetime = NOW) -> Looking:
        identities = Identities(self.sinks.claims, self.company.catalogue.identity_sources)
        asked = lambda: self.requests, lambda: self.kept
        return looking(self.sinks, self.company, identities, *asked, CHECKS, now, self.same)

    def check(self, name: str, now: datetime = NOW) -> Checked:
        return CHECKS[name].run(self.looking(now))

    def run(self, name: str, now: datetime = NOW) -> list[Finding]:
        """Run the check, keep what it changes, and give its findings as they stand then."""
        known = findings_of(self.sinks.findings.entries(name))
        calendar = self.company.catalogue.calendar
        for entry in changes(name, self.check(name, now), known, now, calendar):
            assert self.sinks.findings.append(entry)
        return list(findings_of(self.sinks.findings.entries(name)).values())

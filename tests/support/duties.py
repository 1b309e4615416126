"""A desk of duties over ports in memory, with checks that say what they are told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.promises import Promise
from sinks.memory.findings import MemoryControls, MemoryFindings
from sinks.ports.findings import ControlLog, FindingLog
from streams.duties.check import Check, Checked, Evidence, Looking, Violation, judged
from streams.duties.desk import Desk
from streams.duties.run import Runner
from tests.support.company import model
from tests.support.index import NOW
from tests.support.looking import Watched

PLACE = Evidence("web.visits", 3, 17, "0a" * 16, NOW, history=1)


def violation(key: str = "web.visits/C-21", says: str = "It has no rule.") -> Violation:
    return Violation(key, says, NOW - timedelta(days=1), (PLACE, Evidence(note="catalogue/retention.yaml")))


@dataclass
class Duties:
    """Two checks, `first` and `second`, that say `says`, raise or call it. `now` goes on by a millisecond a look."""

    says: dict[str, Checked | Exception | Callable[[], Checked]] = field(
        default_factory=lambda: {"first": judged(1, []), "second": judged(1, [])}
    )
    now: datetime = NOW
    findings: FindingLog = field(default_factory=MemoryFindings)
    controls: ControlLog = field(default_factory=MemoryControls)
    ran: list[str] = field(default_factory=list)
    promises: Mapping[str, Promise] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks = {
            name: Check(name, f"The {name} duty.", "GDPR Art. 5(2)", self._runner(name)) for name in self.says
        }
        calendar = model().catalogue.calendar
        runner = Runner(checks, Watched().looking, self.findings, self.controls, self.clock, calendar)
        self.desk = Desk(checks, self.findings, self.controls, runner, self.clock, calendar, self.promises)

    def clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def breaks(self, name: str, *keys: str) -> None:
        self.says[name] = judged(9, [violation(key) for key in keys])

    def _runner(self, name: str) -> Callable[[Looking], Checked]:
        def run(looking: Looking) -> Checked:
            self.ran.append(name)
            said = self.says[name]
            if isinstance(said, Exception):
                raise said
            return said() if callable(said) else said

        return run

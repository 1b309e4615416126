"""Findings and controls for whoever looks at them and acts on them: API, command line, role."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from schemas.calendars import Calendar
from schemas.errors import IndexUnavailable, InputError
from schemas.promises import Promise
from sinks.ports.findings import ControlLog, ControlRun, ControlStands, FindingEntry, FindingLog
from streams.duties.check import Check
from streams.duties.findings import Finding, Standing, accepted, explained, findings_of
from streams.duties.promises import PromiseStands, promises_stand
from streams.duties.run import Runner

_TRIES = 5


@dataclass(frozen=True)
class Control:
    """A check, how it stands (None: it never ran), and how many of its findings are open."""

    check: Check
    stands: ControlStands | None
    open: int


class Desk:
    """All of it on one index. Safe from several threads. Everything raises IndexUnavailable."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        findings: FindingLog,
        controls: ControlLog,
        runner: Runner,
        clock: Callable[[], datetime],
        calendar: Calendar,
        promises: Mapping[str, Promise] = MappingProxyType({}),
    ) -> None:
        self.checks = checks
        self._promises = promises
        self.runner = runner
        self._findings = findings
        self._controls = controls
        self._clock = clock
        self._calendar = calendar

    @property
    def today(self) -> date:
        """Of the company."""
        return self._calendar.day(self._clock())

    def findings(self, states: Collection[Standing] = (), check: str | None = None) -> list[Finding]:
        """In the order in which they were first seen; of these states (today's) and this check alone."""
        today = self.today
        return [
            item
            for item in findings_of(self._findings.entries(check)).values()
            if not states or item.stands(today) in states
        ]

    def finding(self, name: str) -> Finding:
        """By its id, or by check and key with a slash between. Raises InputError."""
        every = findings_of(self._findings.entries())
        found = every.get(name) or next(
            (item for item in every.values() if f"{item.check}/{item.key}" == name), None
        )
        if found is None:
            raise InputError("there is no finding of that name; `innsyn findings` lists those there are")
        return found

    def explain(self, name: str, reason: str, by: str) -> Finding:
        """Somebody says why it is so. Raises InputError."""
        return self._act(name, lambda finding: explained(finding, reason, by, self._clock(), self._calendar))

    def accept(self, name: str, reason: str, by: str, until: date) -> Finding:
        """It may be so until a day. Raises InputError."""
        return self._act(
            name, lambda finding: accepted(finding, reason, by, until, self._clock(), self._calendar)
        )

    def _act(self, name: str, act: Callable[[Finding], FindingEntry]) -> Finding:
        for _ in range(_TRIES):
            # A run may add to it meanwhile, so that it is judged anew.
            if self._findings.append(act(self.finding(name))):
                return self.finding(name)
        raise IndexUnavailable("others changed the finding meanwhile, again and again; repeat it")

    def controls(self) -> list[Control]:
        """Every check, by name."""
        stands = {item.last.check: item for item in self._controls.stands(self._clock())}
        counts = dict.fromkeys(self.checks, 0)
        for item in self.findings([Standing.OPEN]):
            counts[item.check] = counts.get(item.check, 0) + 1
        return [Control(check, stands.get(name), counts[name]) for name, check in sorted(self.checks.items())]

    def promises(self) -> list[PromiseStands]:
        """Every promise of the company, in the order of its file."""
        now = self._clock()
        stands = {item.last.check: item for item in self._controls.stands(now)}
        return promises_stand(self._promises, stands, self.findings(), self._calendar.day(now), now)

    def run(self, names: Sequence[str] = ()) -> list[ControlRun]:
        """Run these checks now, all if none are named. Raises InputError."""
        return self.runner.run(names or None)

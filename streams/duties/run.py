"""Runs checks: each by itself, every result stored, a failure too; what changed of findings goes to their ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from schemas.calendars import Calendar
from schemas.errors import IndexUnavailable, InnsynError, InputError, place_of
from sinks.ports.findings import ControlLog, ControlRun, FindingLog
from streams.duties.check import Check, Checked, Looking
from streams.duties.findings import changes, findings_of

FAILED = "failed"
"""Beside the verdicts: the check itself broke, so nothing is known."""
_TRIES = 5


class Runner:
    """Safe beside others, also in other processes: of two that add the same to a finding one stands. `look(now)`: with
    what the checks of one round look."""

    def __init__(
        self,
        checks: Mapping[str, Check],
        look: Callable[[datetime], Looking],
        findings: FindingLog,
        controls: ControlLog,
        clock: Callable[[], datetime],
        calendar: Calendar,
    ) -> None:
        self._checks = checks
        self._look = look
        self._findings = findings
        self._controls = controls
        self._clock = clock
        self._calendar = calendar

    def run(self, names: Iterable[str] | None = None) -> list[ControlRun]:
        """Run these checks, all if none are named, one after the other. Raises InputError for a name that is none,
        before anything runs; IndexUnavailable where a result cannot be stored."""
        wanted = list(self._checks) if names is None else list(names)
        if not self._checks.keys() >= {*wanted}:
            raise InputError("there is no check of that name; `innsyn controls` lists those there are")
        looking = self._look(self._clock())
        return [self._run(self._checks[name], looking) for name in dict.fromkeys(wanted)]

    def _run(self, check: Check, looking: Looking) -> ControlRun:
        begun = self._clock()
        try:
            checked = check.run(looking)
            self._add(check.name, checked)
            result = (checked.verdict.value, checked.looked_at, len(checked.violations), checked.why)
        except InnsynError as error:
            result = (FAILED, 0, 0, str(error))
        except Exception as error:  # noqa: BLE001 - one broken check shall neither be silent nor stop the others
            result = (FAILED, 0, 0, f"a bug in the check: {place_of(error)}")
        run = ControlRun(check.name, begun, self._clock(), *result)
        self._controls.store(run)
        return run

    def _add(self, name: str, checked: Checked) -> None:
        """What changed of the check's findings. Somebody may act on one meanwhile: then it is looked at anew."""
        for _ in range(_TRIES):
            known = findings_of(self._findings.entries(name))
            added = changes(name, checked, known, self._clock(), self._calendar)
            if all(self._findings.append(entry) for entry in added):
                return
        raise IndexUnavailable(
            "others changed the findings of this check again and again; it runs again by itself"
        )


def due(checks: Iterable[str], controls: ControlLog, seconds: float, now: datetime) -> Sequence[str]:
    """Checks of which the last run began so long ago, or that never ran; or whose only runs began later than now, by a
    clock that was ahead. Raises IndexUnavailable."""
    begun = {item.last.check: item.last.begun for item in controls.stands(now)}
    return [
        name
        for name in checks
        if name not in begun or begun[name] > now or (now - begun[name]).total_seconds() >= seconds
    ]

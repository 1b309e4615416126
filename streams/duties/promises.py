"""Promises and what their checks say of them: kept only where every check finds it kept. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from schemas.company import Company
from schemas.errors import CatalogueError
from schemas.promises import FILE, Promise
from sinks.ports.findings import ControlStands
from streams.duties.check import Verdict
from streams.duties.checks.controls import LONGEST
from streams.duties.findings import Finding, Standing


@dataclass(frozen=True)
class CheckStands:
    """What one check says of a promise. `verdict`: as its last run says it, not observable where it never ran, failed,
    or has not run for longer than a check may, with why. `last`: when its last run began."""

    check: str
    verdict: Verdict
    since: datetime | None
    why: str = ""
    last: datetime | None = None


@dataclass(frozen=True)
class PromiseStands:
    """How a promise stands. `since`: from when on its checks have said so, None where they never ran. `findings`: those
    of its checks that are not mended; `open`: how many of these nobody has explained or accepted."""

    promise: Promise
    verdict: Verdict
    since: datetime | None
    checks: tuple[CheckStands, ...]
    findings: tuple[Finding, ...]
    open: int


def refuse_unknown_checks(company: Company, known: Collection[str]) -> None:
    """Raises CatalogueError, with file, key and mend, for a promise that names a check that is none."""
    for promise in company.promises.values():
        for place, name in enumerate(promise.checks):
            if name not in known:
                close = difflib.get_close_matches(name, sorted(known), n=1)
                meant = f"did you mean {close[0]}?" if close else "`innsyn controls` lists those there are;"
                raise CatalogueError(
                    str(company.promises_file or FILE),
                    f"{promise.id}.checks.{place}",
                    f"{name!r} is no check; {meant} name one, or take the line out",
                )


def promises_stand(
    promises: Mapping[str, Promise],
    stands: Mapping[str, ControlStands],
    findings: Sequence[Finding],
    today: date,
    now: datetime,
) -> list[PromiseStands]:
    """Each promise, in its order. Broken where one check finds it broken; else kept only where all of them do."""
    checks = {
        name: _check(name, stands.get(name), now) for promise in promises.values() for name in promise.checks
    }
    return [_stands(promise, checks, findings, today) for promise in promises.values()]


def _stands(
    promise: Promise, every: Mapping[str, CheckStands], findings: Sequence[Finding], today: date
) -> PromiseStands:
    checks = tuple(every[name] for name in promise.checks)
    said = {item.verdict for item in checks}
    verdict = next((item for item in (Verdict.BROKEN, Verdict.NOT_OBSERVABLE) if item in said), Verdict.KEPT)
    times = [item.since for item in checks if item.verdict is verdict and item.since is not None]
    # Broken since the first check said so; kept since the last one did.
    since = (max if verdict is Verdict.KEPT else min)(times, default=None)
    theirs = tuple(
        item
        for item in findings
        if item.check in promise.checks and item.stands(today) is not Standing.MENDED
    )
    return PromiseStands(
        promise,
        verdict,
        since,
        checks,
        theirs,
        sum(item.stands(today) is Standing.OPEN for item in theirs),
    )


def _check(name: str, stands: ControlStands | None, now: datetime) -> CheckStands:
    if stands is None:
        return CheckStands(name, Verdict.NOT_OBSERVABLE, None, "The check has not run yet.")
    run = stands.last
    if not timedelta() <= now - run.begun <= LONGEST:
        when = run.begun.strftime("%Y-%m-%d %H:%M UTC")
        why = f"The check has not run since {when}."
        if run.begun > now:
            why = f"The check ran by a clock that was ahead ({when}), and not since."
        return CheckStands(name, Verdict.NOT_OBSERVABLE, run.begun, why, run.begun)
    if run.verdict not in list(Verdict):
        return CheckStands(
            name, Verdict.NOT_OBSERVABLE, stands.since, f"The check failed: {run.why}", run.begun
        )
    return CheckStands(name, Verdict(run.verdict), stands.since, run.why, run.begun)

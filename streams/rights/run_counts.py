"""How many records a retention run is to find at each system."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sinks.ports.expiry import ExpiryReader
from sinks.ports.lineage import Span
from streams.answers.run_plan import OldRecordsPlan, RunPlan, recounted, run_from_json
from streams.rights.protocol.command import EVERY
from streams.rights.protocol.events import PlannedCommand
from streams.rights.protocol.messages import command_id
from streams.rights.protocol.request import RequestState

_NEVER = datetime(1, 1, 2, tzinfo=UTC)


def with_counts(
    plan: RunPlan, reader: ExpiryReader, runs: Iterable[RequestState], kept: Sequence[Span]
) -> RunPlan:
    """The plan with how many records the index counts of each line but those under the spans of `kept`. `runs`: the
    other ones. Raises IndexUnavailable."""
    questions = [item.question for item in plan.records]
    older = _taken_before(plan.records, runs)
    again = [
        replace(question, before=min(question.before, before))
        for question, before in zip(questions, older, strict=True)
    ]
    counts = reader.records([*questions, *again], kept) if questions else []
    return recounted(plan, counts[: len(questions)], counts[len(questions) :])


def by_system(plan: RunPlan) -> Mapping[str, list[OldRecordsPlan]]:
    found: defaultdict[str, list[OldRecordsPlan]] = defaultdict(list)
    for item in plan.records:
        found[item.system].append(item)
    return found


def planned_commands(run_id: str, plan: RunPlan) -> tuple[PlannedCommand, ...]:
    """One for each system that is told anything."""
    return tuple(_command(run_id, system, lines) for system, lines in by_system(plan).items())


def _command(run_id: str, system: str, lines: Sequence[OldRecordsPlan]) -> PlannedCommand:
    """Of records that a run before took for all it is not known whether the system has them: they may have come since,
    or the index read their events anew."""
    records, again = Counter[str](), Counter[str]()
    for line in lines:
        records[line.record] += line.expected
        again[line.record] += line.again
    least = {name: count - again[name] for name, count in records.items()}
    least[EVERY] = sum(least.values())
    return PlannedCommand(
        command_id=command_id(run_id, system),
        system=system,
        planned=records.total(),
        records=dict(records),
        least=least if any(again.values()) else None,
        events=sum(line.events - line.kept for line in lines),
    )


def _taken_before(lines: Iterable[OldRecordsPlan], runs: Iterable[RequestState]) -> list[datetime]:
    """Of each of these, before which moment a completed run has taken all there was, of whomever."""
    taken: dict[Any, datetime] = {}
    for run in runs:
        if not run.carried_out or run.plan is None:
            continue
        for item in run_from_json(run.plan["run"]).records:
            if not item.kept and item.system in run.expired_at:
                place = item.system, item.record, item.where, item.fields
                taken[place] = max(taken.get(place, item.before), item.before)
    return [taken.get((item.system, item.record, item.where, item.fields), _NEVER) for item in lines]

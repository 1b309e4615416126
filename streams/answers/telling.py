"""What a system is told beside what it is to erase. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from schemas.messages import Kept
from schemas.records import RecordSchema
from sinks.ports.lineage import Found
from streams.answers.erasure_plan import named_fields
from streams.answers.plan import Part, Plan, Telling

_MILLISECOND = timedelta(milliseconds=1)
_Why = tuple[str, tuple[str, ...], date | None, str, str]  # record, purposes, until, rule, citation


def with_telling(plan: Plan, found: Found, records: Mapping[str, RecordSchema], now: datetime) -> Plan:
    """The plan, made at that moment of what was found, with what each system of its commands is told beside."""
    last: dict[int, datetime] = {}
    for holding in found.holdings:
        known = last.get(holding.tags.id, holding.last_seen)
        last[holding.tags.id] = max(known, holding.last_seen)
    telling = tuple(_told(command.system, plan.parts, last, records) for command in plan.commands)
    return replace(plan, telling=telling, made_at=now)


def telling_of(plan: Plan, system: str) -> Telling:
    """What it is told beside; of plans from before that was kept, nothing."""
    nothing = Telling(system, (), (), None)
    return next((item for item in plan.telling if item.system == system), nothing)


def cut_off(plan: Plan, system: str) -> datetime | None:
    """The moment from which on records are not meant, in whole milliseconds: that of the plan, or after the last event
    to erase, which may be dated ahead. None: the plan does not say."""
    if plan.made_at is None:
        return None
    last = telling_of(plan, system).last_event
    moment = plan.made_at if last is None else max(plan.made_at, last + _MILLISECOND)
    return moment + timedelta(microseconds=-moment.microsecond % 1000)


def beyond(plan: Plan, before: Plan, system: str) -> bool:
    """Whether the plan erases events at the system that the command by the plan before did not reach."""
    told, last = cut_off(before, system), telling_of(plan, system).last_event
    return told is not None and last is not None and last >= told


def counted_aloud(plan: Plan, system: str, counts: Mapping[str, int]) -> dict[str, int]:
    """Of the records counted at a system those of kinds of which nothing that goes is only described."""
    locked = {
        part.record
        for part in plan.parts
        if part.system == system and part.locked and part.action == "erase_now"
    }
    return {record: count for record, count in sorted(counts.items()) if record not in locked}


def _told(
    system: str, parts: Sequence[Part], last: Mapping[int, datetime], records: Mapping[str, RecordSchema]
) -> Telling:
    aloud = [part for part in parts if part.system == system and not part.locked]
    held = [part for part in aloud if part.action == "hold_until"]
    staying = {purpose for part in aloud if part.action != "erase_now" for purpose in part.purposes}
    ended = {purpose for part in aloud for purpose in part.ended}
    reached = [
        last[part.tag_set]
        for part in parts
        if part.system == system and part.action == "erase_now" and part.tag_set in last
    ]
    return Telling(
        system,
        purposes=tuple(sorted(ended - staying)),
        kept=tuple(_kept(held, records)),
        last_event=max(reached, default=None),
    )


def _kept(held: Sequence[Part], records: Mapping[str, RecordSchema]) -> list[Kept]:
    """What is held, of each record by each rule until each day."""
    by_rule: dict[_Why, list[Part]] = {}
    for part in held:
        if part.rule is not None and part.citation is not None and part.record in records:
            why = (part.record, part.purposes, part.until, part.rule, part.citation)
            by_rule.setdefault(why, []).append(part)
    return [
        Kept(record, tuple(named_fields(records[record], members)), purposes, until, rule, citation)
        for (record, purposes, until, rule, citation), members in sorted(by_rule.items(), key=repr)
    ]

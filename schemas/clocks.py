"""The words of `clocks` annotations, and whether events of a record can be read by them. Pure.

Which clocks there are, `schemas.policy.RetentionAnchors` says; those that no event starts by being there are not among
them: `event` and `financial_year_end` need no annotation.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from dataclasses import fields
from typing import Literal, get_args

from schemas.annotations import ClockRule, ClockWord, Problem, RecordSchema
from schemas.policy import MOMENTS, RetentionAnchors
from schemas.vocabulary import Role

CLOCKS = tuple(item.name for item in fields(RetentionAnchors))
WORDS: tuple[str, ...] = get_args(ClockWord)
MOST_RULES = 255
"""Of one record: the index tells what an event says apart by a number of so many values."""
MOST_DAYS_BEFORE = 3_660
_Key = Literal["group", "mark", "at", "above_zero"]


def clock_faults(rule: ClockRule) -> Iterator[tuple[str, str]]:
    """(key, what is wrong and how to mend it) of a rule, whatever its record."""
    if rule.clock not in CLOCKS:
        yield "clock", unknown("clock", rule.clock, CLOCKS)
    if (rule.mark is None) != (not rule.marks):
        yield (
            "mark",
            "mark and marks do not go together; name a field in mark, and in marks what its values mean",
        )
    for word in [*rule.marks.values(), rule.says]:
        if word not in WORDS:
            yield "marks", unknown("word", word, WORDS)
    if rule.at is not None and rule.says != "starts":
        yield "says", "at says when the clock starts; leave says out"
    if rule.days_before and rule.clock not in MOMENTS:
        yield "days_before", f"is of {', '.join(sorted(MOMENTS))} alone; leave it out"
    if not 0 <= rule.days_before <= MOST_DAYS_BEFORE:
        yield "days_before", f"is out of range; write 0 to {MOST_DAYS_BEFORE}"


def clock_problems(record: RecordSchema) -> Iterator[Problem]:
    """What keeps events of the record from saying when clocks start."""
    rules = record.annotation.clocks
    if len(rules) > MOST_RULES:
        yield Problem(record.file, f"{record.name} clocks", "too many rules", f"write {MOST_RULES} at most")
    if rules and not any(item.role == Role.OWNER for item in record.identifiers):
        mend = "give a field an identifier of role owner, or take the clocks out"
        yield Problem(record.file, f"{record.name} clocks", "clocks of nobody", mend)
    for number, rule in enumerate(rules):
        where = f"{record.name} clocks.{number}"
        for key, fault in clock_faults(rule):
            what, _, mend = fault.partition("; ")
            yield Problem(record.file, where, f"{key} {what}" if what.startswith("is ") else what, mend)
        # Those of a contract are about paths: `schemas.contract_clocks` looks at them.
        if not record.contract:
            yield from _fields(record, where, rule)


def _fields(record: RecordSchema, where: str, rule: ClockRule) -> Iterator[Problem]:
    named: dict[_Key, str | None] = {
        "group": rule.group,
        "mark": rule.mark,
        "at": rule.at,
        "above_zero": rule.above_zero,
    }
    for key, name in named.items():
        if name is not None and (record.find(name) is None or "." in name):
            mend = "name a field at the top of the record"
            yield Problem(record.file, where, f"{key} {name} is no field", mend)
            return
    group = record.find(rule.group) if rule.group else None
    if group is not None and group.type not in ("string", "int", "long"):
        mend = "name a string or a number that is the key of what the clock runs for"
        yield Problem(record.file, where, f"group {group.name} is no key", mend)
    at = record.find(rule.at) if rule.at else None
    if at is not None and (at.type, at.logical_type) != ("long", "timestamp-millis"):
        mend = "name a field that is a long of logical type timestamp-millis, or leave at out"
        yield Problem(record.file, where, f"at {at.name} is no time", mend)
    amount = record.find(rule.above_zero) if rule.above_zero else None
    if amount is not None and amount.type not in ("int", "long", "double"):
        mend = "name an int, a long or a double"
        yield Problem(record.file, where, f"above_zero {amount.name} is no number", mend)
    symbols = record.symbols(rule.mark) if rule.mark else ()
    if rule.mark and not symbols:
        mend = "name an enum at the top of the record"
        yield Problem(record.file, where, f"mark {rule.mark} is no enum", mend)
    for symbol in rule.marks if symbols else ():
        if symbol not in symbols:
            what, _, mend = unknown("symbol", symbol, symbols).partition("; ")
            yield Problem(record.file, where, what, mend)


def unknown(noun: str, word: str, known: Collection[str]) -> str:
    """What is wrong with a word that is in no list, and which was meant, or which there are."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    mend = f"did you mean {close[0]}?" if close else f"use {', '.join(known)}"
    return f"unknown {noun} {word or '(empty)'}; {mend}"

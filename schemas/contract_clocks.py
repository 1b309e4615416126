"""What a contract's `clocks` may say: which events start and stop retention clocks, over paths. Pure.

The words are those of `schemas.clocks`. A rule is read outside of arrays: an event says one thing of each clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from schemas.annotations import ClockRule
from schemas.clocks import clock_faults
from schemas.contract_file import ContractClock, ContractFile, EventTime, check_time
from schemas.errors import CatalogueError
from schemas.paths import ANY, ITEM, steps

_OF_A_KEY = ("string", "integer")
_OF_A_NUMBER = ("integer", "number")
_OF_A_MARK = ("string", "integer", "boolean")


def clock_rules(said: ContractFile) -> tuple[ClockRule, ...]:
    """The rules as annotations of a schema have them; `at` names the field."""
    return tuple(
        ClockRule(**{**rule.model_dump(), "at": rule.at.path if rule.at else None}) for rule in said.clocks
    )


def times_at(said: ContractFile) -> Mapping[str, EventTime]:
    """Of each field that says when a clock starts, how it gives the time."""
    return {rule.at.path: rule.at for rule in said.clocks if rule.at}


def check_clocks(file: str, said: ContractFile) -> None:
    """Refuse a rule that says nothing, or not of what. Errors: CatalogueError with file, key and mend."""
    since = {rule.since.path for rule in said.identity if rule.since}
    for number, (rule, read) in enumerate(zip(said.clocks, clock_rules(said), strict=True)):
        key = f"clocks.{number}"
        for word, fault in clock_faults(read):
            raise CatalogueError(file, f"{key}.{word}", fault)
        if rule.group is not None:
            _named(file, f"{key}.group", said, rule.group, _OF_A_KEY)
        if rule.mark is not None:
            _named(file, f"{key}.mark", said, rule.mark, _OF_A_MARK)
        if rule.above_zero is not None:
            _named(file, f"{key}.above_zero", said, rule.above_zero, _OF_A_NUMBER)
        if rule.at is not None:
            _at(file, f"{key}.at", said, rule, since)


def _at(file: str, key: str, said: ContractFile, rule: ContractClock, since: set[str]) -> None:
    assert rule.at is not None
    if not rule.at.path:
        _refuse(file, key, "names no field; write path, or leave at out for the event's own time")
    _named(file, f"{key}.path", said, rule.at.path)
    if rule.at.path == said.event_time.path:
        _refuse(file, key, "is the event's own time; leave it out")
    if rule.at.path in since:
        _refuse(file, key, f"{rule.at.path} is the since of an identity rule; name another field")
    check_time(file, said, rule.at)
    if times_at(said)[rule.at.path] != rule.at:
        _refuse(file, key, f"gives {rule.at.path} in two units; write the one that the message has")


def _named(file: str, key: str, said: ContractFile, path: str, kinds: tuple[str, ...] = ()) -> None:
    field = said.fields.get(path)
    if field is None:
        _refuse(file, key, f"{path} is none of fields; name one, or add it there")
    if {ITEM, ANY} & {*steps(path)}:
        _refuse(file, key, f"{path} lies in an array or a map; name a field outside")
    if kinds and field.type not in kinds:
        _refuse(file, key, f"{path} is of type {field.type}; name one of {' or '.join(kinds)}")


def _refuse(file: str, key: str, mend: str) -> NoReturn:
    raise CatalogueError(file, key, mend)

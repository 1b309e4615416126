"""Records that a system is told by their own key, in commands of other rights than erasure: as a plan keeps them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from streams.answers.naming import KeyedRecords
from streams.answers.unnamed import KeyedCounts
from streams.rights.protocol.events import PlannedCommand
from streams.rights.protocol.rights_commands import KEYED


def planned_by_key(
    command: PlannedCommand,
    said: Mapping[str, Any],
    tag_sets: Iterable[Collection[int]],
    keyed: KeyedCounts,
    planned: int,
) -> tuple[PlannedCommand, dict[str, Any]]:
    """The command and what the plan says of its system, with how many of the `planned` records nothing names that it is
    sent, and which are told by their own key. `tag_sets`: those of each kind of record. Raises IndexUnavailable."""
    meant = sorted({tag_set for ids in tag_sets for tag_set in ids})
    left = keyed.at(command.system, meant, planned)
    counted = replace(command, by_link=left.by_link, by_key=left.by_key or None)
    bare = {name: value for name, value in said.items() if name != KEYED}
    return counted, {**bare, KEYED: meant} if left.by_key else bare


def kept_by_key(said: Mapping[str, Any]) -> Sequence[KeyedRecords]:
    """What records of a system may be told by their own key, by what the plan says of it; mostly none. Pure."""
    tag_sets: Sequence[int] = said.get(KEYED, ())
    return [KeyedRecords(tag_sets)] if tag_sets else []

"""What one system is told to restrict: for which purposes, and in which of its records. One rule for a restriction, an
objection and a withdrawn consent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas.catalogue import Catalogue
from schemas.vocabulary import CommandKind
from sinks.ports.lineage import IndexReader, Span
from streams.answers.plan import Part
from streams.rights.protocol.command import Command
from streams.rights.protocol.events import PlannedCommand

ENDED_USE = "/restrict"
"""After the id of a system's command by a withdrawal: the command that restricts, beside the one that erases."""


@dataclass
class Place:
    """What one system is to restrict: for which purposes, of which categories, and the tag sets by record."""

    purposes: set[str] = field(default_factory=set)
    categories: set[str] = field(default_factory=set)
    records: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


def takes_commands(system: str, catalogue: Catalogue) -> bool:
    """Whether a system can be told: not one whose data expire by themselves, or that is innsyn's own."""
    known = catalogue.systems.get(system)
    return known is None or known.erasure == "command"


def ended_places(parts: Iterable[Part], catalogue: Catalogue) -> Mapping[str, Place]:
    """By system, where data stay after a consent was withdrawn, and for which purposes they may be used no more. What
    is kept for the police alone is told to nobody. Pure."""
    by_system: defaultdict[str, Place] = defaultdict(Place)
    for part in parts:
        if part.action != "stays" or part.locked or not takes_commands(part.system, catalogue):
            continue
        place = by_system[part.system]
        place.purposes |= {*part.ended}
        place.categories.add(part.category)
        place.records[part.record].add(part.tag_set)
    return dict(sorted(by_system.items()))


def counted_records(place: Place, spans: Sequence[Span], reader: IndexReader) -> dict[str, int]:
    """How many records the index tells of, by kind, each once whatever roles the person has in it."""
    return {
        record: reader.counts(spans, sorted(tag_sets)).records
        for record, tag_sets in sorted(place.records.items())
    }


def restrict_command(
    command_id: str, system: str, records: Mapping[str, int], catalogue: Catalogue
) -> PlannedCommand:
    """The command; by hand where no job of the system restricts on command. Pure."""
    known = catalogue.systems.get(system)
    return PlannedCommand(
        command_id=command_id,
        system=system,
        planned=sum(records.values()),
        records=records,
        kind=CommandKind.RESTRICT,
        by_hand=None if known and known.restriction == "command" else True,
    )


def said_to(system: str, place: Place, ground: str) -> dict[str, Any]:
    """What a system is told beside whose data it is, as the plan keeps it. Pure."""
    purposes, categories = sorted(place.purposes), sorted(place.categories)
    return {"system": system, "purposes": purposes, "categories": categories, "ground": ground}


def wider(
    place: Place, said: Mapping[str, Any] | None, command: Command | None, *, anew: bool = False
) -> Place | None:
    """Where a system was told `said` by `command`: all that it has to restrict, None where it was told that already.

    What it restricts by then holds for rows that come later, so more rows of the same kind are nothing new. `anew`: it
    is told in any case. Pure.
    """
    if said is None or command is None:
        return place
    known = {*said["purposes"]}, {*said["categories"]}, command.records.keys()
    alike = place.purposes <= known[0] and place.categories <= known[1] and place.records.keys() <= known[2]
    if alike and not anew:
        return None
    return Place(place.purposes | known[0], place.categories | known[1], place.records)

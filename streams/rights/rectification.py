"""Rectification (GDPR Art. 16): every system that holds data of the categories concerned is told what is right.

What is corrected is kept by its field alone, its value sealed under the request's key and in the commands. Whoever was
given such data is told too (Art. 19): the request is done when the systems have answered and each recipient was told,
or a person has said why that is impossible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.company import Company
from schemas.errors import InputError
from schemas.vocabulary import CommandKind, Resolution
from sinks.ports.lineage import Found, Holding
from streams.answers.attribution import snapshot_of
from streams.answers.report import only_described
from streams.answers.unjudged import judged
from streams.answers.unread import with_unread
from streams.identity.model import ResolvedSubject
from streams.rights.giving_way import waits_for_others
from streams.rights.keyed import planned_by_key
from streams.rights.nobody import nobody_known
from streams.rights.protocol.command import EVERY
from streams.rights.protocol.events import Planned, PlannedCommand
from streams.rights.protocol.messages import command_id
from streams.rights.protocol.request import RequestState
from streams.rights.restriction import ByCommand, recipients_of

GROUND = "GDPR Art. 16"


@dataclass
class Wrong:
    """Where one system holds what is to be corrected."""

    categories: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    records: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


class Rectification(ByCommand):
    """The right to rectification."""

    def _plan(self, request: RequestState) -> RequestState:
        tools, file = self._tools, self._tools.file
        if not request.scope.fields:
            why = "what is to be corrected was not given; cancel it, and make it anew by `innsyn rectify`"
            return file.stand(request, why)
        if not request.subjects:
            request = tools.about(request)
        now = file.now()
        person = tools.subjects.of(request)
        if person.resolution is Resolution.AMBIGUOUS:
            unclear = tools.subjects.unclear(request, person)
            return file.stand(request, unclear, Resolution.AMBIGUOUS)
        # Also before people are asked to correct by hand.
        tools.keeping.frozen(now).refuse(person.spans)
        if (unknown := nobody_known(request, person, tools.reader, tools.subjects)) is not None:
            return file.stand(request, unknown, Resolution.NONE)
        beside = tools.subjects.requests_of(request.subjects, person.spans, request.request_id)
        if (waits := waits_for_others(file, beside, request)) is not None:
            # What systems erase meanwhile they could not correct, and an older correction would come last.
            return waits
        before = tools.subjects.erased_before(request, person)
        categories = categories_of(request.scope.fields, tools.company)
        holdings = concerned(tools.reader.find(person.spans), {*categories.values()}, tools.company)
        told, commands = [], []
        for system, wrong in by_system(holdings, categories).items():
            command, said = self._command(request, system, wrong, categories, person)
            commands.append(command)
            told.append(said)
        plan = {"as_of": file.calendar.day(now).isoformat(), "rectified": told, "parts": [], "commands": []}
        plan["recipients"] = recipients_of(holdings, self._catalogue)
        approval = tools.company.rights.needs_approval(request.type, holds=False, systems=len(commands))
        nothing = () if commands else ("no system holds data of the person of these categories",)
        planned = Planned(
            plan={**plan, **with_unread(tools.unread())},
            commands=tuple(commands),
            identity=snapshot_of(person).json(),
            resolution=person.resolution,
            remarks=(*person.problems, *before, *nothing),
            approval=approval or None,
        )
        return file.decide(request, planned, now)

    def _command(
        self,
        request: RequestState,
        system: str,
        wrong: Wrong,
        categories: Mapping[str, str],
        person: ResolvedSubject,
    ) -> tuple[PlannedCommand, dict[str, Any]]:
        """What one system is told, and what the plan says of it."""
        tools, known = self._tools, self._catalogue.systems.get(system)
        counts = {
            name: tools.reader.counts(person.spans, sorted(ids)).records
            for name, ids in sorted(wrong.records.items())
        }
        command = PlannedCommand(
            command_id=command_id(request.request_id, system),
            system=system,
            planned=enough(wrong, counts)[EVERY],
            least=enough(wrong, counts),
            records=counts,
            kind=CommandKind.RECTIFICATION,
            by_hand=None if known and known.rectification == "command" else True,
        )
        said = {
            "system": system,
            "categories": sorted(wrong.categories),
            "fields": sorted(wrong.fields),
            "corrections": corrections_for(wrong, categories),
            "purposes": [],
            "ground": GROUND,
        }
        keyed = tools.subjects.keyed(request, person, tools.reader)
        return planned_by_key(command, said, wrong.records.values(), keyed, sum(counts.values()))


def categories_of(fields: Iterable[str], company: Company) -> dict[str, str]:
    """The category of each `Record.field`. Raises InputError for one that the company has not, or that says nothing
    of a person. Pure."""
    found = {}
    for number, path in enumerate(fields, 1):
        record, _, name = path.partition(".")
        schema = company.every_record.get(record)
        known = schema.find(name) if schema else None
        if known is None or not known.personal:
            raise InputError(
                f"correction {number} is of no field with data of a person; `innsyn schema show RECORD` lists them,"
                " written as Record.field"
            )
        found[path] = known.category
    return found


def concerned(found: Found, categories: Collection[str], company: Company) -> list[Holding]:
    """What a system that can be told holds of these categories; not what is kept for the police alone. Pure."""
    catalogue = company.catalogue
    holdings = []
    for holding in judged(found, catalogue)[0].holdings:
        system = catalogue.systems.get(holding.tags.system)
        told = system is None or system.erasure == "command"
        if (
            told
            and {*holding.tags.categories} & {*categories}
            and not only_described(holding.tags, catalogue)
        ):
            holdings.append(holding)
    return holdings


def by_system(holdings: Iterable[Holding], categories: Mapping[str, str]) -> dict[str, Wrong]:
    """What each system is told; `fields` those of its own records, empty: whatever it has of the categories. Pure."""
    found: defaultdict[str, Wrong] = defaultdict(Wrong)
    for holding in holdings:
        tags, wrong = holding.tags, found[holding.tags.system]
        wrong.categories |= {*tags.categories} & {*categories.values()}
        wrong.fields |= {
            path
            for path, category in categories.items()
            if path.partition(".")[0] == tags.record and category in tags.categories
        }
        wrong.records[tags.record].add(tags.id)
    return dict(sorted(found.items()))


def corrections_for(wrong: Wrong, categories: Mapping[str, str]) -> list[str]:
    """Which corrections a system gets: those of its own records; where it has none of these fields, those of categories
    that it holds. Pure."""
    return sorted(wrong.fields) or [
        path for path, category in sorted(categories.items()) if category in wrong.categories
    ]


def enough(wrong: Wrong, counts: Mapping[str, int]) -> dict[str, int]:
    """Of how many records an answer tells at least: one of each kind with a field that is corrected, one in all. A
    system corrects its row, however many events told of it. Pure."""
    own = {path.partition(".")[0] for path in wrong.fields}
    asked = {name: int(name in own and count > 0) for name, count in counts.items()}
    return {**asked, EVERY: max(sum(asked.values()), 1)}

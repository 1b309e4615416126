"""What a reference job does beside erasing: copies, corrects, restricts and frees. One rule for every store.

A restriction is written into the column `restricted` of each row of the person: words with blanks between them, each a
purpose, or * for all, and behind @ the command that it rests on, such as `P-MARKETING@r-1/crm`. Whoever uses the rows
for a purpose leaves out those that have `*@` or `<purpose>@` there. Rows that come later are marked when they are
looked for again. Whom a restriction is about is remembered until it is lifted, or nothing of the person is left.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Protocol

from innsyn_sdk.copies import Copied
from innsyn_sdk.mapping import Column, RecordMapping
from innsyn_sdk.matching import NeedsPerson, Row, UnknownField, Whose
from innsyn_sdk.outcome import Outcome, changed, failed, not_found
from innsyn_sdk.protocol import Command, Identifier
from innsyn_sdk.state import Restrictions
from innsyn_sdk.values import written

ALL, LIFT = "*", "/lift"
"""The purpose that stands for all; what stands behind the id of a restriction where it is ended."""
Change = Callable[[Row], Mapping[str, Any] | None]
"""What columns of a row are to say, empty where they say so already; None: it is not about the row. Pure; it may raise
NeedsPerson."""
_log = logging.getLogger(__name__)


class Pass(Protocol):
    """One piece of work on a store."""

    def read(self, whose: Whose) -> Iterator[Row]:
        """All rows that may be the person's, and perhaps others. Nothing is changed."""

    def change(self, mapping: RecordMapping, whose: Whose | None, decide: Change) -> int:
        """Ask of every row that may be the person's, and perhaps of others, what it is to say, and write that. Without
        `whose`: of all rows that are restricted. Returns how many it is about."""


class Rows(Protocol):
    """A store that can be read and changed."""

    def work(self) -> AbstractContextManager[Pass]:
        """All of it or nothing, where the store can. Raises NeedsPerson, UnknownField, StoreUnavailable."""


class Changing:
    """The handlers of a job for all rights but erasure. Each may be repeated and comes to the same."""

    def __init__(self, rows: Rows, records: Sequence[RecordMapping], standing: Restrictions) -> None:
        self._rows, self._records, self._standing = rows, tuple(records), standing

    def export(self, command: Command) -> Sequence[Copied] | Outcome:
        """The person's rows of the records that the command names; none named: of all."""
        try:
            self._known(command.fields)
            named = {path.partition(".")[0] for path in command.fields}
            found: list[Copied] = []
            with self._rows.work() as work:
                for mapping in self._records:
                    whose = Whose(command.identifiers, mapping)
                    if whose.naming and (not named or mapping.record in named):
                        found += [
                            (mapping.record, copied(mapping, row))
                            for row in work.read(whose)
                            if whose.roles(row)
                        ]
            return found
        except (NeedsPerson, UnknownField) as error:
            return _declined(error)

    def rectify(self, command: Command) -> Outcome:
        """Write what is right into the person's rows; what is about another person in a row stays."""
        counts: Counter[str] = Counter()
        try:
            wanted = [(mapping, self._right(command, mapping)) for mapping in self._mapped(command)]
            with self._rows.work() as work:
                for mapping, values in wanted:
                    whose = Whose(command.identifiers, mapping)
                    if whose.naming:
                        counts[mapping.record] += work.change(mapping, whose, _corrected(whose, values))
        except (NeedsPerson, UnknownField) as error:
            return _declined(error)
        return _changed(counts)

    def restrict(self, command: Command) -> Outcome:
        """Mark the person's rows of the records that innsyn expects; of a `lift`, take the marks of it away."""
        try:
            if command.kind == "lift":
                return self._lift(command.command_id.removesuffix(LIFT))
            chosen = self._restrictable(command)
            records = [mapping.record for mapping in chosen]
            # Before the first mark: what is marked is never forgotten.
            self._standing.restrict(command.command_id, _text(command.identifiers, records, command.purposes))
            counts = self._mark(command.command_id, command.identifiers, chosen, command.purposes)
            if not counts.total():
                self._standing.free(command.command_id)
            return _changed(counts)
        except (NeedsPerson, UnknownField) as error:
            return _declined(error)

    def mark_again(self) -> None:
        """Mark rows that have come since. Raises StoreUnavailable; what cannot be judged is said in the log."""
        for command_id, text in self._standing.restrictions().items():
            identifiers, records, purposes = _read(text)
            chosen = [
                mapping for mapping in self._records if mapping.record in records and mapping.restricted
            ]
            try:
                self._mark(command_id, identifiers, chosen, purposes)
            except (NeedsPerson, UnknownField) as error:
                _log.error("rows that came later may lack the restriction of %s: %s", command_id, error)

    def forget(self) -> None:
        """After an erasure: nothing is remembered of people of whom nothing is left. Raises StoreUnavailable."""
        for command_id, text in self._standing.restrictions().items():
            identifiers, records, _ = _read(text)
            try:
                with self._rows.work() as work:
                    whose = [Whose(identifiers, item) for item in self._records if item.record in records]
                    left = any(one.roles(row) for one in whose if one.naming for row in work.read(one))
            except (NeedsPerson, UnknownField):
                continue
            if not left:
                self._standing.free(command_id)

    def _mark(
        self,
        command_id: str,
        identifiers: Sequence[Identifier],
        chosen: Sequence[RecordMapping],
        purposes: Collection[str],
    ) -> Counter[str]:
        """How many rows of each record are marked then."""
        counts: Counter[str] = Counter()
        with self._rows.work() as work:
            for mapping in chosen:
                whose = Whose(identifiers, mapping)
                if whose.naming:
                    counts[mapping.record] += work.change(
                        mapping, whose, _marked(whose, command_id, purposes)
                    )
        return counts

    def _lift(self, command_id: str) -> Outcome:
        counts: Counter[str] = Counter()
        with self._rows.work() as work:
            for mapping in self._records:
                if mapping.restricted:
                    counts[mapping.record] += work.change(mapping, None, _freed(mapping, command_id))
        self._standing.free(command_id)
        return _changed(counts)

    def _restrictable(self, command: Command) -> list[RecordMapping]:
        """Those that the command is about. Raises NeedsPerson where one of them cannot be marked."""
        able = {mapping.record: mapping for mapping in self._records if mapping.restricted}
        if lacking := sorted(command.expected.keys() - able.keys()):
            raise NeedsPerson(f"{lacking[0]} has no column `restricted` in the job's file")
        return [able[name] for name in command.expected] or [*able.values()]

    def _mapped(self, command: Command) -> list[RecordMapping]:
        """Those with a correction. Raises NeedsPerson for one of a record that is not here."""
        mapped = {mapping.record: mapping for mapping in self._records}
        named = {path.partition(".")[0] for path in command.content}
        if lacking := sorted(named - mapped.keys()):
            # Which of this store's columns say the same, the schemas of innsyn know and this file does not.
            raise NeedsPerson(f"a correction is of record {lacking[0]}, which the job's file does not map")
        return [mapped[name] for name in sorted(named)]

    def _right(self, command: Command, mapping: RecordMapping) -> Mapping[Column, Any]:
        """What columns shall say. Raises UnknownField, NeedsPerson."""
        self._known(command.content)
        found = {}
        for path, value in command.content.items():
            record, _, name = path.partition(".")
            if record != mapping.record:
                continue
            if name in mapping.absent:
                raise NeedsPerson(f"{path} is to be corrected, and the job's file lists it as absent")
            if not isinstance(value, str | int | float | bool | None):
                raise NeedsPerson(f"the correction of {path} is no single value")
            found[next(item for item in mapping.columns if item.field == name)] = value
        return found

    def _known(self, paths: Collection[str]) -> None:
        """Raises UnknownField for a record or field that the job's file neither maps nor lists as absent."""
        for path in paths:
            record, _, name = path.partition(".")
            mapping = next((item for item in self._records if item.record == record), None)
            if mapping is None or (
                name not in mapping.absent and all(item.field != name for item in mapping.columns)
            ):
                raise UnknownField(path)


def copied(mapping: RecordMapping, row: Row) -> dict[str, Any]:
    """The row as a copy has it, by field; the time by its column where that is mapped to no field."""
    found = {item.field: row.get(item.name) for item in mapping.columns}
    if mapping.time:
        field = next((item.field for item in mapping.columns if item.name == mapping.time), mapping.time)
        at = written(row.get(mapping.time), mapping)
        found[field] = row.get(mapping.time) if at is None else _in_utc(at)
    return found


def _in_utc(at: datetime) -> datetime:
    """The same moment; in its own zone where UTC would be in the year 0 or 10000, as of a time that stands for none."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return at


def marked(value: str | None, command_id: str, purposes: Collection[str]) -> str:
    """What the column says with a restriction more."""
    words = {word for word in (value or "").split() if word.rpartition("@")[2] != command_id}
    return " ".join(sorted(words | {f"{purpose}@{command_id}" for purpose in (purposes or (ALL,))}))


def freed(value: str | None, command_id: str) -> str | None:
    """What the column says without it; None: nothing restricts the row any more."""
    left = [word for word in (value or "").split() if word.rpartition("@")[2] != command_id]
    return " ".join(left) or None


def restricts(value: str | None, purpose: str) -> bool:
    """Whether a row with that in its column may not be used for the purpose."""
    return any(word.rpartition("@")[0] in (ALL, purpose) for word in (value or "").split())


def _marked(whose: Whose, command_id: str, purposes: Collection[str]) -> Change:
    column = whose.mapping.restricted or ""

    def decide(row: Row) -> Mapping[str, Any] | None:
        if not whose.roles(row):
            return None
        said = marked(row.get(column), command_id, purposes)
        return {} if said == row.get(column) else {column: said}

    return decide


def _freed(mapping: RecordMapping, command_id: str) -> Change:
    column = mapping.restricted or ""

    def decide(row: Row) -> Mapping[str, Any] | None:
        before = row.get(column) or None
        said = freed(before, command_id)
        return None if said == before else {column: said}

    return decide


def _corrected(whose: Whose, values: Mapping[Column, Any]) -> Change:
    def decide(row: Row) -> Mapping[str, Any] | None:
        roles = whose.roles(row)
        mine = {item.name: value for item, value in values.items() if _is_of(item, roles)}
        return {name: value for name, value in mine.items() if row.get(name) != value} if mine else None

    return decide


def _changed(counts: Counter[str]) -> Outcome:
    found = {record: count for record, count in counts.items() if count}
    return changed(found) if found else not_found()


def _is_of(column: Column, roles: Collection[str]) -> bool:
    """Whether what the column says is about somebody in one of the roles; of one that does not say, about the owner."""
    return (column.about or (column.role if column.kind else "owner")) in roles


def _text(identifiers: Sequence[Identifier], records: Collection[str], purposes: Collection[str]) -> str:
    said = [asdict(item) for item in identifiers]
    named = {"identifiers": said, "records": [*records], "purposes": sorted(purposes)}
    return json.dumps(named, default=datetime.isoformat)


def _read(text: str) -> tuple[list[Identifier], list[str], list[str]]:
    said = json.loads(text)
    for item in said["identifiers"]:
        item["ports"] = tuple(item["ports"])
        for name in ("at", "since", "until"):
            item[name] = item[name] and datetime.fromisoformat(item[name])
    return [Identifier(**item) for item in said["identifiers"]], said["records"], said["purposes"]


def _declined(error: Exception) -> Outcome:
    _log.error("%s", error)
    return failed("unknown_field" if isinstance(error, UnknownField) else "needs_person")

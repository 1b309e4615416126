"""Which rows have run out, and what of them goes: one rule for every store of a reference job. Pure.

A row that may name somebody whose records stay, in any column and any spelling and within the limits of what was said,
stays whole. One without a readable time is left as it is, and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from innsyn_sdk.expiry import Expiry, RunOut
from innsyn_sdk.loosely import address_in, of_identifier, spellings
from innsyn_sdk.mapping import Column, RecordMapping
from innsyn_sdk.matching import (
    NOTHING,
    Row,
    UnknownField,
    Verdict,
    but_kept,
    names_of,
    need_time,
    selected,
)
from innsyn_sdk.protocol import Identifier
from innsyn_sdk.values import address_of, moment, network, port_of


@dataclass(frozen=True)
class _RunOut:
    """Columns that have run out of rows before a moment."""

    columns: frozenset[Column]
    where: Mapping[str, Any] | None
    before: datetime


@dataclass
class _Kept:
    """Whose records stay, by how a column may spell it."""

    column: Column
    whole: dict[str, list[Identifier]] = field(default_factory=dict)
    parts: dict[str, list[Identifier]] = field(default_factory=dict)
    prefixes: list[tuple[Any, Identifier]] = field(default_factory=list)

    def add(self, item: Identifier) -> None:
        found = network(item.value) if item.prefix else None
        if found is not None:
            self.prefixes.append((found, item))
            return
        spelled = of_identifier(item.value)
        for texts, by_text in ((spelled.whole, self.whole), (spelled.parts, self.parts)):
            for text in texts:
                by_text.setdefault(text, []).append(item)

    def found(self, value: Any) -> Iterator[Identifier]:
        """All that the value may be."""
        if not (self.whole or self.prefixes):
            return
        if isinstance(value, list | tuple | set):
            for one in value:
                yield from self.found(one)
            return
        if self.column.form == "address":
            # Also what is kept as a number.
            value = address_of(value) or value
        spelled = spellings(value)
        for text in spelled.whole:
            yield from self.whole.get(text, ())
            yield from self.parts.get(text, ())
        for text in spelled.parts:
            yield from self.whole.get(text, ())
        if self.prefixes and (address := address_in(value)) is not None:
            yield from (item for prefix, item in self.prefixes if address in prefix)


class Expiring:
    """What a command about what has run out means for the rows of one record."""

    def __init__(self, expiry: Expiry, mapping: RecordMapping, today: date) -> None:
        """Raises UnknownField."""
        self.mapping = mapping
        self._today = today
        self._fields = {item.field: item for item in mapping.columns}
        self._entries = tuple(self._read(item) for item in expiry.records if item.record == mapping.record)
        if self._entries:
            need_time(mapping)
        self._kept = tuple(map(_Kept, (item for item in mapping.columns if item.kind is not None)))
        for kept in self._kept:
            for item in expiry.kept:
                if item.kind == kept.column.kind:
                    kept.add(item)

    @property
    def idle(self) -> bool:
        """Whether no row can be meant."""
        return not any(item.columns for item in self._entries)

    @property
    def before(self) -> datetime:
        """No row of that time or later is meant. Raises ValueError where none is."""
        return max(item.before for item in self._entries)

    def decide(self, row: Row) -> Verdict:
        """What becomes of the row. Raises NeedsPerson for one that cannot be judged.

        One of which all that has run out is gone already, by an earlier command, is not counted again.
        """
        entries = [item for item in self._entries if selected(item.where, row, self._fields)]
        at = moment(row.get(self.mapping.time or ""), self.mapping)
        found = self._going([item for item in entries if at is None or at < item.before], row)
        if not found.mine or self._stays(row, at):
            return NOTHING
        return Verdict(undated=True) if at is None else but_kept(found, row, self.mapping, self._today)

    def _going(self, entries: Sequence[_RunOut], row: Row) -> Verdict:
        going = frozenset[Column]().union(*(item.columns for item in entries))
        if going and going >= self.mapping.personal:
            return Verdict(mine=True, delete=True)
        there = [item for item in self.mapping.columns if item in going and row.get(item.name) != item.blank]
        return Verdict(mine=bool(there), blank=tuple(there))

    def _stays(self, row: Row, at: datetime | None) -> bool:
        """Whether it names somebody whose records stay, in whatever role; without a time, at any time."""
        for kept in self._kept:
            value = row.get(kept.column.name)
            if value is None or value == "":
                continue
            port = port_of(row.get(kept.column.port) if kept.column.port else None)
            if any(at is None or item.covers(at, port) for item in kept.found(value)):
                return True
        return False

    def _read(self, item: RunOut) -> _RunOut:
        where = item.where
        if where is not None and where["field"] not in self._fields:
            raise UnknownField(f"{item.record}.{where['field']}, by which rows are told apart")
        named = {self._fields[name] for name in names_of(item.fields, self.mapping) if name in self._fields}
        return _RunOut(frozenset(named) & self.mapping.personal, where, item.before)


def expiring_of(expiry: Expiry, mappings: Sequence[RecordMapping], today: date) -> list[Expiring]:
    """What it means, for each record that is mapped. Raises UnknownField for a record that is not."""
    named = {item.record for item in expiry.records}
    if unmapped := sorted(named - {item.record for item in mappings}):
        raise UnknownField(f"{unmapped[0]}.*")
    return [Expiring(expiry, item, today) for item in mappings]

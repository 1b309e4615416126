"""Whose a row is, and what of it goes: one rule for every store of a reference job. Pure.

A row is a mapping from column to value. Sections "Identifiers" and "Records of
several people" of docs/rights-protocol.md.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from innsyn_sdk.mapping import Column, Keep, RecordMapping
from innsyn_sdk.protocol import Command, Identifier
from innsyn_sdk.values import moment, port_of, same

OWNER = "owner"
"""The role of whom a row is about, who alone is told by the row's key."""
Row = Mapping[str, Any]


class UnknownField(Exception):
    """A command names a record or field that the job's file neither maps nor lists as absent. `str` says which."""


class NeedsPerson(Exception):
    """A row cannot be judged: `str` says where and why, without a value of it."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of a row. `delete`, or the columns to `blank`; neither: nothing of it was to go or all is gone.

    `mine`: whether something of it was to go at all. `held`: the rule by which some or all of it stays, and until when.
    `undated`: something of it goes when its time has come, and it has no time that can be read.
    """

    mine: bool = False
    delete: bool = False
    blank: tuple[Column, ...] = ()
    held: tuple[Keep, date] | None = None
    undated: bool = False


NOTHING = Verdict()


@dataclass(frozen=True)
class _Order:
    """What goes of a record's rows, fields as their names alone."""

    fields: frozenset[str]
    where: Mapping[str, Any] | None = None
    redact: bool = False
    parties: frozenset[str] = frozenset({"owner"})
    stays_for: frozenset[str] = frozenset()
    redactions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    before: datetime | None = None


class Whose:
    """Whose the rows of one record are."""

    def __init__(self, identifiers: Iterable[Identifier], mapping: RecordMapping) -> None:
        """Raises UnknownField for a row that is told by a field which is in no column."""
        self.mapping = mapping
        self._by_kind: dict[str, list[Identifier]] = {}
        self._keys: dict[Column, list[Identifier]] = {}
        for item in identifiers:
            if item.record is None:
                self._by_kind.setdefault(item.kind, []).append(item)
            elif item.record == mapping.record:
                self._keys.setdefault(self._key_column(item), []).append(item)
        self.naming = tuple(
            item for item in mapping.columns if item.kind in self._by_kind or item in self._keys
        )
        """Columns that may hold an identifier of the person, or the key of a row that is told by that."""

    def identifiers(self, column: Column) -> Sequence[Identifier]:
        """Those of the person that the column may hold; of a column by which rows are told those keys."""
        return self._keys.get(column, self._by_kind.get(column.kind or "", []))

    def _key_column(self, key: Identifier) -> Column:
        found = next((item for item in self.mapping.columns if item.field == key.field), None)
        if found is None:
            raise UnknownField(f"{key.record}.{key.field}, by which a row is told")
        return found

    def roles(self, row: Row) -> dict[str, frozenset[str]]:
        """The roles of the person in the row, with the columns that say so."""
        roles: dict[str, frozenset[str]] = {}
        at: datetime | None = None
        read = False
        for column in self.naming:
            value = row.get(column.name)
            if value is None or value == "":
                continue
            if column in self._keys:
                roles |= self._by_key(column, row)
                continue
            if not column.customer and self._another_customer(column.role, row):
                continue
            if not read:
                at, read = moment(row.get(self.mapping.time or ""), self.mapping), True
            port = port_of(row.get(column.port) if column.port else None)
            for item in self.identifiers(column):
                if not same(column, value, item) or not item.covers(at, port):
                    continue
                if item.proof is not None and not column.person and self._somebody_else(column.role, row):
                    # A guest who is named at the person's address, or on their device, is not the person.
                    continue
                roles[column.role] = roles.get(column.role, frozenset()) | {
                    column.name,
                    column.port or column.name,
                }
                break
        return roles

    def _by_key(self, column: Column, row: Row) -> dict[str, frozenset[str]]:
        """The same where the row is told by its key. Whom it names by anything else is another person: of this one
        nothing was known to stand there."""
        told = any(same(column, row[column.name], item) for item in self._keys[column])
        if not told or self._somebody_else(OWNER, row):
            return {}
        owners = [item for item in self.mapping.columns if item.kind is not None and item.role == OWNER]
        return {OWNER: frozenset(name for item in owners for name in (item.name, item.port) if name)}

    def _another_customer(self, role: str, row: Row) -> bool:
        """Whether columns of the role name a customer, and not one of the command: whatever else of the person stands
        there, a row is its customer's."""
        named = [
            item
            for item in self.mapping.columns
            if item.customer and item.role == role and row.get(item.name) not in (None, "")
        ]
        return bool(named) and not any(
            same(item, row[item.name], one) for item in named for one in self.identifiers(item)
        )

    def _somebody_else(self, role: str, row: Row) -> bool:
        """Whether a column of the role names a person by what the command does not."""
        return any(
            not any(same(item, row[item.name], one) for one in self.identifiers(item))
            for item in self.mapping.columns
            if item.kind is not None
            and item.person
            and item.role == role
            and row.get(item.name) not in (None, "")
        )


class Rules(Whose):
    """What a command to erase means for the rows of one record."""

    def __init__(self, command: Command, mapping: RecordMapping, today: date) -> None:
        """Raises UnknownField."""
        super().__init__(command.identifiers, mapping)
        self._today = today
        self._cut_off = command.cut_off
        self._fields = {item.field: item for item in mapping.columns}
        self._orders = tuple(self._read(command))

    @property
    def idle(self) -> bool:
        """Whether no row can be meant."""
        return not self._orders or not self.naming

    def decide(self, row: Row) -> Verdict:
        """What becomes of the row. Raises NeedsPerson for one that cannot be judged."""
        roles = self.roles(row)
        if not roles:
            return NOTHING
        at = moment(row.get(self.mapping.time or ""), self.mapping)
        if self._cut_off is not None and at is not None and at >= self._cut_off:
            # It came since, and may be of somebody who has come back.
            return NOTHING
        orders = [item for item in self._orders if selected(item.where, row, self._fields)]
        dated = [item for item in orders if item.before is None or (at is not None and at < item.before)]
        found = [self._by(order, row, roles) for order in dated]
        undated = at is None and any(self._by(one, row, roles).mine for one in orders if one not in dated)
        if not any(item.mine for item in found):
            return Verdict(undated=undated)
        blank = {item for one in found for item in one.blank}
        whole = Verdict(
            mine=True,
            delete=any(item.delete for item in found),
            blank=tuple(item for item in self.mapping.columns if item in blank),
        )
        return replace(but_kept(whole, row, self.mapping, self._today), undated=undated)

    def _by(self, order: _Order, row: Row, roles: Mapping[str, frozenset[str]]) -> Verdict:
        party = not roles.keys().isdisjoint(order.parties)
        stays = (order.redact and not order.stays_for) or self._others(order.stays_for - roles.keys(), row)
        going = {self._fields[name] for name in order.fields if name in self._fields} & self.mapping.personal
        if party and not stays:
            if going >= self.mapping.personal:
                return Verdict(mine=True, delete=True)
        else:
            about: set[Column] = set()
            for role, naming in roles.items():
                names = order.redactions.get(role)
                about |= {
                    item
                    for item in self.mapping.columns
                    if item.name in naming
                    or (item.field in names if names is not None else self._is_about(item, role))
                }
            going &= about
        if not going:
            return NOTHING
        there = [item for item in self.mapping.columns if item in going and row.get(item.name) != item.blank]
        return Verdict(mine=True, blank=tuple(there))

    def _others(self, roles: Collection[str], row: Row) -> bool:
        return any(
            item.kind is not None and item.role in roles and row.get(item.name) not in (None, "")
            for item in self.mapping.columns
        )

    def _is_about(self, column: Column, role: str) -> bool:
        named = [item for item in self.mapping.columns if item.kind is not None and item.role == role]
        return column.about == role or any(column.name in (item.name, item.port) for item in named)

    def _read(self, command: Command) -> Iterator[_Order]:
        mine = [item for item in command.orders if item["record"] == self.mapping.record]
        listed = frozenset(self._names(command.fields))
        if listed and not mine:
            yield _Order(listed)
        for item in mine:
            where = item["where"]
            if where is not None and where["field"] not in self._fields:
                raise UnknownField(f"{self.mapping.record}.{where['field']}, by which rows are told apart")
            before = item.get("before")
            if before is not None:
                need_time(self.mapping)
            fields = frozenset(self._names(item["fields"]))
            if fields:
                yield _Order(
                    fields=fields,
                    where=where,
                    redact=item["action"] == "redact",
                    parties=frozenset(item["parties"]),
                    stays_for=frozenset(item["stays_for"]),
                    redactions={
                        one["role"]: frozenset(self._names(one["fields"])) for one in item["redactions"]
                    },
                    before=before,
                )

    def _names(self, fields: Collection[str]) -> Iterator[str]:
        return names_of(fields, self.mapping)


def names_of(fields: Collection[str], mapping: RecordMapping) -> Iterator[str]:
    """The names of those fields (`Record.field`) that are of the record. Raises UnknownField."""
    known = {item.field for item in mapping.columns} | mapping.absent
    for path in fields:
        record, _, name = path.partition(".")
        if record != mapping.record:
            continue
        if name not in known:
            raise UnknownField(path)
        yield name


def need_time(mapping: RecordMapping) -> None:
    """Raises UnknownField where nobody could say which rows are older than a day."""
    if mapping.time is None:
        raise UnknownField(
            f"the time of {mapping.record}, by which records run out; say `time` in the job's file"
        )


def selected(where: Mapping[str, Any] | None, row: Row, fields: Mapping[str, Column]) -> bool:
    """Whether an order means the row by the value that its field has."""
    if where is None:
        return True
    value = row.get(fields[where["field"]].name)
    if value is None:
        return bool(where["or_empty"])
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text in where["values"]


def but_kept(found: Verdict, row: Row, mapping: RecordMapping, today: date) -> Verdict:
    """What is left of a verdict where the store's own rules keep the row or some of it. Raises NeedsPerson."""
    for keep in mapping.keep:
        until = _day(keep, row, mapping)
        if until is None or until <= today:
            continue
        if not keep.fields:
            return Verdict(mine=True, held=(keep, until))
        # What the rule names stays in the row; of the rest what was to go goes.
        going = sorted(mapping.personal, key=lambda item: item.name) if found.delete else found.blank
        left = [item for item in going if item.field not in keep.fields and row.get(item.name) != item.blank]
        if len(left) < len(going) or found.delete:
            return Verdict(mine=True, blank=tuple(left), held=(keep, until))
    return found


def _day(keep: Keep, row: Row, mapping: RecordMapping) -> date | None:
    value = row.get(keep.until)
    # Before all days: what was to be kept may go.
    if value in (None, "", "-infinity"):
        return None
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise NeedsPerson(f"{keep.until} of a row of {mapping.record} holds no day") from None


def rules_of(command: Command, mappings: Sequence[RecordMapping], today: date) -> list[Rules]:
    """What a command means, for each record that is mapped. Raises UnknownField for a record that is not."""
    named = {path.partition(".")[0] for path in command.fields} | {item["record"] for item in command.orders}
    if unmapped := sorted(named - {item.record for item in mappings}):
        raise UnknownField(f"{unmapped[0]}.*")
    if not command.fields and not command.orders:
        # Categories alone: which fields they are is known to innsyn, not here.
        raise UnknownField("a command that names categories alone")
    return [Rules(command, item, today) for item in mappings]

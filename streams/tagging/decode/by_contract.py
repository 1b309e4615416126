"""Messages that somebody else owns become columns by their contract: JSON, Debezium's changes and foreign Avro."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.contract_file import ENVELOPE
from schemas.contracts import Contract
from schemas.paths import tree
from schemas.records import RecordSchema
from streams.columns.arrays import Flags, Ints
from streams.columns.lines import Lines
from streams.columns.tokens import EARLIEST, LATEST
from streams.tagging.decode.avro_messages import AvroMessages
from streams.tagging.decode.columnar import Bodies, Decoded
from streams.tagging.decode.deletions import UNNAMED, named_by_key
from streams.tagging.decode.json_columns import JsonColumns, Messages
from streams.tagging.decode.linking import Linking
from streams.tagging.decode.moments import milliseconds, stated

# With `schemas.enable` Debezium's envelope lies in another one, beside its schema.
_ROOTS = ("", "payload.")
_IMAGES = ("after", "before")
_ROWS = [f"{root}{image}." for image in _IMAGES for root in _ROOTS]
_BESIDE = ("source", "transaction", "op", "ts_ms", "ts_us", "ts_ns", "source.ts_ms")
# Rows of Debezium that say what a table's row is or was; the others (t truncated, m message) are of no row.
_CHANGED, _DELETED = "u", "d"
_OF_A_ROW, _OF_NONE = ("c", "r", _CHANGED), ("t", "m")
_MALFORMED = "malformed_body"


class ContractDecoder:
    """Decodes messages of one topic, of Avro with one writer schema, into the fields of `wanted`."""

    def __init__(self, contract: Contract, wanted: Sequence[str], writer: RecordSchema | None = None) -> None:
        self._contract = contract
        self._wanted = list(dict.fromkeys(wanted))
        self._time = contract.record.event_time
        self._people = [item.field for item in contract.record.identifiers if item.field in self._wanted]
        types = {name: self._type(name) for name in self._wanted}
        types = _of_changes(types) if contract.debezium else types
        places = _places(contract)
        rules = contract.record.annotation.identity
        self._marks = {rule.mark for rule in rules if rule.mark}
        self._marks |= {rule.mark for rule in contract.record.annotation.clocks if rule.mark}
        self._marks |= {rule.mark for rule in contract.record.annotation.facts if rule.mark}
        self._linking = Linking(contract, self._as_tagged) if rules else None
        self._images = _ROWS if contract.debezium else [""]
        together = self._linking.together(self._images) if self._linking else {}
        self._read = (
            AvroMessages(writer, places, types, together).read
            if writer
            else JsonColumns(tree(places), types, together).read
        )

    def _type(self, name: str) -> str:
        times = {
            self._time: self._contract.event_time,
            **self._contract.since,
            **self._contract.clock_times,
        }
        said = self._contract.types.get(name)
        if name not in times:
            return self._contract.types[name]
        kinds = times[name].kinds
        return said if said in kinds else kinds[0]

    def decode(self, bodies: Bodies, key: Callable[[int], bytes | None] = lambda _: None) -> Decoded:
        """Columns of the fields, lists where an event may name several people, and what no path names.

        `key`: that of the message of a body; it is asked where what the source deleted names nobody.
        """
        read = self._read(bodies)
        said = self._contract.event_time
        changes = _Changes(self._contract, read) if self._contract.debezium else None
        if changes is None:
            columns = {name: read.columns[name] for name in self._wanted}
            times, wrong = milliseconds(columns[self._time], said.unit, said.zone)
        else:
            columns = {name: changes.column(name, of_people=name in self._people) for name in self._wanted}
            times, wrong = changes.times(columns[self._time])
            wrong |= changes.strange
        columns = {name: self._as_tagged(name, column) for name, column in columns.items()}
        columns[self._time] = pa.array(times)
        bad = dict(read.bad) | dict.fromkeys(read.rows[wrong].tolist(), _MALFORMED)
        if changes is not None and changes.deleted.any():
            columns, nobody = named_by_key(
                *(self._contract.message_key, columns, changes.deleted, self._people),
                lambda row: key(int(read.rows[row])),
            )
            unnamed = nobody & ~changes.whole
            bad = dict.fromkeys(read.rows[unnamed].tolist(), UNNAMED) | bad
            wrong |= unnamed
        for name, how in self._contract.clock_times.items():
            columns[name], strange = stated(columns[name], how)
            bad |= dict.fromkeys(read.rows[strange & ~wrong].tolist(), _MALFORMED)
            wrong |= strange
        lines: Mapping[str, Lines] = {}
        if self._linking is not None:
            linked = self._linking.read(read, columns, changes, self._images)
            columns, lines = dict(linked.columns), linked.lines
            bad |= dict.fromkeys(read.rows[linked.wrong & ~wrong].tolist(), _MALFORMED)
            wrong |= linked.wrong
        good = np.flatnonzero(~wrong)
        if wrong.any():
            columns = {name: column.take(pa.array(good)) for name, column in columns.items()}
            lines = {place: found.of(good, len(wrong)) for place, found in lines.items()}
        untagged = read.untagged if changes is None else _of_rows(read.untagged)
        deleted = None if changes is None else changes.deleted[good]
        return Decoded(read.rows[good], columns, bad, deleted, untagged, lines)

    def _as_tagged(self, name: str, column: pa.Array) -> pa.Array:
        """Identifiers as text, an empty one as none; marks as text; the texts of an array as one text, a line for
        each."""
        if name in self._marks:
            return column.cast(pa.list_(pa.string()) if pa.types.is_list(column.type) else pa.string())
        said = self._contract.record.find(name)
        if said is not None and said.identifier is not None:
            if self._type(name) == "integer":
                return column.cast(pa.list_(pa.string()) if pa.types.is_list(column.type) else pa.string())
            return _without_empty(column)
        if said is not None and said.free_text and pa.types.is_list(column.type):
            return pc.binary_join(column, "\n")
        return column


def _without_empty(column: pa.Array) -> pa.Array:
    """Texts, or lists of them, without the empty ones."""
    several = pa.types.is_list(column.type)
    empty = pc.equal(column.flatten() if several else column, "")
    if not pc.any(empty).as_py():
        return column
    if not several:
        return pc.if_else(empty.fill_null(False), pa.scalar(None, column.type), column)
    return pa.array(
        [[text for text in texts or () if text != ""] for texts in column.to_pylist()], column.type
    )


class _Changes:
    """Debezium's changes of rows, as they were read: which fields say what, wherever the envelope lies."""

    def __init__(self, contract: Contract, read: Messages) -> None:
        self._contract = contract
        self._read = read
        op = self._either("op")
        self.deleted = _true(pc.equal(op, _DELETED))
        self.whole = self._whole()
        """Of deleted rows: what was before is there. It then names whoever was in it, also if that is nobody."""
        self.strange = ~_true(pc.is_in(op, pa.array([*_OF_A_ROW, _DELETED, *_OF_NONE])))

    def _either(self, path: str) -> pa.Array:
        """A field of the envelope, or below it."""
        return pc.coalesce(*(self._read.columns[f"{root}{path}"] for root in _ROOTS))

    def _whole(self) -> Flags:
        # A database that logs the key of a deleted row alone gives null or zero for all the rest.
        said = self._contract.event_time
        if not said.path:
            return np.zeros(len(self.deleted), np.bool_)
        times, missing = milliseconds(self._either(f"before.{said.path}"), said.unit, said.zone)
        return (times >= EARLIEST) & ~missing

    def column(self, name: str, *, of_people: bool) -> pa.Array:
        """The field of the rows as they are now, or were before they were deleted.

        `of_people`: whom the row named before it was changed is in the message too, so they all are wanted.
        """
        if name.startswith(ENVELOPE):
            return self._either(name.removeprefix(ENVELOPE))
        if self._contract.repeats(name):
            return _listed(
                [self._read.columns[f"{root}{image}.{name}"] for root in _ROOTS for image in _IMAGES]
            )
        after, before = self.images(name)
        now = pc.if_else(pa.array(self.deleted), before, after)
        former = _true(pc.not_equal(before, now)) | (_true(before.is_valid()) & _true(now.is_null()))
        if not of_people or not former.any():
            return now
        return _listed([now, pc.if_else(pa.array(former), before, pa.scalar(None, before.type))])

    def images(self, name: str) -> tuple[pa.Array, pa.Array]:
        """A field of the rows as they are and as they were."""
        after, before = (self._either(f"{image}.{name}") for image in _IMAGES)
        return after, before

    def times(self, column: pa.Array) -> tuple[Ints, Flags]:
        """When it happened: what the row says, and of one that is gone or says nothing, when the database did it."""
        said = self._contract.event_time
        by_database, never = self._by_database()
        times, missing = milliseconds(column, said.unit, said.zone)
        instead = _true(column.is_null()) | (self.deleted if said.path else np.zeros(len(times), np.bool_))
        return np.where(instead, by_database, times), np.where(instead, never, missing)

    def moments(self, times: Ints) -> Ints:
        """When each row came to be as it is: of a changed one not before the database committed the change, since its
        own time may be that of its beginning."""
        by_database, _ = self._by_database()
        changed = _true(pc.equal(self._either("op"), _CHANGED)) & (by_database < LATEST)
        return np.where(changed, np.maximum(times, by_database), times)

    def _by_database(self) -> tuple[Ints, Flags]:
        return milliseconds(pc.coalesce(self._either("source.ts_ms"), self._either("ts_ms")), "millis")


def _true(flags: pa.Array) -> Flags:
    found: Flags = flags.fill_null(False).to_numpy(zero_copy_only=False)
    return found


def _listed(columns: Sequence[pa.Array]) -> pa.Array:
    """For each row the values of all the columns, which may be lists, without nulls."""
    count = len(columns[0])
    rows, values = [], []
    for column in columns:
        if pa.types.is_list(column.type):
            rows.append(pc.list_parent_indices(column).to_numpy().astype(np.int64))
            values.append(column.flatten())
        else:
            rows.append(np.flatnonzero(_true(column.is_valid())))
            values.append(column.drop_null())
    order = np.argsort(whole := np.concatenate(rows), kind="stable")
    offsets = np.searchsorted(whole[order], np.arange(count + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.concat_arrays(values).take(pa.array(order)))


def _of_changes(types: Mapping[str, str]) -> dict[str, str]:
    """What is read of messages with changes of rows, with its types."""
    rows = {name: kind for name, kind in types.items() if not name.startswith(ENVELOPE)}
    found = {
        f"{root}{image}.{name}": kind for root in _ROOTS for image in _IMAGES for name, kind in rows.items()
    }
    for root in _ROOTS:
        found |= {f"{root}op": "string", f"{root}ts_ms": "integer", f"{root}source.ts_ms": "integer"}
    return found


def _places(contract: Contract) -> list[str]:
    """The paths of a message that are known."""
    names = [item.name for item in contract.record.fields if not item.name.startswith(ENVELOPE)]
    if not contract.debezium:
        return names
    rows = [f"{root}{image}.{name}" for root in _ROOTS for image in _IMAGES for name in names]
    return ["schema", *rows, *(f"{root}{name}" for root in _ROOTS for name in _BESIDE)]


def _of_rows(untagged: Mapping[str, int]) -> Mapping[str, int]:
    """The paths within the rows."""
    found: Counter[str] = Counter()
    for path, count in untagged.items():
        name = path.removeprefix(_ROOTS[1])
        for image in _IMAGES:
            name = name.removeprefix(f"{image}.")
        found[name] += count
    return found

"""Free texts of events: what is found in them becomes findings, category tags and people who are mentioned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.records import RecordSchema
from schemas.tokens import IdentifierKind, TokenCache
from sinks.ports.lineage import FINDING_SCHEMA
from streams.columns.arrays import Flags, Ints
from streams.columns.tokens import Coordinates, TokenColumn, token_column
from streams.tagging.scan import Scanned, Scanner

NO_CATEGORY = "none"


@dataclass(frozen=True)
class Texts:
    """What the texts of decoded events say.

    `detected`: for each row a number of `category_sets`, which hold pairs of a field and a category that it reveals.
    `failures`: texts that a plug-in failed on.
    """

    findings: pa.Table = field(default_factory=FINDING_SCHEMA.empty_table)
    detected: Ints | None = None
    category_sets: tuple[frozenset[tuple[str, str]], ...] = (frozenset(),)
    mentions: tuple[Mention, ...] = ()
    failures: int = 0

    def by_categories(
        self, rows: Ints, fields: Set[str], among: Flags | None = None
    ) -> Iterator[tuple[Ints, tuple[str, ...]]]:
        """The rows apart by what was found in these fields; with `among`, positions of those that it allows."""
        positions = rows if among is None else np.flatnonzero(among[rows])
        if self.detected is None:
            yield positions, ()
            return
        found = [_of(fields, item) for item in self.category_sets]
        kinds = {item: number for number, item in enumerate(dict.fromkeys(found))}
        codes = np.array([kinds[item] for item in found], np.int64)
        numbers = codes[self.detected[rows if among is None else rows[positions]]]
        for item, number in kinds.items():
            if (chosen := numbers == number).any():
                yield positions[chosen], item


@dataclass(frozen=True)
class Mention:
    """Identifiers of one kind that texts name: row `rows[i]` names the token in row i of `tokens`."""

    kind: IdentifierKind
    rows: Ints
    tokens: TokenColumn


NO_TEXTS = Texts()


def text_fields(record: RecordSchema) -> list[str]:
    """The fields that people write freely."""
    return [item.name for item in record.fields if item.free_text]


def fields_about(record: RecordSchema, role: str) -> frozenset[str]:
    """The free texts that may say something of the person in this role: not of the employee who answers a chat."""
    return frozenset(item.name for item in record.fields if item.free_text and item.concerns(role))


def _of(fields: Set[str], revealed: Set[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(sorted({category for field, category in revealed if field in fields}))


def read_texts(
    record: RecordSchema,
    topic: str,
    columns: Mapping[str, pa.Array],
    good: Flags,
    at: Coordinates,
    scanner: Scanner,
    caches: Mapping[str, TokenCache],
) -> Texts:
    """Scan every free text of the good rows. `columns` and `at`: the decoded fields and coordinates of all rows."""
    tables: list[pa.Table] = []
    categories: defaultdict[int, set[tuple[str, str]]] = defaultdict(set)
    named: dict[IdentifierKind, dict[tuple[int, str], None]] = {}
    failures = 0
    for name in text_fields(record):
        found = scanner.scan_column(_only(columns[name], good))
        tables.append(_findings(found, topic, name, at))
        for row, category in _best(found):
            if category != NO_CATEGORY:
                categories[row].add((name, category))
        for row, kind, value in found.mentions:
            named.setdefault(kind, {})[row, value] = None
        failures += found.failures
    detected = np.zeros(len(good), np.int64)
    numbers = {frozenset[tuple[str, str]](): 0}
    for row in sorted(categories):
        detected[row] = numbers.setdefault(frozenset(categories[row]), len(numbers))
    return Texts(
        findings=pa.concat_tables(tables) if tables else FINDING_SCHEMA.empty_table(),
        detected=detected,
        category_sets=tuple(numbers),
        mentions=tuple(_mentions(named, caches)),
        failures=failures,
    )


def _best(found: Scanned) -> Iterator[tuple[int, str]]:
    """Row and category of the best hypothesis of each place: a fødselsnummer may be an account, but reveals none."""
    places = np.stack([found.row, found.start.astype(np.int64), found.end.astype(np.int64)])
    first = np.flatnonzero(np.append(True, (places[:, 1:] != places[:, :-1]).any(axis=0))[: len(found.row)])
    names: list[str] = found.category.dictionary.to_pylist()
    codes = found.category.indices.to_numpy()[first]
    yield from zip(found.row[first].tolist(), [names[code] for code in codes.tolist()], strict=True)


def _only(values: pa.Array, good: Flags) -> pa.Array:
    """The values of the good rows, null elsewhere: what is bad as a whole is not read."""
    if good.all():
        return values
    return pa.array(np.where(good, values.to_numpy(zero_copy_only=False), None), pa.string())


def _mentions(
    named: Mapping[IdentifierKind, Mapping[tuple[int, str], None]],
    caches: Mapping[str, TokenCache],
) -> Iterator[Mention]:
    for kind, pairs in named.items():
        rows = np.array([row for row, _ in pairs], np.int64)
        values = pa.array([value for _, value in pairs], pa.string())
        yield Mention(kind, rows, token_column(values, caches[kind.name].tokens))


def _findings(found: Scanned, topic: str, field: str, at: Coordinates) -> pa.Table:
    """`sinks.ports.lineage.FINDING_SCHEMA`."""
    count = len(found.row)
    values: Mapping[str, Any] = {
        "topic": _repeated(topic, count),
        "partition": pa.array(at.partition[found.row], pa.int32()),
        "offset": pa.array(at.offset[found.row], pa.int64()),
        "field": _repeated(field, count),
        "start": pa.array(found.start),
        "end": pa.array(found.end),
        "kind": found.kind,
        "category": found.category,
        "score": pa.array(found.score),
    }
    return pa.Table.from_arrays([values[name] for name in FINDING_SCHEMA.names], schema=FINDING_SCHEMA)


def _repeated(value: str, count: int) -> pa.DictionaryArray:
    codes: npt.NDArray[np.int32] = np.zeros(count, np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array([value]))

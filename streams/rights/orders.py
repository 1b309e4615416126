"""What a system is told to do with the records of one kind: which events, delete or redact, which fields. Pure.

An order says what a bare list of fields cannot. So that a job that does not know orders yet never erases too much,
such fields are in no list that it reads: it then erases nothing of that record, which its receipt shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from schemas.records import RecordSchema
from schemas.tags import TagSet
from sinks.ports import Holding

Means = Literal["delete", "redact"]


@dataclass(frozen=True)
class Selector:
    """Some events of a record: those whose `field` has one of `values`, and with `or_empty` those where it is empty."""

    field: str
    values: tuple[str, ...]
    or_empty: bool = False


@dataclass(frozen=True)
class Redaction:
    """The fields (`Record.field`) that go of the person in `role` where the record stays."""

    role: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Order:
    """One record of one system: erase `categories`, that is `fields` (`Record.field`), of the events `where` selects.

    A record is deleted if the person has one of the roles `parties` in it and all its personal fields go. But one that
    names somebody else in a role of `stays_for` stays, without the fields of `redactions`; so does every record where
    the action is `redact` and no role is named in `stays_for`.
    """

    record: str
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    where: Selector | None = None
    action: Means = "delete"
    parties: tuple[str, ...] = ("owner",)
    stays_for: tuple[str, ...] = ()
    redactions: tuple[Redaction, ...] = ()


@dataclass(frozen=True)
class Group:
    """Holdings of one record that are decided together; `where` None: all events of the record."""

    where: Selector | None
    holdings: Sequence[Holding]


def groups(record: RecordSchema | None, holdings: Sequence[Holding]) -> list[Group]:
    """The holdings of one record, apart where its variants say that events serve different purposes.

    A tag set does not name its variant; it is that whose words it has. Where a tag set of an older schema or after a
    partial erasure fits several, these are decided together: what one of them has to keep is then kept of all.
    """
    kinds = _kinds(record) if record else []
    if record is None or len(kinds) < 2:
        return [Group(None, holdings)] if holdings else []
    together: list[tuple[set[int], list[Holding]]] = []
    for holding in holdings:
        fitting, members = _fitting(holding.tags, kinds), [holding]
        apart = []
        for others, theirs in together:
            if others & fitting:
                fitting, members = others | fitting, theirs + members
            else:
                apart.append((others, theirs))
        together = [*apart, (fitting, members)]
    return [Group(_selector(record, kinds, fitting), members) for fitting, members in together]


@dataclass(frozen=True)
class _Kind:
    """Events of a record that have the same words: one variant, or all that are no variant."""

    values: tuple[str, ...]
    purposes: frozenset[str]
    retention: frozenset[str]
    usual: bool = False


def _kinds(record: RecordSchema) -> list[_Kind]:
    said = record.annotation
    kinds = []
    for field, variants in said.variants.items():
        usual = tuple(symbol for symbol in record.symbols(field) if symbol not in variants)
        kinds.append(_Kind(usual, frozenset(said.purposes), frozenset(said.retention), usual=True))
        kinds += [
            _Kind((symbol,), frozenset(words.purposes), frozenset(words.retention))
            for symbol, words in variants.items()
        ]
    return kinds


def _fitting(tags: TagSet, kinds: Sequence[_Kind]) -> set[int]:
    """The kinds that the tags may be of: those that fit best."""
    purposes, rules = set(tags.purposes), set(tags.retention)
    tests = (
        lambda kind: purposes <= kind.purposes and rules <= kind.retention,
        # What is held after an erasure has the purposes of its rules.
        lambda kind: rules <= kind.retention,
        lambda kind: purposes <= kind.purposes,
        lambda kind: bool(rules & kind.retention),
    )
    for test in tests:
        if fitting := {number for number, kind in enumerate(kinds) if test(kind)}:
            return fitting
    return set(range(len(kinds)))


def _selector(record: RecordSchema, kinds: Sequence[_Kind], chosen: Iterable[int]) -> Selector | None:
    meant = [kinds[number] for number in sorted(chosen)]
    if len(meant) == len(kinds):
        return None
    name = next(iter(record.annotation.variants))
    field = record.find(name)
    empty = any(kind.usual for kind in meant) and field is not None and field.nullable
    return Selector(name, tuple(value for kind in meant for value in kind.values), empty)

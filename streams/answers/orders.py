"""What a system is told to do with the records of one kind: which events, delete or redact, which fields. Pure.

An order says what a bare list of fields cannot. So that a job that does not know orders yet never erases too much,
such fields are in no list that it reads: it then erases nothing of that record, which its receipt shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.annotations import ErasureRule
from schemas.messages import Order, Redaction, Selector
from schemas.paths import ANY, ITEM, steps
from schemas.records import RecordSchema
from schemas.tags import TagSet
from schemas.vocabulary import ErasureAction
from sinks.ports.lineage import Holding, Others


def make_order(
    record: RecordSchema,
    where: Selector | None,
    categories: Sequence[str],
    fields: Sequence[str],
    others: Sequence[Others],
) -> Order:
    """What to do with the records of which these categories go, by these fields. `others`: of the events meant.

    Redacted, not deleted, are records that the schema retains, and those of which the index knows that somebody else
    has a right to one. Even else a record stays that names another of those who always have one: its event may not
    have reached the index yet.
    """
    rule = record.annotation.erasure
    shared = any(_party(rule, item) and _keeping(rule, item) for item in others)
    staying = [role for role, who in rule.stays_for.items() if shared or who == "any"]
    roles = dict.fromkeys(item.role for item in record.identifiers)
    redacted = {role: [f"{record.name}.{name}" for name in record.redacted_for(role)] for role in roles}
    return Order(
        record.name,
        tuple(categories),
        tuple(fields),
        where,
        action=ErasureAction.REDACT if shared or rule.retain else ErasureAction.DELETE,
        parties=tuple(rule.stays_for),
        stays_for=() if rule.retain else tuple(staying),
        redactions=tuple(
            Redaction(role, tuple(name for name in names if name in fields))
            for role, names in redacted.items()
        ),
    )


def is_plain(order: Order, record: RecordSchema) -> bool:
    """Whether a bare list of the fields says the same: every event at any time, and the owner alone has a right."""
    named = {item.role for item in record.identifiers if item.role in order.parties}
    named_alone = named <= {"owner"} and not of_several(record)
    every = order.where is None and order.before is None
    return every and order.action is ErasureAction.DELETE and named_alone


def of_several(record: RecordSchema) -> bool:
    """Whether a role of the record may be that of several people, so that its fields are not one person's."""
    return record.contract and any({ITEM, ANY} & {*steps(item.field)} for item in record.identifiers)


def is_whole(order: Order, record: RecordSchema) -> bool:
    """Whether nothing personal is left of a record that names nobody else."""
    personal = {
        f"{record.name}.{item.name}" for item in record.fields if item.personal and "." not in item.name
    }
    return personal <= set(order.fields)


def staying_events(record: RecordSchema, others: Sequence[Others]) -> int:
    """How many of these events stay for somebody else: another has a right to them, or the person has none."""
    rule = record.annotation.erasure
    return sum(item.events for item in others if _keeping(rule, item) or not _party(rule, item))


def _party(rule: ErasureRule, item: Others) -> bool:
    return any(role in rule.stays_for for role in item.roles)


def _keeping(rule: ErasureRule, item: Others) -> bool:
    """Whether somebody else of these events has a right to them."""
    anybody = {role for role in item.others if rule.stays_for.get(role) == "any"}
    return bool(anybody or any(role in rule.stays_for for role in item.known))


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

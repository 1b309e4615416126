"""What a new version of a record does to those who read it, and to the people in it. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from schemas.annotations import FACT_FIELDS, FieldAnnotation, Problem, RecordAnnotation, RecordSchema
from schemas.resolution import Mismatch, mismatches
from schemas.versions import Committed, same_contract
from schemas.vocabulary import Role

Compatibility = Literal[
    "BACKWARD", "FORWARD", "FULL", "BACKWARD_TRANSITIVE", "FORWARD_TRANSITIVE", "FULL_TRANSITIVE"
]
"""BACKWARD: readers with the new schema read what the old one wrote. FORWARD: the other way round. FULL: both.
Plain: against the newest committed version; transitive: against every one."""
DEFAULT: Compatibility = "BACKWARD_TRANSITIVE"
# A field's own keys of which less, or something else, is said.
_FIELD_WORDS = ("key", "link", "port_of", "free_text", "record_key", "necessity")
_PER_SECOND = {"millis": 1_000, "micros": 1_000_000, "nanos": 1_000_000_000}
_RECORD_WORDS = ("system", "subject_type", "origin", "operation", "event_time")
_ADDED = " was added"
_RECORD_LISTS = {"purposes": "purpose", "retention": "retention rule", "recipients": "recipient"}


def incompatible_changes(
    record: RecordSchema, history: Sequence[Committed], mode: Compatibility = DEFAULT
) -> Iterator[Problem]:
    """Every change since the committed versions (oldest first) that breaks readers, as the mode has it."""
    known = _before(record, history)
    if not mode.endswith("_TRANSITIVE"):
        known = known[-1:]
    found: dict[tuple[str, str, str], list[str]] = {}
    for old in known:
        said = []
        if not mode.startswith("FORWARD"):
            said += [_backward(item) for item in mismatches(record.json, old.record.json)]
        if not mode.startswith("BACKWARD"):
            said += [_forward(item) for item in mismatches(old.record.json, record.json)]
        for line in dict.fromkeys(said):
            found.setdefault(line, []).append(old.label)
    for (path, what, mend), labels in found.items():
        since = f"incompatible change since {', '.join(labels)}: {what}"
        yield Problem(record.file, _place(record, path), since, mend)


def _before(record: RecordSchema, history: Sequence[Committed]) -> list[Committed]:
    """Where the change is committed already, it is held against what was before it."""
    known = [*history]
    while known and same_contract(known[-1].record, record):
        known.pop()
    return known


def incompatibilities(reader: str, writer: str) -> list[str]:
    """Why data written with one schema cannot be read rightly with the other (JSON texts); empty if it can."""
    found = (_backward(item) for item in mismatches(json.loads(reader), json.loads(writer)))
    return [f"{path}: {what}" if path else what for path, what, _ in found]


def _place(record: RecordSchema, path: str) -> str:
    return f"{record.name}.{path}" if path else record.name


def _backward(item: Mismatch) -> tuple[str, str, str]:
    """(path, what, mend) where the new schema reads what the old one wrote."""
    match item.kind:
        case "no_default":
            what, mend = "a new field without a default, which old data have not", "give it a default"
        case "type" | "branch" if item.writer == "null":
            what, mend = "it was null at times and no longer may be", "keep null among its types"
        case "branch":
            what, mend = f"it no longer may be {item.writer}", f"keep {item.writer} among its types"
        case "type":
            what = f"it was {item.writer} and is {item.reader}"
            mend = "keep the type, or add a field of another name"
        case "symbols":
            what = f"the enum {item.reader} lost {item.writer} and has no default"
            mend = "keep the symbols, or give the enum a default"
        case "size":
            what, mend = f"it had {item.writer} bytes and has {item.reader}", "keep the size"
        case "name":
            what = f"the {item.writer} is now {item.reader}"
            mend = f'add "aliases": ["{item.writer.rpartition(" ")[2]}"] to it, or keep the name'
        case "logical":
            return _meaning(item.path, item.writer, item.reader)
    return item.path, what, mend


def _forward(item: Mismatch) -> tuple[str, str, str]:
    """(path, what, mend) where the old schema, the reader, meets what the new one writes."""
    match item.kind:
        case "no_default":
            what, mend = "it is gone, and its readers have no default for it", "keep the field"
        case "type" | "branch" if item.writer == "null":
            what, mend = "it may be null now, which its readers cannot take", "keep null out of its types"
        case "branch":
            what, mend = f"it may be {item.writer} now, which its readers do not know", "keep its types"
        case "type":
            what = f"it was {item.reader} and is {item.writer}, which its readers cannot take"
            mend = "keep the type, or add a field of another name"
        case "symbols":
            what = f"the enum {item.reader} has the new symbols {item.writer}, and its readers no default"
            mend = "keep to the old symbols"
        case "size":
            what, mend = f"it had {item.reader} bytes and has {item.writer}", "keep the size"
        case "name":
            what = f"the {item.reader} is now {item.writer}, which its readers do not know"
            mend = "keep the name"
        case "logical":
            return _meaning(item.path, item.reader, item.writer)
    return item.path, what, mend


def _meaning(path: str, old: str, new: str) -> tuple[str, str, str]:
    stem, _, unit = old.rpartition("-")
    other, _, finer = new.rpartition("-")
    wrong = "means something else"
    if stem == other and {unit, finer} <= _PER_SECOND.keys():
        factor = max(_PER_SECOND[finer] // _PER_SECOND[unit], _PER_SECOND[unit] // _PER_SECOND[finer])
        wrong = f"is wrong by a factor of {factor:,}"
    what = f"it was {old} and is {new}: the bytes can be read, and every value {wrong}"
    return path, what, "keep the logical type, or add a field of another name"


def unexplained_changes(record: RecordSchema, history: Sequence[Committed]) -> Iterator[Problem]:
    """Every change since the committed versions that takes something from what is said of people, or says something
    else of them, without a reason of its own."""
    known = _before(record, history)
    reasons = [item.record.annotation.privacy_change.strip() for item in known]
    reason = record.annotation.privacy_change.strip()
    if reason and reason not in reasons:
        return
    # What an earlier version gave its reason for is explained; what has changed since its days is not.
    fresh = [at for at, said in enumerate(reasons) if said and said not in reasons[:at]]
    found: dict[tuple[str, str], list[str]] = {}
    for old in known[fresh[-1] if fresh else 0 :]:
        for line in dict.fromkeys(privacy_changes(record, old.record)):
            found.setdefault(line, []).append(old.label)
    mend = 'or say why in "privacy_change": "<reason>" of the record'
    if reason:
        mend += "; the reason that stands there belongs to an earlier version"
    for (path, what), labels in found.items():
        since = f"privacy change since {', '.join(labels)}: {what}"
        undo = "take it out" if _ADDED in what else "put it back"
        yield Problem(record.file, _place(record, path), since, f"{undo}, {mend}")


def privacy_changes(record: RecordSchema, old: RecordSchema) -> Iterator[tuple[str, str]]:
    """(dotted field or empty for the record, what): what the new version no longer says of people, or says otherwise.

    What it says of a field in addition is no change of this kind; one more purpose, recipient or retention rule is.
    """
    names = _renamed(record, old)
    yield from _record_words(record.annotation, _translated(old.annotation, names))
    for before in old.fields:
        now = record.find(names[before.name]) if before.name in names else None
        if now is not None:
            yield from _field_words(now, before, names)
        elif _says_something(before):
            yield from _field_gone(record, old, before)


def _renamed(record: RecordSchema, old: RecordSchema) -> Mapping[str, str]:
    """Old (dotted) names and what they are called now; without those of fields that are gone."""
    by_name = {item.name: item for item in record.fields}
    # Under each record of today, what its fields are and were called: a path of old names is followed step by step.
    inside: dict[tuple[str, str], list[str]] = {}
    for item in record.fields:
        above, _, own = item.name.rpartition(".")
        for called in dict.fromkeys([own, *item.aliases]):
            inside.setdefault((above, called), []).append(item.name)
    names: dict[str, str] = {}
    for old_field in old.fields:
        found = [""]
        for part in old_field.name.split("."):
            found = [path for above in found for path in inside.get((above, part), ())]
        if old_field.name in by_name:
            names[old_field.name] = old_field.name
        elif found:
            names[old_field.name] = found[-1]
    return names


def _translated(said: RecordAnnotation, names: Mapping[str, str]) -> RecordAnnotation:
    """The old words with the fields' names of today."""

    def named(name: str | None) -> Any:
        return names.get(name, name) if name else name

    rules = tuple(
        rule.model_copy(
            update={
                "tokens": tuple(map(named, rule.tokens)),
                "subject": tuple(map(named, rule.subject)),
                "since": named(rule.since),
                "mark": named(rule.mark),
            }
        )
        for rule in said.identity
    )
    clocks = tuple(
        rule.model_copy(
            update={
                "group": named(rule.group),
                "mark": named(rule.mark),
                "at": named(rule.at),
                "above_zero": named(rule.above_zero),
            }
        )
        for rule in said.clocks
    )
    facts = tuple(
        rule.model_copy(update={key: named(getattr(rule, key)) for key in ("mark", *FACT_FIELDS)})
        for rule in said.facts
    )
    variants = {named(name): by_symbol for name, by_symbol in said.variants.items()}
    return said.model_copy(
        update={
            "identity": rules,
            "clocks": clocks,
            "facts": facts,
            "variants": variants,
            "event_time": named(said.event_time),
        }
    )


def _record_words(now: RecordAnnotation, old: RecordAnnotation) -> Iterator[tuple[str, str]]:
    for key in _RECORD_WORDS:
        before, after = getattr(old, key), getattr(now, key)
        if before != after:
            yield "", f"{key} changed from {before or 'nothing'} to {after or 'nothing'}"
    yield from _rules(now, old, "")
    for rule in old.identity:
        if rule not in now.identity:
            of = f" of {', '.join(rule.tokens)}" if rule.tokens else ""
            yield "", f"the identity rule {rule.form}{of} was taken away or changed"
    for clock in old.clocks:
        if clock not in now.clocks:
            yield "", f"what starts the clock {clock.clock} was taken away or changed"
    for fact in old.facts:
        if fact not in now.facts:
            yield "", f"what says the fact {fact.fact} was taken away or changed"
    for field in dict.fromkeys([*old.variants, *now.variants]):
        symbols = {**old.variants.get(field, {}), **now.variants.get(field, {})}
        for symbol in symbols:
            before = old.variants.get(field, {}).get(symbol, old)
            after = now.variants.get(field, {}).get(symbol, now)
            if before is not old or after is not now:
                yield from _rules(after, before, f" where {field} is {symbol}")


def _rules(now: Any, old: Any, where: str) -> Iterator[tuple[str, str]]:
    """What changed in purposes, bases, retention and recipients, of a record or of one of its variants."""
    for key, noun in _RECORD_LISTS.items():
        if not (hasattr(old, key) and hasattr(now, key)):
            # A variant says nothing of recipients.
            continue
        before, after = getattr(old, key), getattr(now, key)
        yield from (("", f"{noun} {word} was taken away{where}") for word in before if word not in after)
        yield from (("", f"{noun} {word}{_ADDED}{where}") for word in after if word not in before)
    for purpose, basis in old.legal_basis.items():
        after = now.legal_basis.get(purpose, basis)
        if after != basis:
            yield "", f"legal basis of {purpose} changed from {basis} to {after}{where}"


def _field_words(
    now: FieldAnnotation, old: FieldAnnotation, names: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    if old.personal and now.category != old.category:
        what = f"changed from {old.category} to {now.category}" if now.personal else "was taken away"
        yield now.name, f"category {what}" if now.personal else f"category {old.category} {what}"
    if old.identifier is not None:
        was = f"identifier {old.identifier.kind} ({old.identifier.role})"
        if now.identifier is None:
            yield now.name, f"{was} was taken away"
        else:
            for key in ("kind", "role", "form"):
                before, after = getattr(old.identifier, key), getattr(now.identifier, key)
                if before and before != after:
                    yield now.name, f"identifier {key} changed from {before} to {after or 'none'}"
    for key in _FIELD_WORDS:
        before, after = getattr(old, key), getattr(now, key)
        before = names.get(before, before) if key == "port_of" else before
        if before and before != after:
            yield now.name, _changed(key, before, after)
    if old.personal and set(old.about) != set(now.about):
        before, after = (", ".join(item.about) or "everybody in it" for item in (old, now))
        yield now.name, f"about changed from {before} to {after}"


def _changed(key: str, before: Any, after: Any) -> str:
    if before is True:
        return f"{key} was taken away"
    return f"{key} changed from {before} to {after}" if after else f"{key} {before} was taken away"


def _says_something(field: FieldAnnotation) -> bool:
    return (
        field.identifier is not None or field.personal or bool(field.key or field.port_of or field.free_text)
    )


def _field_gone(record: RecordSchema, old: RecordSchema, field: FieldAnnotation) -> Iterator[tuple[str, str]]:
    if field.identifier is not None:
        what = f"identifier {field.identifier.kind} ({field.identifier.role}) was taken away with its field"
        yield field.name, what
    for key in ("key", "port_of"):
        if getattr(field, key):
            yield field.name, f"{key} {getattr(field, key)} was taken away with its field"
    # Where other fields are of the category, the record says of the same people what it said.
    roles = {reference.role for reference in old.identifiers} or {Role.MENTIONED.value}
    if field.personal and any(
        field.concerns(role) and field.category not in record.categories_for(role) for role in roles
    ):
        yield field.name, f"category {field.category} was taken away with its field"

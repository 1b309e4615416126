"""Whether a record keeps the contract: words the catalogue knows, no change that breaks readers. Pure."""

from __future__ import annotations

import difflib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from schemas.annotations import RECORD_KEYS, FieldAnnotation, Identifier, Problem, RecordSchema
from schemas.catalogue import Catalogue
from schemas.changes import (
    DEFAULT,
    Compatibility,
    incompatibilities,
    incompatible_changes,
    unexplained_changes,
)
from schemas.identity import RETAINED
from schemas.records import form_problems
from schemas.versions import Committed

__all__ = ["check_record", "incompatibilities"]

NECESSITIES = ("contract", "legal", "voluntary")
# What a variant does not say anew, so that a mistake in it is reported once.
_SAID_ONCE = tuple(key for key in RECORD_KEYS if key not in ("purposes", "legal_basis", "retention"))


def check_record(
    record: RecordSchema,
    catalogue: Catalogue,
    previous: RecordSchema | None = None,
    *,
    history: Sequence[Committed] = (),
    compatibility: Compatibility = DEFAULT,
) -> list[Problem]:
    """Everything wrong with a record, in the order of its file; empty if it may be used.

    `history`: its committed versions, oldest first; `previous` stands for a history of one. By default a change is
    judged as BACKWARD_TRANSITIVE: readers with the new schema must be able to read what was written with any of them,
    because that each version reads the one before it does not make the newest read the oldest.
    """
    known = [*history, *([Committed("the version before", previous)] if previous else [])]
    found = [
        *form_problems(record),
        *_record_words(record, catalogue),
        *_legal_bases(record, catalogue),
        *_field_words(record, catalogue),
        *_kept_for_ever(record, catalogue),
        *_identity_words(record, catalogue),
        *_variants(record, catalogue),
        *_erasure_words(record, catalogue),
        *_names_nobody(record),
        *incompatible_changes(record, known, compatibility),
    ]
    # What was never said is one mistake, and not as many changes as could have been said.
    if record.bare:
        return found
    # A word that nobody knows is a mistake before it is a change.
    misspelt = {problem.where for problem in found if problem.what.startswith("unknown ")}
    return [*found, *(line for line in unexplained_changes(record, known) if line.where not in misspelt)]


def _names_nobody(record: RecordSchema) -> Iterator[Problem]:
    """Personal data that nobody can ask for: no field names a person, and none leads to one."""
    personal = [field.name for field in record.fields if field.personal]
    if personal and not any(field.identifier or field.key or field.link for field in record.fields):
        named = ", ".join(personal[:3]) + (f" and {len(personal) - 3} more" if len(personal) > 3 else "")
        mend = 'annotate an identifier, or say with "link" on a field how its value leads to the person'
        yield Problem(record.file, record.name, f"personal fields that name nobody ({named})", mend)


def _record_words(record: RecordSchema, catalogue: Catalogue) -> Iterator[Problem]:
    said = record.annotation
    words: list[tuple[str, str, Iterable[str], Collection[str]]] = [
        ("system", "system", [said.system], catalogue.systems),
        ("subject_type", "subject type", [said.subject_type], catalogue.subject_types),
        ("purposes", "purpose", said.purposes, catalogue.purposes),
        ("origin", "origin", [said.origin], catalogue.origins),
        ("operation", "operation", [said.operation], catalogue.operations),
        ("retention", "retention rule", said.retention, catalogue.retention_rules),
        ("recipients", "recipient", said.recipients, catalogue.recipients),
    ]
    for key, noun, values, known in words:
        if key not in said.absent:
            for value in values:
                yield from _unknown(record, record.name, noun, value, known)
    for key, noun, given in (
        ("purposes", "purpose", said.purposes),
        ("retention", "retention rule", said.retention),
    ):
        if not given and key not in said.absent:
            yield Problem(record.file, record.name, f"no {noun}", f"name at least one in {key}")


def _kept_for_ever(record: RecordSchema, catalogue: Catalogue) -> Iterator[Problem]:
    """Categories that none of the record's rules says when to delete (GDPR Art. 5(1)(e))."""
    rules = [catalogue.retention_rules.get(name) for name in record.annotation.retention]
    known = [rule for rule in rules if rule is not None]
    if not known or len(known) < len(rules):
        return
    covered = {category for rule in known if rule.active for category in rule.covers or catalogue.categories}
    for category in record.categories:
        if category in catalogue.categories and category not in covered:
            mend = "add a rule to retention that covers it (catalogue/retention.yaml)"
            yield Problem(record.file, record.name, f"no retention rule for category {category}", mend)


def _identity_words(record: RecordSchema, catalogue: Catalogue) -> Iterator[Problem]:
    for rule in record.annotation.identity:
        if rule.source:
            noun = "source of identity"
            yield from _unknown(record, record.name, noun, rule.source, catalogue.identity_sources)
        elif rule.form == "assignment":
            for symbol in record.symbols("source"):
                where = f"{record.name}.source"
                yield from _unknown(record, where, "source of identity", symbol, catalogue.identity_sources)


def _erasure_words(record: RecordSchema, catalogue: Catalogue) -> Iterator[Problem]:
    rule = record.annotation.erasure
    for role in (*rule.stays_for, *rule.redact):
        yield from _unknown(record, f"{record.name} erasure", "role", role, catalogue.roles)
    for name in (name for names in rule.redact.values() for name in names):
        field = record.find(name)
        if field is None or not field.personal or _inside(record, name):
            mend = "name a field at the top of the record that has a data category"
            yield Problem(
                record.file, f"{record.name} erasure", f"{name} in redact holds nothing of a person", mend
            )


def _variants(record: RecordSchema, catalogue: Catalogue) -> Iterator[Problem]:
    """The same words, asked of each variant; and what is kept for the police alone must lie under the lock (T06)."""
    for field, variants in record.annotation.variants.items():
        for symbol in variants:
            said = record.variant(field, symbol).model_copy(update={"absent": _SAID_ONCE})
            varied = replace(record, name=f"{record.name} with {field} {symbol}", annotation=said)
            yield from _record_words(varied, catalogue)
            yield from _legal_bases(varied, catalogue)
            yield from _kept_for_ever(varied, catalogue)
            if (field, symbol) != RETAINED:
                continue
            for name in said.retention:
                rule = catalogue.retention_rules.get(name)
                if rule is not None and not rule.locked:
                    mend = "name only rules that are locked (ekomloven § 3-13)"
                    yield Problem(varied.file, varied.name, f"retention rule {name} is not locked", mend)


def _legal_bases(record: RecordSchema, catalogue: Catalogue) -> Iterator[Problem]:
    said = record.annotation
    if "legal_basis" in said.absent:
        return
    letters = {basis.letter for basis in catalogue.legal_bases.values()}
    for purpose in said.purposes:
        if purpose not in said.legal_basis:
            mend = f'add "{purpose}": a letter of GDPR Art. 6(1) to legal_basis'
            yield Problem(record.file, record.name, f"purpose {purpose} without basis", mend)
    for purpose, letter in said.legal_basis.items():
        if purpose not in said.purposes:
            mend = "add it to purposes or take it out of legal_basis"
            yield Problem(record.file, record.name, f"basis for {purpose}, which is no purpose of it", mend)
        elif letter not in letters:
            mend = f"use one of {', '.join(sorted(letters))}"
            yield Problem(record.file, record.name, f"unknown legal basis {letter} of {purpose}", mend)


def _field_words(record: RecordSchema, catalogue: Catalogue) -> Iterator[Problem]:
    for field in record.fields:
        where = f"{record.name}.{field.name}"
        if field.personal:
            yield from _unknown(record, where, "category", field.category, catalogue.categories)
        if field.category and (field.tags or ()) != ((field.category,) if field.personal else ()):
            tags = json.dumps([field.category] if field.personal else [])
            mend = f'write "confluent:tags": {tags}' if field.personal else "take the tags out"
            yield Problem(record.file, where, "confluent:tags differ from the category", mend)
        yield from _identifier(record, where, field, catalogue)
        if field.port_of is not None and not _is_address(record.find(field.port_of), catalogue):
            mend = "name the field that holds the address"
            yield Problem(
                record.file, where, f"port_of {field.port_of} is no field with an ip identifier", mend
            )
        if field.port_of is not None and (field.type not in ("int", "long") or _inside(record, field.name)):
            yield Problem(
                record.file, where, "port that is no number", "make it an int at the top of the record"
            )
        if field.necessity is not None and field.necessity not in NECESSITIES:
            yield from _unknown(record, where, "necessity", field.necessity, NECESSITIES)
        for role in field.about:
            yield from _unknown(record, where, "role", role, catalogue.roles)


def _identifier(
    record: RecordSchema, where: str, field: FieldAnnotation, catalogue: Catalogue
) -> Iterator[Problem]:
    scanned = field.free_text or field.identifier is not None
    # What kind of text or number a foreign message has at a path is the business of `schemas.contracts`.
    if scanned and not record.contract and (field.type != "string" or "." in field.name):
        mend = "make it a string at the top of the record"
        noun = "identifier" if field.identifier else "free text"
        yield Problem(record.file, where, f"{noun} that is not a string of the record", mend)
    if field.identifier is None:
        return
    for key, value, known in (
        ("kind", field.identifier.kind, catalogue.identifier_kinds),
        ("role", field.identifier.role, catalogue.roles),
    ):
        if not value:
            mend = f'add "{key}": one of {", ".join(known)}'
            yield Problem(record.file, where, f"identifier without {key}", mend)
        else:
            yield from _unknown(record, where, f"identifier {key}", value, known)
    yield from _form(record, where, field.identifier, catalogue)
    if field.category and not field.personal:
        yield Problem(
            record.file, where, "identifier without category", "give it a data category instead of none"
        )


def _form(
    record: RecordSchema, where: str, identifier: Identifier, catalogue: Catalogue
) -> Iterator[Problem]:
    kind = catalogue.identifier_kinds.get(identifier.kind)
    known = tuple(kind.forms) if kind else ()
    if identifier.form is not None and identifier.form not in known:
        mend = f"use {', '.join(known)}" if known else "take it out"
        what = f"{identifier.kind or 'identifier'} has no form {identifier.form or '(empty)'}"
        yield Problem(record.file, where, what, mend)


def _inside(record: RecordSchema, name: str) -> bool:
    """Whether the field lies inside another one of the record; of a contract each path is a field of its own."""
    return "." in name and not record.contract


def _is_address(field: FieldAnnotation | None, catalogue: Catalogue) -> bool:
    if field is None or field.identifier is None:
        return False
    kind = catalogue.identifier_kinds.get(field.identifier.kind)
    return kind is not None and kind.is_address


def _unknown(
    record: RecordSchema, where: str, noun: str, value: str, known: Collection[str]
) -> Iterator[Problem]:
    if value in known:
        return
    close = difflib.get_close_matches(value, list(known), n=1, cutoff=0.5)
    listed = ", ".join(sorted(known)) if len(known) <= 12 else f"an id of the catalogue's {noun} list"
    yield Problem(
        record.file,
        where,
        f"unknown {noun} {value or '(empty)'}",
        f"did you mean {close[0]}?" if close else f"use {listed}",
    )

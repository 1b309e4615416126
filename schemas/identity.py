"""The words of `identity`, `variants` and `key` annotations, and whether a record can be read by them.

What an event says of identity is data of its schema, so a schema that names a field which is not there, or a word
nobody knows, is refused before the first event is read by it (`schemas.records.parse_record`).
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from schemas.annotations import IdentityRule, Problem, RecordSchema
from schemas.vocabulary import RULE_MARKS, AssignmentKind, ClaimForm, KeyDomain, Proof

ASSIGNMENT = "assignment"
FORMS = (ASSIGNMENT, *ClaimForm)
"""Forms of an identity rule: reports of servers are claims of sessions, read in a way of their own."""

# Field: type without null, and its key domain or identifier kind where it has one.
ASSIGNMENT_FIELDS = {
    "kind": ("enum", None),
    "address": ("string", "ip"),
    "delegated_prefix": ("string", None),
    "port_from": ("int", None),
    "port_to": ("int", None),
    "customer_number": ("string", "customer_number"),
    "username": ("string", "username"),
    "mac": ("string", "mac"),
    "line_id": ("string", "line"),
    "client_id": ("string", "client"),
    "inside_address": ("string", None),
    "session_id": ("string", "session"),
    "nas": ("string", "server"),
    "session_seconds": ("long", None),
    "lease_seconds": ("long", None),
    "interim_seconds": ("long", None),
    "source": ("enum", None),
    "purpose": ("enum", None),
}
_ALWAYS_SAID = ("kind", "session_id", "nas", "source", "purpose")
RETAINED = ("purpose", "retention")
"""Field and symbol of an assignment that is kept for the police alone (ekomloven § 3-13)."""


def identity_problems(record: RecordSchema) -> Iterator[Problem]:
    """What keeps events of the record from being read by its identity rules, variants and keys."""
    for field in record.fields:
        where = f"{record.name}.{field.name}"
        if field.key is None:
            continue
        yield from _word(record, where, "key", field.key, list(KeyDomain))
        if field.type != "string" or "." in field.name or field.identifier is not None:
            mend = "make it a string at the top of the record that is no identifier"
            yield Problem(record.file, where, "key that cannot be one", mend)
    # Those of a contract are about paths: `schemas.contract_identity` looks at them.
    rules = () if record.contract else record.annotation.identity
    for number, rule in enumerate(rules):
        where = f"{record.name} identity.{number}"
        unknown = list(_word(record, where, "form", rule.form, FORMS))
        yield from unknown
        if not unknown:
            yield from (
                _assignment(record, where, rule) if rule.form == ASSIGNMENT else _rule(record, where, rule)
            )
    yield from _variants(record)


def _rule(record: RecordSchema, where: str, rule: IdentityRule) -> Iterator[Problem]:
    for key in ("tokens", "subject", "proof", "source"):
        if not getattr(rule, key):
            yield Problem(record.file, where, f"no {key}", f"add {key} to the rule")
    for key, names in (("tokens", rule.tokens), ("subject", rule.subject)):
        for name in names:
            found = record.find(name)
            if found is None or (found.identifier is None and found.key is None) or "." in name:
                mend = "name a field of the record that has an identifier or a key"
                yield Problem(record.file, where, f"{name} in {key} identifies nothing", mend)
    if rule.proof:
        yield from _word(record, where, "proof", rule.proof, list(Proof))
    since = record.find(rule.since) if rule.since else None
    timed = (
        since and (since.type, since.logical_type) == ("long", "timestamp-millis") and "." not in since.name
    )
    if rule.since and not timed:
        mend = "name a field that is a long of logical type timestamp-millis"
        yield Problem(record.file, where, f"since {rule.since} is no time", mend)
    if (rule.form == "session" and not rule.mark) or (rule.mark is None) != (not rule.marks):
        mend = "name an enum field in mark, and in marks what its symbols mean"
        yield Problem(record.file, where, "mark and marks do not go together", mend)
    elif rule.mark:
        symbols = record.symbols(rule.mark)
        if not symbols:
            mend = "name an enum at the top of the record"
            yield Problem(record.file, where, f"mark {rule.mark} is no enum", mend)
        for symbol, mark in rule.marks.items():
            yield from _word(record, where, "mark", mark, RULE_MARKS)
            if symbols:
                yield from _word(record, where, "symbol", symbol, symbols)


def _assignment(record: RecordSchema, where: str, rule: IdentityRule) -> Iterator[Problem]:
    if rule != IdentityRule(form=ASSIGNMENT):
        mend = 'write {"form": "assignment"} and nothing else'
        yield Problem(record.file, where, "an assignment says the rest by its fields", mend)
    for name, (kind, role) in ASSIGNMENT_FIELDS.items():
        found = record.find(name)
        said = found and (found.key or (found.identifier.kind if found.identifier else None))
        may_be_null = name not in _ALWAYS_SAID
        if found is None or found.type != kind or said != role or (found.nullable and not may_be_null):
            form = f"of type {kind}" + (f" with {role} as its key or identifier" if role else "")
            form += "" if may_be_null else ", never null"
            yield Problem(
                record.file, where, f"no field {name} {form}", "write it as AddressAssignment has it"
            )
    for symbol in record.symbols("kind"):
        yield from _word(record, f"{record.name}.kind", "symbol", symbol, list(AssignmentKind))
    field, symbol = RETAINED
    if symbol in record.symbols(field) and symbol not in record.annotation.variants.get(field, {}):
        mend = "say in variants what holds for data that are kept for the police alone (ekomloven § 3-13)"
        yield Problem(record.file, where, f"no variant for {field} {symbol}", mend)


def _variants(record: RecordSchema) -> Iterator[Problem]:
    variants = record.annotation.variants
    if len(variants) > 1:
        mend = "let one enum field decide"
        yield Problem(record.file, record.name, f"variants by {', '.join(variants)}", mend)
    for name, by_symbol in variants.items():
        symbols = record.symbols(name)
        if not symbols:
            mend = "name an enum at the top of the record"
            yield Problem(record.file, record.name, f"variants by {name}, which is no enum", mend)
        else:
            for symbol in by_symbol:
                yield from _word(record, f"{record.name} variants.{name}", "symbol", symbol, symbols)


def _word(
    record: RecordSchema, where: str, noun: str, word: str, known: Collection[str]
) -> Iterator[Problem]:
    if word not in known:
        close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
        mend = f"did you mean {close[0]}?" if close else f"use {', '.join(known)}"
        yield Problem(record.file, where, f"unknown {noun} {word or '(empty)'}", mend)

"""The catalogue: every category, purpose, legal basis, recipient, system and retention rule, read from YAML.

The files of a company's `catalogue/` map an id to an entry; `load_catalogue` reads, validates and cross-checks
them. Whatever is wrong is a `CatalogueError` that names the file, the dotted key and what to write instead.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.calendars import NORWEGIAN, Calendar
from schemas.entries import (
    PERIOD_MEND,
    Category,
    Entry,
    IdentifierKindEntry,
    IdentitySource,
    LegalBasis,
    Measure,
    Name,
    ProofPolicy,
    Purpose,
    Recipient,
    RetentionRule,
    System,
    Term,
    Word,
)
from schemas.errors import CatalogueError
from schemas.kind_check import check_kinds
from schemas.layers import BASE, MODEL, read_layers
from schemas.terms import VOCABULARIES, nearest
from schemas.vocabulary import Proof, Role

__all__ = [
    "FILES",
    "Catalogue",
    "Category",
    "Entry",
    "IdentitySource",
    "LegalBasis",
    "Measure",
    "Name",
    "ProofPolicy",
    "Purpose",
    "Recipient",
    "RetentionRule",
    "System",
    "Term",
    "Word",
    "load_catalogue",
    "load_entries",
]

FOLDER = "catalogue"
_Entry = TypeVar("_Entry", bound=Entry)


@dataclass(frozen=True, repr=False)
class Catalogue:
    """All entries by id. `version`: first 12 hex digits of SHA-256 over the content, comments left out. `calendar`: by
    which the days of its rules are counted, that of the company."""

    version: str
    categories: Mapping[str, Category]
    purposes: Mapping[str, Purpose]
    legal_bases: Mapping[str, LegalBasis]
    origins: Mapping[str, Word]
    operations: Mapping[str, Word]
    subject_types: Mapping[str, Word]
    roles: Mapping[str, Term]
    identifier_kinds: Mapping[str, IdentifierKindEntry]
    recipients: Mapping[str, Recipient]
    systems: Mapping[str, System]
    retention_rules: Mapping[str, RetentionRule]
    identity_sources: Mapping[str, IdentitySource]
    proofs: Mapping[str, ProofPolicy]
    measures: Mapping[str, Measure]
    calendar: Calendar = NORWEGIAN

    @property
    def placeholders(self) -> frozenset[str]:
        """User names that name nobody, whichever source gives them."""
        sources = self.identity_sources.values()
        return frozenset(name for source in sources for name in source.placeholder_names)

    @property
    def named_proofs(self) -> frozenset[Proof]:
        """Identifiers that are a person's by one of these are told to systems that shall erase."""
        return frozenset(Proof(item.id) for item in self.proofs.values() if item.erasure == "named")

    def counts(self) -> dict[str, dict[str, int]]:
        """Number of entries per file and section, for reports."""
        counts: dict[str, dict[str, int]] = {}
        for spec in _SECTIONS:
            counts.setdefault(spec.file, {})[spec.attribute] = len(getattr(self, spec.attribute))
        return counts


@dataclass(frozen=True)
class _Section:
    file: str
    attribute: str
    model: type[Entry]
    pattern: str
    example: str


_WORD = r"[a-z][a-z0-9_]*"
_SECTIONS = (
    _Section("categories.yaml", "categories", Category, r"C-\d\d", "C-01"),
    _Section("purposes.yaml", "purposes", Purpose, r"P-[A-Z]+", "P-BILLING"),
    _Section("legal_bases.yaml", "legal_bases", LegalBasis, r"[a-f]", "b"),
    _Section("vocabulary.yaml", "origins", Word, rf"{_WORD}(\.{_WORD})?", "third_party.public"),
    _Section("vocabulary.yaml", "operations", Word, _WORD, "collect"),
    _Section("vocabulary.yaml", "subject_types", Word, _WORD, "customer"),
    _Section("vocabulary.yaml", "roles", Term, _WORD, "owner"),
    _Section("identifiers.yaml", "identifier_kinds", IdentifierKindEntry, _WORD, "customer_number"),
    _Section("recipients.yaml", "recipients", Recipient, _WORD, "credit_bureau"),
    _Section("systems.yaml", "systems", System, _WORD, "billing"),
    _Section("retention.yaml", "retention_rules", RetentionRule, r"T\d\d", "T01"),
    _Section("sources.yaml", "identity_sources", IdentitySource, _WORD, "radius"),
    _Section("proofs.yaml", "proofs", ProofPolicy, _WORD, "subscriber"),
    _Section("measures.yaml", "measures", Measure, _WORD, "access_control"),
)
_SECTIONED = "vocabulary.yaml"
FILES = tuple(dict.fromkeys(section.file for section in _SECTIONS))


def load_catalogue(*folders: Path) -> Catalogue:
    """Read and check a catalogue. Raises CatalogueError.

    Of several folders each lies over the one before it (`schemas.layers`); the first one has every file. Without any
    the model company's, read once.
    """
    return _load(folders) if folders else _default()


@lru_cache(maxsize=1)
def _default() -> Catalogue:
    return _load([BASE / FOLDER, MODEL / FOLDER])


def _load(folders: Sequence[Path]) -> Catalogue:
    for folder in folders:
        if not folder.is_dir():
            raise CatalogueError(
                str(folder), "folder", f"is not there; give a folder that holds {', '.join(FILES)}"
            )
    content = {name: read_layers(folders, name, nested=name == _SECTIONED) for name in FILES}
    known = [section.attribute for section in _SECTIONS if section.file == _SECTIONED]
    for key in content[_SECTIONED]:
        if key not in known:
            raise CatalogueError(_SECTIONED, str(key), f"is not a section; {_instead(str(key), known)}")
    sections: dict[str, Any] = {
        section.attribute: _section(section, content[section.file]) for section in _SECTIONS
    }
    # Content, not bytes: a comment or a reflowed line must not look like a changed rule.
    canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    catalogue = Catalogue(version=hashlib.sha256(canonical.encode()).hexdigest()[:12], **sections)
    _cross_check(catalogue)
    return catalogue


def load_entries(
    file: str, model: type[_Entry], pattern: str, example: str, content: dict[str, Any]
) -> dict[str, _Entry]:
    """The entries of a file that is not part of the catalogue, read as those are. Errors: CatalogueError."""
    section = _Section(file, file.removesuffix(".yaml"), model, pattern, example)
    return {name: model.model_validate(entry) for name, entry in _section(section, content).items()}


def _section(section: _Section, content: dict[str, Any]) -> Mapping[str, Any]:
    prefix = ""
    if section.file == _SECTIONED:
        below: object = content.get(section.attribute)
        if not isinstance(below, dict) or not below:
            raise CatalogueError(
                section.file, section.attribute, "is missing or empty; write its entries below it"
            )
        prefix, content = f"{section.attribute}.", below
    # What is numbered is listed by number, whichever layer it comes from.
    entries = sorted(content.items()) if section.pattern.endswith(r"\d\d") else content.items()
    return MappingProxyType({key: _entry(section, f"{prefix}{key}", key, raw) for key, raw in entries})


def _entry(section: _Section, where: str, key: object, value: object) -> Entry:
    if not isinstance(key, str) or re.fullmatch(section.pattern, key) is None:
        raise CatalogueError(
            section.file, where, f"is not an id of this list; write one like {section.example}"
        )
    if not isinstance(value, dict):
        raise CatalogueError(
            section.file, where, "has no fields; write name, certainty and the rest below it"
        )
    if "id" in value:
        raise CatalogueError(
            section.file, f"{where}.id", f"is not a field; the id is the key {key} itself, remove it"
        )
    try:
        return section.model.model_validate({"id": key, **value})
    except ValidationError as error:
        # A misspelt field is also a missing one: name the spelling.
        details = sorted(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
        _refuse(section.file, where, details[0], section.model)


def _refuse(file: str, where: str, detail: ErrorDetails, model: type[Entry]) -> NoReturn:
    key = ".".join([where, *(str(part) for part in detail["loc"])])
    kind, given = detail["type"], detail["input"]
    if kind == "missing":
        mend = "is missing; add it"
    elif kind == "extra_forbidden":
        fields = Name.model_fields if detail["loc"][0] == "name" else model.model_fields
        mend = f"is not a field; {_instead(str(detail['loc'][-1]), [f for f in fields if f != 'id'])}"
    elif kind == "literal_error":
        mend = f"{given!r} is not allowed; write {detail['ctx']['expected']}"
    else:
        mend = f"{given!r} is wrong: {detail['msg'][0].lower()}{detail['msg'][1:]}"
    vocabulary = str(detail["loc"][0]) if detail["loc"] else ""
    if vocabulary in VOCABULARIES and kind in (
        "missing",
        "string_pattern_mismatch",
        "string_type",
        "tuple_type",
    ):
        said = "is missing" if kind == "missing" else f"{given!r} is no term"
        name = where.partition(".")[0] if file == _SECTIONED else file.removesuffix(".yaml")
        mend = f"{said}; {nearest(vocabulary, name, str(given))}"
    raise CatalogueError(file, key, mend)


def _instead(given: str, allowed: Iterable[str]) -> str:
    names = sorted(allowed)
    close = difflib.get_close_matches(given, names, n=1)
    listed = f"one of {', '.join(names)}" if len(names) <= 12 else f"an id from {names[0]} to {names[-1]}"
    return f"did you mean {close[0]}? Write {listed}" if close else f"write {listed}"


def _cross_check(catalogue: Catalogue) -> None:
    for category in catalogue.categories.values():
        _check_revealed(category, catalogue)
        _known("categories.yaml", f"{category.id}.only_for", category.only_for, catalogue.purposes)
        _known("categories.yaml", f"{category.id}.only_from", category.only_from, catalogue.origins)
    for purpose in catalogue.purposes.values():
        _known("purposes.yaml", f"{purpose.id}.legal_bases", purpose.legal_bases, catalogue.legal_bases)
    check_kinds(catalogue.identifier_kinds)
    # What a role means is code: who is asked about, whose erasure ends a record, whom an answer hides.
    for role in catalogue.roles:
        if role not in list(Role):
            raise CatalogueError(
                "vocabulary.yaml",
                f"roles.{role}",
                f"is no role, and roles are no company's own; {_instead(role, Role)}",
            )
    _check_proofs(catalogue.proofs)
    for system in catalogue.systems.values():
        _known("systems.yaml", f"{system.id}.holds", system.holds, catalogue.categories)
        _known("systems.yaml", f"{system.id}.measures", system.measures, catalogue.measures)
    for rule in catalogue.retention_rules.values():
        _known("retention.yaml", f"{rule.id}.covers", rule.covers, catalogue.categories)
        _known("retention.yaml", f"{rule.id}.purposes", rule.purposes, catalogue.purposes)
        _check_rule(rule)


def _check_proofs(proofs: Mapping[str, ProofPolicy]) -> None:
    # A payer may be anybody: no link by that is followed.
    words = [proof.value for proof in Proof if proof is not Proof.PAYER]
    for name in proofs:
        if name not in words:
            raise CatalogueError(
                "proofs.yaml", name, f"is no proof that links are followed by; {_instead(name, words)}"
            )
    for name in words:
        if name not in proofs:
            raise CatalogueError(
                "proofs.yaml", name, "is missing; say `erasure: named` or `erasure: by_hand`"
            )


def _known(file: str, where: str, values: tuple[str, ...], allowed: Mapping[str, object]) -> None:
    for index, value in enumerate(values):
        if value not in allowed:
            raise CatalogueError(
                file, f"{where}.{index}", f"{value!r} is not known; {_instead(value, allowed)}"
            )
        if value in values[:index]:
            raise CatalogueError(file, f"{where}.{index}", f"{value!r} stands twice; keep one")


def _check_revealed(category: Category, catalogue: Catalogue) -> None:
    if category.revealed is None:
        return
    where = f"{category.id}.revealed"
    _known("categories.yaml", f"{where}.purposes", tuple(category.revealed.purposes), catalogue.purposes)
    _known("categories.yaml", f"{where}.retention", category.revealed.retention, catalogue.retention_rules)
    for index, name in enumerate(category.revealed.retention):
        rule = catalogue.retention_rules[name]
        if rule.is_hold or not rule.covers_category(category.id):
            mend = "must say when the category expires: what a text reveals is held by nothing but the text"
            raise CatalogueError("categories.yaml", f"{where}.retention.{index}", f"{name!r} {mend}")


def _check_rule(rule: RetentionRule) -> None:
    if rule.is_hold and not rule.purposes:
        mend = f"is missing, but {rule.effect} holds data; name the only purposes the held data may serve"
        raise CatalogueError("retention.yaml", f"{rule.id}.purposes", mend)
    if (rule.is_hold or rule.effect == "expiry") and rule.clock == "none":
        mend = f"'none' never starts, but {rule.effect} needs a start; write the clock, such as event"
        raise CatalogueError("retention.yaml", f"{rule.id}.clock", mend)
    # A running contract ends a hold by itself; any other hold without a period would refuse erasure for ever.
    if (rule.is_hold or rule.effect == "expiry") and rule.period is None and rule.effect != "hold_contract":
        mend = f"is null, but {rule.effect} needs an end; {PERIOD_MEND}"
        raise CatalogueError("retention.yaml", f"{rule.id}.period", mend)

"""Records of processing in fideslang, the language of Fides: an organisation, systems and data sets. Pure.

Every key of a category, use or subject is one of its taxonomy (`schemas.terms`); what has none there is left out. A
system has a privacy declaration for each purpose and legal basis, as a declaration takes one of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from schemas.annotations import FieldAnnotation
from schemas.company import Company
from schemas.terms import is_known
from streams.ropa import said
from streams.ropa.record import Activity, Record, SourceOfData

ORGANIZATION = "default_organization"
_NOT_IN_A_KEY = re.compile(r"[^a-zA-Z0-9_.-]")


def manifest(record: Record, company: Company, lang: str) -> str:
    """YAML that Fides reads. `lang`: of names and descriptions."""
    content = {
        "organization": [_organization(record)],
        "system": [_system(name, record, company, lang) for name in _systems(record)],
        "dataset": [_dataset(*place, record, company, lang) for place in _records(record)],
    }
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120)


def key(text: str) -> str:
    """As a fides_key may be spelt."""
    return _NOT_IN_A_KEY.sub("_", text)


def _organization(record: Record) -> dict[str, Any]:
    who = record.controller
    found: dict[str, Any] = {
        "fides_key": ORGANIZATION,
        "name": who.name,
        "controller": _contact(who.name, who.contact),
        "data_protection_officer": _contact("", who.dpo_contact),
    }
    if who.representative:
        found["representative"] = _contact(who.representative.name, who.representative.contact)
    return found


def _contact(name: str, contact: str | None) -> dict[str, str]:
    """Where it is an address of e-mail alone it stands as that."""
    mail = contact is not None and re.fullmatch(r"\S+@\S+", contact) is not None
    return {"name": name, "email" if mail else "address": contact or ""}


def _systems(record: Record) -> list[str]:
    return sorted({system.id for item in record.activities for system in item.systems})


def _records(record: Record) -> list[tuple[str, str]]:
    return sorted({(source.topic, source.record) for item in record.activities for source in item.sources})


def _system(name: str, record: Record, company: Company, lang: str) -> dict[str, Any]:
    known = company.catalogue.systems.get(name)
    measures = [company.catalogue.measures[item].name for item in known.measures] if known else []
    sources = [
        (item, [source for source in item.sources if source.system == name]) for item in record.activities
    ]
    found: dict[str, Any] = {
        "fides_key": key(name),
        "organization_fides_key": ORGANIZATION,
        "name": said.in_lang(known.name, lang) if known else name,
        "system_type": "Service",
        "responsibility": ["Controller"],
        "legal_name": record.controller.name,
        "dpo": record.controller.dpo_contact,
        "does_international_transfers": any(item.transfers for item, theirs in sources if theirs),
        "dataset_references": sorted({key(part.topic) for _, theirs in sources for part in theirs}),
        "privacy_declarations": [
            declaration
            for item, theirs in sources
            for declaration in _declarations(item, theirs, company, lang)
        ],
    }
    if measures:
        found["data_security_practices"] = "; ".join(said.in_lang(item, lang) for item in measures)
    if record.controller.joint_controllers:
        joint = record.controller.joint_controllers
        found["joint_controller_info"] = "; ".join(f"{item.name}, {item.contact}" for item in joint)
    return found


def _declarations(
    item: Activity, sources: Sequence[SourceOfData], company: Company, lang: str
) -> Iterator[dict[str, Any]]:
    """One for each legal basis of a purpose in a system; none for a purpose that fideslang has no use for."""
    purpose = company.catalogue.purposes.get(item.id)
    uses = [
        term for term in (purpose.fideslang if purpose else ()) if is_known("fideslang", "purposes", term)
    ]
    if not uses:
        return
    for letter in sorted({basis for source in sources for basis in source.legal_bases}):
        resting = [source for source in sources if letter in source.legal_bases]
        categories = {name for source in resting for name in source.categories}
        parts = [part for part in item.categories if part.id in categories]
        basis = company.catalogue.legal_bases.get(letter)
        found = {
            "name": f"{said.in_lang(item.name, lang)} ({letter})",
            "data_categories": data_categories(categories, company),
            "data_use": uses[0],
            "data_subjects": _subjects(resting, company),
            "retention_period": "; ".join(
                dict.fromkeys(said.limit(rule, lang) for part in parts for rule in part.limits)
            ),
            "processes_special_category_data": any(part.special for part in parts),
            "dataset_references": sorted({key(source.topic) for source in resting}),
        }
        if basis and is_known("fideslang", "legal_bases", basis.fideslang):
            found["legal_basis_for_processing"] = basis.fideslang
        yield found


def data_categories(names: Iterable[str], company: Company) -> list[str]:
    """The keys of these categories."""
    entries = [company.catalogue.categories[name] for name in names if name in company.catalogue.categories]
    return sorted(
        {term for entry in entries for term in entry.fideslang if is_known("fideslang", "categories", term)}
    )


def _subjects(sources: Iterable[SourceOfData], company: Company) -> list[str]:
    known = company.catalogue.subject_types
    words = {name for source in sources for name in source.subjects if name in known}
    terms = {term for name in words if (term := known[name].fideslang)}
    return sorted(term for term in terms if is_known("fideslang", "subject_types", term))


def _dataset(topic: str, name: str, record: Record, company: Company, lang: str) -> dict[str, Any]:
    """A topic, with the record on it as a collection; without fields where nobody declares them any more."""
    sources = [
        source
        for item in record.activities
        for source in item.sources
        if (source.topic, source.record) == (topic, name)
    ]
    declared = company.every_record.get(name)
    categories = {category for source in sources for category in source.categories}
    return {
        "fides_key": key(topic),
        "organization_fides_key": ORGANIZATION,
        "name": topic,
        "data_categories": data_categories(categories, company),
        "collections": [{"name": name, "fields": _fields(declared.fields if declared else (), company)}],
    }


def _fields(fields: Iterable[FieldAnnotation], company: Company) -> list[dict[str, Any]]:
    """Those that hold personal data, nested as they are."""
    found: dict[str, dict[str, Any]] = {}
    for item in fields:
        if not item.personal:
            continue
        level, parts = found, item.name.split(".")
        for part in parts[:-1]:
            level = level.setdefault(part, {"name": part, "within": {}})["within"]
        entry: dict[str, Any] = level.setdefault(parts[-1], {"name": parts[-1], "within": {}})
        category = company.catalogue.categories.get(item.category)
        if category and is_known("fideslang", "categories", category.fideslang[0]):
            entry["data_categories"] = [category.fideslang[0]]
    return _listed(found)


def _listed(level: Mapping[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of their names, as Fides sorts them."""
    listed = []
    for name in sorted(level):
        entry = dict(level[name])
        within = entry.pop("within")
        listed.append(entry | ({"fields": _listed(within)} if within else {}))
    return listed

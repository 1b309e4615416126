"""Records of processing in the Data Privacy Vocabulary of the W3C (DPV 2), as JSON-LD. Pure.

Every class and property is one of its own (`schemas.terms`), and so is every purpose, category, basis, subject,
operation and measure; what has no term there is named by the class above it. Names stand where DPV has a property for
them: of who answers and who receives. Everything else has its id of the catalogue (`dpv:hasIdentifier`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from schemas.company import Company
from schemas.entries import Category, LegalBasis, Measure, Name, Purpose, Word
from schemas.terms import is_known
from streams.ropa.record import (
    Activity,
    CategoryOfData,
    DeclaredRecipient,
    Limit,
    MeasureInPlace,
    Record,
    TransferAbroad,
)

CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "pd": "https://w3id.org/dpv/pd#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_ROLES = {
    "dpa": "dpv:DataProcessor",
    "joint_arrangement": "dpv:DataController",
    "independent_controller": "dpv:DataController",
    "statutory_order": "dpv:ThirdParty",
    "customer_instruction": "dpv:ThirdParty",
}
"""What a recipient is by the instrument of its disclosures."""
_CONTROLLER = "_:controller"
Node = dict[str, Any]
_Entry = Category | Purpose | LegalBasis | Measure | Word


def json_ld(record: Record, company: Company) -> str:
    """The graph: who answers for the processing, and a process for each activity."""
    graph = [_controller(record), *(_process(item, company) for item in record.activities)]
    return json.dumps({"@context": CONTEXT, "@graph": graph}, ensure_ascii=False, indent=2) + "\n"


def _controller(record: Record) -> Node:
    who = record.controller
    node: Node = {"@id": _CONTROLLER, "@type": "dpv:DataController", "dpv:hasName": who.name}
    if who.contact:
        node["dpv:hasContact"] = who.contact
    node["dpv:hasDataProtectionOfficer"] = {
        "@type": "dpv:DataProtectionOfficer",
        "dpv:hasContact": who.dpo_contact,
    }
    if who.representative:
        party = who.representative
        node["dpv:hasRepresentative"] = {
            "@type": "dpv:Representative",
            "dpv:hasName": party.name,
            "dpv:hasContact": party.contact,
        }
    if who.joint_controllers:
        others = [
            {"@type": "dpv:DataController", "dpv:hasName": item.name, "dpv:hasContact": item.contact}
            for item in who.joint_controllers
        ]
        node["dpv:hasJointDataControllers"] = {
            "@type": "dpv:JointDataControllers",
            "dpv:hasDataController": [{"@id": _CONTROLLER}, *others],
        }
    return node


def _process(item: Activity, company: Company) -> Node:
    catalogue = company.catalogue
    operations = {part.id for source in item.sources for part in source.operations}
    origins = {part.id for source in item.sources for part in source.origins}
    bases = [part.id for part in item.legal_bases]
    abroad = {part.recipient.id: part for part in item.transfers}
    processing = _terms("operations", operations, catalogue.operations, "dpv:Processing")
    node: Node = {
        "@id": f"_:{item.id}",
        "@type": "dpv:PersonalDataProcess",
        "dpv:hasIdentifier": item.id,
        "dpv:hasDataController": {"@id": _CONTROLLER},
        "dpv:hasPurpose": _terms("purposes", [item.id], catalogue.purposes, "dpv:Purpose"),
        "dpv:hasLegalBasis": _terms("legal_bases", bases, catalogue.legal_bases, "dpv:LegalBasis"),
        "dpv:hasDataSubject": _terms(
            "subject_types", [part.id for part in item.subjects], catalogue.subject_types, "dpv:DataSubject"
        ),
        "dpv:hasProcessing": [*processing, *([{"@id": "dpv:CrossBorderTransfer"}] if abroad else [])],
        "dpv:hasPersonalData": [_category(part, company) for part in item.categories],
        "dpv:hasRecipient": [_recipient(part, abroad.get(part.id)) for part in item.recipients],
        "dpv:hasDataSource": _terms("origins", origins, catalogue.origins, ""),
        "dpv:hasTechnicalMeasure": _measures("technical", item.measures, company),
        "dpv:hasOrganisationalMeasure": _measures("organisational", item.measures, company),
    }
    if item.automated_decisions:
        node["dpv:hasContext"] = [{"@id": "dpv:AutomatedDecisionMaking"}]
    return {name: value for name, value in node.items() if value != []}


def _named(name: str, ids: Iterable[str], entries: Mapping[str, _Entry], above: str) -> list[str]:
    """The terms of these entries; `above` for each that has none, nothing where that is empty."""
    found: dict[str, None] = {}
    for each in ids:
        entry = entries.get(each)
        terms = [term for term in (entry.dpv if entry else ()) if is_known("dpv", name, term)]
        found |= dict.fromkeys(terms or ([above] if above else []))
    return sorted(found)


def _terms(name: str, ids: Iterable[str], entries: Mapping[str, _Entry], above: str) -> list[Node]:
    return [{"@id": term} for term in _named(name, ids, entries, above)]


def _measures(kind: str, measures: Sequence[MeasureInPlace], company: Company) -> list[Node]:
    ids = [item.id for item in measures if item.kind == kind]
    return _terms("measures", ids, company.catalogue.measures, f"dpv:{kind.capitalize()}Measure")


def _category(item: CategoryOfData, company: Company) -> Node:
    """Data that are of all these kinds, with how long they are kept."""
    node: Node = {
        "@type": _named("categories", [item.id], company.catalogue.categories, "dpv:PersonalData"),
        "dpv:hasIdentifier": item.id,
    }
    limits = [_storage(limit) for limit in item.limits]
    return node | ({"dpv:hasStorageCondition": limits} if limits else {})


def _storage(limit: Limit) -> Node:
    """The rule with its citation; its duration as ISO 8601, counted from what the rule says in words."""
    cited = f" ({limit.citation})" if limit.citation else ""
    node: Node = {
        "@type": "dpv:StorageDuration",
        "dpv:hasIdentifier": limit.rule,
        "dpv:hasJustification": _text(limit.said, cited),
    }
    if limit.period:
        node["dpv:hasDuration"] = {"@value": _duration(limit.period), "@type": "xsd:duration"}
    return node


def _duration(period: str) -> str:
    """XML Schema knows no weeks."""
    return f"P{int(period[1:-1]) * 7}D" if period.endswith("W") else period


def _recipient(item: DeclaredRecipient, transfer: TransferAbroad | None) -> Node:
    node: Node = {
        "@type": _ROLES.get(item.instrument or "", "dpv:Recipient"),
        "dpv:hasIdentifier": item.id,
        "dpv:hasName": _text(item.name),
    }
    if transfer:
        node["dpv:hasThirdCountry"] = {"@type": "dpv:ThirdCountry", "dpv:hasIdentifier": transfer.country}
        node["dpv:hasJustification"] = _text(transfer.safeguards)
    return node


def _text(name: Name, behind: str = "") -> list[Node]:
    return [
        {"@value": f"{text}{behind}", "@language": lang} for lang, text in (("nb", name.nb), ("en", name.en))
    ]

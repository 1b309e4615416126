"""Records of processing as JSON-LD: it parses, and speaks in terms of the Data Privacy Vocabulary alone."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import Any

import pytest
import rdflib

from schemas.company import Company, Party, load_company
from schemas.entries import Name, Transfer
from schemas.layers import read_mapping
from schemas.terms import FILE
from streams.ropa.dpv import CONTEXT, json_ld
from streams.ropa.record import Record
from tests.support.company import model
from tests.support.ropa import MINIMAL_COMPANY, all_declared, made

COMPANIES = [model(), load_company(MINIMAL_COMPANY)]
DPV = CONTEXT["dpv"]
TYPE = rdflib.URIRef("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")


def known() -> set[str]:
    """Every term of DPV that this catalogue knows, whole."""
    names = [name for names in read_mapping(FILE)["dpv"].values() for name in names]
    parts = (name.partition(":") for name in names)
    return {f"{CONTEXT[prefix]}{local}" for prefix, _, local in parts}


def parsed(written: str) -> Any:
    graph = rdflib.Graph()
    with warnings.catch_warnings():
        # Its parser uses a class that it tells others not to use.
        warnings.simplefilter("ignore", DeprecationWarning)
        graph.parse(data=written, format="json-ld")
    return graph


def objects(graph: Any, property: str, of: object = None) -> list[str]:
    return sorted(str(item) for item in graph.objects(of, rdflib.URIRef(f"{DPV}{property}")))


def process(graph: Any, purpose: str) -> Any:
    (found,) = graph.subjects(rdflib.URIRef(f"{DPV}hasIdentifier"), rdflib.Literal(purpose))
    return found


@pytest.mark.parametrize("company", COMPANIES, ids=["model", "minimal"])
def test_it_parses_and_uses_terms_of_dpv_alone(company: Company) -> None:
    """Properties, types and whatever is named by an address; nothing is lost on the way."""
    record = made(company, all_declared(company))
    graph = parsed(json_ld(record, company))
    used = {str(item) for triple in graph for item in triple if isinstance(item, rdflib.URIRef)} - {str(TYPE)}
    assert used - known() == set()
    assert len(list(graph.subjects(TYPE, rdflib.URIRef(f"{DPV}PersonalDataProcess")))) == len(
        record.activities
    )
    data = list(graph.objects(None, rdflib.URIRef(f"{DPV}hasPersonalData")))
    assert len(data) == sum(len(item.categories) for item in record.activities)
    limits = sum(len(part.limits) for item in record.activities for part in item.categories)
    assert len(objects(graph, "hasStorageCondition")) == limits


def test_a_process_says_what_its_activity_does() -> None:
    record = made(model(), all_declared(model()))
    graph = parsed(json_ld(record, model()))
    billing = process(graph, "P-BILLING")
    assert objects(graph, "hasPurpose", billing) == [f"{DPV}PaymentManagement"]
    assert objects(graph, "hasLegalBasis", billing) == [f"{DPV}Contract", f"{CONTEXT['eu-gdpr']}A6-1-b"]
    assert f"{DPV}Customer" in objects(graph, "hasDataSubject", billing)
    assert f"{DPV}AccessControlMethod" in objects(graph, "hasTechnicalMeasure", billing)
    assert objects(graph, "hasDuration")
    assert "Modellnett AS" in objects(graph, "hasName")
    assert "personvernombud@isp.example" in objects(graph, "hasContact")


def test_a_transfer_joint_controllers_and_automated_decisions_are_told() -> None:
    company = model()
    abroad = company.catalogue.recipients["payment_provider"].model_copy(
        update={"transfer": Transfer(country="US", safeguards=Name(nb="vilkår", en="standard clauses"))}
    )
    profile = company.profile.model_copy(
        update={"joint_controllers": [Party(name="B AS", contact="post@b.example")]}
    )
    changed = replace(
        company,
        profile=profile,
        catalogue=replace(
            company.catalogue, recipients={**company.catalogue.recipients, "payment_provider": abroad}
        ),
    )
    graph = parsed(json_ld(made(changed, all_declared(changed)), changed))
    assert f"{DPV}CrossBorderTransfer" in objects(graph, "hasProcessing", process(graph, "P-BILLING"))
    assert "standard clauses" in objects(graph, "hasJustification")
    assert len(objects(graph, "hasJointDataControllers")) == 1
    assert "B AS" in objects(graph, "hasName")


def test_what_has_no_term_is_named_by_the_class_above_it() -> None:
    """A category of its own is personal data, and an unknown purpose a purpose. XML Schema has no weeks."""
    company = model()
    tags = replace(
        next(item for item in all_declared(company) if item.topic == "billing.invoices"),
        purposes=("P-GONE",),
        legal_basis={"P-GONE": "b"},
        categories=("C-99",),
    )
    weeks = company.catalogue.retention_rules["T01"].model_copy(update={"period": "P6W", "covers": ()})
    rules = {**company.catalogue.retention_rules, "T01": weeks}
    changed = replace(company, catalogue=replace(company.catalogue, retention_rules=rules))
    record: Record = made(changed, [tags])
    graph = parsed(json_ld(record, changed))
    assert objects(graph, "hasPurpose") == [f"{DPV}Purpose"]
    (data,) = graph.objects(None, rdflib.URIRef(f"{DPV}hasPersonalData"))
    assert [str(item) for item in graph.objects(data, TYPE)] == [f"{DPV}PersonalData"]
    assert '"P42D"' in json_ld(record, changed)
    assert json.loads(json_ld(record, changed))["@context"] == CONTEXT

"""Records of processing in fideslang: what Fides reads, and keys of its taxonomy alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from schemas.company import Company, load_company
from schemas.layers import read_mapping
from schemas.terms import FILE
from streams.ropa.fideslang import manifest
from tests.support.company import model
from tests.support.ropa import MINIMAL_COMPANY, all_declared, made

COMPANIES = [model(), load_company(MINIMAL_COMPANY)]
KNOWN = read_mapping(FILE)["fideslang"]


def exported(company: Company) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(manifest(made(company, all_declared(company)), company, "en"))
    return found


def fields(level: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for item in level:
        yield item
        yield from fields(item.get("fields", []))


@pytest.mark.parametrize("company", COMPANIES, ids=["model", "minimal"])
def test_only_keys_of_the_taxonomy_are_used(company: Company) -> None:
    found = exported(company)
    declarations = [part for item in found["system"] for part in item["privacy_declarations"]]
    assert declarations
    assert {term for part in declarations for term in part["data_categories"]} <= {*KNOWN["categories"]}
    assert {part["data_use"] for part in declarations} <= {*KNOWN["purposes"]}
    assert {term for part in declarations for term in part["data_subjects"]} <= {*KNOWN["subject_types"]}
    assert {part["legal_basis_for_processing"] for part in declarations} <= {*KNOWN["legal_bases"]}
    held = [
        item for data in found["dataset"] for part in data["collections"] for item in fields(part["fields"])
    ]
    assert {term for item in held for term in item.get("data_categories", [])} <= {*KNOWN["categories"]}
    keys = [item["fides_key"] for section in found.values() for item in section]
    assert all(re.fullmatch(r"[a-zA-Z0-9_.-]+", key) for key in keys)


@pytest.mark.parametrize("company", COMPANIES, ids=["model", "minimal"])
def test_systems_and_data_sets_are_those_that_were_seen(company: Company) -> None:
    """Each system refers to data sets that are there."""
    found = exported(company)
    tag_sets = all_declared(company)
    assert {item["fides_key"] for item in found["system"]} == {tags.system for tags in tag_sets}
    datasets = {item["fides_key"] for item in found["dataset"]}
    assert datasets == {tags.topic for tags in tag_sets}
    assert {name for item in found["system"] for name in item["dataset_references"]} == datasets


def test_a_declaration_is_of_one_system_purpose_and_basis() -> None:
    """Billing by contract: the invoice's categories and none of the traffic record's."""
    billing = next(item for item in exported(model())["system"] if item["fides_key"] == "billing")
    names = {item["name"]: item for item in billing["privacy_declarations"]}
    assert set(names) == {"Billing (b)", "Records required by law (c)"}
    contract = names["Billing (b)"]
    assert (contract["data_use"], contract["legal_basis_for_processing"]) == (
        "essential.service.payment_processing",
        "Contract",
    )
    assert "user.telemetry" not in contract["data_categories"]
    assert "bokføringsloven" in contract["retention_period"]


def test_fields_of_records_within_records_stand_within() -> None:
    invoices = next(item for item in exported(model())["dataset"] if item["fides_key"] == "billing.invoices")
    (collection,) = invoices["collections"]
    lines = next(item for item in collection["fields"] if item["name"] == "lines")
    assert {item["name"] for item in lines["fields"]} == {"product", "amount_ore"}


def test_a_word_that_fideslang_has_no_term_for_is_left_out() -> None:
    company = model()
    odd = company.catalogue.purposes["P-BILLING"].model_copy(update={"fideslang": ("shoes.nine",)})
    catalogue = replace(company.catalogue, purposes={**company.catalogue.purposes, "P-BILLING": odd})
    billing = next(
        item
        for item in exported(replace(company, catalogue=catalogue))["system"]
        if item["fides_key"] == "billing"
    )
    assert [item["name"] for item in billing["privacy_declarations"]] == ["Records required by law (c)"]

"""The shared vocabulary beside terms of the Data Privacy Vocabulary (W3C)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from schemas.catalogue import load_catalogue
from schemas.company import Party, load_company, read_profile
from schemas.errors import CatalogueError
from schemas.terms import unknown_terms

# Of version 2.0: modules purposes, legal_basis and personal data (pd), and eu-gdpr.
DPV = {
    "dpv": (
        "Consent", "Contract", "LegalObligation", "VitalInterest", "PublicInterest", "LegitimateInterest",
        "CreditChecking", "CustomerCare", "CustomerClaimsManagement", "CustomerManagement", "DirectMarketing",
        "DisputeManagement", "EnforceSecurity", "FraudPreventionAndDetection", "FulfilmentOfContractualObligation",
        "IdentityVerification", "LegalCompliance", "Marketing", "MisusePreventionAndDetection", "PaymentManagement",
        "ProvidePersonalisedRecommendations", "RecordManagement", "RepairImpairments", "RequestedServiceProvision",
        "RightsFulfillment", "ServiceOptimisation", "ServiceProvision", "ServiceUsageAnalytics",
        "SpecialCategoryPersonalData", "TechnicalServiceProvision",
    ),
    "pd": (
        "Authenticating", "BankAccount", "BirthDate", "BrowsingBehavior", "CallLog", "Communication",
        "CommunicationsMetadata", "Contact", "CreditScore", "CreditWorthiness", "DeviceBased", "EmailAddress",
        "EmailContent", "FinancialStatus", "Gender", "IPAddress", "Location", "MACAddress", "Name", "OfficialID",
        "Passport", "PaymentCard", "PhysicalAddress", "PrivacyPreference", "Purchase", "ServiceConsumptionBehavior",
        "SocialMediaCommunication", "TVViewingBehavior", "TelephoneNumber", "Tracking", "Transactional", "UserAgent",
        "Username", "VoiceCommunicationRecording",
    ),
    "eu-gdpr": ("A6-1-a", "A6-1-b", "A6-1-c", "A6-1-d", "A6-1-e", "A6-1-f"),
}  # fmt: skip


def test_purposes_bases_and_categories_have_terms_that_exist() -> None:
    """Every purpose and basis has one, and every category but two: what was disclosed, and a case of a right."""
    catalogue = load_catalogue()
    terms = {
        name: entry.dpv
        for entries in (catalogue.categories, catalogue.purposes, catalogue.legal_bases)
        for name, entry in entries.items()
    }
    known = {f"{prefix}:{name}" for prefix, names in DPV.items() for name in names}
    assert {term for found in terms.values() for term in found} == known
    assert [name for name, found in terms.items() if not found] == ["C-26", "C-30"]


def test_measures_of_security_have_terms_that_exist() -> None:
    catalogue = load_catalogue()
    assert not list(unknown_terms(catalogue))
    assert all(entry.dpv for entry in catalogue.measures.values())
    entry = catalogue.measures["backup"].model_copy(update={"dpv": ("dpv:Backup",)})
    made = replace(catalogue, measures={"backup": entry})
    assert [str(item).partition("; ")[0] for item in unknown_terms(made)] == [
        "catalogue/measures.yaml: backup.dpv.0: dpv:Backup is no term of the Data Privacy Vocabulary 2 for measures"
    ]


def test_a_company_names_who_shares_its_responsibility(tmp_path: Path) -> None:
    """Joint controllers and a representative, each with what reaches them."""
    (tmp_path / "company.yaml").write_text(
        'extends: base\nname: A\ncontroller: A AS\ncountry: "NO"\nlanguages: [nb]\ntime_zone: Europe/Oslo\n'
        "dpo_contact: dpo@a.example\njoint_controllers: [{name: B AS, contact: post@b.example}]\n",
        "utf-8",
    )
    assert read_profile(tmp_path).joint_controllers == [Party(name="B AS", contact="post@b.example")]
    assert load_company().profile.representative is None
    with (tmp_path / "company.yaml").open("a", encoding="utf-8") as file:
        file.write("representative: {name: C AS}\n")
    with pytest.raises(CatalogueError, match=r"representative\.contact: is missing"):
        read_profile(tmp_path)


def test_words_of_the_closed_lists_have_terms_that_exist() -> None:
    """Of subject types, operations and origins; another is told with its file."""
    catalogue = load_catalogue()
    odd = catalogue.subject_types["customer"].model_copy(update={"fideslang": "client"})
    found = list(unknown_terms(replace(catalogue, subject_types={"customer": odd})))
    assert [str(item).partition("; ")[0] for item in found] == [
        "catalogue/vocabulary.yaml: customer.fideslang: client is no term of fideslang for subject types"
    ]

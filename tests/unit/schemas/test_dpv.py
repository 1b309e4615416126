"""The shared vocabulary beside terms of the Data Privacy Vocabulary (W3C)."""

from __future__ import annotations

from schemas.catalogue import load_catalogue

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

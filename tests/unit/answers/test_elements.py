"""What a person is told of each item: no element is ever empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.entries import Name, Transfer
from schemas.tags import tag_set
from sinks.ports.lineage import Found, Holding
from streams.answers.elements import ELEMENTS, confirmation, elements
from streams.answers.report import access_report
from tests.support.company import model
from tests.support.index import NOW

COMPANY = model()
TAGGED = sorted({topic.record for topic in COMPANY.topics.values() if topic.tagged})


def holding(record: str, **said: Any) -> Holding:
    tags = tag_set(COMPANY.records[record], "t", "owner", catalogue_version="1", key_id="k")
    return Holding(replace(tags, **said), 3, NOW - timedelta(days=9), NOW)


def entries(*holdings: Holding) -> list[Mapping[str, Any]]:
    report = access_report(Found(holdings, len(holdings)), COMPANY.catalogue, date(2026, 6, 1))
    found: list[Mapping[str, Any]] = report["entries"]
    return found


@pytest.mark.parametrize("record", TAGGED)
def test_every_item_of_every_record_has_every_element(record: str) -> None:
    """Art. 15(1)(a) to (h), 15(2) and 22, each with a sentence in both languages."""
    found = entries(holding(record))
    assert found
    for entry in found:
        told = elements(entry, COMPANY)
        assert tuple(told) == ELEMENTS
        for element in told.values():
            assert all(element["said"][lang].strip().endswith((".", ")")) for lang in ("nb", "en"))


@given(
    st.lists(st.sampled_from(sorted(COMPANY.catalogue.recipients)), max_size=3, unique=True),
    st.sampled_from([*COMPANY.catalogue.origins, "gone"]),
    st.dictionaries(st.sampled_from(["P-BILLING", "P-GONE"]), st.sampled_from("abcdefx"), min_size=1),
)
def test_what_the_catalogue_lacks_leaves_no_element_empty(
    recipients: list[str], origin: str, bases: dict[str, str]
) -> None:
    """Entries of an older catalogue may be gone, and what was never recorded is said not to be."""
    item = holding(
        "Invoice", recipients=tuple(recipients), origin=origin, purposes=tuple(bases), legal_basis=bases
    )
    for entry in entries(item):
        assert all(
            element["said"]["nb"] and element["said"]["en"] for element in elements(entry, COMPANY).values()
        )


def test_a_recipient_abroad_is_told_with_country_and_safeguards() -> None:
    """Art. 15(2)."""
    (entry, *_) = entries(holding("Invoice", recipients=("cloud_provider",)))
    assert elements(entry, COMPANY)["transfers"]["countries"] == []
    safeguards = Name(nb="standard personvernbestemmelser", en="standard contractual clauses")
    known = COMPANY.catalogue.recipients["cloud_provider"]
    abroad = known.model_copy(update={"transfer": Transfer(country="US", safeguards=safeguards)})
    recipients = {**COMPANY.catalogue.recipients, "cloud_provider": abroad}
    company = replace(COMPANY, catalogue=replace(COMPANY.catalogue, recipients=recipients))
    told = elements(entry, company)["transfers"]
    assert told["countries"] == ["US"]
    assert "standard contractual clauses" in told["said"]["en"]


def test_a_decision_by_machine_is_told_with_its_logic_and_the_way_to_a_person() -> None:
    """Art. 15(1)(h), 22(3): a credit check; of an invoice it is said that there is none."""
    (check,) = {
        elements(entry, COMPANY)["automated_decisions"]["said"]["en"]
        for entry in entries(holding("CreditCheck"))
        if entry["purpose"]["id"] == "P-CREDIT"
    }
    assert "score" in check
    assert "contest" in check
    assert not any(elements(e, COMPANY)["automated_decisions"]["taken"] for e in entries(holding("Invoice")))


def test_rights_follow_the_legal_basis() -> None:
    """Objection on legitimate interests, portability on contract or consent, withdrawal on consent."""
    told = {
        letter: elements(
            entries(holding("Invoice", legal_basis={"P-BILLING": letter}, purposes=("P-BILLING",)))[0],
            COMPANY,
        )["rights"]["rights"][3:]
        for letter in "abcf"
    }
    assert told == {"a": ["portability", "withdrawal"], "b": ["portability"], "c": [], "f": ["objection"]}


def test_it_is_confirmed_or_denied_that_anything_is_held() -> None:
    """Or said that nobody can tell."""
    held = {"resolution": "unique", "entries": [{}], "unjudged": []}
    others: list[dict[str, Any]] = [{}, {"entries": []}, {"resolution": "ambiguous"}]
    said = [confirmation({**held, **more})["en"][:3] for more in others]
    assert said == ["Yes", "We ", "Wha"]

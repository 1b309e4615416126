"""Records of processing follow from what was seen, and say every point of GDPR Art. 30(1)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from schemas.company import Company, Party, load_company
from schemas.entries import Name, Transfer
from schemas.tags import TagSet
from streams.ropa.record import Activity, Record
from tests.support.company import model
from tests.support.ropa import MINIMAL_COMPANY, all_declared, made, wrong


def activity(record: Record, purpose: str) -> Activity:
    return next(item for item in record.activities if item.id == purpose)


def of_topic(company: Company, topic: str) -> list[TagSet]:
    return [tags for tags in all_declared(company) if tags.topic == topic]


@pytest.mark.parametrize("company", [model(), load_company(MINIMAL_COMPANY)], ids=["model", "minimal"])
def test_the_record_has_every_point_of_article_30(company: Company) -> None:
    """By the schema that ships: nothing is left out, and every category but those no rule speaks of has a limit."""
    record = made(company, all_declared(company))
    assert not wrong(record)
    purposes = {name for tags in all_declared(company) for name in tags.purposes}
    assert {item.id for item in record.activities} == purposes
    for item in record.activities:
        assert item.legal_bases
        assert item.subjects
        assert item.measures
        assert all(system.measured for system in item.systems)
    without = {
        category.id for item in record.activities for category in item.categories if not category.limits
    }
    assert without == set()


def test_a_point_that_is_left_out_is_found() -> None:
    """The schema is not blind: a record without one of its points is refused, each by its name."""
    whole = json.loads(made(model(), of_topic(model(), "billing.invoices")).model_dump_json())
    for point in ("controller", "activities", "known_limits"):
        assert f"'{point}'" in json.dumps(
            wrong(json.dumps({key: value for key, value in whole.items() if key != point}))
        ).replace('\\"', "'")
    for point in ("subjects", "categories", "recipients", "transfers", "measures", "legal_bases"):
        broken = json.loads(json.dumps(whole))
        del broken["activities"][0][point]
        assert wrong(json.dumps(broken))


def test_nothing_is_in_it_that_was_not_seen() -> None:
    """One topic alone gives the purposes, systems and categories of its events, whatever else is declared."""
    company = model()
    record = made(company, of_topic(company, "billing.invoices"))
    assert [item.id for item in record.activities] == ["P-BILLING", "P-LEGALREC"]
    billing = activity(record, "P-BILLING")
    assert [item.id for item in billing.systems] == ["billing"]
    assert [(item.topic, item.record, item.declared) for item in billing.sources] == [
        ("billing.invoices", "Invoice", True)
    ]
    assert [item.id for item in billing.legal_bases] == ["b"]
    assert [item.id for item in billing.recipients] == ["payment_provider", "tax_authority"]
    assert [item.id for item in billing.subjects] == ["customer"]
    assert made(company, []).activities == []


def test_limits_of_erasure_have_their_rule_and_citation() -> None:
    """What the law keeps for the books is told as of that purpose, and not of billing."""
    billing = activity(made(model(), of_topic(model(), "billing.invoices")), "P-BILLING")
    invoice = next(item for item in billing.categories if item.id == "C-07")
    books = next(limit for limit in invoice.limits if limit.rule == "T01")
    assert books.said == Name(
        nb="oppbevares til 5 år etter regnskapsårets slutt",
        en="kept until 5 years after the end of the financial year",
    )
    assert books.citation is not None
    assert books.citation.startswith("bokføringsloven § 13")
    assert (books.purposes, books.of_this_purpose) == (["P-LEGALREC"], False)
    legal = activity(made(model(), of_topic(model(), "billing.invoices")), "P-LEGALREC")
    assert next(
        limit.of_this_purpose for item in legal.categories for limit in item.limits if limit.rule == "T01"
    )


def test_what_a_text_alone_reveals_serves_what_the_catalogue_says_of_it() -> None:
    """Illness in a chat is an entry of customer service, by the rule of its own, marked as special and as of texts; an
    address in it is one of administration."""
    chats = [replace(tags, detected=("C-01", "C-31")) for tags in of_topic(model(), "support.chats")]
    record = made(model(), chats)
    contact = activity(record, "P-ADMIN")
    assert [(item.id, item.in_texts_alone) for item in contact.categories] == [("C-01", True)]
    assert [basis.id for basis in contact.legal_bases] == ["b"]
    assert "C-01" not in {item.id for item in activity(record, "P-SUPPORT").categories}
    found = {
        item.id: category
        for item in record.activities
        for category in item.categories
        if category.id == "C-31"
    }
    assert list(found) == ["P-SUPPORT"]
    assert (found["P-SUPPORT"].special, found["P-SUPPORT"].in_texts_alone) == (True, True)
    assert [limit.rule for limit in found["P-SUPPORT"].limits] == ["T27"]


def test_a_transfer_is_told_with_country_and_safeguards() -> None:
    company = model()
    abroad = company.catalogue.recipients["payment_provider"].model_copy(
        update={
            "transfer": Transfer(country="US", safeguards=Name(nb="standardvilkår", en="standard clauses"))
        }
    )
    catalogue = replace(
        company.catalogue, recipients={**company.catalogue.recipients, "payment_provider": abroad}
    )
    record = made(replace(company, catalogue=catalogue), of_topic(company, "billing.invoices"))
    (transfer,) = activity(record, "P-BILLING").transfers
    assert (transfer.recipient.id, transfer.country, transfer.safeguards.en) == (
        "payment_provider",
        "US",
        "standard clauses",
    )
    assert not wrong(record)


def test_who_answers_for_it_is_the_company_and_whoever_shares_it() -> None:
    company = model()
    assert made(company, []).controller.contact == "Modellnett AS, Postboks 1, 0001 Oslo, post@isp.example"
    shared = company.profile.model_copy(
        update={
            "joint_controllers": [Party(name="B AS", contact="post@b.example")],
            "representative": Party(name="C AS", contact="post@c.example"),
        }
    )
    record = made(replace(company, profile=shared), [])
    assert [item.name for item in record.controller.joint_controllers] == ["B AS"]
    assert record.controller.representative == Party(name="C AS", contact="post@c.example")
    assert not wrong(record)


def test_words_that_the_catalogue_has_no_more_stand_for_themselves() -> None:
    """Events of an older catalogue are not left out, and a rule that is gone is told as gone."""
    old = replace(
        of_topic(model(), "billing.invoices")[0],
        topic="billing.old",
        purposes=("P-GONE",),
        legal_basis={"P-GONE": "b"},
        categories=("C-99",),
        system="mainframe",
        recipients=("nobody",),
        retention=("T99",),
    )
    record = made(model(), [old])
    (gone,) = record.activities
    assert gone.name == Name(nb="P-GONE", en="P-GONE")
    assert [(item.topic, item.declared) for item in gone.sources] == [("billing.old", False)]
    assert gone.categories[0].limits[0].citation is None
    assert not gone.systems[0].measured
    assert not wrong(record)


def test_others_in_an_event_are_a_category_of_subjects() -> None:
    """Whom a chat names beside the customer is nobody's customer by that."""
    tags = of_topic(model(), "support.chats")
    assert any(item.of_another for item in tags)
    subjects = {item.id for part in made(model(), tags).activities for item in part.subjects}
    assert "others" in subjects

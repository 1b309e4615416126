"""Checks over what is held by its tags: each is broken by one event, shows it, and is kept again once it is erased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from schemas.tags import TagSet, tag_set
from sinks.ports.lineage import Span
from streams.duties.check import Evidence, Verdict
from streams.duties.findings import Standing
from tests.support.company import model
from tests.support.index import Row, moment, token
from tests.support.looking import Watched


def of(topic: str, **changed: object) -> TagSet:
    """The tags that an event of the model company's topic gets, some of them changed."""
    record = model().records[model().topics[topic].record]
    version = model().catalogue.version
    made = tag_set(record, topic, "owner", catalogue_version=version, key_id="k1")
    return replace(made, **changed)  # type: ignore[arg-type]


WEB = of("web.visits")
BROKEN: Mapping[str, Mapping[str, TagSet]] = {
    "held_without_a_rule": {"web.visits/WebVisit": replace(WEB, retention=())},
    "rules_cited": {"web.visits/T99": replace(WEB, retention=("T30", "T99"))},
    "held_data_used": {
        "billing.invoices/Invoice/P-PERSONAL": of(
            "billing.invoices", held_only=True, retention=("T01",), purposes=("P-LEGALREC", "P-PERSONAL")
        )
    },
    "undeclared_use": {
        "web.visits/WebVisit/P-CREDIT": replace(WEB, purposes=(*WEB.purposes, "P-CREDIT")),
        "web.visits/WebVisit/C-05": replace(WEB, categories=(*WEB.categories, "C-05")),
        "web.visits/WebVisit/direct": replace(WEB, origin="direct"),
        "web.visits/WebVisit/police": replace(WEB, recipients=("police",)),
        "web.visits/WebVisit/C-19": replace(WEB, detected=("C-19",)),
        "web.visits/Stranger": replace(WEB, record="Stranger"),
    },
    "category_known": {
        "web.visits/C-99": replace(WEB, categories=("C-21", "C-99")),
        "web.visits/none": replace(WEB, categories=()),
    },
    "purpose_known": {
        "web.visits/P-NEW": replace(WEB, purposes=("P-WEB", "P-NEW")),
        "web.visits/none": replace(WEB, purposes=()),
    },
    "purpose_allowed": {"crm.customers/C-02": of("crm.customers", purposes=("P-CONTRACT", "P-ADMIN"))},
    "lawful_basis": {
        "web.visits/P-SECURITY": replace(WEB, legal_basis={"P-WEB": "f"}),
        "web.visits/version": replace(WEB, catalogue_version=""),
    },
    "legal_duty_cited": {"web.visits/P-PERSONAL": replace(WEB, legal_basis={"P-PERSONAL": "c"})},
    "operation_named": {"web.visits/none": replace(WEB, operation="")},
    "subject_type_known": {"web.visits/robot": replace(WEB, subject_type="robot")},
    "origin_known": {"web.visits/third_party": replace(WEB, origin="third_party")},
    "category_origin": {"social.messages/C-14": of("social.messages", origin="direct")},
    "recipient_known": {"web.visits/stranger": replace(WEB, recipients=("cloud_provider", "stranger"))},
    "measures_of_systems": {"nowhere": replace(WEB, system="nowhere")},
    "recipients_under_dpa": {"credit_bureau": of("credit.checks")},
}
CASES = [(name, key, tags) for name, cases in BROKEN.items() for key, tags in cases.items()]


@pytest.mark.parametrize(("name", "key", "tags"), CASES, ids=[f"{name} {key}" for name, key, _ in CASES])
def test_one_event_breaks_it_and_its_erasure_mends_it(name: str, key: str, tags: TagSet) -> None:
    """Shown by the place of the event and the token under which the index has it."""
    watched = Watched()
    watched.write(Row(1, 4, WEB))
    kept = watched.check(name)
    assert (kept.verdict, kept.violations) == (Verdict.KEPT, ())
    watched.write(Row(2, 9, tags, at=5, partition=100_003), Row(3, 10, tags, at=7))
    checked = watched.check(name)
    assert checked.verdict is Verdict.BROKEN
    (found,) = watched.run(name)
    assert (found.key, found.standing, found.since) == (key, Standing.OPEN, moment(5))
    assert found.evidence == (
        Evidence(tags.topic, 3, 9, token(2).hex(), moment(5), history=1),
        Evidence(tags.topic, 0, 10, token(3).hex(), moment(7)),
    )
    watched.sinks.eraser.forget([Span(token(2)), Span(token(3))], {tags.id: None})
    assert [item.standing for item in watched.run(name)] == [Standing.MENDED]
    assert watched.check(name).verdict is Verdict.KEPT


def test_what_the_model_company_declares_breaks_nothing_but_the_literal_promise() -> None:
    """An event of each of its topics: recipients that are controllers of their own have no processing agreement."""
    watched = Watched()
    for offset, name in enumerate(model().tagged):
        watched.write(Row(offset + 1, offset, of(name)))
    broken = {name: watched.check(name).violations for name in BROKEN}
    assert {found.key for found in broken.pop("recipients_under_dpa")} == {
        "credit_bureau",
        "payment_provider",
        "social_platform",
        "tax_authority",
    }
    assert not [found for some in broken.values() for found in some]


def test_what_a_rule_holds_after_an_erasure_is_declared_by_that_rule() -> None:
    watched = Watched()
    held = of(
        "billing.invoices", held_only=True, retention=("T01", "T18"), purposes=("P-LEGALREC", "P-CLAIMS")
    )
    watched.write(Row(1, 4, held))
    assert watched.check("undeclared_use").verdict is Verdict.KEPT
    assert watched.check("held_data_used").verdict is Verdict.KEPT


def test_what_a_text_reveals_is_declared_where_the_catalogue_says_what_it_is_for() -> None:
    watched = Watched()
    watched.write(Row(1, 4, of("support.chats", detected=("C-02",))))
    assert watched.check("undeclared_use").verdict is Verdict.KEPT
    assert watched.check("purpose_allowed").verdict is Verdict.KEPT


def test_most_of_it_comes_from_the_people_until_third_parties_give_more() -> None:
    watched = Watched()
    assert watched.check("mainly_direct").verdict is Verdict.NOT_OBSERVABLE
    credit = of("credit.checks")
    watched.write(Row(1, 1, WEB), Row(2, 2, credit))
    assert watched.check("mainly_direct").verdict is Verdict.KEPT
    watched.write(Row(3, 3, credit, at=-5))
    (found,) = watched.run("mainly_direct")
    assert (found.key, found.since) == ("third_party", moment(-5))
    assert [item.offset for item in found.evidence] == [3, 2]
    watched.write(Row(4, 4, WEB))
    assert [item.standing for item in watched.run("mainly_direct")] == [Standing.MENDED]


def test_a_system_that_names_no_measure_of_a_kind_breaks_it() -> None:
    watched = Watched()
    watched.write(Row(1, 1, WEB))
    systems = dict(watched.company.catalogue.systems)
    organisational = [
        name for name, item in watched.company.catalogue.measures.items() if item.kind != "technical"
    ]
    systems["web"] = systems["web"].model_copy(update={"measures": (organisational[0],)})
    catalogue = replace(watched.company.catalogue, systems=systems)
    watched.company = replace(watched.company, catalogue=catalogue)
    (found,) = watched.run("measures_of_systems")
    assert (found.key, found.evidence[0].offset) == ("web/technical", 1)
    watched.company = model()
    assert [item.standing for item in watched.run("measures_of_systems")] == [Standing.MENDED]


def test_an_active_rule_that_cites_nothing_breaks_it() -> None:
    watched = Watched()
    rules = dict(watched.company.catalogue.retention_rules)
    rules["T30"] = rules["T30"].model_copy(update={"authority": " "})
    catalogue = replace(watched.company.catalogue, retention_rules=rules)
    watched.company = replace(watched.company, catalogue=catalogue)
    (found,) = watched.run("rules_cited")
    assert (found.key, found.evidence) == ("T30", (Evidence(note="catalogue/retention.yaml"),))
    watched.company = model()
    assert [item.standing for item in watched.run("rules_cited")] == [Standing.MENDED]

"""Plans: what goes, what is held by which rule, what the systems are told."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from schemas.catalogue import load_catalogue
from schemas.messages import Selector
from schemas.policy import RetentionAnchors
from schemas.records import RecordSchema, load_records, read_record
from schemas.tags import TagSet, tag_set
from sinks.ports.lineage import Found, Holding
from streams.answers.plan import plan_from_json, plan_json, shown
from tests.support.company import model, planned

CATALOGUE = load_catalogue()
RECORDS = load_records()
TAGGED = {topic.name: topic.record for topic in model().topics.values() if topic.tagged}
TODAY = date(2026, 11, 22)
NOBODY_TOLD = RetentionAnchors()
MARCH = datetime(2026, 3, 5, 9, tzinfo=UTC)


@cache
def tags(topic: str, role: str = "owner", symbol: str | None = None) -> TagSet:
    """Of the variant with this symbol, if one is given and the record has it."""
    record = RECORDS[TAGGED[topic]]
    variants = {name: field for field, names in record.annotation.variants.items() for name in names}
    variant = record.variant(variants[symbol], symbol) if symbol in variants else None
    return tag_set(record, topic, role, catalogue_version=CATALOGUE.version, key_id="k1", variant=variant)


def holding(
    topic: str,
    first: datetime = MARCH,
    last: datetime | None = None,
    role: str = "owner",
    symbol: str | None = None,
) -> Holding:
    return Holding(tags(topic, role, symbol), 3, first, last or first)


def revealing(item: Holding, detected: tuple[str, ...]) -> Holding:
    """The same events, whose texts reveal these categories; none in a record without texts."""
    texts = any(field.free_text for field in RECORDS[item.tags.record].fields)
    return replace(item, tags=replace(item.tags, detected=detected)) if texts else item


def found(*holdings: Holding) -> Found:
    return Found(holdings, sum(item.events for item in holdings))


moments = st.datetimes(datetime(2015, 1, 1), datetime(2026, 11, 1), timezones=st.just(UTC))  # noqa: DTZ001
days = st.none() | st.dates(date(2015, 1, 1), date(2026, 11, 1))
anchors = st.builds(RetentionAnchors, contract_end=days, case_closed=days, withdrawal=days, order=days)
holdings = st.builds(
    lambda topic, role, one, other, symbol, detected: revealing(
        holding(topic, min(one, other), max(one, other), role, symbol), detected
    ),
    st.sampled_from([*sorted(TAGGED), "network.assignments"]),
    st.sampled_from(["owner", "agent", "counterparty"]),
    moments,
    moments,
    st.sampled_from([None, "retention"]),
    st.sampled_from([(), ("C-31",), ("C-02", "C-12", "C-31")]),
)
several = st.lists(holdings, max_size=8, unique_by=lambda item: item.tags.id).map(lambda items: found(*items))


def test_an_invoice_is_held_by_bookkeeping_law_and_its_contact_details_go() -> None:
    """C-06 and C-07 until five years after the financial year under T01, only for what the rules allow."""
    plan = planned(found(holding("billing.invoices")), CATALOGUE, TODAY, NOBODY_TOLD)
    parts = {part.category: part for part in plan.parts}
    assert parts["C-01"].action == "erase_now"
    for category in ("C-06", "C-07"):
        held = parts[category]
        assert (held.action, held.rule, held.until) == ("hold_until", "T01", date(2031, 12, 31))
        assert held.citation is not None
        assert held.citation.startswith("bokføringsloven § 13")
        assert (held.purposes, held.ended) == (("P-LEGALREC", "P-CLAIMS"), ("P-BILLING",))
    (command,) = plan.commands
    assert (command.system, command.categories) == ("billing", ("C-01",))
    assert command.fields == ("Invoice.name", "Invoice.email", "Invoice.phone")
    narrowed = plan.kept[tags("billing.invoices").id]
    assert narrowed is not None
    assert (narrowed.categories, narrowed.held_only) == (("C-06", "C-07"), True)
    assert narrowed.legal_basis == {"P-LEGALREC": "c", "P-CLAIMS": "f"}


def test_a_visit_goes_whole_and_its_topic_expires_by_itself() -> None:
    """Every personal field is named; the copy in Kafka is gone seven days after the plan at the latest."""
    plan = planned(found(holding("web.visits")), CATALOGUE, TODAY, NOBODY_TOLD)
    assert plan.kept == {tags("web.visits").id: None}
    assert {part.action for part in plan.parts} == {"erase_now"}
    personal = {f"WebVisit.{field.name}" for field in RECORDS["WebVisit"].fields if field.personal}
    assert set(plan.commands[0].fields) == personal
    assert [(copy.topic, copy.until) for copy in plan.copies] == [("web.visits", date(2026, 11, 29))]


def test_customer_data_are_held_while_the_contract_runs() -> None:
    """Without an end the hold has no date; on the day after the end it is over."""
    asked = found(holding("crm.customers"))
    running = planned(asked, CATALOGUE, TODAY, NOBODY_TOLD)
    assert {(part.rule, part.until) for part in running.held} == {("T12", None), ("T20", None)}
    last_day = planned(asked, CATALOGUE, TODAY, RetentionAnchors(contract_end=TODAY))
    assert {(part.rule, part.until) for part in last_day.held} == {("T12", TODAY), ("T20", TODAY)}
    ended = planned(asked, CATALOGUE, TODAY, RetentionAnchors(contract_end=date(2026, 11, 21)))
    assert ended.held == ()


def test_a_system_that_only_expires_gets_no_command() -> None:
    """What a backup holds is shown with the day it ends, stays in the index as held, and nobody is told to erase."""
    backed_up = replace(tags("web.visits"), system="backups")
    plan = planned(found(Holding(backed_up, 1, MARCH, MARCH)), CATALOGUE, TODAY, NOBODY_TOLD)
    assert {(part.action, part.rule, part.until) for part in plan.parts} == {
        ("expires", "T30", date(2026, 6, 3))
    }
    assert plan.commands == ()
    kept = plan.kept[backed_up.id]
    assert kept is not None
    assert kept.held_only


def test_a_rule_that_left_the_catalogue_does_not_become_permission() -> None:
    """Nothing is decided of it and nobody told: one line says which rule and what to do."""
    strange = replace(tags("web.visits"), retention=("T99",))
    plan = planned(found(Holding(strange, 1, MARCH, MARCH)), CATALOGUE, TODAY, NOBODY_TOLD)
    assert (plan.parts, plan.commands, plan.kept) == ((), (), {})
    assert re.search(r"T99.*retention\.yaml", plan.unjudged[0].why)


def test_what_is_kept_for_the_police_is_shown_without_count_and_day() -> None:
    """The plan holds it by its rule; who looks at the plan sees that, and no more."""
    retained = replace(
        tags("network.assignments"), purposes=("P-IPRET",), legal_basis={"P-IPRET": "c"}, retention=("T06",)
    )
    plan = planned(found(Holding(retained, 3, MARCH, MARCH)), CATALOGUE, TODAY, NOBODY_TOLD)
    parts = {part["category"]: part for part in shown(plan_json(plan)["parts"])}
    assert (parts["C-17"]["action"], parts["C-17"]["rule"]) == ("hold_until", "T06")
    assert all(part["events"] is part["until"] is None for part in parts.values())
    assert {part.events for part in plan.parts} == {3}
    open_parts = shown(
        plan_json(planned(found(holding("web.visits")), CATALOGUE, TODAY, NOBODY_TOLD))["parts"]
    )
    assert {part["events"] for part in open_parts} == {3}


OPERATIONS = Selector("purpose", ("operations",))
RETENTION = Selector("purpose", ("retention",))
LAST_WEEK = datetime(2026, 11, 15, 9, tzinfo=UTC)


def test_what_only_operation_needed_goes_beside_what_is_kept_for_the_police() -> None:
    """Assignments of the network's own (T09) are erased from aaa, and only they; the police's (T06) stay locked."""
    operational = holding("network.assignments", LAST_WEEK)
    retained = holding("network.assignments", LAST_WEEK, symbol="retention")
    plan = planned(found(operational, retained), CATALOGUE, TODAY, NOBODY_TOLD)
    decided = {(part.where, part.action, part.rule, part.locked) for part in plan.parts}
    assert decided == {
        (OPERATIONS, "erase_now", None, False),
        (RETENTION, "hold_until", "T06", True),
    }
    (command,) = plan.commands
    assert (command.system, command.categories, command.fields) == ("aaa", ("C-17",), ())
    (order,) = command.orders
    assert (order.record, order.where, order.action) == ("AddressAssignment", OPERATIONS, "delete")
    assert "AddressAssignment.address" in order.fields
    assert plan.kept[operational.tags.id] is None
    kept = plan.kept[retained.tags.id]
    assert kept is not None
    assert (kept.held_only, kept.retention, kept.purposes) == (True, ("T06",), ("P-IPRET",))
    hidden = [part for part in shown(plan_json(plan)["parts"]) if part["action"] == "hold_until"]
    assert all(part["events"] is part["until"] is None for part in hidden)


def test_a_system_is_never_told_events_of_a_variant_nobody_decided_about() -> None:
    """Of retained assignments none was found here; those that the system may have stay outside the command."""
    plan = planned(found(holding("network.assignments", LAST_WEEK)), CATALOGUE, TODAY, NOBODY_TOLD)
    (command,) = plan.commands
    assert (command.fields, [order.where for order in command.orders]) == ((), [OPERATIONS])


def test_any_record_with_variants_is_decided_variant_by_variant() -> None:
    """Another record, three uses, one of them bound by bookkeeping law, and an empty field that counts as usual."""
    record = _varied()
    topic = "billing.payments"
    usual, books, test = (
        tag_set(record, topic, "owner", catalogue_version=CATALOGUE.version, key_id="k1", variant=variant)
        for variant in (None, record.variant("kind", "booked"), record.variant("kind", "test"))
    )
    records = {**RECORDS, "Payment": record}
    asked = found(*(Holding(item, 1, MARCH, MARCH) for item in (usual, books, test)))
    plan = planned(asked, CATALOGUE, TODAY, NOBODY_TOLD, records=records)
    fates = {part.where: part.action for part in plan.parts}
    assert fates == {
        Selector("kind", ("trial",), or_empty=True): "erase_now",
        Selector("kind", ("booked",)): "hold_until",
        Selector("kind", ("test",)): "erase_now",
    }
    (command,) = plan.commands
    assert {order.where for order in command.orders} == {
        where for where, action in fates.items() if action == "erase_now"
    }
    # Tags that an older schema gave fit no variant: they are held with what might be theirs.
    old = replace(usual, purposes=("P-LEGALREC", "P-CONTRACT"), retention=("T01", "T18"))
    plan = planned(
        found(Holding(old, 1, MARCH, MARCH), Holding(test, 1, MARCH, MARCH)),
        CATALOGUE,
        TODAY,
        NOBODY_TOLD,
        records=records,
    )
    assert {part.action for part in plan.parts if part.tag_set == old.id} == {"hold_until"}


def _varied() -> RecordSchema:
    """Payment with a kind that decides what it is for."""
    schema = json.loads(RECORDS["Payment"].text)
    schema["innsyn"] |= {
        "purposes": ["P-CONTRACT"],
        "legal_basis": {"P-CONTRACT": "b"},
        "retention": ["T30"],
        "variants": {
            "kind": {
                "booked": {
                    "purposes": ["P-LEGALREC"],
                    "legal_basis": {"P-LEGALREC": "c"},
                    "retention": ["T01"],
                },
                "test": {
                    "purposes": ["P-SECURITY"],
                    "legal_basis": {"P-SECURITY": "f"},
                    "retention": ["T30"],
                },
            }
        },
    }
    kind = {"type": "enum", "name": "PaymentKind", "symbols": ["trial", "booked", "test"]}
    schema["fields"].append(
        {"name": "kind", "type": ["null", kind], "default": None, "innsyn": {"category": "none"}}
    )
    return read_record(schema, "avro/payment.avsc")


def test_a_record_without_schema_is_not_decided_on() -> None:
    """Its fields could not be named, so a command would erase too little or too much."""
    strange = replace(tags("web.visits"), record="Unheard")
    plan = planned(found(Holding(strange, 1, MARCH, MARCH)), CATALOGUE, TODAY, NOBODY_TOLD)
    assert (plan.commands, plan.unjudged[0].record) == ((), "Unheard")


@given(several, anchors)
def test_a_plan_covers_every_holding_exactly_once(asked: Found, known: RetentionAnchors) -> None:
    """One part per tag set and category, one entry of what is kept per tag set, and they agree."""
    plan = planned(asked, CATALOGUE, TODAY, known)
    wanted = sorted(
        (item.tags.id, category) for item in asked.holdings for category in item.tags.every_category
    )
    assert sorted((part.tag_set, part.category) for part in plan.parts) == wanted
    assert set(plan.kept) == {item.tags.id for item in asked.holdings}
    for tag_set_id, narrowed in plan.kept.items():
        held = sorted(part.category for part in plan.held if part.tag_set == tag_set_id)
        assert (list(narrowed.categories) if narrowed else []) == held
        assert narrowed is None or narrowed.held_only


@given(several, anchors)
def test_a_hold_never_covers_a_category_outside_its_rule(asked: Found, known: RetentionAnchors) -> None:
    """Each hold names an active rule of those events that covers the category and has not run out."""
    for part in planned(asked, CATALOGUE, TODAY, known).held:
        assert part.rule is not None
        rule = CATALOGUE.retention_rules[part.rule]
        assert rule.active
        assert rule.is_hold
        assert rule.covers_category(part.category)
        assert part.until is None or part.until >= TODAY
        assert set(part.purposes) >= set(rule.purposes)


@given(several, anchors)
def test_no_command_names_a_field_that_is_held(asked: Found, known: RetentionAnchors) -> None:
    """Fields told and fields held of the same events never meet, and every category that goes is told."""
    plan = planned(asked, CATALOGUE, TODAY, known)
    of_all = {field for command in plan.commands for field in command.fields}
    orders = [order for command in plan.commands for order in command.orders]
    for part in plan.parts:
        told = of_all | {field for order in orders if order.where == part.where for field in order.fields}
        of_part = {
            f"{part.record}.{field.name}"
            for field in RECORDS[part.record].fields
            if field.category == part.category
        }
        assert of_part <= told if part.action == "erase_now" else not of_part & told


@given(several, anchors)
def test_a_plan_survives_the_ledger(asked: Found, known: RetentionAnchors) -> None:
    """Written as JSON and read back it is the same plan."""
    plan = planned(asked, CATALOGUE, TODAY, known)
    assert plan_from_json(json.loads(json.dumps(plan_json(plan)))) == plan


@given(several, anchors)
def test_asking_again_erases_nothing_more(asked: Found, known: RetentionAnchors) -> None:
    """What a first erasure left is planned as held once more, under the same tags."""
    first = planned(asked, CATALOGUE, TODAY, known)
    left = [
        replace(item, tags=narrowed)
        for item in asked.holdings
        if (narrowed := first.kept[item.tags.id]) is not None
    ]
    again = planned(Found(left, len(left)), CATALOGUE, TODAY, known)
    assert again.commands == ()
    assert all(narrowed is not None and narrowed.id == tag for tag, narrowed in again.kept.items())
